"""The line of progress fits its columns, keeps a bar, and says the weightiest first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crowdmask.cli.progress_line import LEAST_BAR, PERCENT, line_of, whole_line
from crowdmask.jobs.forecast import Phase, Progress
from crowdmask.verdicts import Counts

NIGHT = Progress(
    Phase.WORKING,
    done=1200,
    failed=3,
    found=5000,
    to_do=4800,
    all_found=True,
    frames=90_000,
    frames_per_s=8.13,
    share=0.31,
    left_s=7265.0,
    counts=Counts(40_000, 1_234, 56, 7),
)


def test_sixty_columns_have_a_bar_the_time_left_and_the_inputs() -> None:
    line = line_of(NIGHT, 60)
    assert line.has_bar and line.after == "2 h 1 min left, 1,203/4,800 inputs, 3 failed"
    assert 60 - len(line.before) - len(line.after) - PERCENT >= LEAST_BAR


def test_wide_ones_have_all() -> None:
    after = line_of(NIGHT, 200).after
    assert (
        after.startswith("2 h 1 min left, 1,203/4,800 inputs, 3 failed, 8.1 frames/s, ") and "1,234 unmasked" in after
    )


def test_before_the_end_is_in_sight_there_is_no_bar() -> None:
    loading = Progress(Phase.LOADING, found=83, to_do=83)
    assert line_of(loading, 60).before == "loading the networks for 83 inputs so far"
    assert line_of(Progress(), 60).before == "looking for inputs"
    assert not line_of(loading, 60).has_bar
    unknown = Progress(Phase.WORKING, done=3, found=9, to_do=9, frames=40)
    assert line_of(unknown, 60).before == "3 of 9 inputs so far done, 40 frames"
    assert line_of(unknown, 60, "a.mp4", "12 frames").before.endswith("; a.mp4; 12 frames")


def test_a_log_gets_all_of_it() -> None:
    assert whole_line(NIGHT).startswith("31 % done, 2 h 1 min left, 1,203/4,800 inputs, 3 failed, 8.1 frames/s")


@given(st.integers(20, 300), st.text(min_size=0, max_size=300), st.floats(0, 1e7), st.integers(0, 10**9))
def test_it_never_breaks_the_line(columns: int, title: str, left_s: float, done: int) -> None:
    for progress in (Progress(Phase.WORKING, done=done, to_do=done, share=0.5, left_s=left_s), Progress(found=done)):
        line = line_of(progress, columns, title, "8/12 frames")
        bar = LEAST_BAR + PERCENT if line.has_bar else 0
        assert len(line.before) + len(line.after) + bar <= columns or (columns < 28 and not line.after)
