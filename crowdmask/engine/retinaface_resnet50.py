"""The second detector: RetinaFace with ResNet-50 from the package `retina-face`, of which only the network is used."""

from __future__ import annotations

import importlib.util
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.errors import SettingsError, WeightsError
from crowdmask.geometry import FloatArray, clip, nms, sizes_wh
from crowdmask.nets.weights import verify
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings

WEIGHTS = "retinaface-resnet50"
# The network's levels, coarse to fine, and the squares that each cell judges. Their centres lie 8 px into the cell at
# every stride, because all of them were derived from one box of 16 x 16.
LEVELS = ((32, (512.0, 256.0)), (16, (128.0, 64.0)), (8, (32.0, 16.0)))
CENTRE = 8.0
# Measured: each megapixel of a batch takes about 0.25 GB while the network runs.
PIXELS_AT_ONCE = 2_000_000

# uint8 BGR (n, h, w, 3) -> for each level scores (n, y, x, 4), box offsets (n, y, x, 8), landmark offsets (n, y, x, 20)
Network = Callable[[NDArray[np.uint8]], Sequence[NDArray[np.float32]]]


class RetinaFaceResNet50:
    """A `FaceDetector`. Pictures that have one size when shrunk or enlarged go through the network together."""

    def __init__(self, settings: AnalysisSettings, network: Network | None = None) -> None:
        self._settings = settings
        self._network = load_network(verify(WEIGHTS)) if network is None else network

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, image in enumerate(images):
            by_size[self._detection_size(image)].append(i)
        found: dict[int, Faces] = {}
        for size_wh, indices in by_size.items():
            step = max(1, PIXELS_AT_ONCE // (size_wh[0] * size_wh[1]))
            for first in range(0, len(indices), step):
                together = indices[first : first + step]
                batch = np.stack([_resized(images[i], size_wh) for i in together])
                outputs = self._network(batch)
                for row, i in enumerate(together):
                    height, width = images[i].shape[:2]
                    found[i] = self._faces([output[row] for output in outputs], size_wh, (width, height))
        return [found[i] for i in range(len(images))]

    def _detection_size(self, image: NDArray[np.uint8]) -> tuple[int, int]:
        height, width = image.shape[:2]
        scale = min(self._settings.detection_size / max(height, width), self._settings.detection_upscale)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def _faces(
        self, outputs: Sequence[NDArray[np.float32]], network_wh: tuple[int, int], picture_wh: tuple[int, int]
    ) -> Faces:
        boxes, scores, landmarks = decode(outputs, self._settings.confidence)
        ratio = np.divide(picture_wh, network_wh, dtype=np.float32)
        boxes = clip(boxes, network_wh)
        kept = np.flatnonzero(np.all(sizes_wh(boxes) >= 1, axis=1))  # the border leaves less of one that lies outside
        boxes *= np.tile(ratio, 2)
        kept = kept[nms(boxes[kept], scores[kept], self._settings.nms_iou)]
        return Faces(boxes[kept], scores[kept], landmarks[kept] * ratio)


def decode(
    outputs: Sequence[NDArray[np.float32]], confidence: float
) -> tuple[FloatArray, NDArray[np.float32], NDArray[np.float32]]:
    """Boxes (n, 4), scores (n,), landmarks (n, 5, 2) of one picture's outputs from `confidence` up, in network pixels.

    The package counts pixels inclusively; these are edges, half a pixel further for landmarks.
    """
    boxes, scores, landmarks = [], [], []
    for level, (stride, squares) in enumerate(LEVELS):
        score, box, points = outputs[3 * level : 3 * level + 3]
        face = score[..., len(squares) :]  # before it: the probabilities of no face
        y, x, square = np.nonzero(face >= confidence)
        side = np.array(squares, np.float32)[square][:, None]
        centre = np.stack([x, y], axis=1).astype(np.float32) * stride + CENTRE
        offsets = box.reshape(*face.shape, 4)[y, x, square]
        middle = centre + offsets[:, :2] * side
        half = np.exp(offsets[:, 2:]) * side / 2
        boxes.append(np.concatenate([middle - half, middle + half], axis=1))
        scores.append(face[y, x, square])
        landmarks.append(centre[:, None] + points.reshape(*face.shape, 5, 2)[y, x, square] * side[:, None])
    return np.concatenate(boxes), np.concatenate(scores), np.concatenate(landmarks)


def load_network(weights: Path) -> Network:
    """The package's graph with the parameters of an .h5 file, compiled once for pictures of any size."""
    import tensorflow as tf

    model = build_graph()
    try:
        model.load_weights(str(weights))
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{weights}: these are no weights of RetinaFace with ResNet-50 ({error})") from error

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)])  # type: ignore[untyped-decorator]
    def forward(bgr: Any) -> Any:
        return model(tf.cast(tf.reverse(bgr, axis=[3]), tf.float32), training=False)

    return lambda images: [output.numpy() for output in forward(images)]


def build_graph() -> Any:
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


def _resized(image: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    if image.shape[1::-1] == size_wh:
        return image
    return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_LINEAR), np.uint8)
