"""Classifiers on backbones of Keras Applications: its graph without the top, and one of the field's two usual heads."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from crowdmask.errors import SettingsError, WeightsError
from crowdmask.nets.heads import verdict_head

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backbone:
    """What Keras names it, how its pixels are scaled, and its file of pre-trained weights in Keras' cache."""

    make: str
    least_size: int
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    file: str
    file_sizes: tuple[int, ...] = ()  # `{size}` in the file's name: the nearest of these, or the last
    bgr: bool = False  # its pre-trained kernels take BGR


# scaled as the published weights expect it: to -1..1, or by ImageNet's means (and deviations)
_SYMMETRIC: dict[str, Any] = {"scale": (1 / 127.5,), "offset": (-1.0,)}
_MEANS, _DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BACKBONES = {
    "resnet50v2": Backbone(
        "ResNet50V2", 32, file="resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5", **_SYMMETRIC
    ),
    "mobilenetv2": Backbone(
        "MobileNetV2",
        32,
        file="mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{size}_no_top.h5",
        file_sizes=(96, 128, 160, 192, 224),
        **_SYMMETRIC,
    ),
    "inceptionresnetv2": Backbone(
        "InceptionResNetV2", 75, file="inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5", **_SYMMETRIC
    ),
    "vgg16": Backbone(
        "VGG16",
        32,
        scale=(1.0,),
        offset=(-123.68, -116.779, -103.939),
        file="vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        bgr=True,
    ),
    "densenet201": Backbone(
        "DenseNet201",
        32,
        scale=tuple(1 / (255 * d) for d in _DEVIATIONS),
        offset=tuple(-m / d for m, d in zip(_MEANS, _DEVIATIONS, strict=True)),
        file="densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5",
    ),
    "mobilenet": Backbone(
        "MobileNet",
        32,
        file="mobilenet_1_0_{size}_tf_no_top.h5",
        file_sizes=(128, 160, 192, 224),
        **_SYMMETRIC,
    ),
}


@dataclass(frozen=True)
class FlattenedGraph:
    """The head that takes every place of the last feature map."""

    input_size: int = 224
    pooling: str = "flatten"
    dense: int = 1024
    dropout: float = 0.5
    outputs: int = 1


@dataclass(frozen=True)
class AveragedGraph:
    """The head that takes the feature map's average."""

    input_size: int = 224
    pooling: str = "average"
    dense: int = 256
    dropout: float = 0.2
    outputs: int = 1


Graph = FlattenedGraph | AveragedGraph
POOLINGS: dict[str, Callable[..., Any]] = {"flatten": layers.Flatten, "average": layers.GlobalAveragePooling2D}


def build_resnet50v2(graph: Graph | None = None) -> keras.Model:
    return _build("resnet50v2", graph or FlattenedGraph())


def build_mobilenetv2(graph: Graph | None = None) -> keras.Model:
    return _build("mobilenetv2", graph or FlattenedGraph())


def build_inceptionresnetv2(graph: Graph | None = None) -> keras.Model:
    return _build("inceptionresnetv2", graph or FlattenedGraph())


def build_vgg16(graph: Graph | None = None) -> keras.Model:
    return _build("vgg16", graph or AveragedGraph())


def build_densenet201(graph: Graph | None = None) -> keras.Model:
    return _build("densenet201", graph or AveragedGraph())


def build_mobilenet(graph: Graph | None = None) -> keras.Model:
    return _build("mobilenet", graph or AveragedGraph())


def _build(name: str, graph: Graph) -> keras.Model:
    """Graph from RGB crops (n, s, s, 3) in 0..255 to logits (n,) of being unmasked."""
    backbone = BACKBONES[name]
    if graph.input_size < backbone.least_size:
        raise SettingsError(
            f"{name} needs crops of {backbone.least_size} px or more, the input size is {graph.input_size}: "
            f"give --input-size {backbone.least_size} or more, or leave {name} out"
        )
    if graph.pooling not in POOLINGS:
        raise SettingsError(f"pooling {graph.pooling!r}: choose one of {', '.join(POOLINGS)}")
    crop = keras.Input((graph.input_size, graph.input_size, 3), name="rgb")
    scale, offset = (list(v) if len(v) > 1 else v[0] for v in (backbone.scale, backbone.offset))
    x = layers.Rescaling(scale, offset=offset, name="range")(crop)
    body = getattr(keras.applications, backbone.make)(include_top=False, weights=None, input_tensor=x)
    x = POOLINGS[graph.pooling](name="pooled")(body.output)
    dropout = layers.Dropout(graph.dropout, name="head_dropout")
    dense = layers.Dense(graph.dense, activation="relu", name="head_dense")
    x = dropout(dense(x)) if graph.pooling == "flatten" else dense(dropout(x))
    return _steadily_named(keras.Model(crop, verdict_head(x, graph.outputs), name=name))


def _steadily_named(model: keras.Model) -> keras.Model:
    """Some backbones leave names to Keras, which counts on from model to model: weights would not find their layers."""
    if model.name != "inceptionresnetv2":
        return model
    names = {layer.name: f"layer{i}" for i, layer in enumerate(model.layers) if _left_to_keras(layer)}

    def copy(layer: Any) -> Any:
        return type(layer).from_config({**layer.get_config(), "name": names.get(layer.name, layer.name)})

    return keras.models.clone_model(model, clone_function=copy)


def _left_to_keras(layer: Any) -> bool:
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(layer).__name__).lower()
    return re.fullmatch(rf"{re.escape(kind)}(_\d+)?|conv2d(_\d+)?", layer.name) is not None


def cached_weights(name: str, input_size: int) -> Path | None:
    """Keras' own file of pre-trained weights, where it was downloaded at some time."""
    if name not in BACKBONES:
        return None
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    path = home / "models" / _file_name(name, input_size)
    return path if path.is_file() and _is_whole(path) else None


def _is_whole(path: Path) -> bool:
    """Keras downloads straight into its cache: what was broken off lies there under the name of the whole file."""
    import h5py

    try:
        with h5py.File(path):
            return True
    except OSError as error:
        log.warning("%s is not whole, as after a download that was broken off, and is not used (%s)", path, error)
        return False


def _file_name(name: str, input_size: int) -> str:
    backbone = BACKBONES[name]
    sizes = backbone.file_sizes
    return backbone.file.format(size=input_size if input_size in sizes else sizes[-1] if sizes else "")


def download_weights(name: str, input_size: int) -> Path:
    """Has Keras download its file of pre-trained weights and check it."""
    if name not in BACKBONES:
        raise SettingsError(f"--download: there are no pre-trained weights of {name}: use --init with weights of ours")
    try:
        getattr(keras.applications, BACKBONES[name].make)(include_top=False, input_shape=(input_size, input_size, 3))
    except Exception as error:  # Keras raises plain Exception where a download fails
        raise WeightsError(
            f"--download: Keras could not fetch the weights of {name} ({error}): "
            f"copy {_file_name(name, input_size)} here and give it with --pretrained"
        ) from error
    found = cached_weights(name, input_size)
    if found is None:
        raise WeightsError(f"--download: Keras left no {_file_name(name, input_size)} in its cache")
    return found


def load_pretrained(model: keras.Model, path: Path) -> None:
    """Fill the backbone from Keras' file of weights without the top; the head keeps what it has."""
    name = model.name
    if name not in BACKBONES:
        raise SettingsError(f"--pretrained: {name} is no backbone of Keras: use --init with weights of its own kind")
    if not path.is_file():
        raise WeightsError(f"{path}: no such file of pre-trained weights")
    size = model.input_shape[1]
    make = getattr(keras.applications, BACKBONES[name].make)
    try:
        source = make(include_top=False, weights=str(path), input_shape=(size, size, 3))
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{path}: these are no weights of {name} without its top ({error})") from error
    given = [layer for layer in source.layers if layer.weights]
    taking = [layer for layer in model.layers if layer.weights][: len(given)]
    for i, (one, other) in enumerate(zip(given, taking, strict=True)):
        arrays = one.get_weights()
        if i == 0 and BACKBONES[name].bgr:
            arrays[0] = np.ascontiguousarray(arrays[0][:, :, ::-1])  # our crops are RGB
        other.set_weights(arrays)


def backbone_layers(model: keras.Model) -> list[Any]:
    """The layers before the head: those that are frozen while the head learns."""
    names = [layer.name for layer in model.layers]
    return list(model.layers[: names.index("pooled")]) if "pooled" in names else []
