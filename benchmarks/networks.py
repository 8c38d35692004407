"""How fast the networks are by themselves, in every runtime and arithmetic that this machine has.

`python -m benchmarks.networks [--weights FOLDER]` prints Markdown; everything is measured in that one run. Times are
CPU time for one pass on one thread, which other work on the machine disturbs least, and the passes a second of all
threads at once by the clock.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.clips import machine, table
from benchmarks.imitation import as_avx2, imitated
from crowdmask.cli.noise import hush, native_stderr_shut
from crowdmask.engine.runtimes.choosing import choose, compiler
from crowdmask.engine.runtimes.network import Network, Wanted, at_once
from crowdmask.errors import CrowdmaskError
from crowdmask.nets.registry import DETECTOR, architecture
from crowdmask.nets.weights import Manifest
from crowdmask.settings import AnalysisSettings, RuntimeSettings

PRECISIONS = {"openvino": ("float32", "bfloat16", "int8"), "tensorflow": ("float32", "bfloat16")}
FRAME = (1, 736, 1280, 3)  # 720 rows and the network's padding


def compiled(manifest: Manifest, threads: int) -> Iterator[tuple[str, str, str, str, Network]]:
    """Every network that ours builds in every way; ways that this machine or these weights lack are left out."""
    for name, entry in manifest.entries.items():
        if not entry.architecture:
            continue
        task = architecture(entry.architecture).task
        for runtime, precisions in PRECISIONS.items():
            for precision in precisions:
                try:
                    choose(AnalysisSettings(runtime=runtime, precision=precision), RuntimeSettings(device="cpu"))
                    wanted = Wanted(manifest, name, task, precision, threads, "cpu")
                    yield name, task, runtime, precision, compiler(runtime)(wanted)
                except CrowdmaskError:
                    continue


def rows(manifest: Manifest, rounds: int) -> list[list[str]]:
    runtime = RuntimeSettings()
    rng, found = np.random.default_rng(0), []
    for name, task, library, precision, network in compiled(manifest, runtime.cores):
        side = network.facts.input_size
        shape = FRAME if task == DETECTOR else (runtime.batch, side, side, 3)
        pictures = rng.integers(0, 256, shape).astype(np.uint8)
        alone = median(lambda n=network, p=pictures: n(p), rounds, time.process_time)  # type: ignore[misc]
        shared = median(
            lambda n=network, p=pictures: at_once(n, [p] * runtime.cores, runtime.cores),  # type: ignore[misc]
            rounds,
            time.perf_counter,
        )
        what = "1280×720" if task == DETECTOR else f"{runtime.batch} crops of {side} px"
        each = f"{runtime.cores * (1 if task == DETECTOR else runtime.batch) / shared:.0f}"
        found.append([name, what, library, precision, f"{alone * 1e3:.1f}", each])
    return found


def median(work: Callable[[], object], rounds: int, clock: Callable[[], float]) -> float:
    """Median time of one call, after some that are not counted: a runtime may prepare for what comes often."""
    for pause_s in (*[0] * 10, 2.0, 0):
        work()
        time.sleep(pause_s)
    times = []
    for _ in range(rounds):
        begun = clock()
        work()
        times.append(clock() - begun)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="a folder of other weights")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--as-avx2", action="store_true", help="as on a CPU that has AVX2 and nothing later")
    given = parser.parse_args()
    if given.as_avx2:
        as_avx2("benchmarks.networks", sys.argv[1:])
    hush()
    with native_stderr_shut():
        found = rows(Manifest.load(given.weights), given.rounds)
    print(imitated(), machine(), sep="")
    print()
    heads = ["network", "input", "runtime", "arithmetic", "ms of CPU a pass", "pictures or crops a second"]
    print(table(heads, found))


if __name__ == "__main__":
    main()
