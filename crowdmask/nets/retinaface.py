"""The face detector's graph: MobileNetV1 backbone, feature pyramid, SSH context modules, heads per level (Keras 3)."""

from __future__ import annotations

from dataclasses import dataclass, field

import keras
import numpy as np
from keras import layers, ops

from crowdmask.nets.anchors import AnchorGrid

# (filters at width 1, stride) of the separable blocks after the stem, stage by stage
BLOCKS = (
    ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1)),
    ((512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1)),
    ((1024, 2), (1024, 1)),
)
STEM_FILTERS = 32
MEAN_BGR = (104.0, 117.0, 123.0)
NORM_EPSILON = 1e-5


class MeanOff(layers.Layer):  # type: ignore[misc]
    """Takes MEAN_BGR off each pixel, a row of pixels at a time: added three values at a time, as Rescaling does it,
    TensorFlow spends an eighth of the whole network's time here. Other runtimes turn `by_rows` off."""

    by_rows = True

    def call(self, pictures):  # type: ignore[no-untyped-def]
        if not self.by_rows:
            return pictures - ops.convert_to_tensor(MEAN_BGR, pictures.dtype)
        n, height, width, channels = ops.shape(pictures)
        rows = ops.reshape(pictures, (n, height, width * channels))
        means = ops.tile(ops.convert_to_tensor(MEAN_BGR, rows.dtype), (width,))
        return ops.reshape(rows - means, (n, height, width, channels))

    def compute_output_shape(self, input_shape):  # type: ignore[no-untyped-def]
        return input_shape


@dataclass(frozen=True)
class RetinaFaceGraph:
    """What decides the graph; two sets of weights fit each other where these agree."""

    width: float = 0.25
    channels: int = 64
    fine_channels: int | None = None  # of neck, context and heads at the finest level; None is as many as elsewhere
    stem: str = "separable"  # or "dense": one 3x3 convolution brings the stem to a quarter of the size
    mean_off: bool = True  # False: the first convolution has learned to do without
    anchors: AnchorGrid = field(default_factory=AnchorGrid)

    @property
    def channels_of_levels(self) -> tuple[int, ...]:
        """Fine to coarse."""
        finest = self.fine_channels or self.channels
        return (finest, *[self.channels] * (len(self.anchors.strides) - 1))

    def __post_init__(self) -> None:
        if self.stem not in ("separable", "dense"):
            raise ValueError(f"stem {self.stem!r}: it is separable or dense")
        if self.anchors.strides not in ((8, 16, 32), (4, 8, 16, 32)):
            raise ValueError(f"strides {self.anchors.strides}: the backbone offers (8, 16, 32) and (4, 8, 16, 32)")


def _conv(x, filters: int, kernel: int, name: str, *, stride: int = 1, relu: bool = True):  # type: ignore[no-untyped-def]
    # Stride-2 convolutions pad one pixel on every side; Keras' "same" would pad only right and below.
    padding = "same"
    if stride == 2:
        x, padding = layers.ZeroPadding2D(1, name=f"{name}_pad")(x), "valid"
    x = layers.Conv2D(filters, kernel, stride, padding, use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(epsilon=NORM_EPSILON, momentum=0.97, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _separable(x, filters: int, stride: int, name: str):  # type: ignore[no-untyped-def]
    padding = "same"
    if stride == 2:
        x, padding = layers.ZeroPadding2D(1, name=f"{name}_pad")(x), "valid"
    x = layers.DepthwiseConv2D(3, stride, padding, use_bias=False, name=f"{name}_depth_conv")(x)
    x = layers.BatchNormalization(epsilon=NORM_EPSILON, momentum=0.97, name=f"{name}_depth_norm")(x)
    x = layers.ReLU(name=f"{name}_depth_relu")(x)
    return _conv(x, filters, 1, f"{name}_point")


def _backbone(x, graph: RetinaFaceGraph) -> dict[int, keras.KerasTensor]:  # type: ignore[no-untyped-def]
    """Last feature map at each stride."""
    features, stride = {}, 2
    x = _conv(x, int(STEM_FILTERS * graph.width), 3, "stage1_0", stride=2)
    skipped = 0
    if graph.stem == "dense":
        # The maps at half the picture's size cost a third of the whole where memory is slow: one convolution in place
        # of two separable blocks leaves only the first and smallest of them.
        skipped = 2
        filters, step = BLOCKS[0][skipped - 1]
        x = _conv(x, int(filters * graph.width), 3, f"stage1_{skipped}", stride=step)
        stride *= step
    for stage, blocks in enumerate(BLOCKS, start=1):
        first = 1 if stage == 1 else 0
        for index, (filters, step) in enumerate(blocks, start=first):
            if stage == 1 and index <= skipped:
                continue
            x = _separable(x, int(filters * graph.width), step, f"stage{stage}_{index}")
            stride *= step
            features[stride] = x
    return features


def _pyramid(features: list[keras.KerasTensor], channels: tuple[int, ...]) -> list[keras.KerasTensor]:
    """Top-down: the coarser level, enlarged, is added to the finer one and merged by a 3x3 convolution."""
    levels = [_conv(f, c, 1, f"fpn_output{i}") for i, (f, c) in enumerate(zip(features, channels, strict=True), 1)]
    for i in range(len(levels) - 2, -1, -1):
        above = levels[i + 1]
        if channels[i + 1] != channels[i]:
            above = _conv(above, channels[i], 1, f"fpn_down{i + 2}")
        above = layers.UpSampling2D(2, name=f"fpn_up{i + 2}")(above)
        levels[i] = _conv(layers.Add(name=f"fpn_add{i + 1}")([levels[i], above]), channels[i], 3, f"fpn_merge{i + 1}")
    return levels


def _context(x, channels: int, name: str):  # type: ignore[no-untyped-def]
    """SSH: three receptive fields side by side."""
    three = _conv(x, channels // 2, 3, f"{name}_conv3x3", relu=False)
    shared = _conv(x, channels // 4, 3, f"{name}_conv5x5_1")
    five = _conv(shared, channels // 4, 3, f"{name}_conv5x5_2", relu=False)
    seven = _conv(shared, channels // 4, 3, f"{name}_conv7x7_2")
    seven = _conv(seven, channels // 4, 3, f"{name}_conv7x7_3", relu=False)
    return layers.ReLU(name=f"{name}_relu")(layers.Concatenate(name=f"{name}_concat")([three, five, seven]))


def build_retinaface(graph: RetinaFaceGraph | None = None) -> keras.Model:
    """Graph from BGR pictures (n, h, w, 3) in 0..255, sides multiples of 32, to a dict over all anchors:
    `face` (n, a) logits, `box` (n, a, 4) and `landmarks` (n, a, 10) offsets; order as in `AnchorGrid`."""
    graph = graph or RetinaFaceGraph()
    picture = keras.Input((None, None, 3), name="bgr")
    x = MeanOff(name="mean")(picture) if graph.mean_off else picture
    features = _backbone(x, graph)
    levels = _pyramid([features[s] for s in graph.anchors.strides], graph.channels_of_levels)
    n = graph.anchors.per_cell
    outputs: dict[str, list[keras.KerasTensor]] = {"face": [], "box": [], "landmarks": []}
    for i, level in enumerate(levels, start=1):
        x = _context(level, graph.channels_of_levels[i - 1], f"ssh{i}")
        for key, values in (("face", 2), ("box", 4), ("landmarks", 10)):
            head = layers.Conv2D(n * values, 1, name=f"head{i}_{key}")(x)
            outputs[key].append(layers.Reshape((-1, values), name=f"head{i}_{key}_flat")(head))
    joined = {key: layers.Concatenate(axis=1, name=f"{key}_all")(parts) for key, parts in outputs.items()}
    # the difference of the two class logits is the softmax's own logit for "face"
    joined["face"] = ops.subtract(joined["face"][..., 1], joined["face"][..., 0])
    return keras.Model(picture, joined, name="retinaface")


def original_names(layer: str) -> dict[str, str]:
    """Where a layer's variables stand in the public checkpoint's state dict: Keras variable name to array name."""
    stem, _, role = layer.rpartition("_")
    if stem.startswith("head"):
        raise ValueError(f"{layer}: heads are named by level and output")
    separable = stem.endswith(("_depth", "_point"))
    base, place = (stem.rpartition("_")[0], stem.rpartition("_")[2]) if separable else (stem, "")
    offset = 3 if place == "point" else 0
    if base.startswith("stage"):
        prefix = "body." + base.replace("_", ".")
    elif base.startswith("fpn"):
        prefix = base.replace("_", ".")
    else:
        level, _, branch = base.partition("_")
        # the checkpoint spells one of its five branches with a small x
        prefix = f"{level}.{branch if branch == 'conv7x7_3' else branch.replace('x', 'X')}"
    if role == "conv":
        return {"kernel": f"{prefix}.{offset}.weight"}
    norm = f"{prefix}.{offset + 1}"
    return {
        "gamma": f"{norm}.weight",
        "beta": f"{norm}.bias",
        "moving_mean": f"{norm}.running_mean",
        "moving_variance": f"{norm}.running_var",
    }


HEADS = {"face": "ClassHead", "box": "BboxHead", "landmarks": "LandmarkHead"}


def original_array_name(layer: str, variable: str) -> str:
    if layer.startswith("head"):
        level, _, key = layer.partition("_")
        place = f"{HEADS[key]}.{int(level.removeprefix('head')) - 1}.conv1x1"
        return f"{place}.{'weight' if variable == 'kernel' else 'bias'}"
    return original_names(layer)[variable]


def to_keras_layout(array: np.ndarray, layer: keras.layers.Layer) -> np.ndarray:
    """A PyTorch kernel (out, in, h, w) as Keras has it: (h, w, in, out), depthwise (h, w, channels, 1)."""
    if array.ndim != 4:
        return array
    if isinstance(layer, layers.DepthwiseConv2D):
        return np.transpose(array, (2, 3, 0, 1))
    return np.transpose(array, (2, 3, 1, 0))
