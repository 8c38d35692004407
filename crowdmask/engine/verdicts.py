"""Decides, once and here, what the classifier's probabilities mean for a face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.logits import logit, probability_of
from crowdmask.geometry import FloatArray, face_sizes
from crowdmask.settings import AnalysisSettings
from crowdmask.verdicts import Outcome, Verdict

Probabilities = NDArray[np.float32]  # (n, outcomes)
# Chosen on the held-out photographs: a face that is dropped is missed, one that is left unknown is still counted.
NO_FACE_FROM, DOUBTED_FROM = 0.96, 0.8
CLASSIFIER_SAYS = 0.75  # of whether a find is a face at all, beside 1 of the detector
LEAST_ODDS, MOST_SCORE = 1e-4, 0.995  # so that neither of the two is ever so sure that the other says nothing


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


def sureness(probabilities: Probabilities, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """How sure both networks together are that a find is a face, (n,): the mean of their logits, weighted.

    Each errs on other things: a fist that the detector is sure of is none to the classifier, and a blurred face that
    the detector doubts shows a mask. A classifier that knows no such outcome says exactly 0: the score alone counts.
    """
    none = np.nan_to_num(probabilities[:, Outcome.NO_FACE]).astype(np.float64)
    face = -logit(np.clip(none, LEAST_ODDS, 1 - LEAST_ODDS))
    both = (logit(np.clip(scores, LEAST_ODDS, MOST_SCORE)) + CLASSIFIER_SAYS * face) / (1 + CLASSIFIER_SAYS)
    return np.asarray(np.where(none > 0, probability_of(both), scores), np.float32)


def decide(probabilities: Probabilities, scores: NDArray[np.float32], settings: AnalysisSettings) -> NDArray[np.int8]:
    """Verdicts (n,): unknown where a face was not asked about or is inside the unsure band, or where both networks
    together are not sure enough that the find is a face.

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
    verdicts[doubted | (sureness(probabilities, scores) < settings.judge_confidence)] = Verdict.UNKNOWN
    return verdicts
