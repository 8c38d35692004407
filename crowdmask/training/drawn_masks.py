"""Draws masks on bare faces by their landmarks, and gives worn ones other cloths: skin-like, patterned (BGR uint8)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Points = NDArray[np.float32]  # (5, 2) in the crop: eyes, nose, corners of the mouth

# usual colours of masks, BGR; None is the wearer's own skin
CLOTHS: tuple[tuple[int, int, int] | None, ...] = (
    (205, 175, 130), (190, 190, 120), (160, 190, 110), (235, 235, 235), (215, 215, 220), (40, 40, 42), (70, 65, 60),
    (120, 60, 40), (150, 130, 190), (190, 180, 220), (140, 165, 205), (160, 190, 225), None, None, None,
)  # fmt: skip


@dataclass(frozen=True)
class _Axes:
    """The face's own directions: from the eyes' middle down to the mouth's, and across, in pixels of the crop."""

    eyes: NDArray[np.float64]
    down: NDArray[np.float64]
    across: NDArray[np.float64]
    left: float  # how far the cheeks reach from the middle line, in pixels
    right: float

    @classmethod
    def of(cls, points: Points) -> _Axes:
        eyes, mouth = points[:2].mean(0).astype(float), points[3:].mean(0).astype(float)
        down = mouth - eyes
        long = max(1.0, float(np.hypot(*down)))
        across = np.array([down[1], -down[0]]) / long
        apart = abs(float((points[1] - points[0]) @ across))
        # a nose beside the middle line is a turned head: less of the cheek shows on that side, but all of the nose
        turned = float((points[2] - (eyes + mouth) / 2) @ across)
        half = max(0.95 * apart, 0.75 * long)
        near = max(0.3 * half, half - 1.5 * abs(turned), 1.35 * abs(turned))
        far = half + 0.5 * abs(turned)
        return cls(eyes, down, across, *((near, far) if turned < 0 else (far, near)))

    def at(self, across: float, down: float) -> NDArray[np.float64]:
        """A place by parts of a cheek's width and of the way from eyes to mouth."""
        reach = self.right if across > 0 else self.left
        return np.asarray(self.eyes + self.down * down + self.across * across * reach)


def draw_mask(crop: Image, points: Points, rng: Generator, *, worn_wrongly: bool) -> Image:
    """A mask over nose and mouth; worn wrongly it begins below the nose or, one time in three, on the chin."""
    axes = _Axes.of(points)
    if not worn_wrongly:
        top = rng.uniform(0.22, 0.45)
    elif rng.random() < 0.67:
        top = rng.uniform(0.78, 0.95)
    else:
        top = rng.uniform(1.18, 1.4)
    low = max(rng.uniform(1.5, 1.9), top + 0.4)
    side = top + rng.uniform(0.02, 0.25)
    middle = (side + low) / 2 + 0.1
    outline = [
        (0.0, top), (0.45, top + 0.06), (rng.uniform(0.8, 1.0), side), (rng.uniform(0.75, 0.95), middle),
        (0.45, low - 0.08), (0.0, low), (-0.45, low - 0.08), (-rng.uniform(0.75, 0.95), middle),
        (-rng.uniform(0.8, 1.0), side), (-0.45, top + 0.06),
    ]  # fmt: skip
    corners = np.array([axes.at(x, y) for x, y in outline])
    cover = _cover(crop.shape[0], corners)
    out = _straps(crop, axes, corners, rng)
    cloth = _cloth(crop, points, rng)
    # the face's own light falls on the cloth too, and folds run across it
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).astype(np.float32)
    light = cv2.GaussianBlur(grey, (0, 0), crop.shape[0] * 0.06)
    inside = cover > 0.5
    level = float(light[inside].mean()) if inside.any() else 128.0
    shade = np.clip(0.35 + 0.65 * light / max(level, 1.0), 0.4, 1.5) * np.clip(0.45 + level / 200.0, 0.3, 1.15)
    cloth = cloth * (shade * _folds(crop.shape[0], axes, top, low, rng))[..., None]
    blended = out * (1 - cover[..., None]) + np.clip(cloth, 0, 255) * cover[..., None]
    return np.asarray(np.clip(blended, 0, 255), np.uint8)


def recloth(crop: Image, points: Points, rng: Generator) -> Image:
    """The mask that is worn in another cloth, its folds and its light kept."""
    axes = _Axes.of(points)
    core = ((0, 0.6), (0.5, 0.6), (0.6, 1.1), (0.3, 1.5), (-0.3, 1.5), (-0.6, 1.1), (-0.5, 0.6))
    reach = (
        (0, 0.25),
        (0.7, 0.3),
        (1.05, 0.6),
        (0.95, 1.5),
        (0.5, 2),
        (-0.5, 2),
        (-0.95, 1.5),
        (-1.05, 0.6),
        (-0.7, 0.3),
    )
    inner, outer = (_cover(crop.shape[0], np.array([axes.at(x, y) for x, y in line])) for line in (core, reach))
    inside = inner > 0.5
    if not inside.any():
        return crop
    # the mask is what has its middle's colour, in any light
    lab = cv2.cvtColor(crop, cv2.COLOR_BGR2LAB).astype(np.float32)
    middle = np.median(lab[inside], axis=0)
    apart = np.sqrt((np.abs(lab - middle) ** 2 * (0.15, 1.0, 1.0)).sum(axis=2))
    cover = cv2.GaussianBlur(np.maximum(outer * np.exp(-((apart / 16.0) ** 2)), inner).astype(np.float32), (0, 0), 1.0)
    grey = lab[..., 0]
    light = np.clip(grey / max(float(grey[inside].mean()), 20.0), 0.2, 1.8)
    new = _cloth(crop, points, rng) * light[..., None] * rng.uniform(0.75, 1.05)
    cover = cover * rng.uniform(0.75, 1.0)
    return np.asarray(np.clip(crop * (1 - cover[..., None]) + new * cover[..., None], 0, 255), np.uint8)


def scarf(crop: Image, points: Points, rng: Generator) -> Image:
    """A scarf or a collar about the neck, below the chin: it says nothing about a mask."""
    axes = _Axes.of(points)
    top = rng.uniform(1.75, 2.1)
    corners = np.array(
        [axes.at(x, y) for x, y in ((-1.5, top - 0.25), (0, top), (1.5, top - 0.25), (2.2, 4.5), (-2.2, 4.5))]
    )
    cover = _cover(crop.shape[0], corners)[..., None]
    cloth = _cloth(crop, points, rng) * _folds(crop.shape[0], axes, top, top + 1.2, rng)[..., None]
    return np.asarray(np.clip(crop * (1 - cover) + np.clip(cloth, 0, 255) * cover, 0, 255), np.uint8)


def _cover(side: int, corners: NDArray[np.float64]) -> NDArray[np.float32]:
    """How much of each pixel lies inside the outline, 0 to 1, with a soft edge."""
    mask = np.zeros((side, side), np.uint8)
    fixed = np.round(np.clip(corners, -4 * side, 4 * side) * 16).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.8).astype(np.float32) / 255.0, np.float32)


def _cloth(crop: Image, points: Points, rng: Generator) -> NDArray[np.float32]:
    """Plain, striped, checked, dotted, flowered, or in the colour of the wearer's skin."""
    side = crop.shape[0]
    base = CLOTHS[int(rng.integers(len(CLOTHS)))]
    colour = _skin(crop, points) if base is None else np.array(base, np.float32)
    colour = np.clip(colour * rng.uniform(0.85, 1.15) + rng.normal(0, 10, 3), 5, 250).astype(np.float32)
    cloth = np.empty((side, side, 3), np.float32)
    cloth[:] = colour
    kind = rng.random()
    if kind < 0.5:
        return cloth
    other = rng.integers(0, 256, 3).astype(np.float32)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    turn, pitch = rng.uniform(0, np.pi), side * rng.uniform(0.05, 0.14)
    along, aside = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    if kind < 0.62:
        share = (np.sin(2 * np.pi * along / pitch) > rng.uniform(-0.3, 0.6)).astype(np.float32)
    elif kind < 0.72:
        share = ((np.sin(2 * np.pi * along / pitch) > 0) ^ (np.sin(2 * np.pi * aside / pitch) > 0)).astype(np.float32)
    elif kind < 0.84:
        share = (np.sin(2 * np.pi * along / pitch) * np.sin(2 * np.pi * aside / pitch) > 0.4).astype(np.float32)
    else:
        spots = rng.normal(0, 1, (side, side)).astype(np.float32)
        share = (cv2.GaussianBlur(spots, (0, 0), side * rng.uniform(0.015, 0.05)) > 0).astype(np.float32)
    return np.asarray(cloth * (1 - share[..., None]) + other * share[..., None], np.float32)


def _skin(crop: Image, points: Points) -> NDArray[np.float32]:
    """The colour between the eyes."""
    x, y = points[:2].mean(0)
    reach = max(2, int(abs(points[1, 0] - points[0, 0]) * 0.2))
    x1, y1 = (int(np.clip(v, 0, crop.shape[0] - 2)) for v in (x - reach, y - reach))
    return np.asarray(np.median(crop[y1 : y1 + 2 * reach, x1 : x1 + 2 * reach].reshape(-1, 3), axis=0), np.float32)


def _folds(side: int, axes: _Axes, top: float, low: float, rng: Generator) -> NDArray[np.float32]:
    """Two or three folds across the cloth, as factors about 1."""
    shade = np.ones((side, side), np.float32)
    for place in np.linspace(top, low, int(rng.integers(4, 6)))[1:-1]:
        ends = [tuple(int(v) for v in axes.at(x, place)) for x in (-0.8, 0.8)]
        cv2.line(shade, ends[0], ends[1], rng.uniform(0.75, 0.95), max(1, side // 60), cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(shade, (0, 0), max(0.6, side / 90)), np.float32)


def _straps(crop: Image, axes: _Axes, corners: NDArray[np.float64], rng: Generator) -> Image:
    """From the upper corners towards the ears."""
    out = crop.copy()
    colour = tuple(int(c) for c in rng.integers(120, 256, 1).repeat(3))
    for corner, to in ((corners[2], 1.25), (corners[8], -1.25)):
        if rng.random() < 0.8:
            ends = [tuple(int(v) for v in p) for p in (corner, axes.at(to, rng.uniform(0.0, 0.35)))]
            cv2.line(out, ends[0], ends[1], colour, max(1, crop.shape[0] // 70), cv2.LINE_AA)
    return np.asarray(out, np.uint8)
