"""Collects how long each stage was at work, on whichever thread, for the summary and for -v."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.protocols import FaceDetector, MaskClassifier, ResultTaker, found_at
from crowdmask.geometry import FloatArray
from crowdmask.records import Faces, FrameResult, Picture

Item = TypeVar("Item")

# Stages: decode has its own thread, as draw and encode have; the leading thread does the rest, one after the other, but
# that the detector looks ahead on another thread in a video, so that its stage may be longer than the whole.
BEFORE = ("open", "load")
LEADING = ("wait_for_frames", "detect", "classify", "hand_over", "finish")


class StageTimes:
    """Busy seconds by stage; stages overlap, so that their sum may well exceed the time that passed."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._busy: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - begun)

    def add(self, name: str, seconds: float) -> None:
        with self._lock:
            self._busy[name] = self._busy.get(name, 0.0) + seconds

    def over(self, name: str, items: Iterable[Item]) -> Iterator[Item]:
        """The same items; the time that it takes to get each counts for the stage."""
        iterator = iter(items)
        try:
            while True:
                with self.stage(name):
                    try:
                        item = next(iterator)
                    except StopIteration:
                        return
                yield item
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    @property
    def analysis_s(self) -> float:
        """Time that passed, but for opening the input and loading the networks."""
        return time.perf_counter() - self._begun - sum(self._busy.get(name, 0.0) for name in BEFORE)

    @property
    def busy_s(self) -> dict[str, float]:
        """Seconds by stage; `other` is what none of the leading thread's stages accounts for."""
        leading = sum(self._busy.get(name, 0.0) for name in LEADING)
        return {**self._busy, "other": max(0.0, self.analysis_s - leading)}


class TimedDetector:
    """A detector whose time is counted."""

    def __init__(self, detector: FaceDetector, times: StageTimes) -> None:
        self._detector = detector
        self._times = times

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        with self._times.stage("detect"):
            return self._detector.detect(images)

    def detect_at(self, pictures: Sequence[Picture], places: Sequence[FloatArray]) -> list[Faces]:
        with self._times.stage("detect"):
            return found_at(self._detector, pictures, places)


class TimedClassifier:
    """A classifier whose time is counted."""

    def __init__(self, classifier: MaskClassifier, times: StageTimes) -> None:
        self._classifier = classifier
        self._times = times

    @property
    def input_size(self) -> int:
        return self._classifier.input_size

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        with self._times.stage("classify"):
            return self._classifier.probabilities(crops)


class TimedSink:
    """A sink whose time on the leading thread is counted."""

    def __init__(self, sink: ResultTaker, times: StageTimes) -> None:
        self._sink = sink
        self._times = times

    def write(self, result: FrameResult) -> None:
        with self._times.stage("hand_over"):
            self._sink.write(result)
