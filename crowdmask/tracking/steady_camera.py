"""Takes the camera's own motion off: positions as if the camera had never moved since the stream began."""

from __future__ import annotations

import cmath

import numpy as np
from numpy.typing import NDArray

from crowdmask.tracking.observations import Floats

FARTHEST_ZOOM = (
    1e9  # beyond this the numbers begin to lose digits; a new start loses at most what is followed just then
)


class SteadyCamera:
    """Turns, shifts and zooms of the camera added up; points are complex numbers x + iy."""

    def __init__(self) -> None:
        self._turn, self._shift = 1.0 + 0.0j, 0.0 + 0.0j  # picture to steady: turn * z + shift

    @property
    def pose(self) -> tuple[complex, complex]:
        """Where the picture given last lies among steady places, to find the way back with."""
        return self._turn, self._shift

    def move(self, camera: NDArray[np.floating] | None) -> None:
        """`camera` (2, 3) maps the pixels of the picture before to those of the one that comes now."""
        if camera is None:
            return
        (a, b, x), (c, d, y) = np.asarray(camera, np.float64).tolist()
        step = complex(a + d, c - b) / 2.0  # the nearest turn and zoom
        if not cmath.isfinite(step) or abs(step) < 0.1 or not cmath.isfinite(complex(x, y)):
            return
        turn = self._turn / step
        if not 1.0 / FARTHEST_ZOOM < abs(turn) < FARTHEST_ZOOM:
            self._turn, self._shift = 1.0 + 0.0j, 0.0 + 0.0j
            return
        self._turn, self._shift = turn, self._shift - turn * complex(x, y)

    def steady(self, states: Floats) -> Floats:
        """States of the picture given last, as steady ones."""
        if self._turn == 1.0 and not self._shift:
            return states
        return _moved(states, self._turn, self._shift)


def in_picture(states: Floats, pose: tuple[complex, complex]) -> Floats:
    """Steady states as those of the picture whose pose that was."""
    turn, shift = pose
    if turn == 1.0 and not shift:
        return states
    return _moved(states, 1.0 / turn, -shift / turn)


def _moved(states: Floats, turn: complex, shift: complex) -> Floats:
    out = np.array(states, np.float64)
    points = (states[:, 0] + 1j * states[:, 1]) * turn + shift
    out[:, 0], out[:, 1] = points.real, points.imag
    out[:, 2:] += np.log(abs(turn))
    return out
