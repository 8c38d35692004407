"""Stage times: who is counted where, without touching what passes through."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from crowdmask.jobs import timing
from crowdmask.jobs.timing import StageTimes, TimedClassifier, TimedDetector
from tests.factories import FakeClassifier, FakeDetector, make_image


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(timing, "time", made)
    return made


def test_no_work_takes_no_time(clock: Clock) -> None:
    assert StageTimes().busy_s == {"other": 0.0} and StageTimes().analysis_s == 0.0


def test_time_counts_for_its_stage_and_the_rest_for_other(clock: Clock) -> None:
    times = StageTimes()
    for name, seconds in (("open", 1.0), ("load", 2.0), ("detect", 4.0), ("detect", 8.0), ("decode", 16.0)):
        with times.stage(name):
            clock.now += seconds
    clock.now += 32.0
    assert times.analysis_s == 60.0  # opening and loading are not part of it
    assert times.busy_s == {"open": 1, "load": 2, "detect": 12, "decode": 16, "other": 48}


def test_an_error_is_timed_as_well(clock: Clock) -> None:
    times = StageTimes()
    with pytest.raises(ValueError), times.stage("detect"):
        clock.now += 3
        raise ValueError
    assert times.busy_s["detect"] == 3


def test_only_the_getting_of_items_counts_and_the_source_is_closed(clock: Clock) -> None:
    closed = []

    def items() -> Iterator[int]:
        try:
            for i in range(9):
                clock.now += 2
                yield i
        finally:
            closed.append(True)

    times = StageTimes()
    over = times.over("decode", items())
    assert next(over) == 0
    clock.now += 100
    assert next(over) == 1
    over.close()  # type: ignore[attr-defined]
    assert times.busy_s["decode"] == 4 and closed == [True]
    assert list(StageTimes().over("decode", [])) == []


def test_networks_answer_as_before() -> None:
    image = make_image(2, (192, 128))
    times = StageTimes()
    (faces,) = TimedDetector(FakeDetector(), times).detect([image])
    assert len(faces) == 3
    classifier = TimedClassifier(FakeClassifier(16), times)
    assert classifier.input_size == 16
    assert classifier.probabilities(np.zeros((2, 16, 16, 3), np.uint8)).shape == (2, 4)
    assert {"detect", "classify"} <= set(times.busy_s)
