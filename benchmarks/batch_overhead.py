"""What the batch machinery adds to the bare engine: `python -m benchmarks.batch_overhead`.

The same stills, 640x480, go through the same networks in the same process, in turns: by the bare engine, which reads
each file ahead on a thread of its own and keeps nothing; and by a batch with its manifest, its identities, its times
and its frames.csv, without annotated copies. Each turn is one of each, and the ratio is that of the two in a turn, so
that a machine that slows down meanwhile slows both. With `--fakes` the networks cost little, and what is left is the
machinery's own time for a still.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.clips import machine, table
from benchmarks.fake_networks import fakes
from crowdmask.engine.spine import analyse
from crowdmask.jobs.batch.inputs import Inputs
from crowdmask.jobs.batch.running import run_batch
from crowdmask.jobs.batch.units import Plan
from crowdmask.jobs.networks import Networks, own_networks
from crowdmask.media.ahead import ahead
from crowdmask.media.pictures import read_picture
from crowdmask.records import Frame
from crowdmask.settings import AnalysisSettings, BatchSettings, RuntimeSettings, TimeAndPlaceSettings
from tests.factories import make_image

SIZE_WH = (640, 480)
LONG_AGO = 1_700_000_000


@dataclass(frozen=True)
class Turn:
    """Seconds of one turn, over all stills."""

    engine: float
    batch: float

    @property
    def overhead(self) -> float:
        return self.batch / self.engine - 1.0


def make_stills(folder: Path, stills: int, picture: Path | None) -> None:
    """JPEG stills of 640x480, each with its own bytes."""
    folder.mkdir(parents=True)
    image = make_image(2, SIZE_WH) if picture is None else cv2.resize(read_picture(picture), SIZE_WH)
    for n in range(stills):
        marked = image.copy()
        marked[:4, :40] = np.unpackbits(np.frombuffer(n.to_bytes(5, "big"), np.uint8))[None, :, None] * 255
        path = folder / f"{n:06d}.jpg"
        cv2.imwrite(str(path), marked)
        os.utime(path, (LONG_AGO + n, LONG_AGO + n))


def bare(folder: Path, networks: Networks, analysis: AnalysisSettings, runtime: RuntimeSettings) -> float:
    """Seconds that the engine alone takes for the folder's stills."""
    pair = networks(analysis, runtime)
    begun = time.perf_counter()
    with ahead(_frames(folder), runtime.window) as frames:
        for result in analyse(frames, pair.judge(analysis, runtime)):
            _ = result.counts
    return time.perf_counter() - begun


def _frames(folder: Path) -> Iterator[Frame]:
    for path in sorted(folder.iterdir()):
        yield Frame(0, 0.0, read_picture(path))


def batched(folder: Path, run: Path, networks: Networks, analysis: AnalysisSettings, runtime: RuntimeSettings) -> float:
    """Seconds of a whole batch over them, from the first look at the folder to the finished frames.csv."""
    inputs = Inputs.of([str(folder)])
    plan = Plan(
        run,
        Path(inputs.root),
        analysis,
        runtime,
        place=TimeAndPlaceSettings(timezone="UTC"),
        batch=BatchSettings(annotate="none", keep_free=0),
    )
    networks(analysis, runtime)  # the loading is no part of it
    begun = time.perf_counter()
    outcome = run_batch(inputs, plan, networks=networks)
    seconds = time.perf_counter() - begun
    if outcome.totals.failed or outcome.totals.left:
        raise SystemExit(f"the batch did not do all stills: {outcome.failures}")
    return seconds


def turns(folder: Path, number: int, networks: Networks, runtime: RuntimeSettings) -> list[Turn]:
    """Engine and batch over the stills of `folder`/in, in alternating order; one turn before does not count."""
    analysis = AnalysisSettings()
    measured = []
    for turn in range(number + 1):
        run = folder / f"run{turn}"
        if turn % 2:
            engine = bare(folder / "in", networks, analysis, runtime)
            batch = batched(folder / "in", run, networks, analysis, runtime)
        else:
            batch = batched(folder / "in", run, networks, analysis, runtime)
            engine = bare(folder / "in", networks, analysis, runtime)
        shutil.rmtree(run)
        measured.append(Turn(engine, batch))
    return measured[1:]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stills", type=int, default=200)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--picture", type=Path, help="what the stills show; without it, squares")
    parser.add_argument("--fakes", action="store_true", help="fake networks")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="overhead-") as name:
        folder = Path(name)
        make_stills(folder / "in", given.stills, given.picture)
        networks = fakes if given.fakes else own_networks
        measured = turns(folder, given.turns, networks, RuntimeSettings(threads=given.threads))
    ms = 1000 / given.stills
    rows = [
        [f"{n}", f"{turn.engine * ms:.2f}", f"{turn.batch * ms:.2f}", f"{100 * turn.overhead:+.1f} %"]
        for n, turn in enumerate(measured, 1)
    ]
    middle = [
        statistics.median(values) for values in zip(*((t.engine, t.batch, t.overhead) for t in measured), strict=True)
    ]
    rows.append(["median", f"{middle[0] * ms:.2f}", f"{middle[1] * ms:.2f}", f"{100 * middle[2]:+.1f} %"])
    print(table(["turn", "engine, ms a still", "batch, ms a still", "overhead"], rows))
    print(f"\n{given.stills} stills of 640x480{', fake networks' if given.fakes else ''}\n{machine()}")


if __name__ == "__main__":
    main()
