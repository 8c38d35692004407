"""Makes frames of what a decoder gives: BGR, upright, of one size whatever the stream does in its midst."""

from __future__ import annotations

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from crowdmask.media.colour import to_bgr
from crowdmask.media.orientation import orientation_of
from crowdmask.records import Frame, Gap, Stream, VideoInfo


class Upright:
    """For one stream, whose first picture says how it lies; changes of size go to `gaps`."""

    def __init__(
        self, info: VideoInfo, first: av.VideoFrame, stream: Stream, gaps: list[Gap], *, keep_stored: bool
    ) -> None:
        self._size = self._size_before = info.width, info.height
        self._orientation = orientation_of(first)
        self._stream, self._gaps, self._keep_stored = stream, gaps, keep_stored
        self._reformatter = VideoReformatter()

    def frame(self, decoded: av.VideoFrame, index: int, seconds: float, lasts_s: float | None) -> Frame:
        image = self._picture(decoded, index, seconds)
        # what was mirrored, or fitted into another size, cannot be had from the stored picture
        as_stored = self._orientation.is_rotation and self._size_before == self._size
        stored = decoded if self._keep_stored and as_stored else None
        return Frame(index, seconds, image, lasts_s, self._stream, stored)

    def _picture(self, decoded: av.VideoFrame, index: int, seconds: float) -> NDArray[np.uint8]:
        image = self._orientation.upright(to_bgr(decoded, self._reformatter))
        has = image.shape[1], image.shape[0]
        if has != self._size_before:
            words = "{}x{} to {}x{}".format(*self._size_before, *has)
            fitted = "" if has == self._size else ": frames are fitted into {}x{} from here on".format(*self._size)
            self._gaps.append(Gap(index - 1, seconds, f"the frame size changes from {words}{fitted}"))
            self._size_before = has
        if has != self._size:
            image = fit(image, self._size)
        image.flags.writeable = False
        return image


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
