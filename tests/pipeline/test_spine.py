"""The spine with fakes: order, counts, any window, sinks, stages, and an error half-way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crowdmask.engine.concluding import EachFrame
from crowdmask.engine.judging import Judge
from crowdmask.engine.spine import analyse, conclude, look, stages_of
from crowdmask.errors import SourceError
from crowdmask.records import Faces, Frame, FrameResult, Stream, Verdict
from crowdmask.settings import AnalysisSettings, RuntimeSettings
from crowdmask.verdicts import Outcome
from tests.factories import FakeClassifier, FakeDetector, face_boxes, make_frame, make_frames

SETTINGS = AnalysisSettings(smallest_face=4.0, follow=False)


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
    strict = AnalysisSettings(smallest_face=900.0, follow=False)
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


def course(stream: Stream, *late: int) -> tuple[EachFrame, list[Late]]:
    return EachFrame(SETTINGS), [Late(stream, by) for by in late]


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

    def stages(stream: Stream) -> tuple[EachFrame, list[Late]]:
        made.append(stream)
        return course(stream, by, 1)

    log = Log()
    results = list(analyse(two_streams(11), judge(window), stages, [log]))
    assert [s.source for s in made] == ["a", "b"]
    assert len(results) == len(log.seen) == 11
    for source, first in (("a", 0), ("b", 1)):
        assert [index for name, index in log.seen if name == source] == list(range(first, 11, 2))


def test_a_stream_without_stages_waits_for_none() -> None:
    results = analyse(two_streams(4), judge(1), lambda stream: course(stream, *([9] if stream.source == "a" else [])))
    assert [r.frame.index for r in results] == [1, 3, 0, 2]


@pytest.mark.parametrize("kind", [SourceError, KeyboardInterrupt])
def test_what_stages_hold_back_comes_before_the_error(kind: type[BaseException]) -> None:
    def broken() -> Iterator[Frame]:
        yield from make_frames(5)
        raise kind("half-way")

    log = Log()
    with pytest.raises(kind, match="half-way"):
        list(analyse(broken(), judge(1), lambda stream: course(stream, 3), [log]))
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
        list(analyse(make_frames(9), judge(1), lambda stream: course(stream, 2), [log], waiting=waiting))
    assert [index for _, index in log.seen] == [0, 1, 2]


def test_weak_finds_are_looked_at_and_never_judged_nor_concluded() -> None:
    class Weak(FakeDetector):
        def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
            return [Faces(f.boxes, np.full(len(f), 0.3, np.float32), f.landmarks) for f in super().detect(images)]

    classifier = FakeClassifier()
    weak = Judge(Weak(), classifier, SETTINGS, RuntimeSettings())
    assert [len(seen.faces) for seen in look(make_frames(3), weak)] == [1, 2, 3]
    assert [len(result.faces) for result in analyse(make_frames(3), weak)] == [0, 0, 0]
    assert classifier.calls == []


def test_what_is_no_face_is_left_out_and_counted() -> None:
    class Sceptic(FakeClassifier):
        def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
            answers = super().probabilities(crops)
            unmasked = answers[:, Outcome.UNMASKED] > 0.5
            answers[unmasked] = [0.01, 0.02, 0.0, 0.97]
            return answers

    results = list(analyse(make_frames(6), Judge(FakeDetector(), Sceptic(), SETTINGS, RuntimeSettings())))
    wanted = [len(face_boxes(i, (96, 64))) for i in range(6)]
    assert [(r.counts.masked, r.counts.faces, r.no_faces) for r in results] == [
        ((n + 1) // 2, (n + 1) // 2, n // 2) for n in wanted
    ]


def test_results_need_no_pictures_and_take_them_again() -> None:
    frames = make_frames(4)
    looks = [seen.without_picture() for seen in look(frames, judge())]
    assert not any(seen.frame.has_picture for seen in looks)
    assert {seen.frame.size_wh for seen in looks} == {(96, 64)}
    again = [
        result.with_picture(frame) for result, frame in zip(conclude(looks, stages_of(SETTINGS)), frames, strict=True)
    ]
    for one, other in zip(again, analyse(frames, judge()), strict=True):
        assert np.array_equal(one.frame.image, other.frame.image)
        assert np.array_equal(one.verdicts, other.verdicts)
    with pytest.raises(ValueError, match="frame 1 is not frame 0"):
        again[0].with_picture(frames[1])


def test_columns_have_a_row_for_each_face_and_are_never_replaced() -> None:
    (result,) = analyse([make_frame(2, 0.0)], judge())
    more = result.with_columns(person=np.arange(3))
    assert more.columns["person"].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="person is there already"):
        more.with_columns(person=np.arange(3))
    with pytest.raises(ValueError, match="must have 3 rows"):
        result.with_columns(person=np.arange(2))
