"""What is given out next: a little of each kind of work first, and again once as much was worked since."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crowdmask.jobs import forecast
from crowdmask.jobs.batch.queue import MEASURED_PICTURES, Queue
from crowdmask.jobs.batch.units import Plan, Step, Unit, Worked
from crowdmask.jobs.forecast import Beat, Forecast, Work
from crowdmask.jobs.manifest.claims import Claims
from crowdmask.jobs.manifest.database import Manifest
from crowdmask.jobs.manifest.entries import Entry, Identity, Kind
from crowdmask.media.segments import Span
from crowdmask.results.run_folder import RunFolder

STILLS, FRAMES = 100, 50


class Night:
    """A queue over stills and short videos that nobody works on; its clock goes on by what is said to be done."""

    def __init__(self, folder: Path, manifest: Manifest, videos: int) -> None:
        self.forecast, self.at = Forecast(), 100.0
        (folder / "log").mkdir()  # as a run has it by then
        plan = Plan(folder, folder)
        entries = [Entry(f"b{n}.jpg", str(folder / f"b{n}.jpg"), Kind.PICTURE, Identity(9, 9)) for n in range(STILLS)]
        clips = [Entry(f"c{n}.mp4", str(folder / f"c{n}.mp4"), Kind.VIDEO, Identity(99 + n, 9)) for n in range(videos)]
        begin = manifest.queue_end
        manifest.put([*entries, *clips])
        self.forecast.expect_stills(STILLS)
        for entry in clips:
            self.forecast.expect_video(entry.source, FRAMES)
        planner: Any = SimpleNamespace(finished=True)
        claims = Claims(RunFolder(folder), manifest, overwrite=False)
        self.queue = Queue(
            plan,
            manifest,
            planner,
            claims,
            from_place=begin,
            refuse=lambda entry, reason: pytest.fail(reason),
            forecast=self.forecast,
            kept_of=lambda entry: ([], folder),
        )

    def next(self) -> Unit:
        assert self.queue.peek() is not None
        return self.queue.pop()

    def did(self, work: Work, amount: int, seconds: float, source: str = "") -> None:
        self.at += seconds
        self.forecast.beat(Beat(work, amount, seconds, source))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[tuple[Path, Manifest]]:
    with Manifest(tmp_path / "manifest.sqlite") as manifest:
        yield tmp_path, manifest


def night(folder: tuple[Path, Manifest], monkeypatch: pytest.MonkeyPatch, videos: int) -> Night:
    made = Night(*folder, videos)
    monkeypatch.setattr(forecast, "now", lambda: made.at)
    return made


def test_a_kind_that_was_measured_long_ago_is_measured_again(
    folder: tuple[Path, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stills to 3 s of work, then videos: at 6 s and at 12 s of work some stills come between."""
    made = night(folder, monkeypatch, videos=9)
    first, second = made.next(), made.next()
    assert (first.step, len(first.entries)) == (Step.STILLS, MEASURED_PICTURES)
    assert (second.step, second.entries[0].source) == (Step.VIDEO, "c0.mp4")  # the smallest
    made.did(Work.STILLS, 16, 3.0)
    made.did(Work.LOOK, FRAMES, 2.9, "c0.mp4")
    assert made.forecast.worked_s == pytest.approx(5.9)
    assert not made.forecast.is_outdated(Work.STILLS, 0.0)
    made.did(Work.LOOK, 1, 0.2, "c1.mp4")
    assert made.forecast.is_outdated(Work.STILLS, 0.0) and not made.forecast.is_outdated(Work.LOOK, 0.0)
    again = made.next()
    assert (again.step, len(again.entries)) == (Step.STILLS, MEASURED_PICTURES)
    assert made.queue.peek() is not None
    made.did(Work.STILLS, 16, 1.0)  # to 7.1 s
    order = []
    while made.queue.peek() is not None:
        unit = made.next()
        order.append(unit)
        for entry in unit.entries if unit.step is Step.VIDEO else ():
            made.did(Work.LOOK, FRAMES, 2.5, entry.source)
    given = [entry.source for unit in (first, second, again, *order) for entry in unit.entries]
    assert len(given) == len(set(given)) == STILLS + 9  # each once
    assert len({unit.number for unit in (first, second, again, *order)}) == 3 + len(order)


def test_of_a_video_that_is_cut_a_segment_is_looked_at_before_all_that_waits(
    folder: tuple[Path, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it was cut says nothing of how long it takes."""
    made = night(folder, monkeypatch, videos=2)
    _, video = made.next(), made.next()
    made.did(Work.STILLS, 16, 1.0)
    assert made.next().step in (Step.STILLS, Step.VIDEO)  # the next is fetched meanwhile
    spans = tuple(Span(n, 0, None, 25 * (n - 1), 25) for n in (1, 2))
    made.queue.cut(Worked(video.entries[0], spans=spans))
    look = made.next()
    assert (look.step, look.entries[0].source, look.spans) == (Step.LOOK, "c0.mp4", spans[:1])
    looks = 1
    while made.queue.peek() is not None:
        looks += made.next().step is Step.LOOK
    assert looks == 2
