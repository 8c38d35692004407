"""What following takes in: the finds of one picture, as arrays, and how a box becomes a place, a size and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import FloatArray, empty_boxes

Floats = NDArray[np.float64]

NO_FACE = -1  # an outcome of the classifier that is no verdict: what was found is no face
SMALLEST_SIDE = 0.5  # pixels; a box without area still has a logarithm


@dataclass(frozen=True)
class Finds:
    """The finds of one picture that the detector looked at, weak ones included: boxes (n, 4), scores (n,)."""

    boxes_xyxy: FloatArray
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        n = len(self.boxes_xyxy)
        for name, array, shape in (("boxes_xyxy", self.boxes_xyxy, (n, 4)), ("scores", self.scores, (n,))):
            if array.shape != shape:
                raise ValueError(f"Finds.{name} must have the shape {shape}, it has {array.shape}")

    def __len__(self) -> int:
        return len(self.boxes_xyxy)

    @classmethod
    def none(cls) -> Finds:
        return cls(empty_boxes(), np.zeros(0, np.float32))


def bounded(values: NDArray[np.floating], low: float, high: float) -> NDArray[np.floating]:
    """`np.clip`, which for a few faces spends most of its time on other things."""
    held: NDArray[np.floating] = np.minimum(np.maximum(values, low), high)
    return held


def states_of(boxes_xyxy: NDArray[np.floating]) -> Floats:
    """Centre x and y, logarithms of width and height, (n, 4)."""
    boxes = np.asarray(boxes_xyxy, np.float64)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], SMALLEST_SIDE)
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2.0, np.log(sides)], axis=1)


def boxes_of(states: Floats) -> FloatArray:
    half = np.exp(states[:, 2:]) / 2.0
    return np.concatenate([states[:, :2] - half, states[:, :2] + half], axis=1).astype(np.float32)


def sizes_of(states: Floats) -> Floats:
    """Face sizes (n,), as `geometry.face_sizes`."""
    sizes: Floats = np.exp((states[:, 2] + states[:, 3]) / 2.0)
    return sizes
