"""Makes frames of what a decoder gives: upright, of one size whatever the stream does in its midst, BGR when asked."""

from __future__ import annotations

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import Rectangle
from crowdmask.media.colour import BgrOf, is_as_written, luma_of, writable_matrix
from crowdmask.media.orientation import Orientation, orientation_of
from crowdmask.records import Frame, Gap, Stream, VideoInfo

Image = NDArray[np.uint8]
_LUMA_FIRST = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray")  # of 8 bits


class Upright:
    """For one stream, whose first picture says how it lies; changes of size go to `gaps`."""

    def __init__(self, info: VideoInfo, first: av.VideoFrame, stream: Stream, gaps: list[Gap]) -> None:
        self._size = self._size_before = info.width, info.height
        self._matrix = writable_matrix(info.colour[2], self._size)
        self._orientation = orientation_of(first)
        self._stream, self._gaps = stream, gaps
        self._developer = _Developer(self._orientation, self._size)

    def frame(self, decoded: av.VideoFrame, index: int, seconds: float, lasts_s: float | None) -> Frame:
        has = self._orientation.upright_size((decoded.width, decoded.height))
        self._note_size(has, index, seconds)
        # what was mirrored, fitted into another size, or is of other colours, a writer cannot take as it is stored
        goes_on = self._orientation.is_rotation and has == self._size and is_as_written(decoded, self._matrix)
        picture = DecodedPicture(decoded, self._developer)
        return Frame(index, seconds, picture, lasts_s, self._stream, decoded if goes_on else None)

    def _note_size(self, has: tuple[int, int], index: int, seconds: float) -> None:
        if has != self._size_before:
            words = "{}x{} to {}x{}".format(*self._size_before, *has)
            fitted = "" if has == self._size else ": frames are fitted into {}x{} from here on".format(*self._size)
            self._gaps.append(Gap(index - 1, seconds, f"the frame size changes from {words}{fitted}"))
            self._size_before = has


class _Developer:
    """Converts the pictures of one stream; several threads may ask."""

    def __init__(self, orientation: Orientation, size_wh: tuple[int, int]) -> None:
        self.size_wh = size_wh
        self._orientation = orientation
        self._bgr_of = BgrOf()

    def bgr(self, decoded: av.VideoFrame) -> Image:
        image = self._orientation.upright(self._bgr_of(decoded))
        if (image.shape[1], image.shape[0]) != self.size_wh:
            image = fit(image, self.size_wh)
        image.flags.writeable = False
        return image

    def part(self, decoded: av.VideoFrame, place: Rectangle) -> Image | None:
        """A place of `bgr`; None where that is made in another way than pixel by pixel."""
        lies_so = self._orientation == Orientation() and (decoded.width, decoded.height) == self.size_wh
        return self._bgr_of.part(decoded, place) if lies_so else None

    def grey(self, decoded: av.VideoFrame, size_wh: tuple[int, int]) -> Image | None:
        if (
            decoded.format.name not in _LUMA_FIRST
            or self._orientation.upright_size((decoded.width, decoded.height)) != self.size_wh
        ):
            return None
        lying = self._orientation.upright_size(size_wh)  # turned twice is turned back
        small = cv2.resize(luma_of(decoded), lying, interpolation=cv2.INTER_AREA)
        return self._orientation.upright(np.asarray(small, np.uint8))


class DecodedPicture:
    """A decoded frame, upright and BGR as soon as somebody asks for that."""

    def __init__(self, decoded: av.VideoFrame, developer: _Developer) -> None:
        self._decoded, self._developer = decoded, developer
        self._bgr: Image | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._developer.size_wh[1], self._developer.size_wh[0], 3

    def bgr(self) -> Image:
        if self._bgr is None:
            self._bgr = self._developer.bgr(self._decoded)
        return self._bgr

    def part(self, place: Rectangle) -> Image:
        part = self._developer.part(self._decoded, place) if self._bgr is None else None
        if part is not None:
            return part
        x1, y1, x2, y2 = place
        return self.bgr()[y1:y2, x1:x2]

    def grey(self, size_wh: tuple[int, int]) -> Image | None:
        return self._developer.grey(self._decoded, size_wh)


def fit(image: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture scaled into a size without changing its shape, centred on black."""
    width, height = size_wh
    scale = min(width / image.shape[1], height / image.shape[0])
    new_w, new_h = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.zeros((height, width, 3), np.uint8)
    x, y = (width - new_w) // 2, (height - new_h) // 2
    canvas[y : y + new_h, x : x + new_w] = cv2.resize(image, (new_w, new_h), interpolation=method)
    return canvas
