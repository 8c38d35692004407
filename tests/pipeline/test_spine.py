"""The spine with fakes: order, counts, any window, sinks, stages, and an error half-way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdmask.engine.spine import Judge, analyse
from crowdmask.errors import SourceError
from crowdmask.records import Faces, Frame, FrameResult, Stream, Verdict
from crowdmask.settings import AnalysisSettings, RuntimeSettings
from tests.factories import FakeClassifier, FakeDetector, face_boxes, make_frame, make_frames

SETTINGS = AnalysisSettings(smallest_face=4.0)


def run(frames: list[Frame], window: int = 3, batch: int = 64) -> list[FrameResult]:
    runtime = RuntimeSettings(window=window, batch=batch)
    return list(analyse(frames, Judge(FakeDetector(), FakeClassifier(), SETTINGS, runtime)))


def test_nothing_in_nothing_out() -> None:
    assert run([]) == []


@pytest.mark.parametrize("window", [1, 3, 8])
def test_one_result_for_every_frame_in_order(window: int) -> None:
    frames = make_frames(7)
    results = run(frames, window)
    assert [r.frame.index for r in results] == list(range(7))
    assert [len(r.faces) for r in results] == [len(face_boxes(i, (96, 64))) for i in range(7)]
    for i, result in enumerate(results):
        wanted = len(face_boxes(i, (96, 64)))
        assert (result.counts.masked, result.counts.unmasked) == ((wanted + 1) // 2, wanted // 2)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 9), st.integers(1, 5))
def test_no_window_or_batch_changes_a_result(window: int, batch: int) -> None:
    frames = make_frames(6)
    for one, other in zip(run(frames, 1, 64), run(frames, window, batch), strict=True):
        assert np.array_equal(one.unmasked_prob, other.unmasked_prob)
        assert np.array_equal(one.verdicts, other.verdicts)


def test_all_crops_of_a_window_go_to_the_classifier_together() -> None:
    classifier = FakeClassifier()
    list(analyse(make_frames(6), Judge(FakeDetector(), classifier, SETTINGS, RuntimeSettings(window=3))))
    assert classifier.calls == [1 + 2 + 3, 1 + 2 + 3]


def test_a_frame_without_faces_has_its_row() -> None:
    class Blind:
        def detect(self, images: object) -> list[Faces]:
            return [Faces.none() for _ in images]  # type: ignore[attr-defined]

    results = list(analyse(make_frames(2), Judge(Blind(), FakeClassifier(), SETTINGS, RuntimeSettings())))
    assert [r.counts.faces for r in results] == [0, 0]


def test_small_faces_are_unknown_and_never_asked_about() -> None:
    classifier = FakeClassifier()
    strict = AnalysisSettings(smallest_face=900.0)
    (result,) = analyse([make_frame(2, 0.0)], Judge(FakeDetector(), classifier, strict, RuntimeSettings()))
    assert classifier.calls == []
    assert np.isnan(result.unmasked_prob).all()
    assert result.verdicts.tolist() == [Verdict.UNKNOWN] * 3


def test_an_error_of_the_source_comes_after_the_frames_before_it() -> None:
    def broken() -> Iterator[Frame]:
        yield from make_frames(5)
        raise SourceError("the cable is cut")

    results = analyse(broken(), Judge(FakeDetector(), FakeClassifier(), SETTINGS, RuntimeSettings(window=3)))
    seen = []
    with pytest.raises(SourceError, match="cable"):
        for result in results:
            seen.append(result.frame.index)
    assert seen == [0, 1, 2, 3, 4]


class Log:
    """A sink that notes what it gets."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def write(self, result: FrameResult) -> None:
        self.seen.append((result.frame.stream.source, result.frame.index))


class Late:
    """A stage that holds `by` results back, and refuses those of another stream."""

    def __init__(self, stream: Stream, by: int) -> None:
        self._stream, self._by = stream, by
        self._held: list[FrameResult] = []

    def take(self, result: FrameResult) -> list[FrameResult]:
        assert result.frame.stream == self._stream
        self._held.append(result)
        ready, self._held = self._held[: -self._by], self._held[-self._by :]
        return ready

    def finish(self) -> list[FrameResult]:
        return self._held


def judge(window: int = 3) -> Judge:
    return Judge(FakeDetector(), FakeClassifier(), SETTINGS, RuntimeSettings(window=window))


def two_streams(count: int) -> Iterator[Frame]:
    streams = Stream("a"), Stream("b")
    for i in range(count):
        yield replace(make_frame(i, i / 25), stream=streams[i % 2])


def test_every_sink_has_a_result_before_it_is_given() -> None:
    one, other = Log(), Log()
    for count, _ in enumerate(analyse(make_frames(5), judge(), sinks=[one, other]), start=1):
        assert len(one.seen) == len(other.seen) == count


@pytest.mark.parametrize("window", [1, 2, 5])
@pytest.mark.parametrize("by", [1, 2, 100])
def test_streams_that_share_a_window_keep_apart_and_lose_nothing(window: int, by: int) -> None:
    made: list[Stream] = []

    def stages(stream: Stream) -> list[Late]:
        made.append(stream)
        return [Late(stream, by), Late(stream, 1)]

    log = Log()
    results = list(analyse(two_streams(11), judge(window), stages, [log]))
    assert [s.source for s in made] == ["a", "b"]
    assert len(results) == len(log.seen) == 11
    for source, first in (("a", 0), ("b", 1)):
        assert [index for name, index in log.seen if name == source] == list(range(first, 11, 2))


def test_a_stream_without_stages_waits_for_none() -> None:
    results = analyse(two_streams(4), judge(1), lambda stream: [Late(stream, 9)] if stream.source == "a" else [])
    assert [r.frame.index for r in results] == [1, 3, 0, 2]


@pytest.mark.parametrize("kind", [SourceError, KeyboardInterrupt])
def test_what_stages_hold_back_comes_before_the_error(kind: type[BaseException]) -> None:
    def broken() -> Iterator[Frame]:
        yield from make_frames(5)
        raise kind("half-way")

    log = Log()
    with pytest.raises(kind, match="half-way"):
        list(analyse(broken(), judge(1), lambda stream: [Late(stream, 3)], [log]))
    assert [index for _, index in log.seen] == [0, 1, 2, 3, 4]


def test_waiting_is_broken_off_between_results_only() -> None:
    waits: list[str] = []

    @contextmanager
    def waiting() -> Iterator[None]:
        waits.append("in")
        if waits.count("in") == 4:
            raise KeyboardInterrupt
        yield
        waits.append("out")

    class Watching(Log):
        def write(self, result: FrameResult) -> None:
            assert waits[-1] == "out" or waits.count("in") == 4  # what is flushed after the break
            super().write(result)

    log = Watching()
    with pytest.raises(KeyboardInterrupt):
        list(analyse(make_frames(9), judge(1), lambda stream: [Late(stream, 2)], [log], waiting=waiting))
    assert [index for _, index in log.seen] == [0, 1, 2]
