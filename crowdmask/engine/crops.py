"""Cuts the faces out of a frame as the classifier wants them; training cuts its crops here too."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import FloatArray, crop_boxes
from crowdmask.records import Picture, part_of
from crowdmask.settings import AnalysisSettings


def cut_crops(
    picture: Picture,
    boxes_xyxy: FloatArray,
    settings: AnalysisSettings,
    size: int,
    into: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Crops (n, size, size, 3) uint8 BGR about the boxes; undersized faces are enlarged before the cut.

    They are written straight to their places in `into`, where it is given.
    """
    where = crop_boxes(
        boxes_xyxy,
        (picture.shape[1], picture.shape[0]),
        margin=settings.crop_margin,
        undersized_below=settings.undersized_below,
        undersized_margin=settings.undersized_margin,
    )
    crops = np.empty((len(where), size, size, 3), np.uint8) if into is None else into
    for crop, (x1, y1, x2, y2) in zip(crops, where.tolist(), strict=True):
        piece = part_of(picture, (x1, y1, x2, y2))
        shrinks = piece.shape[0] > size and piece.shape[1] > size
        cv2.resize(piece, (size, size), dst=crop, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return crops
