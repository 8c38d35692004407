"""Decides, once and here, what a probability means for a face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import FloatArray, face_sizes
from crowdmask.records import Verdict
from crowdmask.settings import AnalysisSettings


def judgeable(boxes_xyxy: FloatArray, settings: AnalysisSettings) -> NDArray[np.bool_]:
    """Which faces are large enough to be asked about, (n,)."""
    return np.asarray(face_sizes(boxes_xyxy) >= settings.smallest_face)


def decide(
    unmasked_prob: NDArray[np.float32], scores: NDArray[np.float32], settings: AnalysisSettings
) -> NDArray[np.int8]:
    """Verdicts (n,): unknown where the probability is NaN or inside the unsure band, or the find itself is unsure.

    What is no face at all mostly looks like one without a mask: judged, it would be counted against the crowd.
    """
    half = settings.unsure_band / 2
    verdicts = np.full(len(unmasked_prob), Verdict.UNKNOWN, np.int8)
    with np.errstate(invalid="ignore"):
        verdicts[unmasked_prob >= settings.mask_threshold + half] = Verdict.UNMASKED
        verdicts[unmasked_prob < settings.mask_threshold - half] = Verdict.MASKED
    verdicts[scores < settings.judge_confidence] = Verdict.UNKNOWN
    return verdicts
