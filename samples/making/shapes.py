"""Drawing aids of the sample maker: smooth curves, soft masks, noise with a direction, shading by a height map."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[Any]  # float32; OpenCV's stubs promise less
Bytes = NDArray[Any]  # uint8
Colour = tuple[float, float, float]  # BGR


def path(text: str) -> Floats:
    """Points written as in an SVG, "x,y x,y …", (n, 2)."""
    return np.array([pair.split(",") for pair in text.split()], np.float32)


def curve(points: ArrayLike, steps: int = 24, closed: bool = False) -> Floats:
    """A smooth line (Catmull-Rom) through the points, (m, 2)."""
    p = np.asarray(points, np.float32)
    p = np.vstack([p[-1:], p, p[:2]]) if closed else np.vstack([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, 1, steps, endpoint=False, dtype=np.float32)[:, None]
    parts = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True)
    ]
    return np.vstack(parts if closed else [*parts, p[-2:-1]]).astype(np.float32)


def along(line: Floats, count: int) -> Floats:
    """`count` points of a line, evenly spaced by its length."""
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0, length[-1], count)
    return np.stack([np.interp(at, length, line[:, i]) for i in (0, 1)], axis=1).astype(np.float32)


def filled(points: ArrayLike, shape_hw: tuple[int, int], soft: float = 0.0) -> Floats:
    """Coverage 0..1 of a polygon, its edge antialiased and then softened by `soft` pixels."""
    area = np.zeros(shape_hw, np.uint8)
    cv2.fillPoly(area, [np.round(np.asarray(points) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    cover = area.astype(np.float32) / 255
    return cv2.GaussianBlur(cover, (0, 0), soft).astype(np.float32) if soft else cover


def stroked(points: ArrayLike, shape_hw: tuple[int, int], width: float, soft: float = 0.0) -> Floats:
    """Coverage 0..1 of a line of the given width."""
    area = np.zeros(shape_hw, np.uint8)
    line = np.round(np.asarray(points) * 16).astype(np.int32)
    cv2.polylines(area, [line], False, 255, max(1, round(width)), cv2.LINE_AA, 4)
    cover = area.astype(np.float32) / 255
    return cv2.GaussianBlur(cover, (0, 0), soft).astype(np.float32) if soft else cover


def noise(rng: np.random.Generator, shape_hw: tuple[int, int], sigma_xy: tuple[float, float]) -> Floats:
    """Smooth noise with mean 0 and deviation 1; unequal sigmas make it streaky."""
    field: Floats = rng.standard_normal(shape_hw).astype(np.float32)
    if max(sigma_xy) > 0.3:
        field = cv2.GaussianBlur(field, (0, 0), max(0.3, sigma_xy[0]), sigmaY=max(0.3, sigma_xy[1]))
    out: Floats = ((field - field.mean()) / (field.std() + 1e-6)).astype(np.float32)
    return out


def lit(height: Floats, ambient: float = 0.45) -> Floats:
    """Brightness of a surface given by its height in pixels, about 1 where it faces the light."""
    towards = (-0.35, -0.55, 0.76)  # the light comes from above and from the left
    dx = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3) / 8
    dy = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3) / 8
    facing = (-dx * towards[0] - dy * towards[1] + towards[2]) / np.sqrt(dx**2 + dy**2 + 1)
    return (ambient + (1 - ambient) * np.clip(facing, 0, None) / towards[2]).astype(np.float32)


def over(below_bgr: Floats, colour: Floats | Colour, cover: Floats) -> Floats:
    """A colour (one, or one for each pixel) laid over a picture where `cover` says."""
    return (below_bgr + (np.asarray(colour, np.float32) - below_bgr) * cover[..., None]).astype(np.float32)
