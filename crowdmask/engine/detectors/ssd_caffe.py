"""OpenCV's own face detector of 2017, an SSD on a small ResNet in Caffe's format, run by OpenCV.

OpenCV 4 reads Caffe's format, OpenCV 5 no longer does. `crowdmask weights fetch ssd-caffe ssd-caffe-graph` brings it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from crowdmask.engine.detectors.single_view import Image, found, seen
from crowdmask.errors import SettingsError, WeightsError
from crowdmask.geometry import FloatArray
from crowdmask.nets.weights import verify
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings, RuntimeSettings

MEAN_BGR = (104.0, 177.0, 123.0)
SIDE = 300  # what it was trained at, and is run at everywhere


class SsdDetector:
    """One picture at a time, squeezed into a square as its users do; small faces are lost in it."""

    def __init__(self, network: Any, settings: AnalysisSettings) -> None:
        self._network, self._settings = network, settings

    def detect(self, images: Sequence[Image]) -> list[Faces]:
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> Faces:
        picture = seen(image, self._settings)
        self._network.setInput(cv2.dnn.blobFromImage(picture, 1.0, (SIDE, SIDE), MEAN_BGR))
        boxes, scores = decoded(self._network.forward(), (picture.shape[1], picture.shape[0]))
        return found(boxes, scores, None, picture=picture, image=image, settings=self._settings)


def decoded(output: Any, size_wh: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Boxes and scores of the output (1, 1, n, 7): picture, class, score and the box in parts of the picture."""
    rows = np.asarray(output, np.float32).reshape(-1, 7)
    rows = rows[rows[:, 1] == 1]
    return rows[:, 3:7] * np.array([*size_wh, *size_wh], np.float32), rows[:, 2]


def load_ssd_caffe(settings: AnalysisSettings, runtime: RuntimeSettings) -> SsdDetector:
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        raise SettingsError(
            f"the detector ssd-caffe needs OpenCV 4: OpenCV {cv2.__version__} no longer reads Caffe's format: "
            "pip install 'opencv-python-headless<5', or choose the detector yunet"
        )
    graph, weights = verify("ssd-caffe-graph"), verify("ssd-caffe")
    try:
        network = cv2.dnn.readNetFromCaffe(str(graph), str(weights))
    except cv2.error as error:
        raise WeightsError(f"{weights}: OpenCV cannot read it ({error})") from error
    return SsdDetector(network, settings)
