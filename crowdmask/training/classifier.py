"""Trains the mask classifier: balanced crops, smoothed labels, validation on clean held-out faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from crowdmask.nets.checkpoint import arrays_of, assign_arrays, read_arrays
from crowdmask.nets.registry import Architecture
from crowdmask.training.classifier_crops import ClassifierCrops
from crowdmask.verdicts import Outcome

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
        frozen_blocks: int = 0,
    ) -> None:
        self._batch, self._seed, self._training = batch, seed, training
        self.network = architecture.model(graph)
        self._outputs = graph.outputs
        if start is not None:
            load_what_fits(self.network, start)
        freeze(self.network, frozen_blocks)
        crops, outcomes, _ = validation.clean()
        self._crops, self._labels = to_rgb(crops), wanted_of(outcomes, self._outputs)

    @property
    def held_out(self) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """The crops to validate on, RGB, and their labels."""
        return self._crops, self._labels

    def compile(self, optimizer: keras.optimizers.Optimizer) -> keras.Model:
        loss: Any = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING)
        if self._outputs > 1:
            loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING)
        self.network.compile(optimizer=optimizer, loss=loss)
        return self.network

    def batch(self, step: int) -> tuple[Any, Any]:
        crops, outcomes = self._training.draw_batch(np.random.default_rng((self._seed, 0, step)), self._batch)
        wanted = wanted_of(outcomes, self._outputs)
        if self._outputs > 1:
            return to_rgb(crops), np.eye(self._outputs, dtype=np.float32)[wanted]
        return to_rgb(crops), wanted.astype(np.float32)

    def validate(self) -> dict[str, float]:
        logits = predict(self.network, self._crops)
        if self._outputs == 1:  # two classes are one logit's sign
            logits = np.stack([np.zeros_like(logits), logits], axis=1)
        chosen = np.take_along_axis(logits, self._labels[:, None].astype(np.intp), axis=1)[:, 0]
        per_face = np.logaddexp.reduce(logits, axis=1) - chosen
        # classes weigh the same, however many faces each has
        loss = float(np.mean([per_face[self._labels == c].mean() for c in np.unique(self._labels)]))
        return {"loss": loss, "accuracy": float(np.mean(logits.argmax(axis=1) == self._labels))}


def wanted_of(outcomes: NDArray[np.integer], outputs: int) -> NDArray[np.int8]:
    """Outcomes as a network with so many outputs knows them: with one, whatever is not masked is unmasked."""
    if outputs > 1:
        return np.asarray(outcomes, np.int8)
    return np.asarray(outcomes != Outcome.MASKED, np.int8)


def freeze(network: keras.Model, blocks: int) -> None:
    """Keep the first blocks as they are, normalisation and all: what they see hardly depends on the question."""
    for layer in network.layers:
        if any(layer.name.startswith(f"block{block}_") for block in range(1, blocks + 1)):
            layer.trainable = False


def predict(network: keras.Model, crops_rgb: NDArray[np.float32], batch: int = 128) -> NDArray[np.float32]:
    """Logits (n,) of being unmasked, or (n, outcomes)."""
    # called as it is: tracing a deep network first takes longer than all the faces that are held out
    parts = [np.asarray(network(crops_rgb[i : i + batch], training=False)) for i in range(0, len(crops_rgb), batch)]
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)


def load_what_fits(network: keras.Model, path: Path) -> None:
    """Start from weights of our own for the same graph; a last layer with other outputs begins anew."""
    own = arrays_of(network)
    assign_arrays(network, own | {k: v for k, v in read_arrays(path).items() if k in own}, str(path))


def to_rgb(crops_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    return crops_bgr[..., ::-1].astype(np.float32)
