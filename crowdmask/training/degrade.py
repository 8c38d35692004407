"""What bad cameras, light and compression do to a picture, as random changes for training (BGR uint8 in and out)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def recolour(image: Image, rng: Generator) -> Image:
    """Light, contrast, gamma, colour cast and saturation; now and then grey."""
    levels = np.arange(256, dtype=np.float32) / 255.0
    curve = levels ** np.exp(rng.uniform(-0.4, 0.4)) * rng.uniform(0.7, 1.25)
    curve = (curve - 0.5) * rng.uniform(0.7, 1.25) + 0.5 + rng.uniform(-0.08, 0.08)
    cast = rng.uniform(0.88, 1.12, 3)
    table = np.clip(curve[:, None] * cast * 255.0, 0, 255).astype(np.uint8).reshape(256, 1, 3)
    image = np.asarray(cv2.LUT(image, table), np.uint8)
    grey_share = 1.0 if rng.random() < 0.08 else max(0.0, rng.uniform(-0.6, 0.6))
    if grey_share > 0.02:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        image = np.asarray(cv2.addWeighted(image, 1 - grey_share, grey, grey_share, 0), np.uint8)
    return image


def soften(image: Image, rng: Generator) -> Image:
    """Out of focus, or moved while the shutter was open."""
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.8)), np.uint8)
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    ends = (np.array([-reach, reach]) + (length - 1) / 2).round().astype(int)
    cv2.line(kernel, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def coarsen(image: Image, factor: float, rng: Generator) -> Image:
    """Shrink by `factor` and enlarge again, as a camera too far away would have seen it."""
    height, width = image.shape[:2]
    small_wh = max(2, round(width / factor)), max(2, round(height / factor))
    small = cv2.resize(image, small_wh, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        small = compress(np.asarray(small, np.uint8), rng)
    back = cv2.INTER_CUBIC if rng.random() < 0.3 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(small, (width, height), interpolation=back), np.uint8)


def compress(image: Image, rng: Generator) -> Image:
    quality = int(rng.integers(25, 90))
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def add_noise(image: Image, rng: Generator) -> Image:
    noise = rng.normal(0.0, rng.uniform(2.0, 14.0), image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)
