"""Turns stored pictures upright by the container's display matrix, and upright ones back for the writer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import Rectangle

Image = NDArray[np.uint8]

_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


@dataclass(frozen=True)
class Orientation:
    """How to get from stored to upright: swap the axes first, then mirror them."""

    swapped: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise, 0 to 270; 0 also where the picture is mirrored and no rotation does it."""
        turns = {(True, False, True): 90, (False, True, True): 180, (True, True, False): 270}
        return turns.get((self.swapped, self.mirror_x, self.mirror_y), 0)

    @property
    def is_rotation(self) -> bool:
        """Whether turning alone makes it upright, so that turning back gives what was stored."""
        return self == Orientation() or self.rotation != 0

    def upright_size(self, size_wh: tuple[int, int]) -> tuple[int, int]:
        return (size_wh[1], size_wh[0]) if self.swapped else size_wh

    def upright(self, image: Image) -> Image:
        """The picture as a player shows it, contiguous; the same array where nothing is to do."""
        if self.rotation:
            return rotate(image, self.rotation)
        if self.swapped:
            image = np.asarray(cv2.transpose(image), np.uint8)
        if self.mirror_x or self.mirror_y:
            code = -1 if self.mirror_x and self.mirror_y else 1 if self.mirror_x else 0
            image = np.asarray(cv2.flip(image, code), np.uint8)
        return image


def rotate(image: Image, degrees: int) -> Image:
    """The picture turned counter-clockwise by a multiple of 90 degrees."""
    degrees %= 360
    return np.asarray(cv2.rotate(image, _TURNS[degrees]), np.uint8) if degrees else image


def rotate_place(place: Rectangle, size_wh: tuple[int, int], degrees: int) -> Rectangle:
    """Where a place in a picture of this size lies once the picture is turned by `rotate`."""
    x1, y1, x2, y2 = place
    width, height = size_wh
    for _ in range(degrees % 360 // 90):
        x1, y1, x2, y2 = y1, width - x2, y2, width - x1
        width, height = height, width
    return x1, y1, x2, y2


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """What the display matrix of a frame asks for; angles between right ones are taken as the nearest."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)
