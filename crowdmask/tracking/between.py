"""Settles what happened between two looks: where a face begins, ends or jumps, asks to look there, and nowhere else.

What is found there is all that is known of the frame in between: every other face goes on from one end to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import FloatArray
from crowdmask.tracking.assignment import assign
from crowdmask.tracking.observations import Finds, boxes_of, sizes_of, states_of
from crowdmask.tracking.steady_camera import SteadyCamera, in_picture

FASTEST = 8.0  # face sizes a second; nobody in a crowd moves faster in the picture
NEAR = 0.6  # face sizes, added to that
RESIZED = 0.4  # log size over which two finds are not one face seen a moment later

Mask = NDArray[np.bool_]
Camera = Callable[[int, int], NDArray[np.floating] | None]  # (2, 3) from the pixels of one frame to those of another
Clock = Callable[[int], float]  # a frame's second


@dataclass(frozen=True)
class Between:
    """Two looks, by the positions of their frames; `of_before` and `of_after` say of which finds it is asked."""

    start: int
    stop: int
    before: Finds
    after: Finds
    of_before: Mask
    of_after: Mask

    @classmethod
    def of_all(cls, start: int, stop: int, before: Finds, after: Finds) -> Between:
        return cls(start, stop, before, after, np.ones(len(before), bool), np.ones(len(after), bool))

    @property
    def middle(self) -> int:
        return self.start + (self.stop - self.start + 1) // 2

    def dispute(self, clock: Clock, camera: Camera, sure_score: float) -> Between | None:
        """The same with the finds that only one of the looks has; None where all is settled."""
        if self.stop - self.start < 2:
            return None
        gap_s = clock(self.stop) - clock(self.start)
        before, after = alone(self.before, self.after, gap_s, sure_score, camera(self.start, self.stop))
        before, after = before & self.of_before, after & self.of_after
        if not before.any() and not after.any():
            return None
        return Between(self.start, self.stop, self.before, self.after, before, after)

    def places(self, camera: Camera) -> FloatArray:
        """Boxes (n, 4), in the pixels of the frame in the middle, of the faces in dispute."""
        to_middle, to_stop = SteadyCamera(), SteadyCamera()
        to_middle.move(camera(self.start, self.middle))
        to_stop.move(camera(self.start, self.stop))
        before = states_of(self.before.boxes_xyxy[self.of_before])
        after = to_stop.steady(states_of(self.after.boxes_xyxy[self.of_after]))
        return boxes_of(in_picture(np.concatenate([before, after]), to_middle.pose))

    def halves(self, finds: Finds) -> tuple[Between, Between]:
        """On either side of what was found in the middle; all else was settled before."""
        found = np.ones(len(finds), bool)
        return (
            Between(self.start, self.middle, self.before, finds, self.of_before, found),
            Between(self.middle, self.stop, finds, self.after, found, self.of_after),
        )


def settle(
    stretches: Sequence[Between],
    clock: Clock,
    camera: Camera,
    look: Callable[[Sequence[tuple[int, FloatArray]]], Sequence[Finds]],
    sure_score: float,
) -> None:
    """Asks for looks at places (a frame's position, boxes) until each stretch is settled; several in one call.

    A stretch's looks depend on nothing outside of it, so that it is the same how many are settled together.
    """
    while stretches:
        disputes = [found for one in stretches if (found := one.dispute(clock, camera, sure_score)) is not None]
        if not disputes:
            return
        seen = look([(one.middle, one.places(camera)) for one in disputes])
        stretches = [half for one, finds in zip(disputes, seen, strict=True) for half in one.halves(finds)]


def agree(
    before: Finds, after: Finds, gap_s: float, sure_score: float, camera: NDArray[np.floating] | None = None
) -> bool:
    """Whether two looks show the same faces, each where it could have come to in the time between them."""
    return not any(found.any() for found in alone(before, after, gap_s, sure_score, camera))


def alone(
    before: Finds, after: Finds, gap_s: float, sure_score: float, camera: NDArray[np.floating] | None = None
) -> tuple[Mask, Mask]:
    """Which sure finds of either look the other has not, not even as weak ones."""
    moved = SteadyCamera()
    moved.move(camera)
    first, last = states_of(before.boxes_xyxy), moved.steady(states_of(after.boxes_xyxy))
    size = np.sqrt(sizes_of(first)[:, None] * sizes_of(last)[None, :])
    off = np.hypot(*np.moveaxis(first[:, None, :2] - last[None, :, :2], 2, 0)) / size
    grown = np.abs((first[:, None, 2:] - last[None, :, 2:]).mean(axis=2))
    possible = (off < NEAR + FASTEST * gap_s) & (grown < RESIZED)
    i, j = assign(np.where(possible, off, np.inf), NEAR + FASTEST * gap_s)
    alone_before, alone_after = before.scores >= sure_score, after.scores >= sure_score
    alone_before[i] = alone_after[j] = False
    return alone_before, alone_after
