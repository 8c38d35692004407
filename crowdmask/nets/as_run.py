"""A network for running only: its weights are constants, normalisation is multiplied into depthwise kernels.

TensorFlow folds normalisation by itself behind full convolutions. Behind depthwise ones it stays two passes over the
whole picture: a third of the detector's time in bfloat16.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers


class AsRun:
    """A functional model with its weights as constants of whatever is traced from it.

    It takes BGR pictures; with `rgb`, because the model takes RGB, their channels are turned round before.
    """

    def __init__(self, model: keras.Model, *, rgb: bool = False, fold: bool = True) -> None:
        self._model, self._rgb = folded(model) if fold else model, rgb
        variables = self._model.trainable_variables, self._model.non_trainable_variables
        self._weights = [[np.asarray(variable) for variable in some] for some in variables]
        self.input_shape, self.output = model.input_shape, model.output
        self.output_names = model.output_names

    def __call__(self, pictures: Any, training: bool = False) -> Any:
        pictures = pictures[..., ::-1] if self._rgb else pictures
        outputs, _ = self._model.stateless_call(*self._weights, pictures, training=training)
        return outputs


def folded(model: keras.Model) -> keras.Model:
    """A copy of the functional model, or itself if nothing folds; its outputs are the model's but for rounding."""
    shown = {output._keras_history.operation.name for output in model.outputs}
    norms = {layer.input._keras_history.operation.name: layer for layer in model.layers if _folds(layer)}
    norms = {name: norm for name, norm in norms.items() if name not in shown}
    if not norms:
        return model
    gone = {norm.name for norm in norms.values()}

    def copy(layer: Any) -> Any:
        if layer.name in gone or not isinstance(layer, layers.Layer):
            return layer
        return type(layer).from_config({**layer.get_config(), **({"use_bias": True} if layer.name in norms else {})})

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return args[0] if layer.name in gone else layer(*args, **kwargs)

    short = keras.models.clone_model(model, clone_function=copy, call_function=call)
    for layer in model.layers:
        if layer.name in norms:
            short.get_layer(layer.name).set_weights(_kernel_and_bias(layer, norms[layer.name]))
        elif layer.weights and layer.name not in gone:
            short.get_layer(layer.name).set_weights(layer.get_weights())
    return short


def _folds(layer: Any) -> bool:
    """Whether this is a normalisation of what a depthwise convolution gives to nothing else."""
    if not isinstance(layer, layers.BatchNormalization):
        return False
    before = layer.input._keras_history.operation
    if not isinstance(before, layers.DepthwiseConv2D) or before.use_bias or len(before._outbound_nodes) != 1:
        return False
    return bool(before.activation is keras.activations.linear)


def _kernel_and_bias(convolution: Any, norm: Any) -> list[np.ndarray]:
    (kernel,) = convolution.get_weights()  # (h, w, channels, multiplier)
    gamma, beta, mean, variance = (np.asarray(values, np.float64) for values in norm.get_weights())
    factor = gamma / np.sqrt(variance + norm.epsilon)
    return [(kernel * factor.reshape(kernel.shape[2:])).astype(np.float32), (beta - mean * factor).astype(np.float32)]
