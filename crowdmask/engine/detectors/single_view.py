"""What detectors that look at a picture once have in common: its size when it is looked at, and the way back."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import FloatArray, clip, nms, sizes_wh
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings

Image = NDArray[np.uint8]


def seen(image: Image, settings: AnalysisSettings, shrink: float = 1.0) -> Image:
    """The picture at the detection size, `shrink` times smaller."""
    height, width = image.shape[:2]
    scale = min(settings.detection_size / max(width, height), settings.detection_upscale) / shrink
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    if size_wh == (width, height):
        return image
    return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR))


def found(
    boxes_xyxy: FloatArray,
    scores: FloatArray,
    landmarks: FloatArray | None,
    *,
    picture: Image,
    image: Image,
    settings: AnalysisSettings,
) -> Faces:
    """Finds in the picture that was looked at, as faces of the image: scaled, cut at the edges, doubles taken out.

    A detector without landmarks has none to give: they are NaN.
    """
    n = len(boxes_xyxy)
    size_wh = image.shape[1], image.shape[0]
    scale = np.array([size_wh[0] / picture.shape[1], size_wh[1] / picture.shape[0]], np.float32)
    boxes = clip((boxes_xyxy.reshape(n, 4) * np.tile(scale, 2)).astype(np.float32), size_wh)
    points = np.full((n, 5, 2), np.nan, np.float32) if landmarks is None else (landmarks * scale).astype(np.float32)
    scores = scores.astype(np.float32)
    good = np.flatnonzero(np.all(sizes_wh(boxes) > 0, axis=1) & (scores >= settings.weakest))
    kept = good[nms(boxes[good], scores[good], settings.nms_iou)]
    return Faces(boxes[kept], scores[kept], points[kept])
