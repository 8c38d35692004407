"""The graph that is run, against the graph that was trained."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from crowdmask.nets.as_run import AsRun, folded
from crowdmask.nets.retinaface import RetinaFaceGraph, build_retinaface
from crowdmask.nets.xception import XceptionGraph, build_xception


def lived_in(model: Any, seed: int = 0) -> Any:
    """The model with normalisations that have seen data: none of their values is what it began with."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            (channels,) = layer.gamma.shape
            mean, beta = rng.normal(size=(2, channels))
            gamma, variance = rng.uniform(0.5, 2.0, (2, channels))
            layer.set_weights([gamma, beta, mean, variance])
    return model


def normalisations(model: Any) -> list[str]:
    return [layer.name for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def test_by_hand() -> None:
    picture = keras.Input((1, 1, 2))
    model = keras.Model(
        picture,
        layers.BatchNormalization(epsilon=0.0)(layers.DepthwiseConv2D(1, use_bias=False, name="depth")(picture)),
    )
    model.get_layer("depth").set_weights([np.array([3.0, 5.0]).reshape(1, 1, 2, 1)])
    gamma, beta, mean, variance = np.array([[2.0, 1.0], [10.0, 0.0], [1.0, -1.0], [4.0, 0.25]])
    model.layers[-1].set_weights([gamma, beta, mean, variance])
    # 2 (3x - 1) / 2 + 10 = 3x + 9 and (5x + 1) / 0.5 = 10x + 2
    short = folded(model)
    kernel, bias = short.get_layer("depth").get_weights()
    assert kernel.reshape(-1).tolist() == [3.0, 10.0]
    assert bias.tolist() == [9.0, 2.0]
    assert normalisations(short) == []
    assert np.asarray(short(np.array([[[[1.0, 1.0]]]]))).reshape(-1).tolist() == [12.0, 12.0]


def test_the_detector_answers_as_before() -> None:
    model = lived_in(build_retinaface(RetinaFaceGraph(width=0.25, channels=16)))
    short = folded(model)
    assert normalisations(short) == [name for name in normalisations(model) if "_depth_" not in name]
    pictures = np.random.default_rng(1).integers(0, 256, (2, 64, 96, 3)).astype(np.float32)
    before, after = model(pictures, training=False), short(pictures, training=False)
    for name, values in before.items():
        scale = np.abs(np.asarray(values)).max()
        np.testing.assert_allclose(np.asarray(after[name]), np.asarray(values), atol=1e-4 * scale, rtol=0)


def test_the_model_itself_stays_as_it_was() -> None:
    model = lived_in(build_retinaface(RetinaFaceGraph(width=0.25, channels=16)))
    before = [np.array(values) for values in model.get_weights()]
    folded(model)
    assert all(np.array_equal(was, now) for was, now in zip(before, model.get_weights(), strict=True))


def test_where_nothing_folds_the_model_is_the_answer() -> None:
    model = build_xception(XceptionGraph(input_size=32, width=0.1, middle_blocks=0))
    assert folded(model) is model


def test_weights_are_those_of_the_moment_it_was_made() -> None:
    model = build_xception(XceptionGraph(input_size=32, width=0.1, middle_blocks=0))
    crops = np.random.default_rng(2).integers(0, 256, (3, 32, 32, 3)).astype(np.float32)
    as_run, before = AsRun(model), np.asarray(model(crops, training=False))
    model.set_weights([np.zeros_like(values) for values in model.get_weights()])
    np.testing.assert_allclose(np.asarray(as_run(crops)), before, rtol=1e-5, atol=1e-6)


def test_what_is_an_output_too_is_left_alone() -> None:
    picture = keras.Input((4, 4, 3))
    seen = layers.DepthwiseConv2D(3, use_bias=False)(picture)
    model = keras.Model(picture, [layers.BatchNormalization()(seen), seen])
    assert folded(model) is model


def test_what_another_layer_sees_too_is_left_alone() -> None:
    picture = keras.Input((4, 4, 3))
    seen = layers.DepthwiseConv2D(3, use_bias=False)(picture)
    model = keras.Model(picture, layers.Add()([layers.BatchNormalization()(seen), seen]))
    assert folded(model) is model


def test_a_bias_or_an_activation_in_between_is_left_alone() -> None:
    picture = keras.Input((4, 4, 3))
    for depthwise in (layers.DepthwiseConv2D(3), layers.DepthwiseConv2D(3, use_bias=False, activation="relu")):
        model = keras.Model(picture, layers.BatchNormalization()(depthwise(picture)))
        assert folded(model) is model
