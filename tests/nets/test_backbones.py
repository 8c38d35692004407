"""The classifiers to compare with: one logit a crop, weights that find their layers again, files of others refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from crowdmask.errors import SettingsError, WeightsError
from crowdmask.nets.checkpoint import arrays_of, load_weights, save_weights
from crowdmask.nets.keras_backbones import backbone_layers, cached_weights, download_weights, load_pretrained
from crowdmask.nets.registry import CLASSIFIER, architecture, names_of

SMALL: dict[str, dict[str, Any]] = {
    "xception": {"input_size": 32, "width": 0.1, "middle_blocks": 0},
    "cnn3": {"input_size": 32, "filters": (4, 4, 4), "dense": 4},
    "cnn4": {"input_size": 32, "filters": (4, 4, 4, 4), "dense": 4},
    "mobilenet": {"input_size": 32, "dense": 4},
    "vgg16": {"input_size": 32, "dense": 4},
}
# the others take most of a minute to build, and go through the same lines
ON_TRIAL = [*SMALL]


def small(name: str, **more: Any) -> keras.Model:
    row = architecture(name)
    return row.model(row.graph_type()(**{**SMALL[name], **more}))


@pytest.mark.parametrize("name", ON_TRIAL)
def test_one_logit_a_crop_and_weights_that_come_back(name: str, tmp_path: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    model = small(name)
    logits = np.asarray(model(crops))
    assert logits.shape == (2,)
    assert np.isfinite(logits).all()
    save_weights(tmp_path / "w.npz", arrays_of(model), half=False)
    again = small(name)
    load_weights(again, tmp_path / "w.npz")
    assert np.array_equal(np.asarray(again(crops)), logits)


@pytest.mark.parametrize("name", [n for n in ON_TRIAL if n != "xception"])
def test_four_outcomes(name: str) -> None:
    assert small(name, outputs=4).output_shape == (None, 4)


def test_cnn3_is_the_logit_of_a_softmax() -> None:
    model = small("cnn3")
    classes = keras.Model(model.input, model.get_layer("classes").output)
    crops = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3)).astype(np.float32)
    probability = np.asarray(keras.ops.softmax(classes(crops)))[:, 1]
    assert np.allclose(1 / (1 + np.exp(-np.asarray(model(crops)))), probability, atol=1e-6)


def test_the_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.npz", arrays_of(small("cnn4")), half=False)
    with pytest.raises(WeightsError, match="belongs to another graph than cnn3"):
        load_weights(small("cnn3"), tmp_path / "w.npz")


def test_a_crop_smaller_than_the_least_input_is_refused_in_one_line() -> None:
    row = architecture("inceptionresnetv2")
    with pytest.raises(SettingsError, match="needs crops of 75 px or more, the input size is 64"):
        row.model(row.graph_type()(input_size=64))


@pytest.mark.parametrize("name", ["mobilenet", "vgg16"])
def test_pretrained_weights_fill_the_backbone_and_leave_the_head(name: str, tmp_path: Path) -> None:
    make = {"mobilenet": keras.applications.MobileNet, "vgg16": keras.applications.VGG16}[name]
    source = make(include_top=False, weights=None, input_shape=(32, 32, 3))
    source.save_weights(tmp_path / "notop.weights.h5")
    model = small(name)
    head = model.get_layer("logit").get_weights()[0].copy()
    load_pretrained(model, tmp_path / "notop.weights.h5")
    first, second = (next(layer for layer in m.layers if layer.weights).get_weights()[0] for m in (source, model))
    assert np.array_equal(first[:, :, ::-1] if name == "vgg16" else first, second)
    last = [layer for layer in source.layers if layer.weights][-1]
    assert np.array_equal(last.get_weights()[0], model.get_layer(last.name).get_weights()[0])
    assert np.array_equal(head, model.get_layer("logit").get_weights()[0])
    assert backbone_layers(model)[-1].name == source.layers[-1].name


def test_pretrained_files_that_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "junk.weights.h5").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"junk\.weights\.h5: these are no weights of mobilenet"):
        load_pretrained(small("mobilenet"), tmp_path / "junk.weights.h5")
    with pytest.raises(WeightsError, match="no such file"):
        load_pretrained(small("mobilenet"), tmp_path / "none.h5")
    with pytest.raises(SettingsError, match="cnn3 is no backbone of Keras"):
        load_pretrained(small("cnn3"), tmp_path / "junk.weights.h5")


def test_keras_own_cache_is_found_by_name_and_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert cached_weights("mobilenet", 96) is None
    (tmp_path / "models").mkdir()
    wanted = tmp_path / "models" / "mobilenet_1_0_224_tf_no_top.h5"
    with h5py.File(wanted, "w") as file:
        file["kernel"] = np.zeros(1000)
    assert cached_weights("mobilenet", 96) == wanted
    wanted.write_bytes(wanted.read_bytes()[:2000])  # a download that was broken off
    with caplog.at_level("WARNING"):
        assert cached_weights("mobilenet", 96) is None
    assert "not whole, as after a download that was broken off" in caplog.text
    assert cached_weights("mobilenet", 128) is None
    assert cached_weights("cnn3", 96) is None


def test_a_download_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: Any) -> None:
        raise Exception("URL fetch failure")  # as Keras raises it

    monkeypatch.setattr(keras.applications, "MobileNet", broken)
    with pytest.raises(WeightsError, match=r"could not fetch the weights of mobilenet.*--pretrained"):
        download_weights("mobilenet", 96)
    with pytest.raises(SettingsError, match="no pre-trained weights of cnn3"):
        download_weights("cnn3", 96)


def test_the_table_of_classifiers() -> None:
    plain, backbones = {"xception", "cnn3", "cnn4"}, {"resnet50v2", "mobilenetv2", "inceptionresnetv2"}
    assert set(names_of(CLASSIFIER)) >= plain | backbones | {"vgg16", "densenet201", "mobilenet"}
