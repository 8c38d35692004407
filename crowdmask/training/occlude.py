"""Things before a face that are no mask: covered brows, glasses bars, hands over mouths (BGR uint8 in and out)."""

from __future__ import annotations

from typing import Any

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


def before_mouth(crop: Image, rng: Generator) -> Image:
    """A hand, a phone, a cup, or a sign before the mouth of a bare face: still unmasked."""
    kind = rng.integers(4)
    if kind == 0:
        return hand_over_mouth(crop, rng)
    side = crop.shape[0]
    out = crop.copy()
    colour = tuple(int(c) for c in rng.integers(0, 256, 3))
    middle = np.array([rng.uniform(0.35, 0.65), rng.uniform(0.68, 0.85)]) * side
    if kind == 1:  # a phone, upright or askew, with a lens
        size = (side * rng.uniform(0.2, 0.32), side * rng.uniform(0.4, 0.6))
        dark = tuple(int(c) for c in rng.integers(0, 70, 3))
        _fill(out, cv2.boxPoints(((float(middle[0]), float(middle[1] + 0.08 * side)), size, rng.normal(0, 20))), dark)
        cv2.circle(out, (int(middle[0]), int(middle[1])), max(1, int(side * 0.03)), (90, 90, 90), -1, cv2.LINE_AA)
    elif kind == 2:  # a cup, wider above
        top, low, high = side * rng.uniform(0.13, 0.2), side * rng.uniform(0.09, 0.13), side * rng.uniform(0.3, 0.45)
        x, y = middle
        _fill(out, np.array([[x - top, y], [x + top, y], [x + low, y + high], [x - low, y + high]]), colour)
        cv2.ellipse(out, (int(x), int(y)), (int(top), max(1, int(top / 4))), 0, 0, 360, colour, -1, cv2.LINE_AA)
    else:  # a sign or a paper with lines of print
        size = (side * rng.uniform(0.4, 0.8), side * rng.uniform(0.3, 0.5))
        pale = tuple(int(c) for c in rng.integers(170, 256, 3))
        points = cv2.boxPoints(((float(middle[0]), float(middle[1] + 0.12 * side)), size, rng.normal(0, 8)))
        _fill(out, points, pale)
        for line in range(3):
            y = int(middle[1] + side * (0.02 + 0.07 * line))
            ends = (int(middle[0] - size[0] * 0.35), y), (int(middle[0] + size[0] * rng.uniform(0, 0.35)), y)
            cv2.line(out, *ends, (40, 40, 40), max(1, side // 48), cv2.LINE_AA)
    return np.asarray(out, np.uint8)


def _fill(image: Image, points: NDArray[Any], colour: tuple[int, ...]) -> None:
    cv2.fillPoly(image, [np.round(points).astype(np.int32)], colour, cv2.LINE_AA)
