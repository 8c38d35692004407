"""Our Xception as a `MaskClassifier`: crops in passes of one size, calibrated probabilities out.

A crop whose first answer is not sure is judged mirrored too: on held-out photographs that takes back one wrong verdict
in ten.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.runtimes.network import Network, at_once, finite
from crowdmask.engine.verdicts import of_unmasked
from crowdmask.nets.facts import Calibration

SURE_LOGIT, SURE_PROB = 2.5, 0.92  # of one logit a probability under 0.08 or over 0.92


class XceptionClassifier:
    """Probabilities of the outcomes, from the logits by the calibration that was fitted on held-out finds.

    A network with one logit knows masked and unmasked alone; one with four knows every outcome.
    """

    def __init__(
        self,
        network: Network,
        calibration: Calibration,
        *,
        batch: int,
        workers: int = 1,
        origin: str = "the classifier",
    ) -> None:
        self._network, self._calibration, self._batch = network, calibration, batch
        self._workers, self._origin = workers, origin

    @property
    def input_size(self) -> int:
        return self._network.facts.input_size or 0

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        logits = self._logits(crops)
        unsure = np.flatnonzero(_are_unsure(logits))
        if len(unsure):
            logits[unsure] = (logits[unsure] + self._logits(crops[unsure, :, ::-1])) / 2.0
        if logits.ndim == 2:
            # never 0: that is what a network says that does not know the outcome
            return np.asarray(np.clip(np.round(softmax(logits), 4), 1e-4, 1.0), np.float32)
        return of_unmasked(np.asarray(np.round(1.0 / (1.0 + np.exp(-logits)), 4), np.float32))

    def rest(self) -> None:
        self._network.rest()

    def _logits(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Calibrated logits of BGR crops, (n,) or (n, outcomes)."""
        if not len(crops):
            return np.zeros(0, np.float32)
        answers = at_once(self._answers, passes(crops, self._batch), self._workers)
        return self._calibration.of_logits(finite(np.concatenate(answers)[: len(crops)], self._origin))

    def _answers(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        (answers,) = self._network(crops).values()
        return answers


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of each row, summing to 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _are_unsure(logits: NDArray[np.float32]) -> NDArray[np.bool_]:
    if logits.ndim == 2:
        return np.asarray(softmax(logits).max(axis=1) < SURE_PROB)
    return np.asarray(np.abs(logits) < SURE_LOGIT)


def passes(crops: NDArray[np.uint8], batch: int) -> list[NDArray[np.uint8]]:
    """The crops in passes of one shape, the last filled up: a pass's shape may move the last digits of an answer.

    All but the last are views of the crops, which are not copied.
    """
    found = [crops[i : i + batch] for i in range(0, len(crops), batch)]
    if found and len(found[-1]) < batch:
        last = np.zeros((batch, *crops.shape[1:]), np.uint8)
        last[: len(found[-1])] = found[-1]
        found[-1] = last
    return found
