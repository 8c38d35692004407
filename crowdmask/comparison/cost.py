"""What a network costs on this machine: milliseconds a crop in every runtime, on one thread, in float32."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.runtimes.choosing import OPENVINO, TENSORFLOW, compiler
from crowdmask.engine.runtimes.network import Wanted
from crowdmask.nets.registry import CLASSIFIER
from crowdmask.nets.weights import Manifest

BATCH = 16
RUNTIMES = (OPENVINO, TENSORFLOW)
Run = Callable[[NDArray[np.uint8]], Any]


def milliseconds_a_crop(folder: Path, name: str, size: int, repeats: int) -> dict[str, float]:
    """The least time of several, the runtimes taking turns, so that a busy machine disturbs all of them alike."""
    crops = np.random.default_rng(0).integers(0, 256, (BATCH, size, size, 3)).astype(np.uint8)
    wanted = Wanted(Manifest.load(folder), name, CLASSIFIER, "float32", threads=1, device="cpu")
    runs = {runtime: compiler(runtime)(wanted) for runtime in RUNTIMES if find_spec(runtime) is not None}
    return {runtime: 1000 * seconds / BATCH for runtime, seconds in least_seconds(runs, crops, repeats).items()}


def least_seconds(runs: Mapping[str, Run], given: NDArray[np.uint8], repeats: int) -> dict[str, float]:
    for run in runs.values():
        run(given)  # the first time prepares
    least = dict.fromkeys(runs, float("inf"))
    for _ in range(repeats):
        for name, run in runs.items():
            begun = time.perf_counter()
            run(given)
            least[name] = min(least[name], time.perf_counter() - begun)
    return least
