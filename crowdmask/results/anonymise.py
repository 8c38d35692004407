"""Makes faces unrecognisable in a picture that `annotate` may write to, and tells where else faces may still be."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask import geometry
from crowdmask.geometry import FloatArray, Rectangle
from crowdmask.records import FrameResult

WIDER, TALLER, HIGHER = 0.5, 0.6, 0.05  # than the face's box, in parts of it: hair, ears and chin show a person too
FULL_UP_TO = 0.96  # of the ellipse's radius; the corners of the face's box lie inside of it
# Along the shorter side. Networks trained to it tell known faces apart in finer mosaics (McPherson et al. 2016).
CELLS = 4
LINGER_SECONDS = 0.5
LEAD_SECONDS = 0.5


def blur_faces(image: NDArray[np.uint8], boxes_xyxy: FloatArray) -> None:
    """Overwrite an ellipse over each head with a few averages of it, run into one another; nothing finer is left.

    All of the face's box is overwritten in full; the ellipse's rim runs softly into the picture.
    """
    for box in boxes_xyxy:
        whole = _head(box)
        x1, y1, x2, y2 = _within(whole, (image.shape[1], image.shape[0]))
        if x2 <= x1 or y2 <= y1:
            continue
        region = image[y1:y2, x1:x2]
        cell = max(min(x2 - x1, y2 - y1) / CELLS, 2.0)
        cells_wh = (max(1, round((x2 - x1) / cell)), max(1, round((y2 - y1) / cell)))
        averages = cv2.resize(region, cells_wh, interpolation=cv2.INTER_AREA)
        hidden = cv2.resize(averages, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
        left, top, right, bottom = whole
        share = _ellipse(right - left, bottom - top)[y1 - top : y2 - top, x1 - left : x2 - left]
        region[:] = cv2.blendLinear(hidden, region, np.ascontiguousarray(share), np.ascontiguousarray(1 - share))


@lru_cache(maxsize=512)
def _ellipse(width: int, height: int) -> NDArray[np.float32]:
    """How much of each pixel is overwritten, 0 to 1."""
    across = (np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1
    down = (np.arange(height, dtype=np.float32) + 0.5) / height * 2 - 1
    radius = np.hypot(across[None, :], down[:, None])
    share: NDArray[np.float32] = np.clip((1 - radius) / (1 - FULL_UP_TO), 0, 1).astype(np.float32)
    share.flags.writeable = False
    return share


def _head(box_xyxy: FloatArray) -> Rectangle:
    """The whole pixels about a head, cut to no frame."""
    x1, y1, x2, y2 = (float(edge) for edge in box_xyxy)
    wide, tall = (x2 - x1) * WIDER / 2, (y2 - y1) * TALLER / 2
    up = (y2 - y1) * HIGHER
    return (math.floor(x1 - wide), math.floor(y1 - tall - up), math.ceil(x2 + wide), math.ceil(y2 + tall - up))


def _within(place: Rectangle, frame_wh: tuple[int, int]) -> Rectangle:
    x1, y1, x2, y2 = place
    width, height = frame_wh
    return max(0, min(x1, width)), max(0, min(y1, height)), max(0, min(x2, width)), max(0, min(y2, height))


def blurred_place(box_xyxy: FloatArray, frame_wh: tuple[int, int]) -> Rectangle:
    """The whole pixels that `blur_faces` may change for a face."""
    return _within(_head(box_xyxy), frame_wh)


class LookingAhead:
    """Hands each result on once those of LEAD_SECONDS after it are known, with where people are about to be found.

    Only where faces are followed: a face is there before it is found. Results wait, so they come without pictures.
    """

    def __init__(self, seconds: float = LEAD_SECONDS) -> None:
        self._seconds = seconds
        self._waiting: deque[FrameResult] = deque()

    def take(self, result: FrameResult) -> Iterator[tuple[FrameResult, FloatArray]]:
        self._waiting.append(result)
        while result.frame.seconds - self._waiting[0].frame.seconds > self._seconds:
            yield self._waiting[0], _coming(self._waiting, self._seconds)
            self._waiting.popleft()

    def finish(self) -> Iterator[tuple[FrameResult, FloatArray]]:
        while self._waiting:
            yield self._waiting[0], _coming(self._waiting, self._seconds)
            self._waiting.popleft()


def looking_ahead(
    results: Iterable[FrameResult], after: Iterable[FrameResult]
) -> Iterator[tuple[FrameResult, FloatArray]]:
    """Each of the results with the boxes of people who are about to be found; `after` are those that follow them."""
    ahead, left = LookingAhead(), 0
    for result in results:
        left += 1
        for ready in ahead.take(result):
            left -= 1
            yield ready
    for result in after:
        if not left:
            return
        for ready in islice(ahead.take(result), left):
            left -= 1
            yield ready
    yield from islice(ahead.finish(), left)


def _coming(waiting: deque[FrameResult], seconds: float) -> FloatArray:
    """The first box of each person who is in a result of so many seconds after the first one, and not in that."""
    found = [geometry.empty_boxes()]
    known = set(waiting[0].columns.get("person", np.zeros(0)).tolist())
    for result in islice(waiting, 1, None):
        people = result.columns.get("person")
        if people is None or result.frame.seconds - waiting[0].frame.seconds > seconds + 1e-9:
            break
        new = np.array([number not in known for number in people.tolist()], bool)
        if new.any():
            found.append(result.faces.boxes[new])
            known.update(people.tolist())
    return np.concatenate(found)


class LingeringBlur:
    """Keeps hiding the place of a face for a moment after the detector loses it: one open frame would undo the rest."""

    def __init__(self, seconds: float = LINGER_SECONDS) -> None:
        self._seconds = seconds
        self._seen: deque[tuple[float, FloatArray]] = deque()

    def also(self, result: FrameResult) -> FloatArray:
        """Boxes (n, 4) of faces seen lately, without those that one of the frame's own boxes still covers."""
        now = result.frame.seconds
        while self._seen and not 0 <= now - self._seen[0][0] <= self._seconds:
            self._seen.popleft()
        lately = np.concatenate([boxes for _, boxes in reversed(self._seen)] or [geometry.empty_boxes()])
        lately = lately[geometry.nms(lately, np.ones(len(lately), np.float32), 0.3)]
        own = result.faces.boxes
        self._seen.append((now, own))
        if len(own) and len(lately):
            lately = lately[geometry.iou(lately, own).max(axis=1) < 0.2]
        return lately
