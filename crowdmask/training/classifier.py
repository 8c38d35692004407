"""Trains the mask classifier: balanced crops, smoothed labels, validation on clean and coarse held-out faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from crowdmask.nets.checkpoint import assign_arrays, read_arrays, variables_of
from crowdmask.nets.registry import Architecture
from crowdmask.training.classifier_crops import ClassifierCrops

LABEL_SMOOTHING = 0.03


class ClassifierTrainee:
    """The classifier with its training and validation crops."""

    def __init__(
        self,
        architecture: Architecture,
        graph: Any,
        training: ClassifierCrops,
        validation: ClassifierCrops,
        *,
        batch: int,
        seed: int,
        start: Path | None = None,
    ) -> None:
        self._batch, self._seed, self._training = batch, seed, training
        self.network = architecture.model(graph)
        if start is not None:
            load_what_fits(self.network, start)
        crops, labels, _ = validation.clean()
        self._crops, self._labels = to_rgb(crops), labels

    @property
    def held_out(self) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """The crops to validate on, RGB, and their labels."""
        return self._crops, self._labels

    def compile(self, optimizer: keras.optimizers.Optimizer) -> keras.Model:
        loss = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING)
        self.network.compile(optimizer=optimizer, loss=loss)
        return self.network

    def batch(self, step: int) -> tuple[Any, Any]:
        drawn = [self._training.draw(np.random.default_rng((self._seed, 0, step, i))) for i in range(self._batch)]
        return to_rgb(np.stack([d[0] for d in drawn])), np.array([d[1] for d in drawn], np.float32)

    def validate(self) -> dict[str, float]:
        logits = predict(self.network, self._crops)
        wanted = self._labels.astype(np.float32)
        per_face = np.logaddexp(0.0, np.where(wanted == 1, -logits, logits))
        # classes weigh the same, however many faces each has
        loss = float(np.mean([per_face[self._labels == c].mean() for c in np.unique(self._labels)]))
        return {"loss": loss, "accuracy": float(np.mean((logits > 0) == (self._labels == 1)))}


def predict(network: keras.Model, crops_rgb: NDArray[np.float32], batch: int = 128) -> NDArray[np.float32]:
    """Logits (n,) of being unmasked."""
    parts = [np.asarray(network.predict_on_batch(crops_rgb[i : i + batch])) for i in range(0, len(crops_rgb), batch)]
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)


def load_what_fits(network: keras.Model, path: Path) -> None:
    """Start from weights of our own for the same graph."""
    arrays = read_arrays(path)
    known = variables_of(network)
    assign_arrays(network, {k: v for k, v in arrays.items() if k in known}, str(path))


def to_rgb(crops_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    return crops_bgr[..., ::-1].astype(np.float32)
