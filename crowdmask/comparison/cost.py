"""What a network costs on this machine: milliseconds of one core a crop, in every runtime that is installed."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.runtimes.choosing import OPENVINO, TENSORFLOW, compiler
from crowdmask.engine.runtimes.network import Wanted
from crowdmask.exporting import formats
from crowdmask.nets.registry import CLASSIFIER
from crowdmask.nets.shipped import Shipped
from crowdmask.nets.weights import Manifest

log = logging.getLogger(__name__)
BATCH = 16
ONNX_RUNTIME, TFLITE = "onnxruntime", "tflite"
# in the order of the table: the first two run our weights, the others what `crowdmask export` writes of them
NEEDS = {
    OPENVINO: ("openvino",),
    TENSORFLOW: ("tensorflow",),
    ONNX_RUNTIME: ("onnxruntime", "tf2onnx"),
    TFLITE: ("tensorflow",),
}
Run = Callable[[NDArray[np.uint8]], Any]


def runtimes() -> list[str]:
    """Those that are installed here."""
    return [name for name, packages in NEEDS.items() if all(find_spec(package) is not None for package in packages)]


def milliseconds_a_crop(found: Shipped, folder: Path | None, name: str, repeats: int) -> dict[str, float]:
    """On one thread in float32: the least of several, the runtimes taking turns.

    It is processor time, which on one thread is what passes where nothing else runs, and which a busy machine hardly
    changes.
    """
    size = found.graph.input_size
    crops = np.random.default_rng(0).integers(0, 256, (BATCH, size, size, 3)).astype(np.uint8)
    with _runs(found, folder, name, runtimes()) as runs:
        least = least_seconds(runs, crops, repeats)
    return {runtime: 1000 * seconds / BATCH for runtime, seconds in least.items()}


@contextmanager
def _runs(found: Shipped, folder: Path | None, name: str, wanted: Sequence[str]) -> Iterator[dict[str, Run]]:
    manifest = Manifest.load(folder)
    network = formats.Exportable(found.model, "rgb", (found.graph.input_size, found.graph.input_size, 3))
    runs: dict[str, Run] = {}
    with tempfile.TemporaryDirectory() as there:
        for runtime in wanted:
            if runtime in (OPENVINO, TENSORFLOW):
                runs[runtime] = compiler(runtime)(Wanted(manifest, name, CLASSIFIER, "float32", 1, device="cpu"))
                continue
            form = formats.FORMATS["onnx" if runtime == ONNX_RUNTIME else "tflite"]
            path = Path(there) / f"{name}{form.suffix}"
            try:
                form.write(network, path, None)
                runs[runtime] = _of_floats(form.read(path, network))
            except Exception as error:  # converters raise whatever they like, and cost the table one cell at most
                log.warning("%s: no time in %s: %s", name, runtime, " ".join(str(error).split())[:200])
        yield runs


def _of_floats(run: formats.Run) -> Run:
    return lambda crops_bgr: run(np.ascontiguousarray(crops_bgr[..., ::-1], np.float32))


def least_seconds(runs: Mapping[str, Run], given: NDArray[np.uint8], repeats: int) -> dict[str, float]:
    for run in runs.values():
        run(given)  # the first time prepares
    least = dict.fromkeys(runs, float("inf"))
    for _ in range(repeats):
        for name, run in runs.items():
            begun = time.process_time()
            run(given)
            least[name] = min(least[name], time.process_time() - begun)
    return least
