"""The second detector with the package's network, on random parameters: its numbers, batches, and Keras 3 beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.engine import retinaface_resnet50 as module
from crowdmask.engine import views
from crowdmask.engine.detector import RetinaFaceDetector
from crowdmask.engine.retinaface_resnet50 import build_model, load_model, load_resnet50
from crowdmask.errors import SettingsError, WeightsError
from crowdmask.settings import AnalysisSettings, RuntimeSettings

for package in ("retinaface", "tf_keras", "gdown"):
    pytest.importorskip(package, reason="make test installs retina-face, with the libraries that it imports")

CONFIDENCE = 0.5

# What the package itself finds: its own way of loading, preparing, decoding and choosing.
REFERENCE = """
import json, os, sys
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import cv2
from retinaface import RetinaFace
found = RetinaFace.detect_faces(cv2.imread(sys.argv[1]), threshold=float(sys.argv[2]), allow_upscaling=False)
points = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")
print(json.dumps([
    [float(f["score"]), [int(v) for v in f["facial_area"]], [[float(v) for v in f["landmarks"][p]] for p in points]]
    for f in found.values()
]))
"""

THEIRS_FIRST = """
import os, sys
from pathlib import Path
import numpy as np
from crowdmask.engine.retinaface_resnet50 import load_resnet50
from crowdmask.settings import AnalysisSettings, RuntimeSettings
detector = load_resnet50(AnalysisSettings(detection_size=160), RuntimeSettings(), Path(sys.argv[1]))
assert len(detector.detect([np.zeros((40, 70, 3), np.uint8)])) == 1
import keras, tensorflow
model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3), keras.layers.GlobalAveragePooling2D()])
assert model(np.ones((2, 8, 8, 3), np.float32)).shape == (2, 2)
assert "TF_USE_LEGACY_KERAS" not in os.environ
print(keras.__version__[0], tensorflow.keras.__version__[0])
"""


def randomise(model: Any) -> None:
    """Random parameters whose outputs are lively but neither overflow nor saturate."""
    rng = np.random.default_rng(7)
    for layer in model.layers:
        values = layer.get_weights()
        if "BatchNormalization" in type(layer).__name__ and values:
            data = layer.name == "bn_data"  # takes pixels of 0 to 255
            values[-2:] = [values[-2] + (120 if data else 0), values[-1] * (5000 if data else 2)]
            layer.set_weights(values)
        elif values:
            kernel = values[0]
            fan_in = np.prod(kernel.shape[:3])
            kernel = rng.normal(0, np.sqrt(1.6 / fan_in), kernel.shape).astype(np.float32)
            layer.set_weights([kernel, *(rng.normal(0, 0.1, bias.shape) for bias in values[1:])])
    probe = noise(96, 128, seed=1)[None].astype(np.float32)
    for output, layer_name in zip(model(probe, training=False), model.output_names, strict=True):
        for kind, spread in (("bbox_pred", 0.25), ("landmark_pred", 0.3)):
            if kind in layer_name:
                layer = model.get_layer(layer_name)
                layer.set_weights([value * spread / float(np.std(output)) for value in layer.get_weights()])


def noise(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """A picture with structure at several scales and different channels."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.uniform(0, 255, (n, n, 3)), (width, height), interpolation=cv2.INTER_CUBIC) for n in (3, 9, 30)
    ]
    return np.clip(np.mean(layers, axis=0) * [1.2, 1.0, 0.6], 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def keras_3() -> Any:
    import keras

    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3), keras.layers.GlobalAveragePooling2D()])


@pytest.fixture(scope="module")
def model(keras_3: Any) -> Any:
    """The graph with random parameters, built where Keras 3 is already at work."""
    built = build_model()
    assert built.count_params() == 29_495_084
    randomise(built)
    return built


@pytest.fixture(scope="module")
def weights(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package looks for them when its home is the folder three levels up."""
    path = tmp_path_factory.mktemp("home") / ".deepface" / "weights" / "retinaface.h5"
    path.parent.mkdir(parents=True)
    model.save_weights(path)
    return path


@pytest.fixture(scope="module")
def detector(weights: Path) -> RetinaFaceDetector:
    settings = AnalysisSettings(
        confidence=CONFIDENCE, detection_size=160, detection_upscale=1.0, precision="float32", follow=False
    )
    return load_resnet50(settings, RuntimeSettings(), weights)


def test_it_finds_what_the_package_finds(
    weights: Path, detector: RetinaFaceDetector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = noise(128, 160, seed=2)
    monkeypatch.setattr(views, "PASSES", (views.Pass(1.0, 0.0, float("inf")),))  # the package looks once
    monkeypatch.setattr("crowdmask.engine.merging.SAME_FACE_IOU", 2.0)  # and keeps the best box as it is
    cv2.imwrite(str(tmp_path / "a.png"), image)
    env = {**os.environ, "DEEPFACE_HOME": str(weights.parents[2]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    program = [sys.executable, "-c", REFERENCE, str(tmp_path / "a.png"), str(CONFIDENCE)]
    said = subprocess.run(program, env=env, capture_output=True, text=True, check=True)
    expected = json.loads(said.stdout.splitlines()[-1])
    (faces,) = detector.detect([image])
    # The package counts pixels inclusively and cuts boxes down to whole ones; ours are edges. Of a box that lies nearly
    # outside the picture the package keeps a pixel at least, ours nothing: no face to either.
    inclusive = faces.boxes - np.array([0, 0, 1, 1], np.float32)
    ours = thick(np.floor(inclusive))
    theirs = thick(np.array([box for _, box, _ in expected]))
    assert 20 < len(theirs) < 500
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(faces.scores[ours], np.array([score for score, _, _ in expected])[theirs], atol=1e-5)
    cut_off = inclusive[ours] - np.array([box for _, box, _ in expected])[theirs]
    assert cut_off.min() > -1e-3
    assert cut_off.max() < 1 + 1e-3
    points = np.array([points for _, _, points in expected])[theirs]
    np.testing.assert_allclose(faces.landmarks[ours] - 0.5, points, atol=1e-3)


def thick(boxes: NDArray[Any]) -> NDArray[np.intp]:
    return np.flatnonzero(np.all(boxes[:, 2:] - boxes[:, :2] >= 2, axis=1))


def test_channels_are_not_mixed_up(detector: RetinaFaceDetector) -> None:
    """Guards the test above: with red and blue exchanged the network finds something else."""
    image = noise(118, 160, seed=2)
    straight, exchanged = detector.detect([image, np.ascontiguousarray(image[..., ::-1])])
    assert len(straight) != len(exchanged) or not np.allclose(straight.scores, exchanged.scores, atol=1e-3)


def test_a_batch_finds_what_one_by_one_finds(detector: RetinaFaceDetector) -> None:
    images = [noise(118, 160, seed) for seed in (2, 3, 4)] + [noise(160, 90, seed=5)]
    alone = [detector.detect([image])[0] for image in images]
    for one, other in zip(alone, detector.detect(images), strict=True):
        assert len(one) > 0
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-2)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)


def test_keras_3_can_come_first(keras_3: Any, detector: RetinaFaceDetector) -> None:
    import keras
    import tensorflow as tf

    assert detector.detect([noise(40, 70, seed=6)])
    assert keras_3(np.ones((2, 8, 8, 3), np.float32)).shape == (2, 2)
    assert keras.__version__[0] == tf.keras.__version__[0] == "3"


def test_keras_3_can_come_second(weights: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"} | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    program = [sys.executable, "-c", THEIRS_FIRST, str(weights)]
    ran = subprocess.run(program, env=env, capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == "3 3", ran.stderr


def test_a_file_that_is_no_network_of_this_kind_is_named(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tf_keras

    monkeypatch.setattr(module, "build_model", lambda: model)  # built once is enough

    (tmp_path / "text.h5").write_text("not HDF5")
    other = tf_keras.Sequential([tf_keras.Input((4,)), tf_keras.layers.Dense(2)])
    other.save_weights(tmp_path / "other.h5")
    for name in ("text.h5", "other.h5", "missing.h5"):
        with pytest.raises(WeightsError, match="no weights of RetinaFace with ResNet-50") as caught:
            load_model(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("missing", ["retinaface", "tf_keras", "gdown"])
def test_without_the_package_it_says_what_to_install(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "retinaface"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SettingsError, match=r"pip install 'crowdmask\[resnet50\]'"):
        build_model()
