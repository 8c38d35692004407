"""Builds the networks that the settings name, with verified weights, ready to run."""

from __future__ import annotations

from pathlib import Path

from crowdmask.engine.protocols import FaceDetector, MaskClassifier
from crowdmask.settings import AnalysisSettings, RuntimeSettings

DETECTOR, CLASSIFIER = "retinaface-mobilenet", "xception"


def weights_folder(settings: AnalysisSettings) -> Path | None:
    return Path(settings.weights) if settings.weights else None


def load_detector(settings: AnalysisSettings, runtime: RuntimeSettings) -> FaceDetector:
    if settings.detector == "retinaface-resnet50":
        from crowdmask.engine.retinaface_resnet50 import load_resnet50

        return load_resnet50(settings, runtime)
    from crowdmask.engine.detector import RetinaFaceDetector
    from crowdmask.engine.network import compile_network, take_threads
    from crowdmask.nets.as_run import AsRun
    from crowdmask.nets.shipped import shipped

    take_threads(runtime)
    found = shipped(DETECTOR, weights_folder(settings), task="detector")
    network = compile_network(AsRun(found.model), runtime, settings.precision)
    return RetinaFaceDetector(network, found.graph.anchors, settings, workers=runtime.cores)


def load_classifier(settings: AnalysisSettings, runtime: RuntimeSettings) -> MaskClassifier:
    from crowdmask.engine.classifier import XceptionClassifier
    from crowdmask.engine.network import compile_network, take_threads
    from crowdmask.nets.as_run import AsRun
    from crowdmask.nets.shipped import shipped

    take_threads(runtime)
    found = shipped(CLASSIFIER, weights_folder(settings), task="classifier")
    return XceptionClassifier(
        compile_network(AsRun(found.model), runtime, settings.precision),
        found.graph.input_size,
        batch=runtime.batch,
        workers=runtime.cores,
        slope=found.calibration.slope,
        offset=found.calibration.offset,
    )
