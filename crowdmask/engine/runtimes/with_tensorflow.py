"""TensorFlow as a runtime: on NVIDIA GPUs, where the ResNet-50 detector is asked for, and to compare with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.memory import give_memory_back
from crowdmask.engine.runtimes.network import Answers, Wanted
from crowdmask.errors import SettingsError
from crowdmask.nets.facts import Facts


def compile_network(wanted: Wanted) -> TensorFlowNetwork:
    from crowdmask.nets.as_run import AsRun
    from crowdmask.nets.shipped import shipped

    take_threads(wanted.threads)
    found = shipped(wanted.name, wanted.manifest.folder, task=wanted.task)
    facts = Facts.of(found.model, found.graph)
    return TensorFlowNetwork(AsRun(found.model, rgb=found.takes_rgb), facts, wanted.precision, wanted.device)


class TensorFlowNetwork:
    """A graph with its weights frozen into constants, so that TensorFlow prepares them once.

    Inputs, outputs and weights are float32 in bfloat16 arithmetic too.
    """

    def __init__(self, model: Any, facts: Facts, precision: str, device: str) -> None:
        import tensorflow as tf
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

        self.facts = facts
        self._device = device_of(device)
        # holds for the graphs that are first run from here on
        half = precision == "bfloat16"
        tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": half})

        def forward(pictures: Any) -> Any:
            outputs = model(tf.cast(pictures, tf.float32), training=False)
            return [outputs[name] for name in facts.outputs] if isinstance(outputs, dict) else [outputs]

        # one trace with open sides serves every size
        signature = tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8, name="pictures")
        with tf.device(self._device):
            traced = tf.function(forward, autograph=False).get_concrete_function(signature)
            # it takes half a second, and finds nothing to do if all is constant
            self._frozen = convert_variables_to_constants_v2(traced) if traced.variables else traced
        side = model.input_shape[1] or 64
        self(np.zeros((1, side, side, 3), np.uint8))
        give_memory_back()

    def __call__(self, pictures: NDArray[np.uint8]) -> Answers:
        import tensorflow as tf

        with tf.device(self._device):
            # by name: given by place, TensorFlow first writes the tensor out for a message that nobody sees
            outputs = self._frozen(pictures=tf.constant(pictures))
        return {name: out.numpy() for name, out in zip(self.facts.outputs, outputs, strict=True)}

    def rest(self) -> None:
        """TensorFlow's memory is one pool for all that runs in the process, and stays."""


def device_of(device: str) -> str:
    """TensorFlow's name of it; `auto` is a GPU where there is one."""
    import tensorflow as tf

    if device == "cpu":
        return "/CPU:0"
    found = bool(tf.config.list_physical_devices("GPU"))
    if device == "gpu" and not found:
        raise SettingsError("device is 'gpu', but TensorFlow finds none: choose cpu or auto")
    return "/GPU:0" if found else "/CPU:0"


def take_threads(threads: int) -> None:
    """TensorFlow takes its number of threads once for a process, before its first operation: call this first.

    One thread for each batch and several batches at once: measured on two cores, that is a fifth faster than two
    threads for one batch in float32, and twice as fast in bfloat16, which TensorFlow does not share out.
    """
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        return  # it is at work already; its threads change no result
