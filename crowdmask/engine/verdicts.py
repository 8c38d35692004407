"""Decides, once and here, what the classifier's probabilities mean for a face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import FloatArray, face_sizes
from crowdmask.settings import AnalysisSettings
from crowdmask.verdicts import Outcome, Verdict

Probabilities = NDArray[np.float32]  # (n, outcomes)
# chosen on the held-out photographs: a face that is dropped is missed, one that is left unknown is still counted
NO_FACE_FROM, DOUBTED_FROM = 0.9, 0.4


def judgeable(boxes_xyxy: FloatArray, settings: AnalysisSettings) -> NDArray[np.bool_]:
    """Which faces are large enough to be asked about, (n,)."""
    return np.asarray(face_sizes(boxes_xyxy) >= settings.smallest_face)


def of_unmasked(unmasked_prob: NDArray[np.float32]) -> Probabilities:
    """The probabilities of a network that knows but two outcomes, (n, 4)."""
    probabilities = np.zeros((len(unmasked_prob), len(Outcome)), np.float32)
    probabilities[:, Outcome.MASKED], probabilities[:, Outcome.UNMASKED] = 1 - unmasked_prob, unmasked_prob
    return probabilities


def not_asked(count: int) -> Probabilities:
    return np.full((count, len(Outcome)), np.nan, np.float32)


def are_no_face(probabilities: Probabilities) -> NDArray[np.bool_]:
    """Which finds the classifier takes for no face, (n,)."""
    return np.asarray(np.nan_to_num(probabilities[:, Outcome.NO_FACE]) >= NO_FACE_FROM)


def against(probabilities: Probabilities) -> NDArray[np.float32]:
    """Probability of what counts against the compliance, among the outcomes of a face, (n,)."""
    wrong = probabilities[:, Outcome.UNMASKED] + probabilities[:, Outcome.INCORRECT]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(wrong / (1 - probabilities[:, Outcome.NO_FACE]), np.float32)


def decide(probabilities: Probabilities, scores: NDArray[np.float32], settings: AnalysisSettings) -> NDArray[np.int8]:
    """Verdicts (n,): unknown where a face was not asked about or is inside the unsure band, or the find is unsure, or
    may well be none.

    What is no face at all mostly looks like one without a mask: judged, it would be counted against the crowd.
    """
    half, unmasked_prob = settings.unsure_band / 2, against(probabilities)
    verdicts = np.full(len(probabilities), Verdict.UNKNOWN, np.int8)
    with np.errstate(invalid="ignore"):
        wrong = unmasked_prob >= settings.mask_threshold + half
        worn = probabilities[:, Outcome.INCORRECT] >= probabilities[:, Outcome.UNMASKED]
        verdicts[wrong & worn] = Verdict.INCORRECT
        verdicts[wrong & ~worn] = Verdict.UNMASKED
        verdicts[unmasked_prob < settings.mask_threshold - half] = Verdict.MASKED
    doubted = np.nan_to_num(probabilities[:, Outcome.NO_FACE]) >= DOUBTED_FROM
    verdicts[doubted | (scores < settings.judge_confidence)] = Verdict.UNKNOWN
    return verdicts
