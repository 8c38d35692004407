"""A classifier of three plain convolutions, as student projects on face masks have it (Keras 3)."""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import layers, ops

from crowdmask.nets.heads import verdict_head


@dataclass(frozen=True)
class Cnn3Graph:
    """What decides the graph."""

    input_size: int = 150
    filters: tuple[int, ...] = (32, 64, 128)
    dense: int = 256
    dropout: float = 0.3
    outputs: int = 1


def build_cnn3(graph: Cnn3Graph | None = None) -> keras.Model:
    """Graph from RGB crops (n, s, s, 3) in 0..255 to logits (n,) of being unmasked.

    With one output its last layer has two, of a softmax: their difference is the softmax's own logit.
    """
    graph = graph or Cnn3Graph()
    crop = keras.Input((graph.input_size, graph.input_size, 3), name="rgb")
    x = layers.Rescaling(1 / 255, name="range")(crop)
    for index, filters in enumerate(graph.filters, start=1):
        x = layers.Conv2D(filters, 3, activation="relu", padding="same", name=f"conv{index}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{index}")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dropout(graph.dropout, name="dropout")(x)
    x = layers.Dense(graph.dense, activation="relu", name="dense")(x)
    if graph.outputs > 1:
        return keras.Model(crop, verdict_head(x, graph.outputs), name="cnn3")
    classes = layers.Dense(2, dtype="float32", name="classes")(x)
    return keras.Model(crop, ops.subtract(classes[:, 1], classes[:, 0]), name="cnn3")
