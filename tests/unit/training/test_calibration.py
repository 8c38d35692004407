"""Calibration: what is already honest stays, overconfidence is taken back."""

from __future__ import annotations

import numpy as np
import pytest

from crowdmask.errors import DatasetError
from crowdmask.training.shipping import calibrate, calibrate_outcomes


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


@pytest.mark.parametrize(("slope", "offsets"), [(1.0, (0, 0, 0, 0)), (0.6, (0.5, -0.2, -0.6, 0.3))])
def test_outcomes_find_the_slope_and_offsets_that_are_true(slope: float, offsets: tuple[float, ...]) -> None:
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 2, (40_000, 4)).astype(np.float32)
    chance = np.exp(slope * logits + np.array(offsets))
    chance /= chance.sum(axis=1, keepdims=True)
    outcomes = (rng.random((len(chance), 1)) > chance.cumsum(axis=1)).sum(axis=1)
    found = calibrate_outcomes(logits, outcomes)
    assert found.slope == pytest.approx(slope, rel=0.05)
    # only their differences matter
    assert np.subtract(found.offsets, np.mean(found.offsets)) == pytest.approx(
        np.subtract(offsets, np.mean(offsets)), abs=0.06
    )


def test_an_outcome_that_does_not_occur_is_left_alone() -> None:
    rng = np.random.default_rng(6)
    logits = rng.normal(0, 1, (500, 4)).astype(np.float32)
    assert calibrate_outcomes(logits, rng.integers(0, 3, 500)).offsets[3] == 0.0
    with pytest.raises(DatasetError):
        calibrate_outcomes(logits, np.zeros(500, int))
