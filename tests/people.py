"""Draws people who walk: coloured squares as the fakes find and judge them, by a script of where each one is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.records import Frame, Stream
from tests.factories import MASKED_BGR, UNMASKED_BGR

SIZE_WH = (256, 160)
SIDE = 28


@dataclass(frozen=True)
class Walker:
    """A square that is there from frame `first` to before `end`, moves evenly, and cannot be seen in some frames."""

    first: int
    end: int
    start_xy: tuple[float, float]
    step_xy: tuple[float, float] = (0.0, 0.0)
    masked: bool = True
    hidden: tuple[int, ...] = ()

    def is_seen(self, frame: int) -> bool:
        return self.first <= frame < self.end and frame not in self.hidden

    def box(self, frame: int) -> tuple[int, int, int, int]:
        left, top = (round(p + (frame - self.first) * d) for p, d in zip(self.start_xy, self.step_xy, strict=True))
        return left, top, left + SIDE, top + SIDE


def picture(walkers: Sequence[Walker], frame: int) -> NDArray[np.uint8]:
    ramp = np.linspace(70, 180, SIZE_WH[0], dtype=np.uint8)
    image = np.repeat(np.tile(ramp, (SIZE_WH[1], 1))[:, :, None], 3, axis=2)
    for walker in walkers:
        if walker.is_seen(frame):
            x1, y1, x2, y2 = walker.box(frame)
            image[max(0, y1) : max(0, y2), max(0, x1) : max(0, x2)] = MASKED_BGR if walker.masked else UNMASKED_BGR
    return np.ascontiguousarray(image)


def frames_of(walkers: Sequence[Walker], count: int, rate: float = 25.0, stream: Stream | None = None) -> list[Frame]:
    where = stream or Stream("walk.mp4")
    return [Frame(i, i / rate, picture(walkers, i), stream=where) for i in range(count)]


# two who walk, one who stands bare-faced and is hidden for three frames, and a lamp that shines for two
SCENE = (
    Walker(0, 80, (5, 20), (2.0, 0.0)),
    Walker(20, 70, (220, 110), (-1.5, -0.5), masked=False),
    Walker(0, 80, (100, 100), masked=False, hidden=(40, 41, 42)),
    Walker(30, 32, (200, 10)),
)
PEOPLE, LENGTH = 3, 80
