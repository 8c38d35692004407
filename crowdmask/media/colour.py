"""The one way from a decoded frame to BGR and back, so that players show of a copy what they showed of the source.

Numbers are ITU-T H.273 code points, as the files themselves carry them. What a file leaves unsaid is settled here:
without a tag, high definition is BT.709 and the rest BT.601, as players take it (swscale alone would take BT.601 for
both, and reds would shift).

swscale makes BGR of whatever was decoded. Back to YUV, OpenCV is twice as fast (2.5 ms against 5.5 for a 1080p frame,
one thread), rounds where swscale's fast ways cut, and writes a part of a picture into planes that are there already:
a frame that was only drawn upon keeps its decoded YUV but for the places that were drawn.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from itertools import pairwise
from typing import Any

import av
import cv2
import numpy as np
from av.filter import Graph
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from crowdmask.geometry import Rectangle

UNKNOWN, BT709, BT601, BT2020 = 2, 1, 6, 9
LIMITED, _UNSAID = 1, 0
STORED_FORMAT = "yuv420p"  # of all that is written
_HDR_TRANSFERS = (16, 18)  # PQ and HLG: as they are, faces look grey; converted from PyAV 18 on
_SWS_OF_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}  # H.273 matrix -> swscale's SWS_CS_*
_RED_AND_BLUE = {  # their shares of luma, H.273 table 4
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}

Plane = NDArray[np.uint8]


def usual_matrix(size_wh: tuple[int, int]) -> int:
    """The matrix of a file that does not say."""
    return BT709 if size_wh[0] >= 1280 or size_wh[1] >= 720 else BT601


def matrix_of(frame: av.VideoFrame) -> int:
    return frame.colorspace if frame.colorspace in _SWS_OF_MATRIX else usual_matrix((frame.width, frame.height))


def writable_matrix(matrix: int, size_wh: tuple[int, int]) -> int:
    """`matrix` where frames can be written by it, else the usual one for their size."""
    return matrix if matrix in _RED_AND_BLUE else usual_matrix(size_wh)


def colour_of(frame: av.VideoFrame) -> tuple[int, int, int]:
    """Primaries, transfer and matrix that frames carry after `to_bgr`; HDR has become BT.709 by then."""
    if frame.color_trc in _HDR_TRANSFERS:
        return BT709, BT709, BT709
    return frame.color_primaries, frame.color_trc, matrix_of(frame)


class BgrOf:
    """Contiguous BGR of frames of any pixel format, depth and range; several threads may ask.

    Most videos are of the kind that is written too, and their frames go through FFmpeg's filter `scale`: the same
    swscale with the same pixels, in memory that is taken again. Taken anew, the 6 MB of a 1080p frame cost 1500 page
    faults, five times what the conversion itself does.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._graphs: dict[tuple[int, ...], Graph] = {}
        self._lock = threading.Lock()

    def __call__(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        with self._lock:
            bgr = self._filtered(frame) if is_as_written(frame, matrix_of(frame)) else self._reformatted(frame)
        return np.ascontiguousarray(bgr.to_ndarray(), np.uint8)

    def part(self, frame: av.VideoFrame, place: Rectangle) -> NDArray[np.uint8] | None:
        """The pixels that the whole has at a place; None of a kind of frame whose pixels depend on those about them.

        Of even size and the usual kind, swscale makes each pixel of its own luma and the chroma that four pixels share.
        """
        if frame.width % 2 or frame.height % 2 or not is_as_written(frame, matrix_of(frame)):
            return None
        x1, y1, x2, y2 = place
        left, top, right, bottom = x1 // 2 * 2, y1 // 2 * 2, x2 + x2 % 2, y2 + y2 % 2
        cut = new_picture((right - left, bottom - top))
        luma, *chroma = zip(planes_of(cut), planes_of(frame), strict=True)
        luma[0][:] = luma[1][top:bottom, left:right]
        for target, source in chroma:
            target[:] = source[top // 2 : bottom // 2, left // 2 : right // 2]
        # what a file leaves unsaid goes by the size of the whole
        cut.colorspace, cut.color_range = matrix_of(frame), frame.color_range
        with self._lock:
            bgr = self._reformatted(cut).to_ndarray()
        return np.asarray(bgr, np.uint8)[y1 - top : y2 - top, x1 - left : x2 - left]

    def _filtered(self, frame: av.VideoFrame) -> av.VideoFrame:
        kind = (frame.width, frame.height, frame.colorspace, frame.color_range)
        if kind not in self._graphs:
            self._graphs[kind] = _to_bgr24(frame)
        self._graphs[kind].push(frame)
        bgr = self._graphs[kind].pull()
        assert isinstance(bgr, av.VideoFrame)
        return bgr

    def _reformatted(self, frame: av.VideoFrame) -> av.VideoFrame:
        # one thread: measured on 1080p, two make the conversion slower (100 frames a second against 200)
        options: dict[str, int] = {"threads": 1}
        if not frame.format.is_rgb:
            options["src_colorspace"] = _SWS_OF_MATRIX[matrix_of(frame)]
        if frame.color_trc in _HDR_TRANSFERS:
            options |= {"dst_color_trc": BT709, "dst_color_primaries": BT709}
        return self._reformatter.reformat(frame, format="bgr24", **options)


def _to_bgr24(frame: av.VideoFrame) -> Graph:
    """A graph for frames of this size and these colours, on one thread."""
    graph = Graph()
    graph.threads = 1
    steps = [
        graph.add(
            "buffer",
            video_size=f"{frame.width}x{frame.height}",
            pix_fmt=frame.format.name,
            time_base="1/1000",
            colorspace=str(int(frame.colorspace)),
            range=str(int(frame.color_range)),
        ),
        graph.add("scale", flags="bilinear", in_color_matrix=str(_SWS_OF_MATRIX[matrix_of(frame)])),
        graph.add("format", "bgr24"),
        graph.add("buffersink"),
    ]
    for before, after in pairwise(steps):
        before.link_to(after)
    graph.configure()
    return graph


def is_as_written(frame: av.VideoFrame, matrix: int) -> bool:
    """Whether a decoded frame may go to the encoder as it is: same format, range, matrix and kind of light."""
    return (
        frame.format.name == STORED_FORMAT
        and frame.color_range in (LIMITED, _UNSAID)
        and frame.color_trc not in _HDR_TRANSFERS
        and matrix_of(frame) == matrix
        and all(plane.line_size > 0 for plane in frame.planes)
    )


def new_picture(size_wh: tuple[int, int]) -> av.VideoFrame:
    """An empty picture of even size, to be written into."""
    frame = av.VideoFrame(*size_wh, STORED_FORMAT)
    frame.color_range = LIMITED
    return frame


def planes_of(frame: av.VideoFrame) -> tuple[Plane, Plane, Plane]:
    """Luma and the two chroma planes as arrays on the frame's own memory."""
    y, u, v = (_pixels(plane) for plane in frame.planes)
    return y, u, v


def luma_of(frame: av.VideoFrame) -> Plane:
    return _pixels(frame.planes[0])


def _pixels(plane: Any) -> Plane:
    rows = np.frombuffer(plane, np.uint8, plane.line_size * plane.height).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]


def copy_into(picture: av.VideoFrame, decoded: av.VideoFrame) -> None:
    """The planes of a frame for which `is_as_written` holds; where `picture` is larger, its edge is said twice."""
    for target, source in zip(planes_of(picture), planes_of(decoded), strict=True):
        height, width = source.shape
        target[:height, :width] = source
        if target.shape[1] > width:
            target[:height, width:] = source[:, -1:]
        if target.shape[0] > height:
            target[height:] = target[height - 1]


def draw_into(picture: av.VideoFrame, image: NDArray[np.uint8], matrix: int, at: Rectangle) -> None:
    """Convert a BGR picture of even size into the place `at`, whose numbers are even, of a limited-range picture."""
    x1, y1, x2, y2 = at
    luma, u, v = planes_of(picture)
    yuv = cv2.transform(image, _to_limited(matrix))
    cv2.extractChannel(yuv, 0, luma[y1:y2, x1:x2])
    half = cv2.resize(yuv, ((x2 - x1) // 2, (y2 - y1) // 2), interpolation=cv2.INTER_AREA)
    for channel, plane in ((1, u), (2, v)):
        cv2.extractChannel(half, channel, plane[y1 // 2 : y2 // 2, x1 // 2 : x2 // 2])


def bgr_of(decoded: av.VideoFrame, matrix: int, at: Rectangle) -> NDArray[np.uint8]:
    """BGR of the place `at`, whose first edges are even, of a frame for which `is_as_written` holds.

    Each chroma sample is taken for its four pixels, so that `draw_into` gives back what was there.
    """
    x1, y1, x2, y2 = at
    luma, *chroma = planes_of(decoded)
    yuv = np.empty((y2 - y1, x2 - x1, 3), np.uint8)
    yuv[..., 0] = luma[y1:y2, x1:x2]
    for channel, plane in enumerate(chroma, start=1):
        part = plane[y1 // 2 : -(-y2 // 2), x1 // 2 : -(-x2 // 2)]
        whole = cv2.resize(part, (part.shape[1] * 2, part.shape[0] * 2), interpolation=cv2.INTER_NEAREST)
        yuv[..., channel] = whole[: y2 - y1, : x2 - x1]
    return np.asarray(cv2.transform(yuv, _from_limited(matrix)), np.uint8)


@lru_cache
def _from_limited(matrix: int) -> NDArray[np.float32]:
    """The way back of `_to_limited`."""
    there = _to_limited(matrix).astype(np.float64)
    back = np.linalg.inv(there[:, :3])
    return np.asarray(np.column_stack([back, -back @ there[:, 3]]), np.float32)


@lru_cache
def _to_limited(matrix: int) -> NDArray[np.float32]:
    """The 3×4 matrix from (blue, green, red, 1) to limited-range luma and chroma of eight bits."""
    red, blue = _RED_AND_BLUE[matrix]
    luma = np.array([blue, 1 - red - blue, red])
    blueness = (np.array([1, 0, 0]) - luma) / (2 - 2 * blue)
    redness = (np.array([0, 0, 1]) - luma) / (2 - 2 * red)
    rows = [np.append(luma * 219 / 255, 16), np.append(blueness * 224 / 255, 128), np.append(redness * 224 / 255, 128)]
    return np.asarray(rows, np.float32)
