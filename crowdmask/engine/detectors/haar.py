"""OpenCV's cascade of Haar features for frontal faces (Viola and Jones), the detector of the first tutorials.

OpenCV 4 carries it and its file; OpenCV 5 has moved it into the contrib package (module xobjdetect, without the file).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from crowdmask.engine.detectors.single_view import Image, found, seen
from crowdmask.errors import SettingsError, WeightsError
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings, RuntimeSettings

FILE = "haarcascade_frontalface_default.xml"
SCALE_STEP, NEIGHBOURS, LEAST_SIDE = 1.1, 5, 20


class HaarDetector:
    """Its finds come with the weight of the last stage, no probability; squashed to 0..1 it ranks them."""

    def __init__(self, cascade: Any, settings: AnalysisSettings) -> None:
        self._cascade, self._settings = cascade, settings

    def detect(self, images: Sequence[Image]) -> list[Faces]:
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> Faces:
        picture = seen(image, self._settings, shrink=4.0 if self._settings.haar_quarter else 1.0)
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        boxes_xywh, _, weights = self._cascade.detectMultiScale3(
            grey,
            scaleFactor=SCALE_STEP,
            minNeighbors=NEIGHBOURS,
            minSize=(LEAST_SIDE, LEAST_SIDE),
            outputRejectLevels=True,
        )
        if not len(boxes_xywh):
            return Faces.none()
        xywh = np.asarray(boxes_xywh, np.float32).reshape(-1, 4)
        boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
        scores = score(np.asarray(weights, np.float64).reshape(-1))
        return found(boxes, scores, None, picture=picture, image=image, settings=self._settings)


def score(weights: Any) -> Any:
    """0.6, the default confidence, at a weight of 0.8; 0.85, from where faces are judged, at 3.5."""
    return 1 / (1 + np.exp(-(np.asarray(weights) * 0.49 + 0.01)))


def load_haar(settings: AnalysisSettings, runtime: RuntimeSettings) -> HaarDetector:
    home = getattr(cv2, "xobjdetect", cv2)
    if not hasattr(home, "CascadeClassifier"):
        raise SettingsError(
            f"the detector haar needs OpenCV 4, or contrib for OpenCV 5; this is {cv2.__version__} without: "
            "pip install 'opencv-python-headless<5', or choose the detector yunet"
        )
    path = Path(cv2.__file__).parent / "data" / FILE
    cascade = home.CascadeClassifier(str(path)) if path.is_file() else None
    if cascade is None or cascade.empty():
        raise WeightsError(f"{path}: this OpenCV lacks its cascade: pip install 'opencv-python-headless<5' brings it")
    return HaarDetector(cascade, settings)
