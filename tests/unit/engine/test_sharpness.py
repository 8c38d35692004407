from __future__ import annotations

import cv2
import numpy as np

from crowdmask.engine.sharpness import sharpness


def crops() -> np.ndarray:
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 255, (24, 24, 3), np.uint8)
    sharp = cv2.resize(coarse, (128, 128), interpolation=cv2.INTER_CUBIC)
    return np.stack([sharp, cv2.GaussianBlur(sharp, (0, 0), 3), cv2.GaussianBlur(sharp, (0, 0), 9)])


def test_blur_lowers_it_and_it_stays_within_bounds() -> None:
    values = sharpness(crops())
    assert values[0] > values[1] > values[2] >= 0 and values[0] <= 1
    assert values[0] > 0.7 and values[2] < 0.3


def test_a_dark_picture_is_not_a_blurred_one() -> None:
    bright = crops()
    dark = (bright // 3).astype(np.uint8)
    assert np.allclose(sharpness(bright)[0], sharpness(dark)[0], atol=0.1)


def test_no_crops() -> None:
    assert sharpness(np.zeros((0, 128, 128, 3), np.uint8)).shape == (0,)
