"""Things before a face that are no mask: covered brows, glasses bars, hands over mouths (BGR uint8 in and out)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def cover_brow(crop: Image, rng: Generator) -> Image:
    """A patch over forehead or eyes: hats, fringes, glasses, other people's shoulders; never the mouth."""
    side = crop.shape[0]
    out = crop.copy()
    width, height = int(side * rng.uniform(0.3, 1.0)), int(side * rng.uniform(0.08, 0.4))
    x = int(rng.integers(0, max(1, side - width + 1)))
    y = int(rng.integers(0, max(1, round(side * 0.45) - height + 1)))
    patch = np.empty((height, width, 3), np.uint8)
    patch[:] = rng.integers(0, 256, 3)
    if rng.random() < 0.5:
        patch = np.clip(patch + rng.normal(0, 25, patch.shape), 0, 255).astype(np.uint8)
    out[y : y + height, x : x + width] = patch
    return np.asarray(out, np.uint8)


def hand_over_mouth(crop: Image, rng: Generator) -> Image:
    """Fingers in the face's own skin colour across mouth and nose: still an unmasked face."""
    side = crop.shape[0]
    brow = crop[int(side * 0.3) : int(side * 0.5), int(side * 0.35) : int(side * 0.65)].reshape(-1, 3)
    skin = np.median(brow, axis=0) * rng.uniform(0.85, 1.1)
    out = crop.copy()
    thick = side * rng.uniform(0.09, 0.14)
    angle = rng.uniform(-0.5, 0.5) + (np.pi if rng.random() < 0.5 else 0.0)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    mouth = np.array([side * rng.uniform(0.42, 0.58), side * rng.uniform(0.66, 0.76)])
    for finger in range(int(rng.integers(3, 5))):
        middle = mouth + across * (finger - 1.5) * thick * 1.05
        tip = middle + along * side * rng.uniform(0.16, 0.3)
        root = middle - along * side * 0.8
        for width, shade in ((1.0, 0.72), (0.86, 1.0)):
            colour = tuple(float(c) for c in np.clip(skin * shade * rng.uniform(0.95, 1.03), 0, 255))
            ends = [tuple(int(v) for v in p) for p in (root, tip)]
            cv2.line(out, ends[0], ends[1], colour, max(1, int(thick * width)), cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(out, (3, 3), 0), np.uint8)
