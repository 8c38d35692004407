"""The middle of the flow: windows of frames through the detector, all their crops through the classifier, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from crowdmask.engine.crops import cut_crops
from crowdmask.engine.protocols import FaceDetector, MaskClassifier
from crowdmask.engine.verdicts import decide, judgeable
from crowdmask.records import Faces, Frame, FrameResult
from crowdmask.settings import AnalysisSettings, RuntimeSettings


def analyse(
    frames: Iterable[Frame],
    detector: FaceDetector,
    classifier: MaskClassifier,
    settings: AnalysisSettings,
    runtime: RuntimeSettings,
) -> Iterator[FrameResult]:
    """One result for every frame, in order; what came before an error of the source is given before it is raised."""
    iterator = iter(frames)
    while True:
        window: list[Frame] = []
        try:
            for frame in islice(iterator, runtime.window):
                window.append(frame)  # one by one: an error leaves the frames before it in the window
        except Exception:
            yield from _judge(window, detector, classifier, settings)
            raise
        if not window:
            return
        yield from _judge(window, detector, classifier, settings)


def _judge(
    window: Sequence[Frame], detector: FaceDetector, classifier: MaskClassifier, settings: AnalysisSettings
) -> Iterator[FrameResult]:
    found = detector.detect([frame.image for frame in window]) if window else []
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
