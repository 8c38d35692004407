"""How fast the two networks are by themselves, and the detector beside the checkpoint that its training started from.

`python -m benchmarks.networks [--beside CHECKPOINT.npz]` prints Markdown; everything is measured in that one run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.clips import machine, table
from crowdmask.cli.noise import hush, native_stderr_shut
from crowdmask.settings import RuntimeSettings

BATCH = 64


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Median time of one call, after one that is not counted."""
    work()
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def rows(beside: Path | None, rounds: int) -> list[list[str]]:
    from crowdmask.engine.network import at_once, compile_network, take_threads
    from crowdmask.nets.as_run import AsRun
    from crowdmask.nets.retinaface import build_retinaface
    from crowdmask.nets.shipped import shipped
    from crowdmask.training.detector import load_start

    runtime = RuntimeSettings()
    take_threads(runtime)
    workers = runtime.cores
    detectors = {"detector, ours": shipped("retinaface-mobilenet").model}
    if beside is not None:
        detectors["detector, the checkpoint it started from"] = build_retinaface()
        load_start(detectors["detector, the checkpoint it started from"], beside)
    classifier = shipped("xception")
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (1, 736, 1280, 3)).astype(np.uint8)  # 720 rows and the network's padding
    size = classifier.graph.input_size
    crops = rng.integers(0, 256, (BATCH, size, size, 3)).astype(np.uint8)
    found = []
    for precision in ("float32", "bfloat16"):
        for name, model in detectors.items():
            network = compile_network(AsRun(model), runtime, precision)
            took = seconds(lambda n=network: at_once(n, [frame] * workers, workers), rounds) / workers  # type: ignore[misc]
            found.append([name, "1280×720", precision, f"{took * 1e3:.1f} ms", f"{1 / took:.0f} frames/s"])
        network = compile_network(AsRun(classifier.model), runtime, precision)
        took = seconds(lambda n=network: at_once(n, [crops] * workers, workers), rounds) / workers  # type: ignore[misc]
        found.append(
            [
                "classifier",
                f"{BATCH} crops of {size} px",
                precision,
                f"{took * 1e3:.1f} ms",
                f"{BATCH / took:.0f} crops/s",
            ]
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", type=Path, help="arrays of the public checkpoint, to time in the same run")
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    hush()
    with native_stderr_shut():
        found = rows(given.beside, given.rounds)
    print(machine())
    print()
    print(table(["network", "input", "arithmetic", "time", "rate"], found))


if __name__ == "__main__":
    main()
