"""The time left is right on a clock of the tests' own, on which networks and drawing sleep: stills and videos."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.jobs import forecast
from crowdmask.jobs.forecast import ASSUMED, Beat, Forecast, Phase, Progress, Work
from crowdmask.jobs.networks import Pair
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings, RuntimeSettings
from tests.factories import FakeClassifier, FakeDetector
from tests.unit.jobs.batch.cctv import batch, clip, still


class Clock:
    """Goes on only when somebody sleeps on it; drawing has a thread of its own, so both may."""

    def __init__(self) -> None:
        self.at, self._lock = 1000.0, threading.Lock()

    def __call__(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.at += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(forecast, "now", made)
    return made


def test_each_kind_of_work_has_its_own_pace(clock: Clock) -> None:
    """10 of 30 pictures in 10 s, none of the video's frames: 20 s, and its frames by what is assumed of them."""
    ahead = Forecast()
    ahead.expect_stills(30)
    ahead.expect_video("v", look=100, draw=100)
    assert ahead.left_s is None and ahead.share == 0.0
    clock.sleep(10)
    ahead.beat(Beat(Work.STILLS, 10, 10.0))
    frames_s = 100 * (ASSUMED[Work.LOOK] + ASSUMED[Work.DRAW])
    assert ahead.left_s == pytest.approx(20 + frames_s)
    assert ahead.share == pytest.approx(10 / (30 + frames_s))
    clock.sleep(4)
    assert ahead.left_s == pytest.approx(16 + frames_s)  # between two beats as well
    clock.sleep(1)
    ahead.beat(Beat(Work.LOOK, 50, 5.0, "v"))  # a tenth of a second each, not six tenths
    assert ahead.left_s is not None and ahead.left_s < 20 + frames_s / 2


def test_two_at_work_take_half_the_time(clock: Clock) -> None:
    ahead = Forecast()
    ahead.expect_stills(1000)
    for _ in range(50):
        clock.sleep(1.0)
        for _ in range(2):
            ahead.beat(Beat(Work.STILLS, 1, 1.0))
    assert ahead.left_s == pytest.approx(900 / 2, rel=0.02)


def test_a_slow_start_is_forgotten_when_as_long_was_worked_again(clock: Clock) -> None:
    ahead = Forecast()
    ahead.expect_stills(200)
    for number in range(80):
        each_s = 0.2 if number < 20 else 0.08
        clock.sleep(each_s)
        ahead.beat(Beat(Work.STILLS, 1, each_s))
    assert ahead.left_s == pytest.approx(120 * 0.08, rel=0.05)  # of all that was done it would be 13.2 s


def test_loading_the_networks_is_in_no_pace(clock: Clock) -> None:
    ahead = Forecast()
    ahead.expect_stills(100)
    clock.sleep(60)
    for _ in range(10):
        clock.sleep(0.5)
        ahead.beat(Beat(Work.STILLS, 1, 0.5))
    assert ahead.left_s == pytest.approx(45)


def test_what_was_measured_in_the_first_half_of_the_work_is_outdated(clock: Clock) -> None:
    ahead = Forecast()
    ahead.expect_stills(10)
    ahead.expect_video("v", 100)
    assert not any(ahead.is_outdated(work, 0.0) for work in Work)  # none is measured
    clock.sleep(4)
    ahead.beat(Beat(Work.STILLS, 4, 4.0))
    ahead.beat(Beat(Work.LOOK, 10, 3.9, "v"))
    assert ahead.worked_s == pytest.approx(7.9) and not ahead.is_outdated(Work.STILLS, 0.0)
    ahead.beat(Beat(Work.LOOK, 1, 0.1, "v"))
    assert ahead.is_outdated(Work.STILLS, 0.0)
    assert not ahead.is_outdated(Work.STILLS, 4.1)  # some was given out meanwhile
    ahead.end_unit(1, stills=6)
    assert not ahead.is_outdated(Work.STILLS, 0.0)  # nothing is left of it


def test_what_a_dead_worker_did_is_to_do_again(clock: Clock) -> None:
    ahead = Forecast()
    ahead.expect_stills(10)
    ahead.expect_video("v", 10)
    clock.sleep(2)
    ahead.beat(Beat(Work.STILLS, 4, 1.0, unit=1))
    ahead.beat(Beat(Work.LOOK, 5, 1.0, "v", unit=2))
    before = ahead.share
    ahead.lose_unit(2)
    ahead.lose_unit(1)
    assert before > 0.2 and ahead.share == 0.0
    ahead.beat(Beat(Work.STILLS, 4, 1.0, unit=3))
    ahead.end_unit(3, stills=10)  # six of them could not be read
    ahead.finish_video("v")  # it had no frames
    assert ahead.share == 1.0 and ahead.left_s == 0.0


class Sleeping(FakeDetector):
    def __init__(self, clock: Clock, still_s: float, frame_s: float) -> None:
        super().__init__()
        self._clock, self._still_s, self._frame_s = clock, still_s, frame_s

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        for image in images:
            self._clock.sleep(self._frame_s if image.shape[:2] == (64, 96) else self._still_s)
        return super().detect(images)


def worst_error(clock: Clock, units: list[tuple[Work, str, int, float]], workers: int) -> float:
    """The units are given out in this order, one to each worker that is free; each beats every eighth of its frames."""
    ahead, free, said = Forecast(), [(clock(), worker) for worker in range(workers)], list[tuple[float, float]]()
    of_video: dict[str, dict[Work, int]] = {}
    for work, source, amount, _ in units:
        if work is Work.STILLS:
            ahead.expect_stills(amount)
        else:
            kinds = of_video.setdefault(source, {})
            kinds[work] = kinds.get(work, 0) + amount
    for source, kinds in of_video.items():
        ahead.expect_video(source, kinds[Work.LOOK], kinds[Work.DRAW])
    begun, beats = clock(), list[tuple[float, Beat]]()
    for number, (work, source, amount, each_s) in enumerate(units, start=1):
        at, worker = heapq.heappop(free)
        for first in range(0, amount, 8):
            some = min(8, amount - first)
            at += some * each_s
            beats.append((at, Beat(work, some, some * each_s, source, number)))
        heapq.heappush(free, (at, worker))
    end = max(at for at, _ in beats)
    for at, beat in sorted(beats, key=lambda each: each[0]):
        clock.at = at
        ahead.beat(beat)
        if ahead.left_s is not None:
            said.append((at, ahead.left_s))
    late = [(at, left_s) for at, left_s in said if at >= begun + 0.2 * (end - begun) and end - at > 5]
    assert len(late) > 20 and end > begun + 40
    return max(abs(left_s - (end - at)) / (end - at) for at, left_s in late)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("first", ["stills", "videos"])
@pytest.mark.parametrize("draw_s", [0.02, 0.06])
def test_the_time_left_is_within_a_third_from_a_fifth_on(clock: Clock, first: str, draw_s: float, workers: int) -> None:
    """240 stills and three videos; pictures and frames take very different times. A few of each come first."""
    stills = [(Work.STILLS, "", 16, 0.2)] * 14
    videos = [
        unit
        for source, segments in (("b", 6), ("c", 18))
        for _ in range(segments)
        for unit in ((Work.LOOK, source, 50, 0.1), (Work.DRAW, source, 50, draw_s))
    ]
    begin = [(Work.STILLS, "", 16, 0.2), (Work.LOOK, "a", 40, 0.1), (Work.DRAW, "a", 40, draw_s)]
    rest = [*stills, *videos] if first == "stills" else [*videos, *stills]
    assert worst_error(clock, [*begin, *rest], workers) <= 0.3


def test_a_batch_of_stills_and_videos_says_the_time_left_until_its_end(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How right it is, the test before says: here threads share one clock. It is said from the networks' loading on."""
    for n in range(20):
        still(tmp_path / "in" / "a" / f"{n}.png", n, (48, 32))
    for n, frames in enumerate((40, 60)):
        clip(tmp_path / "in" / "m" / f"{n}.mp4", frames)
    said: list[tuple[float, Progress]] = []

    class Watch:
        def moved(self, progress: Progress) -> None:
            said.append((clock(), progress))

    def networks(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
        clock.sleep(8.0)
        return Pair(Sleeping(clock, 0.2, 0.1), FakeClassifier())

    outcome = batch(tmp_path / "in", tmp_path / "run", networks=networks, watch=Watch(), segment_s=2.0, settle_s=0.0)
    assert outcome.totals.done == 22 and clock() > 1012, outcome.failures
    assert said[0][1].phase in (Phase.SEARCHING, Phase.LOADING)
    assert any(progress.phase is Phase.LOADING for at, progress in said if at < 1008.0)
    working = [progress for _, progress in said if progress.phase is Phase.WORKING and progress.frames > 30]
    assert working and all(progress.left_s is not None and progress.share is not None for progress in working)
    shares = [progress.share for progress in working if progress.share is not None]
    assert shares == sorted(shares)


def test_frames_are_counted_once(tmp_path: Path, clock: Clock) -> None:
    said: list[Any] = []

    class Watch:
        def moved(self, progress: Progress) -> None:
            said.append(progress.frames)

    clip(tmp_path / "in" / "v.mp4", 60)
    batch(tmp_path / "in", tmp_path / "run", watch=Watch(), segment_s=1.0)
    assert said == sorted(said) and said[-1] == 60


def test_frames_that_are_passed_over_are_not_waited_for(tmp_path: Path, clock: Clock) -> None:
    """Every fifth of 100 frames, in segments: when the networks are through, nothing is left for them."""
    said: list[Progress] = []

    class Watch:
        def moved(self, progress: Progress) -> None:
            said.append(progress)

    def networks(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
        return Pair(Sleeping(clock, 0.2, 1.0), FakeClassifier())

    clip(tmp_path / "in" / "v.mp4", 100)
    settings = AnalysisSettings(every="5")
    batch(tmp_path / "in", tmp_path / "run", networks=networks, watch=Watch(), analysis=settings, segment_s=1.0)
    through = [progress.share for progress in said if progress.frames == 20 and progress.share is not None]
    assert through[0] > 0.5, through  # all that is left is to draw them
    assert said[-1].frames == 20 and said[-1].share == 1.0
