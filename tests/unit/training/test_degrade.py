"""What spoils crops: the shape stays, the spoiling shows, and H.264 is really encoded."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from crowdmask.training import degrade, occlude

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def photo(side: int = 96) -> np.ndarray:
    """Shapes with edges, shades and colours, as a face has them."""
    y, x = np.mgrid[:side, :side]
    image = np.stack([x * 255 // side, y * 255 // side, (x + y) * 127 // side], axis=2).astype(np.uint8)
    cv2.circle(image, (side // 2, side // 2), side // 3, (60, 120, 200), -1)
    cv2.line(image, (0, side // 3), (side, side // 2), (250, 250, 250), 3)
    return image


@pytest.mark.parametrize(
    "change",
    [
        degrade.defocus,
        degrade.darken,
        degrade.overexpose,
        degrade.tint,
        degrade.interlace,
        degrade.lean,
        occlude.before_mouth,
    ],
)
def test_the_shape_stays_and_the_picture_changes(change: Change) -> None:
    for seed in range(8):
        image = photo()
        before = image.copy()
        out = change(image, np.random.default_rng(seed))
        assert out.shape == image.shape and out.dtype == np.uint8
        assert np.array_equal(image, before)  # the picture in memory is drawn from again
        assert not np.array_equal(out, image)


def test_dark_is_dark_and_bright_is_burnt() -> None:
    image = photo()
    dark = [degrade.darken(image, np.random.default_rng(s)).mean() for s in range(20)]
    assert np.mean(dark) < 0.75 * image.mean()
    assert all(degrade.overexpose(image, np.random.default_rng(s)).mean() > image.mean() for s in range(20))


def test_video_is_encoded_for_real() -> None:
    """Sizes stay apart, each picture comes back in its place, and a low rate costs more than a high one."""
    images = [photo(96), np.full((20, 20, 3), (0, 0, 255), np.uint8), photo(48)]
    out = degrade.video_coded(images, np.random.default_rng(1))
    assert [o.shape for o in out] == [i.shape for i in images]
    for image, seen in zip(images, out, strict=True):
        off = np.abs(image.astype(int) - seen)
        assert 0 < off.mean() < 30  # spoiled, and yet the same picture
    assert np.array_equal(out[0], degrade.video_coded(images, np.random.default_rng(1))[0])
