"""Varies a crop as most tutorials do: turned, shifted, slanted, enlarged and mirrored, edges drawn out."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.random import Generator

from crowdmask.training.pictures import Image
from crowdmask.training.settings import AugmentSettings


def vary(crop: Image, settings: AugmentSettings, rng: Generator) -> Image:
    """Each of them by a random amount up to its limit, in one resampling."""
    side = crop.shape[0]
    if settings.flip and rng.random() < 0.5:
        crop = np.ascontiguousarray(crop[:, ::-1])
    turn = math.radians(rng.uniform(-1, 1) * settings.rotation)
    slant = math.tan(math.radians(rng.uniform(-1, 1) * settings.slant))
    zoom = 1 + rng.uniform(-1, 1, 2) * settings.zoom
    shift = rng.uniform(-1, 1, 2) * settings.shift * side
    if not (turn or slant or shift.any() or (zoom != 1).any()):
        return crop
    rotated = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    matrix = rotated @ np.array([[1.0, slant], [0.0, 1.0]]) @ np.diag(zoom)
    centre = np.array([side - 1, side - 1]) / 2
    moved = np.column_stack([matrix, centre + shift - matrix @ centre])
    return np.asarray(cv2.warpAffine(crop, moved, (side, side), borderMode=cv2.BORDER_REPLICATE), np.uint8)
