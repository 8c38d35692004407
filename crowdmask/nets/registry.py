"""The architectures: from the `architecture` that a weights manifest names to the graph's settings and its builder.

Adding one is a module beside this one and a row in `ARCHITECTURES`; a row's module is imported when it is asked for its
parts, so that names and tasks cost nothing.
"""

from __future__ import annotations

import dataclasses
import importlib
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crowdmask.errors import SettingsError, WeightsError

if TYPE_CHECKING:
    import keras

CLASSIFIER, DETECTOR = "classifier", "detector"


@dataclass(frozen=True)
class Architecture:
    """One kind of network.

    `graph` names a frozen dataclass in `module`: its fields are the `graph` of a weights manifest, and two sets of
    weights fit each other where they agree. `build` names the function there that makes a Keras model from it.

    A classifier's graph has an `input_size`; its model takes RGB crops (n, s, s, 3) in 0..255. A detector's graph has
    `anchors`; its model takes BGR pictures and gives `face`, `box` and `landmarks` over all of them.
    """

    name: str
    task: str
    module: str
    graph: str
    build: str

    def graph_type(self) -> type[Any]:
        kind: type[Any] = getattr(importlib.import_module(self.module), self.graph)
        return kind

    def graph_from(self, settings: Mapping[str, Any], origin: str) -> Any:
        """The graph's settings as they come out of JSON; `origin` is named where they do not belong to it."""
        try:
            return _filled(self.graph_type(), settings)
        except (TypeError, ValueError) as error:
            raise WeightsError(f"{origin}: describes no {self.name} of this crowdmask ({error})") from error

    def model(self, graph: Any) -> keras.Model:
        return getattr(importlib.import_module(self.module), self.build)(graph)


_PLAIN, _KERAS = "crowdmask.nets.plain_cnn", "crowdmask.nets.keras_backbones"
ARCHITECTURES = {
    row.name: row
    for row in (
        Architecture("retinaface", DETECTOR, "crowdmask.nets.retinaface", "RetinaFaceGraph", "build_retinaface"),
        Architecture("xception", CLASSIFIER, "crowdmask.nets.xception", "XceptionGraph", "build_xception"),
        Architecture("cnn3", CLASSIFIER, _PLAIN, "Cnn3Graph", "build_cnn3"),
        Architecture("cnn4", CLASSIFIER, _PLAIN, "Cnn4Graph", "build_cnn4"),
        Architecture("resnet50v2", CLASSIFIER, _KERAS, "FlattenedGraph", "build_resnet50v2"),
        Architecture("mobilenetv2", CLASSIFIER, _KERAS, "FlattenedGraph", "build_mobilenetv2"),
        Architecture("inceptionresnetv2", CLASSIFIER, _KERAS, "FlattenedGraph", "build_inceptionresnetv2"),
        Architecture("vgg16", CLASSIFIER, _KERAS, "AveragedGraph", "build_vgg16"),
        Architecture("densenet201", CLASSIFIER, _KERAS, "AveragedGraph", "build_densenet201"),
        Architecture("mobilenet", CLASSIFIER, _KERAS, "AveragedGraph", "build_mobilenet"),
    )
}


def architecture(name: str, origin: str | None = None) -> Architecture:
    """The row of this name; `origin` is the file that names it, where it was no person."""
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    known = ", ".join(ARCHITECTURES)
    if origin is None:
        raise SettingsError(f"there is no architecture {name!r}: choose one of {known}")
    raise WeightsError(f"{origin}: its architecture {name!r} is none of this crowdmask, which has {known}")


def names_of(task: str) -> list[str]:
    return [row.name for row in ARCHITECTURES.values() if row.task == task]


def _filled(kind: type[Any], settings: Mapping[str, Any]) -> Any:
    """A dataclass from plain values: lists become tuples, and tables the dataclasses that their fields are."""
    hints = typing.get_type_hints(kind)
    values = {}
    for name, value in settings.items():
        of_field = hints.get(name)
        inner = isinstance(value, Mapping) and dataclasses.is_dataclass(of_field)
        values[name] = _filled(of_field, value) if inner else _tuples(value)  # type: ignore[arg-type]
    return kind(**values)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
