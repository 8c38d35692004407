"""MTCNN, three small networks one after another, as the package `mtcnn` has it: it carries its weights (MIT)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from crowdmask.engine.detectors.single_view import Image, found, seen
from crowdmask.errors import SettingsError
from crowdmask.geometry import empty_boxes
from crowdmask.nets.cpu import tensorflow_needs_avx2
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings, RuntimeSettings

LEAST_SIDE = 12  # pixels of the first network's window: smaller pictures show it nothing


class MtcnnDetector:
    """One picture at a time; its own thresholds of the first two networks, the last one's is the confidence."""

    def __init__(self, network: Any, settings: AnalysisSettings) -> None:
        self._network, self._settings = network, settings

    def detect(self, images: Sequence[Image]) -> list[Faces]:
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> Faces:
        picture = seen(image, self._settings)
        if min(picture.shape[:2]) < LEAST_SIDE:
            return Faces.none()
        rows = self._network.detect_faces(
            np.ascontiguousarray(picture[..., ::-1]),
            box_format="xyxy",
            output_type="numpy",
            threshold_onet=self._settings.weakest,
        )
        # number of the picture, box, score, then the five points' x and their y
        table = np.asarray(rows, np.float32).reshape(-1, 16) if len(rows) else np.zeros((0, 16), np.float32)
        boxes = table[:, 1:5] if len(table) else empty_boxes()
        points = np.stack([table[:, 6:11], table[:, 11:16]], axis=-1)
        return found(boxes, table[:, 5], points, picture=picture, image=image, settings=self._settings)


def load_mtcnn(settings: AnalysisSettings, runtime: RuntimeSettings) -> MtcnnDetector:
    from crowdmask.engine.runtimes.with_tensorflow import take_threads

    tensorflow_needs_avx2("choose another --detector, or another machine")
    take_threads(runtime.cores)
    try:
        from mtcnn import MTCNN
    except ImportError as error:
        raise SettingsError(
            f"the detector mtcnn needs a package that is not installed ({error}): "
            "pip install 'crowdmask[detectors]', or choose the detector yunet"
        ) from error
    return MtcnnDetector(MTCNN(), settings)
