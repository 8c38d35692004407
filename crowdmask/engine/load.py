"""Builds the networks that the settings name, with verified weights, ready to run."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from crowdmask.engine.protocols import FaceDetector, MaskClassifier
from crowdmask.engine.runtimes.choosing import TENSORFLOW, Chosen, choose, compiler
from crowdmask.engine.runtimes.network import Network, Wanted
from crowdmask.nets.anchors import AnchorGrid
from crowdmask.nets.facts import Calibration
from crowdmask.nets.registry import CLASSIFIER as CLASSIFIES
from crowdmask.nets.registry import DETECTOR as DETECTS
from crowdmask.nets.weights import Manifest
from crowdmask.settings import AnalysisSettings, RuntimeSettings

DETECTOR, CLASSIFIER = "retinaface-mobilenet", "xception"


def weights_folder(settings: AnalysisSettings) -> Path | None:
    return Path(settings.weights) if settings.weights else None


def load_detector(settings: AnalysisSettings, runtime: RuntimeSettings) -> FaceDetector:
    if settings.detector == "retinaface-resnet50":
        from crowdmask.engine.retinaface_resnet50 import load_resnet50

        return load_resnet50(settings, runtime)
    from crowdmask.engine.detector import RetinaFaceDetector

    network = _compiled(DETECTOR, DETECTS, settings, runtime)
    anchors = network.facts.anchors or AnchorGrid()
    return RetinaFaceDetector(network, anchors, settings, workers=runtime.cores, origin=_path(DETECTOR, settings))


def load_classifier(settings: AnalysisSettings, runtime: RuntimeSettings) -> MaskClassifier:
    from crowdmask.engine.classifier import XceptionClassifier

    network = _compiled(CLASSIFIER, CLASSIFIES, settings, runtime)
    return XceptionClassifier(
        network,
        Calibration.of(Manifest.load(weights_folder(settings)).entry(CLASSIFIER).graph),
        batch=runtime.batch,
        workers=runtime.cores,
        origin=_path(CLASSIFIER, settings),
    )


def _path(name: str, settings: AnalysisSettings) -> str:
    manifest = Manifest.load(weights_folder(settings))
    return str(manifest.folder / manifest.entry(name).file)


def chosen_for(task: str, settings: AnalysisSettings, runtime: RuntimeSettings) -> Chosen:
    """The runtime and the arithmetic of the network for this task."""
    if (
        task == DETECTS and settings.detector == "retinaface-resnet50"
    ):  # another library's model: only TensorFlow has it
        settings = replace(settings, runtime=TENSORFLOW)
    return choose(settings, runtime)


def _compiled(name: str, task: str, settings: AnalysisSettings, runtime: RuntimeSettings) -> Network:
    chosen = chosen_for(task, settings, runtime)
    manifest = Manifest.load(weights_folder(settings))
    entry = json.dumps(manifest.entry(name).as_dict(), sort_keys=True)
    return _kept(_Key(str(manifest.folder), name, task, entry, chosen, runtime.device, runtime.cores))


@dataclass(frozen=True)
class _Key:
    """All that a compiled network depends on."""

    folder: str
    name: str
    task: str
    entry: str  # of the weights manifest: the files' checksums and the graph
    chosen: Chosen
    device: str
    cores: int


@lru_cache(maxsize=4)  # compiling takes time: a different window or batch need not wait for it again
def _kept(key: _Key) -> Network:
    manifest = Manifest.load(Path(key.folder))
    wanted = Wanted(manifest, key.name, key.task, key.chosen.precision, key.cores, key.device)
    return compiler(key.chosen.runtime)(wanted)
