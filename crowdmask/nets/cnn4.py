"""A classifier of four convolutions to one sigmoid, in the manner of the first cats-and-dogs examples (Keras 3)."""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import layers

from crowdmask.nets.heads import verdict_head


@dataclass(frozen=True)
class Cnn4Graph:
    """What decides the graph."""

    input_size: int = 224
    filters: tuple[int, ...] = (32, 64, 128, 128)
    dense: int = 512
    dropout: float = 0.0
    outputs: int = 1


def build_cnn4(graph: Cnn4Graph | None = None) -> keras.Model:
    """Graph from RGB crops (n, s, s, 3) in 0..255 to logits (n,) of being unmasked."""
    graph = graph or Cnn4Graph()
    crop = keras.Input((graph.input_size, graph.input_size, 3), name="rgb")
    x = layers.Rescaling(1 / 255, name="range")(crop)
    for index, filters in enumerate(graph.filters, start=1):
        x = layers.Conv2D(filters, 3, activation="relu", padding="same", name=f"conv{index}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{index}")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dropout(graph.dropout, name="dropout")(x)
    x = layers.Dense(graph.dense, activation="relu", name="dense")(x)
    return keras.Model(crop, verdict_head(x, graph.outputs), name="cnn4")
