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
    crops = [
        cut_crops(frame.image, faces.boxes[ask], judge.settings, size)
        for frame, faces, ask in zip(frames, found, asked, strict=True)
    ]
    together = np.concatenate(crops) if any(len(c) for c in crops) else None
    answers = not_asked(0) if together is None else judge.classifier.probabilities(together)
    ends = np.cumsum([len(c) for c in crops])[:-1]
    every = []
    for faces, ask, mine, cut in zip(found, asked, np.split(answers, ends), crops, strict=True):
        probabilities, sharp = not_asked(len(faces)), np.full(len(faces), np.nan, np.float32)
        probabilities[ask] = mine
        if with_sharpness:
            sharp[ask] = sharpness(cut)
        every.append(Answers(probabilities, sharp))
    return every
