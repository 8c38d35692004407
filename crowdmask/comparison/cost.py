"""What a network costs on this machine: milliseconds a crop in every runtime that is installed, on one thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH = 16
Run = Callable[[NDArray[np.uint8]], Any]


def milliseconds_a_crop(model: Any, size: int, repeats: int) -> dict[str, float]:
    """The least time of several, the runtimes taking turns, so that a busy machine disturbs all of them alike."""
    crops = np.random.default_rng(0).integers(0, 256, (BATCH, size, size, 3)).astype(np.uint8)
    runs = {name: make(model) for name, make in RUNTIMES.items() if find_spec(NEEDS[name]) is not None}
    return {name: 1000 * seconds / BATCH for name, seconds in least_seconds(runs, crops, repeats).items()}


def least_seconds(runs: Mapping[str, Run], given: Any, repeats: int) -> dict[str, float]:
    for run in runs.values():
        run(given)  # the first time prepares
    least = dict.fromkeys(runs, float("inf"))
    for _ in range(repeats):
        for name, run in runs.items():
            begun = time.perf_counter()
            run(given)
            least[name] = min(least[name], time.perf_counter() - begun)
    return least


def _tensorflow(model: Any) -> Run:
    from crowdmask.engine.network import compile_network, take_threads
    from crowdmask.nets.as_run import AsRun
    from crowdmask.settings import RuntimeSettings

    runtime = RuntimeSettings(threads=1, device="cpu")
    take_threads(runtime)
    return compile_network(AsRun(model), runtime, "float32")


def _openvino(model: Any) -> Run:
    import openvino as ov

    converted = ov.convert_model(model, input=[("rgb", [-1, *model.input_shape[1:]])])
    options = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(converted, "CPU", options)
    return lambda crops: compiled(crops.astype(np.float32))


RUNTIMES: dict[str, Callable[[Any], Run]] = {"tensorflow": _tensorflow, "openvino": _openvino}
NEEDS = {"tensorflow": "tensorflow", "openvino": "openvino"}
