"""A network as the weights manifest describes it: architecture and graph from the manifest, parameters verified.

Without a folder the manifest and the weights are those that ship with crowdmask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from crowdmask.errors import SettingsError
from crowdmask.nets.checkpoint import load_weights
from crowdmask.nets.facts import Calibration
from crowdmask.nets.registry import CLASSIFIER, Architecture, architecture
from crowdmask.nets.weights import MANIFEST, Manifest


@dataclass(frozen=True)
class Shipped:
    """A model with its weights, and what it was built from; `graph` is of the architecture's own type."""

    model: keras.Model
    graph: Any
    architecture: Architecture
    calibration: Calibration

    @property
    def takes_rgb(self) -> bool:
        """As all classifiers here do; detectors take BGR."""
        return self.architecture.task == CLASSIFIER


def shipped(name: str, folder: Path | None = None, *, task: str | None = None) -> Shipped:
    """The network of this name; one for another task is refused."""
    manifest = Manifest.load(folder)
    entry = manifest.entry(name)
    kind = architecture(entry.architecture, f"{manifest.folder / MANIFEST}: {name}")
    if task is not None and kind.task != task:
        raise SettingsError(f"{name} in {manifest.folder} is a {kind.task}, and a {task} is asked for")
    calibration = Calibration.of(entry.graph)
    settings = {key: value for key, value in entry.graph.items() if key != "calibration"}
    graph = kind.graph_from(settings, f"{manifest.folder / MANIFEST}: {name}")
    model = kind.model(graph)
    load_weights(model, manifest.verify(name))
    return Shipped(model, graph, kind, calibration)
