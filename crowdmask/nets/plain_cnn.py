"""Classifiers of plain convolutions, as student projects on face masks have them: of three, and of four (Keras 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from crowdmask.nets.heads import verdict_head


@dataclass(frozen=True)
class Cnn3Graph:
    """What decides the graph that ends in a softmax of two."""

    input_size: int = 150
    filters: tuple[int, ...] = (32, 64, 128)
    dense: int = 256
    dropout: float = 0.3
    outputs: int = 1


@dataclass(frozen=True)
class Cnn4Graph:
    """What decides the graph in the manner of the first cats-and-dogs examples, which ends in one sigmoid."""

    input_size: int = 224
    filters: tuple[int, ...] = (32, 64, 128, 128)
    dense: int = 512
    dropout: float = 0.0
    outputs: int = 1


def build_cnn3(graph: Cnn3Graph | None = None) -> keras.Model:
    """Graph from RGB crops (n, s, s, 3) in 0..255 to logits (n,) of being unmasked.

    With one output its last layer has two, of a softmax: their difference is the softmax's own logit.
    """
    graph = graph or Cnn3Graph()
    crop, x = _body(graph)
    if graph.outputs > 1:
        return keras.Model(crop, verdict_head(x, graph.outputs), name="cnn3")
    classes = layers.Dense(2, dtype="float32", name="classes")(x)
    return keras.Model(crop, ops.subtract(classes[:, 1], classes[:, 0]), name="cnn3")


def build_cnn4(graph: Cnn4Graph | None = None) -> keras.Model:
    """Graph from RGB crops (n, s, s, 3) in 0..255 to logits (n,) of being unmasked."""
    graph = graph or Cnn4Graph()
    crop, x = _body(graph)
    return keras.Model(crop, verdict_head(x, graph.outputs), name="cnn4")


def _body(graph: Cnn3Graph | Cnn4Graph) -> tuple[Any, Any]:
    """The input, and what comes of it before the last layer."""
    crop = keras.Input((graph.input_size, graph.input_size, 3), name="rgb")
    x = layers.Rescaling(1 / 255, name="range")(crop)
    for index, filters in enumerate(graph.filters, start=1):
        x = layers.Conv2D(filters, 3, activation="relu", padding="same", name=f"conv{index}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{index}")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dropout(graph.dropout, name="dropout")(x)
    return crop, layers.Dense(graph.dense, activation="relu", name="dense")(x)
