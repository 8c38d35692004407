"""Detectors to compare with and to run beside our own RetinaFace: each a module here and a row in `LOADERS`."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.protocols import FaceDetector
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings, RuntimeSettings

Loader = Callable[[AnalysisSettings, RuntimeSettings], FaceDetector]

LOADERS: Mapping[str, str] = {
    "retinaface-resnet50": "crowdmask.engine.retinaface_resnet50:load_resnet50",
    "yunet": "crowdmask.engine.detectors.yunet:load_yunet",
    "mtcnn": "crowdmask.engine.detectors.mtcnn:load_mtcnn",
    "haar": "crowdmask.engine.detectors.haar:load_haar",
    "ssd-caffe": "crowdmask.engine.detectors.ssd_caffe:load_ssd_caffe",
}

# the weights manifest's entries that each of them needs; the others carry theirs in a package
WEIGHTS: Mapping[str, tuple[str, ...]] = {
    "retinaface-resnet50": ("retinaface-resnet50",),
    "yunet": ("yunet",),
    "ssd-caffe": ("ssd-caffe", "ssd-caffe-graph"),
}


def load(name: str, settings: AnalysisSettings, runtime: RuntimeSettings) -> FaceDetector:
    module, _, function = LOADERS[name].partition(":")
    loader: Loader = getattr(importlib.import_module(module), function)
    return OneAtATime(loader(settings, runtime))


class OneAtATime:
    """A detector of a library whose objects keep the picture at hand: it is never asked by two threads at once."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._lock = threading.Lock()

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        with self._lock:
            return self._detector.detect(images)
