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

SURE_LOGIT = 2.5  # a probability under 0.08 or over 0.92


class XceptionClassifier:
    """Probability of unmasked, from the logit by the calibration that was fitted on held-out faces."""

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
        unsure = np.flatnonzero(np.abs(logits) < SURE_LOGIT)
        logits[unsure] = (logits[unsure] + self._logits(crops[unsure, :, ::-1])) / 2.0
        return of_unmasked(np.asarray(np.round(1.0 / (1.0 + np.exp(-logits)), 4), np.float32))

    def _logits(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Calibrated logits (n,) of BGR crops."""
        answers = at_once(self._answers, passes(crops, self._batch), self._workers)
        logits = np.concatenate([*answers, np.zeros(0, np.float32)])[: len(crops)]
        finite(logits, self._origin)
        return np.asarray(self._calibration.slope * logits + self._calibration.offset, np.float32)

    def _answers(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        (answers,) = self._network(crops).values()
        return answers


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
