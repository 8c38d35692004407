"""Every find that belongs to a chain, in order of time, for as long as a frame or a smoothed box may still need it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.tracking.observations import Floats
from crowdmask.tracking.rows import Rows

NONE = -1
PLACE_WIDTH_S, SIZE_WIDTH_S = 0.12, 0.25  # deviations of the bells under which places and sizes are smoothed
REACH_S = 0.5  # how far a bell reaches
STEADYING = 1e-6  # square seconds by which a slope is held back, so that a single sighting has none


@dataclass
class Sighting(Rows):
    seconds: Floats
    state: Floats  # (n, 4), as found
    smooth: Floats  # (n, 4), as shown
    trust: Floats  # detector score
    who: NDArray[np.int64]  # key of the face in `People`
    following: NDArray[np.int64]  # number of the next sighting of the same face
    find: NDArray[np.intp]  # position among the finds of its picture


class Sightings:
    """Numbered from 0 for the whole stream; the oldest are forgotten."""

    def __init__(self) -> None:
        none, nowhere, nobody = np.zeros(0), np.zeros((0, 4)), np.zeros(0, np.int64)
        self._rows = Sighting(none, nowhere, nowhere, none, nobody, nobody, nobody)
        self._base = 0
        self._smoothed = 0  # number of the first sighting that is not smoothed yet

    @property
    def oldest(self) -> int:
        return self._base

    @property
    def end(self) -> int:
        """Number that the next sighting will have."""
        return self._base + len(self._rows)

    def append(self, more: Sighting) -> None:
        """The first of them has the number `end` had before."""
        self._rows.add(more)

    def of(self, numbers: NDArray[np.int64], name: str) -> np.ndarray:
        column: np.ndarray = getattr(self._rows, name)[numbers - self._base]
        return column

    def link(self, numbers: NDArray[np.int64], following: NDArray[np.int64]) -> None:
        """The next sightings of the same faces; those already forgotten need none."""
        known = numbers >= self._base
        self._rows.following[numbers[known] - self._base] = following[known]

    def rename(self, who: int, becomes: int) -> None:
        self._rows.who[self._rows.who == who] = becomes

    def forget_before(self, seconds: float) -> None:
        count = int(self._rows.seconds.searchsorted(seconds))
        if count > 256 and count > len(self._rows) // 2:
            self._rows.keep(np.arange(count, len(self._rows)))
            self._base += count
            self._smoothed = max(self._smoothed, self._base)

    def smooth_until(self, seconds: float) -> None:
        """Smooths what was seen up to then; what came after it, and was given already, takes part."""
        last = int(self._rows.seconds.searchsorted(seconds, side="right"))
        while self._smoothed - self._base < last:
            first = self._smoothed - self._base
            now = self._rows.seconds[first]
            end = int(self._rows.seconds.searchsorted(now, side="right"))
            self._rows.smooth[first:end] = self._smoothed_states(first, end, float(now))
            self._smoothed = self._base + end

    def _smoothed_states(self, first: int, end: int, now: float) -> Floats:
        """Local straight lines through the sightings of each face about `now`, weighted by a bell and by trust."""
        low = int(self._rows.seconds.searchsorted(now - REACH_S))
        high = int(self._rows.seconds.searchsorted(now + REACH_S, side="right"))
        # frames may have the same time, and a face more than one sighting then
        mine, which = np.unique(self._rows.who[first:end], return_inverse=True)
        near = self._rows.who[low:high]
        slot = np.minimum(mine.searchsorted(near), len(mine) - 1)
        same = mine[slot] == near
        slot, count = slot[same], len(mine)
        dt = self._rows.seconds[low:high][same] - now
        state = self._rows.state[low:high][same]
        trust = self._rows.trust[low:high][same]
        out = np.empty((count, 4))
        for width, columns in ((PLACE_WIDTH_S, (0, 1)), (SIZE_WIDTH_S, (2, 3))):
            weight = trust * np.exp(-0.5 * (dt / width) ** 2)
            w0 = np.bincount(slot, weight, count)
            w1 = np.bincount(slot, weight * dt, count)
            w2 = np.bincount(slot, weight * dt * dt, count) + STEADYING
            spread = w0 * w2 - w1 * w1
            for column in columns:
                value = state[:, column]
                s0 = np.bincount(slot, weight * value, count)
                s1 = np.bincount(slot, weight * dt * value, count)
                out[:, column] = (w2 * s0 - w1 * s1) / spread
        return out[which]
