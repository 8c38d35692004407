"""Calibration: what is already honest stays, overconfidence is taken back."""

from __future__ import annotations

import numpy as np
import pytest

from crowdmask.errors import DatasetError
from crowdmask.training.shipping import calibrate


def draw(slope: float, offset: float, n: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels whose true probability is sigmoid(slope x logit + offset)."""
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, n).astype(np.float32)
    return logits, rng.random(n) < 1 / (1 + np.exp(-(slope * logits + offset)))


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (0.5, 0.0), (2.0, -1.0)])
def test_it_finds_the_slope_and_offset_that_are_true(slope: float, offset: float) -> None:
    found = calibrate(*draw(slope, offset))
    assert found.slope == pytest.approx(slope, rel=0.05)
    assert found.offset == pytest.approx(offset, abs=0.06)


def test_weights_count() -> None:
    logits, unmasked = np.zeros(4, np.float32), np.array([True, False, False, False])
    # the one unmasked face weighs as much as the three others
    found = calibrate(logits, unmasked, np.array([3.0, 1.0, 1.0, 1.0], np.float32))
    # Platt's targets: 2/3 for the one positive, 1/5 for the three negatives, so 13/30 on average
    assert 1 / (1 + np.exp(-found.offset)) == pytest.approx(13 / 30, abs=1e-3)


def test_one_class_cannot_be_calibrated() -> None:
    with pytest.raises(DatasetError):
        calibrate(np.zeros(3, np.float32), np.ones(3, bool))
