"""The two networks at work: crops of the finds that are asked about, judged in batches and put back in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.crops import cut_crops
from crowdmask.engine.protocols import FaceDetector, MaskClassifier
from crowdmask.engine.sharpness import sharpness
from crowdmask.engine.verdicts import Probabilities, not_asked
from crowdmask.records import Faces, Frame
from crowdmask.settings import AnalysisSettings, RuntimeSettings


@dataclass(frozen=True)
class Judge:
    """A detector and a classifier under the settings that they were loaded for."""

    detector: FaceDetector
    classifier: MaskClassifier
    settings: AnalysisSettings
    runtime: RuntimeSettings


@dataclass(frozen=True)
class Answers:
    """For each find of a frame what the classifier says, NaN where it was not asked."""

    probabilities: Probabilities
    sharpness: NDArray[np.float32]


def judged(
    frames: Sequence[Frame],
    found: Sequence[Faces],
    asked: Sequence[NDArray[np.bool_]],
    judge: Judge,
    *,
    with_sharpness: bool = False,
) -> list[Answers]:
    """The answers of each frame; the crops of all frames go to the classifier together."""
    size = judge.classifier.input_size
    ends = np.cumsum([np.count_nonzero(ask) for ask in asked])
    together = np.empty((int(ends[-1]) if len(ends) else 0, size, size, 3), np.uint8)
    crops = np.split(together, ends[:-1])
    for frame, faces, ask, place in zip(frames, found, asked, crops, strict=True):
        # each face is written once, straight to its place in the batch
        cut_crops(frame.picture, faces.boxes[ask], judge.settings, size, into=place)
    answers = judge.classifier.probabilities(together) if len(together) else not_asked(0)
    every = []
    for faces, ask, mine, cut in zip(found, asked, np.split(answers, ends[:-1]), crops, strict=True):
        probabilities, sharp = not_asked(len(faces)), np.full(len(faces), np.nan, np.float32)
        probabilities[ask] = mine
        if with_sharpness:
            sharp[ask] = sharpness(cut)
        every.append(Answers(probabilities, sharp))
    return every
