"""Makes faces unrecognisable in a picture that `annotate` may write to, and tells where else faces may still be."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask import geometry
from crowdmask.geometry import FloatArray, Rectangle
from crowdmask.records import FrameResult

MARGIN = 0.4  # added to each side's length in all: hair, ears and chin tell a person too
# Along the shorter side. Networks trained to it tell known faces apart in finer mosaics (McPherson et al. 2016).
CELLS = 4
LINGER_SECONDS = 0.5


def blur_faces(image: NDArray[np.uint8], boxes_xyxy: FloatArray) -> None:
    """Overwrite each box and a margin with a few averages of it, run into one another; nothing finer is left."""
    for box in boxes_xyxy:
        x1, y1, x2, y2 = blurred_place(box, (image.shape[1], image.shape[0]))
        if x2 <= x1 or y2 <= y1:
            continue
        region = image[y1:y2, x1:x2]
        cell = max(min(x2 - x1, y2 - y1) / CELLS, 2.0)
        cells_wh = (max(1, round((x2 - x1) / cell)), max(1, round((y2 - y1) / cell)))
        averages = cv2.resize(region, cells_wh, interpolation=cv2.INTER_AREA)
        region[:] = cv2.resize(averages, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)


def blurred_place(box_xyxy: FloatArray, frame_wh: tuple[int, int]) -> Rectangle:
    """The whole pixels that `blur_faces` overwrites for a face."""
    (grown,) = geometry.clip(geometry.enlarge(box_xyxy[None], MARGIN), frame_wh)
    x1, y1, x2, y2 = (int(n) for n in (*np.floor(grown[:2]), *np.ceil(grown[2:])))
    return x1, y1, x2, y2


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
