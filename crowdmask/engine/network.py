"""The one seam to the library that runs the networks: a Keras graph in, a compiled callable on NumPy arrays out."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from crowdmask.errors import SettingsError
from crowdmask.settings import RuntimeSettings

Item = TypeVar("Item")
Done = TypeVar("Done")

# uint8 pictures (n, h, w, 3) in, the graph's outputs by name out; batches of any size and shape, compiled once
Network = Callable[[NDArray[np.uint8]], dict[str, NDArray[np.float32]]]


def compile_network(model: Any, runtime: RuntimeSettings, precision: str = "float32") -> Network:
    """The graph with its weights frozen into constants, so that TensorFlow prepares them once.

    `precision` is that of AnalysisSettings; inputs, outputs and weights are float32 in either.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    device = _device(runtime)
    half = precision == "bfloat16" or (precision == "auto" and device == "/CPU:0" and has_fast_bfloat16())
    # holds for the graphs that are first run from here on
    tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": half})
    names = sorted(model.output) if isinstance(model.output, dict) else [model.output_names[0]]

    def forward(pictures: Any) -> Any:
        outputs = model(tf.cast(pictures, tf.float32), training=False)
        return [outputs[name] for name in names] if isinstance(outputs, dict) else [outputs]

    # one trace with open sides serves every shape bucket
    signature = tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8, name="pictures")
    with tf.device(device):
        traced = tf.function(forward, autograph=False).get_concrete_function(signature)
        # it takes half a second, and finds nothing to do if all is constant
        frozen = convert_variables_to_constants_v2(traced) if traced.variables else traced

    def run(pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        with tf.device(device):
            # by name: given by place, TensorFlow first writes the tensor out for a message that nobody sees
            outputs = frozen(pictures=tf.constant(pictures))
        return {name: out.numpy() for name, out in zip(names, outputs, strict=True)}

    side = model.input_shape[1] or 64
    run(np.zeros((1, side, side, 3), np.uint8))
    _give_memory_back()
    return run


def _give_memory_back() -> None:
    """What building and freezing a graph took is free again, but glibc keeps it for itself unless it is asked."""
    gc.collect()
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def has_fast_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 itself; where it is emulated it is slower than float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _device(runtime: RuntimeSettings) -> str:
    import tensorflow as tf

    if runtime.device == "cpu":
        return "/CPU:0"
    found = bool(tf.config.list_physical_devices("GPU"))
    if runtime.device == "gpu" and not found:
        raise SettingsError("device is 'gpu', but TensorFlow finds none: choose cpu or auto")
    return "/GPU:0" if found else "/CPU:0"


def take_threads(runtime: RuntimeSettings) -> None:
    """TensorFlow takes its number of threads once for a process, before its first operation: call this first.

    One thread for each batch and several batches at once: measured on two cores, that is a fifth faster than two
    threads for one batch in float32, and twice as fast in bfloat16, which TensorFlow does not share out.
    """
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(runtime.cores)
    except RuntimeError:
        return  # it is at work already; its threads change no result


def at_once(work: Callable[[Item], Done], items: Sequence[Item], workers: int) -> list[Done]:
    """What `work` makes of each item, in their order, on as many threads."""
    if workers == 1 or len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(workers, len(items)), "network") as pool:
        return list(pool.map(work, items))
