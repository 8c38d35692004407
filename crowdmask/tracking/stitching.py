"""Joins what an occlusion cut: a face that comes up where, and as large as, one that was lost would be by now.

The idea of joining tracks afterwards by place, time and speed is StrongSORT's (Du et al. 2023, AFLink); here both ends'
motion, filtered, takes the place of a network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crowdmask.tracking.assignment import Pairs, assign
from crowdmask.tracking.observations import Floats, sizes_of

# How far from where it was expected, in face sizes: at once, and more for every second lost.
APART, APART_PER_S = 0.6, 1.3
GROWN, GROWN_PER_S = 0.30, 0.20  # log size
TRUSTED_FOR_S = 1.0  # speeds are followed this long; people also stop
EDGE = 0.35  # face sizes from the picture's edge at which a face that moves outwards has left


@dataclass(frozen=True)
class Ends:
    """Places and speeds (n, 4) of chains at one end of theirs, and when that was (n,)."""

    states: Floats
    speeds: Floats
    seconds: Floats


def left_picture(ends: Ends, size_wh: tuple[float, float]) -> np.ndarray:
    """Which of them went out of the picture, (n,); their states are in its pixels."""
    size = sizes_of(ends.states)[:, None]
    place, speed = ends.states[:, :2], ends.speeds[:, :2]
    reach, edge = np.exp(ends.states[:, 2:]) / 2.0 + EDGE * size, np.asarray(size_wh, np.float64)
    soon = place + 0.3 * speed
    out = (place < reach) & (speed < -0.3 * size) | (edge - place < reach) & (speed > 0.3 * size)
    out |= (soon < 0) | (soon > edge)
    return np.asarray(out.any(axis=1))


def stitch(lost: Ends, begun: Ends, longest_s: float) -> Pairs:
    """Rows of `lost` and of `begun` that are one face."""
    gap = begun.seconds[None, :] - lost.seconds[:, None]
    possible = (gap > 0) & (gap <= longest_s)
    if not possible.any():
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    gap = np.maximum(gap, 0.0)
    carried = TRUSTED_FOR_S * (1.0 - np.exp(-gap / TRUSTED_FOR_S))[..., None]  # seconds of motion believed in
    apart = begun.states[None, :, :2] - lost.states[:, None, :2]
    speed = (lost.speeds[:, None, :2] + begun.speeds[None, :, :2]) / 2.0
    size = np.sqrt(sizes_of(lost.states)[:, None] * sizes_of(begun.states)[None, :])
    off = np.hypot(*np.moveaxis(apart - speed * carried, 2, 0)) / size
    grown = np.abs((begun.states[None, :, 2:] - lost.states[:, None, 2:]).mean(axis=2))
    cost = (off / (APART + APART_PER_S * gap)) ** 2 + (grown / (GROWN + GROWN_PER_S * gap)) ** 2
    return assign(np.where(possible, cost, np.inf), 1.0)
