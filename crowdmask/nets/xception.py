"""The mask classifier's graph: Xception's entry, middle and exit flow to the logits (Keras 3)."""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import layers

from crowdmask.nets.heads import verdict_head


@dataclass(frozen=True)
class XceptionGraph:
    """What decides the graph; width 1 with 8 middle blocks is the published network."""

    input_size: int = 96
    width: float = 1.0
    middle_blocks: int = 8
    dropout: float = 0.3
    outputs: int = 1  # 1: of being unmasked; 4: of every outcome


def _norm(x, name: str):  # type: ignore[no-untyped-def]
    return layers.BatchNormalization(momentum=0.97, epsilon=1e-3, name=f"{name}_bn")(x)


def _separable(x, filters: int, name: str, *, relu_first: bool = True):  # type: ignore[no-untyped-def]
    if relu_first:
        x = layers.ReLU(name=f"{name}_act")(x)
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    return _norm(x, name)


def _shrinking_block(x, filters: tuple[int, int], name: str, *, relu_first: bool = True):  # type: ignore[no-untyped-def]
    """Two separable convolutions and a pooling, beside a strided shortcut."""
    shortcut = layers.Conv2D(filters[1], 1, 2, "same", use_bias=False, name=f"{name}_shortcut")(x)
    shortcut = _norm(shortcut, f"{name}_shortcut")
    x = _separable(x, filters[0], f"{name}_sepconv1", relu_first=relu_first)
    x = _separable(x, filters[1], f"{name}_sepconv2")
    x = layers.MaxPooling2D(3, 2, "same", name=f"{name}_pool")(x)
    return layers.Add(name=f"{name}_add")([x, shortcut])


def build_xception(graph: XceptionGraph | None = None) -> keras.Model:
    """Graph from RGB crops (n, s, s, 3) in 0..255 to logits, as `verdict_head` gives them."""
    graph = graph or XceptionGraph()

    def wide(filters: int) -> int:
        return max(8, round(filters * graph.width / 8) * 8)

    crop = keras.Input((graph.input_size, graph.input_size, 3), name="rgb")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="range")(crop)
    for index, (filters, stride) in enumerate(((32, 2), (64, 1)), start=1):
        name = f"block1_conv{index}"
        x = layers.Conv2D(wide(filters), 3, stride, "same", use_bias=False, name=name)(x)
        x = layers.ReLU(name=f"{name}_act")(_norm(x, name))
    for block, filters in enumerate((128, 256, 728), start=2):
        x = _shrinking_block(x, (wide(filters), wide(filters)), f"block{block}", relu_first=block > 2)
    for block in range(5, 5 + graph.middle_blocks):
        shortcut = x
        for index in (1, 2, 3):
            x = _separable(x, wide(728), f"block{block}_sepconv{index}")
        x = layers.Add(name=f"block{block}_add")([x, shortcut])
    last = 5 + graph.middle_blocks
    x = _shrinking_block(x, (wide(728), wide(1024)), f"block{last}")
    for index, filters in enumerate((1536, 2048), start=1):
        name = f"block{last + 1}_sepconv{index}"
        x = _separable(x, wide(filters), name, relu_first=False)
        x = layers.ReLU(name=f"{name}_act")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.Dropout(graph.dropout, name="dropout")(x)
    return keras.Model(crop, verdict_head(x, graph.outputs), name="xception")
