"""The one way from a decoded frame to BGR and back, so that players show of a copy what they showed of the source.

Numbers are ITU-T H.273 code points, as the files themselves carry them. swscale does the arithmetic; what it is told
here is what a file leaves unsaid: without a tag, high definition is BT.709 and the rest BT.601, as players take it
(swscale alone would take BT.601 for both, and reds would shift).
"""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter
from numpy.typing import NDArray

UNKNOWN, BT709, BT601, BT2020 = 2, 1, 6, 9
LIMITED = 1
_HDR_TRANSFERS = (16, 18)  # PQ and HLG: as they are, faces look grey; converted from PyAV 18 on
# swscale's BILINEAR, FULL_CHR_H_INP and ACCURATE_RND. Without them luma is cut, not rounded: a copy is half a level
# darker. They cost 1 ms for a 1080p frame. On the way in the like would cost 6.5 ms to gain one level: too much.
_ROUNDED = 0x2 | 0x4000 | 0x40000
_SWS_OF_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}  # H.273 matrix -> swscale's SWS_CS_*


def usual_matrix(size_wh: tuple[int, int]) -> int:
    """The matrix of a file that does not say."""
    return BT709 if size_wh[0] >= 1280 or size_wh[1] >= 720 else BT601


def matrix_of(frame: av.VideoFrame) -> int:
    return frame.colorspace if frame.colorspace in _SWS_OF_MATRIX else usual_matrix((frame.width, frame.height))


def colour_of(frame: av.VideoFrame) -> tuple[int, int, int]:
    """Primaries, transfer and matrix that frames carry after `to_bgr`; HDR has become BT.709 by then."""
    if frame.color_trc in _HDR_TRANSFERS:
        return BT709, BT709, BT709
    return frame.color_primaries, frame.color_trc, matrix_of(frame)


def to_bgr(frame: av.VideoFrame, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    """Contiguous BGR of a frame of any pixel format, depth and range."""
    # one thread: measured on 1080p, two make the conversion slower (100 frames a second against 200)
    options: dict[str, int] = {"threads": 1}
    if not frame.format.is_rgb:
        options["src_colorspace"] = _SWS_OF_MATRIX[matrix_of(frame)]
    if frame.color_trc in _HDR_TRANSFERS:
        options |= {"dst_color_trc": BT709, "dst_color_primaries": BT709}
    bgr = reformatter.reformat(frame, format="bgr24", **options)
    return np.ascontiguousarray(bgr.to_ndarray(), np.uint8)


def to_yuv420(image: NDArray[np.uint8], matrix: int, reformatter: VideoReformatter) -> av.VideoFrame:
    """A BGR picture of even size as limited-range yuv420p by the given H.273 matrix."""
    # not from_ndarray: its copy costs as much as the conversion, 4 ms for a 1080p frame
    bgr = av.VideoFrame.from_numpy_buffer(image, format="bgr24")
    return reformatter.reformat(
        bgr,
        format="yuv420p",
        dst_colorspace=_SWS_OF_MATRIX[matrix],
        dst_color_range=LIMITED,
        interpolation=_ROUNDED,
        threads=1,
    )


def writable_matrix(matrix: int, size_wh: tuple[int, int]) -> int:
    """`matrix` where frames can be written by it, else the usual one for their size."""
    known = matrix in _SWS_OF_MATRIX and (_SWS_OF_MATRIX[matrix] != BT2020 or hasattr(Colorspace, "BT2020"))
    return matrix if known else usual_matrix(size_wh)
