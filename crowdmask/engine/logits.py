"""Probabilities as logits and back, where the opinions of several looks or networks are weighed together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def logit(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    known = np.asarray(probability, np.float64)
    return np.asarray(np.log(known / (1 - known)))


def probability_of(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-logits)))
