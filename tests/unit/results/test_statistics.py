from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdmask.records import Counts, Faces, Frame, FrameResult, Verdict
from crowdmask.results.statistics import (
    MOMENT_SECONDS,
    WORST_MOMENTS,
    ComplianceStats,
    Moment,
    wilson_interval,
)

Row = tuple[int, float, Counts, str]


def stats_of(rows: list[Row]) -> ComplianceStats:
    stats = ComplianceStats()
    for row in rows:
        stats.add(*row)
    return stats


def test_nothing_seen_has_no_rates() -> None:
    stats = ComplianceStats()
    assert (stats.frames, stats.faces, stats.judged) == (0, 0, 0)
    assert stats.compliance is None
    assert stats.faces_per_frame is None
    assert stats.unmasked_per_frame is None
    assert stats.peak is None
    assert stats.worst_moments == []


def test_frames_without_faces_are_frames() -> None:
    stats = stats_of([(0, 0.0, Counts(), ""), (1, 0.04, Counts(), "")])
    assert (stats.frames, stats.frames_with_faces, stats.faces) == (2, 0, 0)
    assert stats.compliance is None
    assert stats.unmasked_per_frame == 0.0


def test_unknown_faces_count_as_faces_and_not_in_the_rate() -> None:
    stats = stats_of([(0, 0.0, Counts(3, 1, 4), ""), (1, 0.04, Counts(0, 0, 2), "")])
    assert (stats.masked, stats.unmasked, stats.unknown, stats.faces, stats.judged) == (3, 1, 6, 10, 4)
    assert stats.frames_with_faces == 2
    assert stats.compliance == 0.75
    assert stats.faces_per_frame == 5.0
    assert stats.unmasked_per_frame == 0.5


def test_the_rate_is_of_all_faces_and_no_mean_of_the_frames_rates() -> None:
    stats = stats_of([(0, 0.0, Counts(1, 0, 0), ""), (1, 0.04, Counts(0, 9, 0), "")])
    assert stats.compliance == 0.1


def test_update_reads_the_verdicts_of_a_frame() -> None:
    faces = Faces(np.zeros((3, 4), np.float32), np.ones(3, np.float32), np.zeros((3, 5, 2), np.float32))
    verdicts = np.array([Verdict.UNMASKED, Verdict.MASKED, Verdict.UNMASKED], np.int8)
    result = FrameResult(
        Frame(7, 0.28, np.zeros((4, 4, 3), np.uint8)), faces, np.array([0.9, 0.1, 0.8], np.float32), verdicts
    )
    stats = ComplianceStats()
    stats.update(result, "a.mp4")
    assert stats.counts == Counts(1, 2, 0)
    assert stats.peak == Moment("a.mp4", 7, 0.28, Counts(1, 2, 0))


# Worked by hand with z = 1.96: for 8 of 10 the centre is (0.8 + 0.19208) / 1.38416 = 0.71674 and the half width
# 1.96 x sqrt(0.016 + 0.009604) / 1.38416 = 0.22658.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (0, 1, 0.0, 0.7935),
        (1, 1, 0.2065, 1.0),
        (0, 10, 0.0, 0.2775),
        (8, 10, 0.4902, 0.9433),
        (10, 10, 0.7225, 1.0),
        (50, 100, 0.4038, 0.5962),
    ],
)
def test_wilson_by_hand(successes: int, trials: int, low: float, high: float) -> None:
    interval = wilson_interval(successes, trials)
    assert interval == pytest.approx((low, high), abs=5e-5)


def test_wilson_without_trials_is_none_and_nonsense_is_refused() -> None:
    assert wilson_interval(0, 0) is None
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(3, 2)
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(-1, 2)


@settings(deadline=None)
@given(st.integers(1, 10**9), st.floats(0, 1))
def test_wilson_holds_the_rate_and_stays_in_the_unit_interval(trials: int, share: float) -> None:
    successes = round(share * trials)
    interval = wilson_interval(successes, trials)
    assert interval is not None
    low, high = interval
    assert 0.0 <= low <= successes / trials <= high <= 1.0


def test_ten_neighbouring_frames_are_one_moment() -> None:
    stats = stats_of([(i, i * 0.04, Counts(0, 5, 0), "a") for i in range(10)])
    assert stats.worst_moments == [Moment("a", 0, 0.0, Counts(0, 5, 0))]


def test_neighbours_across_a_cells_border_are_one_moment() -> None:
    stats = stats_of([(249, 9.96, Counts(0, 5, 0), "a"), (250, 10.0, Counts(0, 6, 0), "a")])
    assert [m.frame for m in stats.worst_moments] == [250]


def test_moments_of_different_sources_are_apart() -> None:
    stats = stats_of([(0, 0.0, Counts(0, 5, 0), "b"), (0, 0.0, Counts(0, 5, 0), "a")])
    assert [m.source for m in stats.worst_moments] == ["a", "b"]


def test_ties_go_to_the_earliest() -> None:
    rows: list[Row] = [(i, i * 20.0, Counts(0, 2, 0), "a") for i in range(30)]
    random.Random(1).shuffle(rows)
    stats = stats_of(rows)
    assert [m.frame for m in stats.worst_moments] == [0, 1, 2, 3, 4]
    assert stats.peak is not None
    assert stats.peak.frame == 0


def test_the_worst_is_found_late_in_a_long_run_and_little_is_kept() -> None:
    rows: list[Row] = [(i, i * 1.0, Counts(0, 1 + i % 7, 0), "a") for i in range(5000)]
    stats = stats_of([*rows, (5000, 5000.0, Counts(0, 50, 0), "a")])
    assert stats.peak == Moment("a", 5000, 5000.0, Counts(0, 50, 0))
    assert len(stats.worst_moments) == WORST_MOMENTS
    assert len(stats._worst) <= 3 * WORST_MOMENTS


counts = st.builds(Counts, st.integers(0, 4), st.integers(0, 4), st.integers(0, 3))
rows = st.lists(
    st.tuples(st.integers(0, 60), counts, st.sampled_from(["a", "b"])).map(
        lambda row: (row[0], row[0] * 2.5, row[1], row[2])
    ),
    max_size=60,
)


@settings(deadline=None)
@given(rows, st.lists(st.integers(0, 60), max_size=4), st.randoms(use_true_random=False))
def test_the_sum_of_any_parts_in_any_order_is_one_pass(frames: list[Row], cuts: list[int], rng: random.Random) -> None:
    edges = sorted({0, len(frames), *(c for c in cuts if c < len(frames))})
    parts = [frames[a:b] for a, b in itertools.pairwise(edges)]
    rng.shuffle(parts)
    total = sum((stats_of(part) for part in parts), ComplianceStats())
    whole = stats_of(frames)
    assert total == whole
    assert total.worst_moments == whole.worst_moments


@settings(deadline=None)
@given(rows)
def test_moments_are_real_apart_and_headed_by_the_peak(frames: list[Row]) -> None:
    stats = stats_of(frames)
    chosen = stats.worst_moments
    most = max((c.unmasked for _, _, c, _ in frames), default=0)
    assert [m.counts.unmasked for m in chosen] == sorted((m.counts.unmasked for m in chosen), reverse=True)
    assert (chosen[0].counts.unmasked if chosen else 0) == most
    for i, one in enumerate(chosen):
        assert (one.frame, one.seconds, one.counts, one.source) in frames
        for other in chosen[i + 1 :]:
            assert one.source != other.source or abs(one.seconds - other.seconds) >= MOMENT_SECONDS
    cells = {(s, math.floor(t / MOMENT_SECONDS)) for _, t, c, s in frames if c.unmasked}
    assert len(chosen) >= min(WORST_MOMENTS, math.ceil(len(cells) / 3))
