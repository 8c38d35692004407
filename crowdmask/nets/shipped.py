"""The networks as the weights manifest describes them: graph settings from the manifest, parameters verified.

Without a folder the manifest and the weights are those that ship with crowdmask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from crowdmask.errors import WeightsError
from crowdmask.nets.anchors import AnchorGrid
from crowdmask.nets.checkpoint import load_weights
from crowdmask.nets.retinaface import RetinaFaceGraph, build_retinaface
from crowdmask.nets.weights import Manifest
from crowdmask.nets.xception import XceptionGraph, build_xception


@dataclass(frozen=True)
class Calibration:
    """Turns the classifier's logit into an honest one: slope x logit + offset."""

    slope: float = 1.0
    offset: float = 0.0


def shipped_retinaface(name: str, folder: Path | None = None) -> tuple[keras.Model, RetinaFaceGraph]:
    manifest = Manifest.load(folder)
    graph = retinaface_graph(name, manifest.entry(name).graph)
    model = build_retinaface(graph)
    load_weights(model, manifest.verify(name))
    return model, graph


def shipped_xception(name: str, folder: Path | None = None) -> tuple[keras.Model, XceptionGraph, Calibration]:
    manifest = Manifest.load(folder)
    settings = dict(manifest.entry(name).graph)
    calibration = Calibration(**settings.pop("calibration", {}))
    graph = _built(name, XceptionGraph, settings)
    model = build_xception(graph)
    load_weights(model, manifest.verify(name))
    return model, graph, calibration


def retinaface_graph(name: str, settings: Mapping[str, Any]) -> RetinaFaceGraph:
    rest = dict(settings)
    anchors = rest.pop("anchors", {})
    lists = {k: _tuples(v) for k, v in anchors.items()}
    return _built(name, RetinaFaceGraph, {**rest, "anchors": AnchorGrid(**lists)})  # type: ignore[no-any-return]


def _built(name: str, graph: Any, settings: Mapping[str, Any]) -> Any:
    try:
        return graph(**settings)
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{name}: the weights manifest describes no graph of this crowdmask ({error})") from error


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
