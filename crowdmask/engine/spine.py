"""The one way through the house: frames in windows through both networks, the stages of their stream, into the sinks.

One video, a batch's stills, a camera and the Python API all go through `analyse`; nobody else has a loop over frames.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice

import numpy as np

from crowdmask.engine.crops import cut_crops
from crowdmask.engine.protocols import FaceDetector, MaskClassifier, ResultTaker, Stage, Stages
from crowdmask.engine.verdicts import decide, judgeable
from crowdmask.records import Faces, Frame, FrameResult, Stream
from crowdmask.settings import AnalysisSettings, RuntimeSettings


@dataclass(frozen=True)
class Judge:
    """The two networks at work, under the settings that they were loaded for."""

    detector: FaceDetector
    classifier: MaskClassifier
    settings: AnalysisSettings
    runtime: RuntimeSettings


def no_stages(stream: Stream) -> Sequence[Stage]:
    return ()


def analyse(
    source: Iterable[Frame],
    judge: Judge,
    stages: Stages = no_stages,
    sinks: Sequence[ResultTaker] = (),
    *,
    waiting: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Generator[FrameResult, None, None]:
    """One result for every frame, those of a stream in order; all sinks have a result before it is given.

    `stages` is asked for each stream once; a stage may hold results back. Where the source fails or a `waiting` (it is
    entered for every wait for the next result, and never while a sink writes) is broken off, what came before is given
    first, that which stages held back included, and then the error is raised.
    """
    results = _staged(_judged(source, judge), stages, waiting)
    for result in results:
        for sink in sinks:
            sink.write(result)
        yield result


def _staged(
    judged: Iterator[FrameResult], stages: Stages, waiting: Callable[[], AbstractContextManager[object]]
) -> Iterator[FrameResult]:
    """Results through the stages of their streams."""
    by_stream: dict[Stream, Sequence[Stage]] = {}
    try:
        while True:
            with waiting():
                result = next(judged, None)
            if result is None:
                break
            stream = result.frame.stream
            if stream not in by_stream:
                mine = stages(stream)
                if not mine:  # nothing is kept of a stream that needs no state: a batch has millions of stills
                    yield result
                    continue
                by_stream[stream] = mine
            yield from _through(by_stream[stream], [result])
    except (Exception, KeyboardInterrupt):
        yield from _flushed(by_stream)
        raise
    yield from _flushed(by_stream)


def _through(stages: Sequence[Stage], results: Iterable[FrameResult]) -> Iterable[FrameResult]:
    for stage in stages:
        results = [ready for result in results for ready in stage.take(result)]
    return results


def _flushed(by_stream: dict[Stream, Sequence[Stage]]) -> Iterator[FrameResult]:
    """What the stages still hold, stream by stream, each stage's through those after it."""
    for stages in by_stream.values():
        for position, stage in enumerate(stages):
            yield from _through(stages[position + 1 :], stage.finish())


def _judged(source: Iterable[Frame], judge: Judge) -> Iterator[FrameResult]:
    """One result for every frame; what came before an error of the source is given before it is raised."""
    iterator = iter(source)
    while True:
        window: list[Frame] = []
        try:
            for frame in islice(iterator, judge.runtime.window):
                window.append(frame)  # one by one: an error leaves the frames before it in the window
        except Exception:
            if window:
                yield from _judge(window, judge)
            raise
        if not window:
            return
        yield from _judge(window, judge)


def _judge(window: Sequence[Frame], judge: Judge) -> Iterator[FrameResult]:
    settings, classifier = judge.settings, judge.classifier
    found = judge.detector.detect([frame.image for frame in window])
    asked = [judgeable(faces.boxes, settings) for faces in found]
    crops = [
        cut_crops(frame.image, faces.boxes[ask], settings, classifier.input_size)
        for frame, faces, ask in zip(window, found, asked, strict=True)
    ]
    answers = classifier.unmasked_prob(np.concatenate(crops)) if any(len(c) for c in crops) else np.zeros(0, np.float32)
    for frame, faces, ask, mine in zip(window, found, asked, _shares(answers, crops), strict=True):
        yield _result(frame, faces, ask, mine, settings)


def _shares(answers: np.ndarray, crops: Sequence[np.ndarray]) -> list[np.ndarray]:
    return np.split(answers, np.cumsum([len(c) for c in crops])[:-1])


def _result(
    frame: Frame, faces: Faces, asked: np.ndarray, answers: np.ndarray, settings: AnalysisSettings
) -> FrameResult:
    probability = np.full(len(faces), np.nan, np.float32)
    probability[asked] = answers
    return FrameResult(frame, faces, probability, decide(probability, faces.scores, settings))
