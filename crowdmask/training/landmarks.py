"""Finds eyes, nose and mouth of labelled faces with the detector, for what is drawn on them in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from crowdmask.engine.protocols import FaceDetector
from crowdmask.errors import DatasetError
from crowdmask.geometry import FloatArray, iou
from crowdmask.labels.records import CropSet, LabelSet
from crowdmask.training.pictures import PictureStore

SAME_FACE_IOU = 0.5


def landmarks_of(
    sets: Sequence[LabelSet | CropSet], store: PictureStore, detector: FaceDetector
) -> list[Mapping[Path, FloatArray]]:
    """For each set: of every picture's boxes the five points (n, 5, 2), NaN where the detector found no such face.

    Ready-made crops have none: their faces fill them in ways that a detector does not know.
    """
    return [{} if isinstance(each, CropSet) else _of_set(each, store, detector) for each in sets]


def _of_set(labels: LabelSet, store: PictureStore, detector: FaceDetector) -> Mapping[Path, FloatArray]:
    found = {}
    for picture in labels.pictures:
        try:
            (faces,) = detector.detect([store[picture.path]])
        except DatasetError:
            continue  # what cannot be read is named when it is drawn
        points = np.full((len(picture.boxes), 5, 2), np.nan, np.float32)
        if len(faces) and len(picture.boxes):
            overlap = iou(picture.boxes, faces.boxes)
            best = overlap.argmax(axis=1)
            fits = overlap[np.arange(len(best)), best] >= SAME_FACE_IOU
            points[fits] = faces.landmarks[best[fits]]
        found[picture.path] = points
    return found
