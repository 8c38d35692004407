"""Builds the networks that the settings name, with verified weights, ready to run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from crowdmask.engine.protocols import FaceDetector, MaskClassifier
from crowdmask.nets.weights import Manifest
from crowdmask.settings import AnalysisSettings, RuntimeSettings

if TYPE_CHECKING:
    from crowdmask.engine.network import Network
    from crowdmask.nets.shipped import Shipped

DETECTOR, CLASSIFIER = "retinaface-mobilenet", "xception"


def weights_folder(settings: AnalysisSettings) -> Path | None:
    return Path(settings.weights) if settings.weights else None


def load_detector(settings: AnalysisSettings, runtime: RuntimeSettings) -> FaceDetector:
    if settings.detector == "retinaface-resnet50":
        from crowdmask.engine.retinaface_resnet50 import load_resnet50

        return load_resnet50(settings, runtime)
    from crowdmask.engine.detector import RetinaFaceDetector

    network, found = _compiled(_wanted(DETECTOR, "detector", settings, runtime))
    return RetinaFaceDetector(network, found.graph.anchors, settings, workers=runtime.cores)


def load_classifier(settings: AnalysisSettings, runtime: RuntimeSettings) -> MaskClassifier:
    from crowdmask.engine.classifier import XceptionClassifier

    network, found = _compiled(_wanted(CLASSIFIER, "classifier", settings, runtime))
    return XceptionClassifier(
        network,
        found.graph.input_size,
        batch=runtime.batch,
        workers=runtime.cores,
        slope=found.calibration.slope,
        offset=found.calibration.offset,
    )


@dataclass(frozen=True)
class _Wanted:
    """All that a compiled network depends on."""

    name: str
    task: str
    folder: Path | None
    entry: str  # of the weights manifest: the file's checksum and the graph
    precision: str
    device: str
    cores: int


def _wanted(name: str, task: str, settings: AnalysisSettings, runtime: RuntimeSettings) -> _Wanted:
    folder = weights_folder(settings)
    entry = json.dumps(Manifest.load(folder).entry(name).as_dict(), sort_keys=True)
    return _Wanted(name, task, folder, entry, settings.precision, runtime.device, runtime.cores)


@lru_cache(maxsize=4)  # compiling takes seconds: a different window or batch need not wait for it again
def _compiled(wanted: _Wanted) -> tuple[Network, Shipped]:
    from crowdmask.engine.network import compile_network, take_threads
    from crowdmask.nets.as_run import AsRun
    from crowdmask.nets.shipped import shipped

    runtime = RuntimeSettings(device=wanted.device, threads=wanted.cores)
    take_threads(runtime)
    found = shipped(wanted.name, wanted.folder, task=wanted.task)
    return compile_network(AsRun(found.model), runtime, wanted.precision), found
