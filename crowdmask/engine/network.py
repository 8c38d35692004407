"""The one seam to the library that runs the networks: a Keras graph in, a compiled callable on NumPy arrays out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.errors import SettingsError
from crowdmask.settings import RuntimeSettings

# uint8 pictures (n, h, w, 3) in, the graph's outputs by name out; batches of any size and shape, compiled once
Network = Callable[[NDArray[np.uint8]], dict[str, NDArray[np.float32]]]


def compile_network(model: Any, runtime: RuntimeSettings) -> Network:
    """The graph with its weights frozen into constants: normalisation folds into the convolutions."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    device = _device(runtime)
    names = sorted(model.output) if isinstance(model.output, dict) else [model.output_names[0]]

    def forward(pictures: Any) -> Any:
        outputs = model(tf.cast(pictures, tf.float32), training=False)
        return [outputs[name] for name in names] if isinstance(outputs, dict) else [outputs]

    # one trace with open sides serves every shape bucket
    signature = tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)
    with tf.device(device):
        frozen = convert_variables_to_constants_v2(tf.function(forward).get_concrete_function(signature))

    def run(pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        with tf.device(device):
            return {name: out.numpy() for name, out in zip(names, frozen(tf.constant(pictures)), strict=True)}

    return run


def _device(runtime: RuntimeSettings) -> str:
    import tensorflow as tf

    _share_threads(runtime.threads)
    if runtime.device == "cpu":
        return "/CPU:0"
    found = bool(tf.config.list_physical_devices("GPU"))
    if runtime.device == "gpu" and not found:
        raise SettingsError("device is 'gpu', but TensorFlow finds none: choose cpu or auto")
    return "/GPU:0" if found else "/CPU:0"


def _share_threads(threads: int) -> None:
    """TensorFlow takes its number of threads once for a process, before its first operation."""
    import tensorflow as tf

    if threads and tf.config.threading.get_intra_op_parallelism_threads() != threads:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        except RuntimeError:
            return  # it is at work already; its threads change no result
