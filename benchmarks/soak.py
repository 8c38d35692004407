"""Whether a batch survives being killed: `python -m benchmarks.soak` kills one again and again, and compares.

A batch over stills and videos runs undisturbed. Then the same batch, into another folder, is killed with SIGKILL at
random moments (with all its processes) and started again each time; at last it runs to its end. Every file of counts
must be byte for byte that of the undisturbed run. With `--fakes` in place of the networks it takes minutes. Options
after `--` go to `crowdmask analyze`, such as `-- --workers 2` or `-- --aggregate 20m`.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from benchmarks.clips import machine, table
from crowdmask.errors import CrowdmaskError
from crowdmask.jobs.batch.manifest import Manifest
from crowdmask.media.pictures import SUFFIXES
from tests.factories import make_image, write_clip

ROOT = Path(__file__).parents[1]
LONG_AGO = 1_700_000_000
COMPARED = ("frames.csv", "detections.csv", "aggregate.csv", "videos/**/*.csv", "annotated/**/*.png")
POLL_S = 0.01
MOST_TOO_LATE = 10


@dataclass(frozen=True)
class Kill:
    """One kill: how long after the start, and how many inputs were done by the manifest then."""

    after_s: float
    done: int


@dataclass
class Soak:
    """What came of it."""

    undisturbed_s: float
    kills: list[Kill] = field(default_factory=list)
    too_late: int = 0  # the batch had ended before the moment came
    compared: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return bool(self.compared) and not self.differing


def make_inputs(
    folder: Path, stills: int, videos: int, *, frames: int = 50, size_wh: tuple[int, int] = (96, 64), seed: int = 1
) -> None:
    """Pictures of the tests, by five cameras, five minutes apart, and short videos."""
    for n in range(stills):
        path = folder / f"cam{n % 5 + 1}" / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), make_image((seed * n) % 4096, size_wh))
        os.utime(path, (LONG_AGO + 60 * n, LONG_AGO + 60 * n))
    for n in range(videos):
        path = folder / f"cam{n % 5 + 1}" / f"video{n}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_clip(path, size_wh, frames)
        os.utime(path, (LONG_AGO + n, LONG_AGO + n))


def copy_inputs(source: Path, folder: Path, stills: int, videos: int) -> None:
    """Pictures and videos of a folder over and over, as hard links where there may be such."""
    found = sorted(path for path in source.rglob("*") if path.is_file())
    pictures = [path for path in found if path.suffix.lower() in SUFFIXES]
    films = [path for path in found if path.suffix.lower() in (".mp4", ".mkv", ".avi", ".mov")]
    for wanted, from_, name in ((stills, pictures, "still"), (videos, films, "video")):
        if wanted and not from_:
            raise SystemExit(f"{source}: there is no {name} in it: give another folder with --from")
        for n in range(wanted):
            path = folder / f"cam{n % 5 + 1}" / f"{name}{n}{from_[n % len(from_)].suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(from_[n % len(from_)], path)
            os.utime(path, (LONG_AGO + 60 * n, LONG_AGO + 60 * n))


def soak(
    inputs: Path, folder: Path, kills: int, *, seed: int, fakes: bool, fake_ms: float = 0.0, options: Sequence[str] = ()
) -> Soak:
    """The whole of it, in `folder`; a batch that fails ends it."""
    rng = random.Random(seed)
    whole, disturbed = folder / "whole", folder / "disturbed"
    begun = time.perf_counter()
    _finish(_start(inputs, whole, fakes, fake_ms, options))
    result = Soak(time.perf_counter() - begun)
    share = result.undisturbed_s / (kills + 1)
    while len(result.kills) < kills and result.too_late < MOST_TOO_LATE:
        process = _start(inputs, disturbed, fakes, fake_ms, options)
        begun = time.perf_counter()
        if rng.random() < 0.7:  # else whenever it is, in the start as well
            before = _done(disturbed)
            while process.poll() is None and _done(disturbed) <= before:
                time.sleep(POLL_S)
        end = time.perf_counter() + rng.uniform(0.0, share)
        while process.poll() is None and time.perf_counter() < end:
            time.sleep(POLL_S)
        if process.poll() is not None:
            result.too_late += 1
            _finish(process)
            if result.too_late < MOST_TOO_LATE:
                shutil.rmtree(disturbed)  # the moment came too late: once more from the start
                share /= 2
            continue
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        result.kills.append(Kill(time.perf_counter() - begun, _done(disturbed)))
    _finish(_start(inputs, disturbed, fakes, fake_ms, options))
    _compare(whole, disturbed, result)
    return result


def _start(inputs: Path, run: Path, fakes: bool, fake_ms: float, options: Sequence[str]) -> subprocess.Popen[bytes]:
    module = "benchmarks.fake_networks" if fakes else "crowdmask"
    given = [str(inputs), "--out-dir", str(run), "--timezone", "Europe/Paris", "--keep-free", "0", "--quiet", *options]
    environment = {**os.environ, "FAKE_MS": str(fake_ms), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", module, "analyze", *given],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # so that the workers can be killed with it
    )


def _finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate()
    if process.returncode:
        sys.stderr.write(errors.decode(errors="replace"))
        raise SystemExit(f"the batch ended with {process.returncode}")


def _done(run: Path) -> int:
    with suppress(CrowdmaskError), Manifest.reading(run / "manifest.sqlite") as manifest:
        return manifest.totals().done
    return 0


def _compare(whole: Path, disturbed: Path, result: Soak) -> None:
    def names(run: Path) -> set[str]:
        return {path.relative_to(run).as_posix() for pattern in COMPARED for path in run.glob(pattern)}

    result.compared = sorted(names(whole) | names(disturbed))
    for name in result.compared:
        one, two = whole / name, disturbed / name
        if not (one.is_file() and two.is_file() and one.read_bytes() == two.read_bytes()):
            result.differing.append(name)
    result.differing += [path.name for path in disturbed.rglob("*.part")]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stills", type=int, default=2000)
    parser.add_argument("--videos", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fakes", action="store_true", help="fake networks, and pictures for them")
    parser.add_argument("--fake-ms", type=float, default=10.0, help="how long they take for each picture")
    parser.add_argument(
        "--from", dest="source", type=Path, default=ROOT / "samples", help="pictures and videos to copy"
    )
    parser.add_argument("options", nargs="*", help="options of crowdmask analyze, after --")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        if given.fakes:
            make_inputs(folder / "in", given.stills, given.videos)
        else:
            copy_inputs(given.source, folder / "in", given.stills, given.videos)
        result = soak(
            folder / "in",
            folder,
            given.kills,
            seed=given.seed,
            fakes=given.fakes,
            fake_ms=given.fake_ms,
            options=given.options,
        )
    rows = [[f"{n}", f"{kill.after_s:.1f}", f"{kill.done}"] for n, kill in enumerate(result.kills, 1)]
    print(table(["kill", "seconds after the start", "inputs done"], rows))
    networks = "fake networks" if given.fakes else "the networks of weights/"
    print(f"\n{given.stills} stills and {given.videos} videos, {networks}, seed {given.seed}; undisturbed")
    print(f"{result.undisturbed_s:.0f} s. {len(result.kills)} kills; {len(result.compared)} files compared,")
    print(f"{len(result.differing)} differ{': ' + ', '.join(result.differing[:10]) if result.differing else ''}.")
    print(machine())
    return 0 if result.is_good and len(result.kills) == given.kills else 1


if __name__ == "__main__":
    sys.exit(main())
