"""Builds the networks that the settings name, with verified weights, ready to run."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from crowdmask.engine import detectors
from crowdmask.engine.protocols import FaceDetector, MaskClassifier
from crowdmask.engine.runtimes.choosing import OPENVINO, TENSORFLOW, Chosen, choose, compiler
from crowdmask.engine.runtimes.network import Network, Wanted
from crowdmask.errors import SettingsError
from crowdmask.nets.anchors import AnchorGrid
from crowdmask.nets.facts import Calibration
from crowdmask.nets.registry import CLASSIFIER, DETECTOR
from crowdmask.nets.weights import Entry, Manifest
from crowdmask.settings import AnalysisSettings, RuntimeSettings


def manifest_of(name: str, settings: AnalysisSettings) -> Manifest:
    """The manifest that has this network: that of the folder of other weights, or else the shipped one."""
    if settings.weights is None:
        return Manifest.load()
    own = Manifest.load(Path(settings.weights))
    if not {settings.detector, settings.classifier} & own.entries.keys():
        raise SettingsError(
            f"{own.folder} holds {', '.join(own.entries) or 'nothing'}, and neither {settings.detector} nor "
            f"{settings.classifier}: name what to take from it with --classifier or --detector"
        )
    return own if name in own.entries else Manifest.load()


def entries_of(settings: AnalysisSettings) -> list[tuple[Entry, str]]:
    """The weights that these settings run with and their task; a detector whose package carries its own has none."""
    own = (settings.detector,) if settings.detector not in detectors.LOADERS else ()
    finding = [(name, DETECTOR) for name in (*own, *detectors.WEIGHTS.get(settings.detector, ()))]
    return [
        (manifest_of(name, settings).entry(name), task) for name, task in (*finding, (settings.classifier, CLASSIFIER))
    ]


def load_detector(settings: AnalysisSettings, runtime: RuntimeSettings) -> FaceDetector:
    if settings.detector in detectors.LOADERS:
        return detectors.load(settings.detector, settings, runtime)
    from crowdmask.engine.detector import RetinaFaceDetector

    network, origin = _compiled(settings.detector, DETECTOR, settings, runtime)
    anchors = network.facts.anchors or AnchorGrid()
    return RetinaFaceDetector(network, anchors, settings, workers=runtime.cores, origin=origin)


def load_classifier(settings: AnalysisSettings, runtime: RuntimeSettings) -> MaskClassifier:
    from crowdmask.engine.classifier import XceptionClassifier

    network, origin = _compiled(settings.classifier, CLASSIFIER, settings, runtime, batch=runtime.batch)
    entry = manifest_of(settings.classifier, settings).entry(settings.classifier)
    return XceptionClassifier(
        network, Calibration.of(entry.graph), batch=runtime.batch, workers=runtime.cores, origin=origin
    )


def chosen_for(task: str, settings: AnalysisSettings, runtime: RuntimeSettings) -> Chosen:
    """The runtime and the arithmetic of the network for this task; some detectors run in one runtime alone."""
    only = {"retinaface-resnet50": TENSORFLOW, "yunet": OPENVINO}.get(settings.detector)
    if task == DETECTOR and only is not None:
        settings = replace(settings, runtime=only)
    return choose(settings, runtime)


def _compiled(
    name: str, task: str, settings: AnalysisSettings, runtime: RuntimeSettings, *, batch: int = 0
) -> tuple[Network, str]:
    """The network, and the path of its weights, for messages."""
    chosen = chosen_for(task, settings, runtime)
    manifest = manifest_of(name, settings)
    entry = manifest.entry(name)
    told = json.dumps(entry.as_dict(), sort_keys=True)
    network = _kept(_Key(str(manifest.folder), name, task, told, chosen, runtime.device, runtime.cores, batch))
    return network, str(manifest.folder / entry.file)


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
    batch: int


@lru_cache(maxsize=4)  # compiling takes time: a different window need not wait for it again
def _kept(key: _Key) -> Network:
    manifest = Manifest.load(Path(key.folder))
    wanted = Wanted(manifest, key.name, key.task, key.chosen.precision, key.cores, key.device, key.batch)
    return compiler(key.chosen.runtime)(wanted)
