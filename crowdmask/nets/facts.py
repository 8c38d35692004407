"""What the engine must know of a network besides its numbers; plain values, so that no graph need be built for them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.nets.anchors import AnchorGrid


@dataclass(frozen=True)
class Facts:
    """The outputs' names in their order; `input_size` of a classifier's crops, `anchors` of a detector's answers."""

    outputs: tuple[str, ...]
    input_size: int | None = None
    anchors: AnchorGrid | None = None

    @classmethod
    def of(cls, model: Any, graph: Any) -> Facts:
        """Of a Keras model and the graph's settings that it was built from."""
        outputs = sorted(model.output) if isinstance(model.output, dict) else [model.output_names[0]]
        return cls(tuple(outputs), getattr(graph, "input_size", None), getattr(graph, "anchors", None))

    def as_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Facts:
        """ValueError, KeyError or TypeError where it was not written by `as_json`."""
        values = json.loads(text)
        anchors = values["anchors"]
        grid = None if anchors is None else AnchorGrid(**{name: _tuples(value) for name, value in anchors.items()})
        return cls(tuple(values["outputs"]), values["input_size"], grid)


@dataclass(frozen=True)
class Calibration:
    """Turns the classifier's logits into honest ones: slope x logit + offset, or an offset for each outcome."""

    slope: float = 1.0
    offset: float = 0.0
    offsets: tuple[float, ...] = ()

    def of_logits(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (n,) of a network with one output, or (n, outcomes)."""
        offset = np.array(self.offsets, np.float32) if self.offsets and logits.ndim == 2 else self.offset
        return np.asarray(self.slope * logits + offset, np.float32)

    @classmethod
    def of(cls, graph: Mapping[str, Any]) -> Calibration:
        """As the `graph` of a weights manifest has it."""
        return cls(**{name: _tuples(value) for name, value in graph.get("calibration", {}).items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
