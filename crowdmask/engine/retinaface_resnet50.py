"""The second detector: the network of the package `retina-face` (ResNet-50), run and read like our own RetinaFace."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from crowdmask.engine.detector import RetinaFaceDetector
from crowdmask.engine.runtimes.choosing import choose
from crowdmask.engine.runtimes.with_tensorflow import TensorFlowNetwork, take_threads
from crowdmask.errors import SettingsError, WeightsError
from crowdmask.geometry import FloatArray
from crowdmask.nets.anchors import AnchorGrid
from crowdmask.nets.facts import Facts
from crowdmask.nets.weights import verify
from crowdmask.settings import AnalysisSettings, RuntimeSettings

WEIGHTS = "retinaface-resnet50"


@dataclass(frozen=True)
class ResNet50Anchors(AnchorGrid):
    """All squares were derived from one box of 16 x 16, so their centres lie 8 px into the cell at every stride.

    The package counts pixels inclusively; as everywhere in crowdmask, these are edges.
    """

    strides: tuple[int, ...] = (8, 16, 32)
    sizes: tuple[tuple[float, ...], ...] = ((32, 16), (128, 64), (512, 256))
    variances: tuple[float, float] = (1.0, 1.0)

    def boxes_cxcywh(self, size_wh: tuple[int, int]) -> FloatArray:
        return _boxes_cxcywh(self, size_wh)


@lru_cache(maxsize=32)
def _boxes_cxcywh(grid: ResNet50Anchors, size_wh: tuple[int, int]) -> FloatArray:
    levels = []
    for stride, sizes in zip(grid.strides, grid.sizes, strict=True):
        columns, rows = (-(-side // stride) for side in size_wh)
        y, x, square = np.indices((rows, columns, len(sizes)))
        side = np.array(sizes)[square]
        levels.append(np.stack([x * stride + 8, y * stride + 8, side, side], axis=-1).reshape(-1, 4))
    boxes = np.concatenate(levels).astype(np.float32)
    boxes.flags.writeable = False
    return boxes


class OneAnswerPerAnchor:
    """The package's model with the inputs and outputs of our own graph, which is how `compile_network` takes it."""

    input_shape = (None, None, None, 3)
    output = dict.fromkeys(("face", "box", "landmarks"))

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(self, bgr: Any, training: bool) -> dict[str, Any]:
        import tensorflow as tf

        outputs = self._model(bgr[..., ::-1], training=training)  # the network learned RGB
        coarse_to_fine = [outputs[i : i + 3] for i in (0, 3, 6)]
        parts: dict[str, list[Any]] = {name: [] for name in self.output}
        for probability, box, landmarks in reversed(coarse_to_fine):
            n = tf.shape(box)[0]
            no_face, face = probability[..., :2], probability[..., 2:]
            parts["face"].append(tf.reshape(tf.math.log(face) - tf.math.log(no_face), (n, -1)))
            parts["box"].append(tf.reshape(box, (n, -1, 4)))
            parts["landmarks"].append(tf.reshape(landmarks, (n, -1, 10)))
        return {name: tf.concat(levels, axis=1) for name, levels in parts.items()}


def load_resnet50(
    settings: AnalysisSettings, runtime: RuntimeSettings, weights: Path | None = None
) -> RetinaFaceDetector:
    """The detector, with verified weights from the cache or, unverified, from a file."""
    if settings.runtime == "openvino":
        raise SettingsError(f"the detector {WEIGHTS} has no form for OpenVINO: choose --runtime auto or tensorflow")
    precision = choose(replace(settings, runtime="tensorflow"), runtime).precision
    take_threads(runtime.cores)
    path = verify(WEIGHTS) if weights is None else weights
    facts = Facts(tuple(sorted(OneAnswerPerAnchor.output)), anchors=ResNet50Anchors())
    network = TensorFlowNetwork(OneAnswerPerAnchor(load_model(path)), facts, precision, runtime.device)
    return RetinaFaceDetector(network, ResNet50Anchors(), settings, workers=runtime.cores, origin=str(path))


def load_model(weights: Path) -> Any:
    """The package's tf-keras model with the parameters of an .h5 file."""
    model = build_model()
    try:
        model.load_weights(str(weights))
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{weights}: these are no weights of RetinaFace with ResNet-50 ({error})") from error
    return model


def build_model() -> Any:
    """The package's tf-keras model with random parameters."""
    try:
        spec = importlib.util.find_spec("retinaface.model.retinaface_model")
        if spec is None or spec.loader is None:
            raise ImportError("no module named 'retinaface.model.retinaface_model'")
        builder: Any = importlib.util.module_from_spec(spec)  # our own copy: the package's stays as others imported it
        with _tf_keras_in_tensorflow():
            spec.loader.exec_module(builder)
    except ImportError as error:
        raise SettingsError(
            f"the detector {WEIGHTS} needs packages that are not installed ({error}): "
            "pip install 'crowdmask[resnet50]', or choose the detector retinaface-mobilenet"
        ) from error
    builder.load_weights = lambda model: model  # the package's downloads a file and does not check it
    return builder.build_model()


@contextmanager
def _tf_keras_in_tensorflow() -> Iterator[None]:
    """Lets the package's `from tensorflow.keras import ...` find tf-keras while it is imported.

    Its own way is TF_USE_LEGACY_KERAS=1, which works only before TensorFlow is first imported, and then turns tf.keras
    around for the whole process, where Keras 3 runs our other networks.
    """
    import tf_keras

    names = {"": tf_keras, ".models": tf_keras.models, ".layers": tf_keras.layers}
    shown: dict[str, Any] = {f"tensorflow.keras{name}": module for name, module in names.items()}
    before = {name: sys.modules.get(name) for name in shown}
    sys.modules.update(shown)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
