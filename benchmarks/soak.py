"""Whether a batch survives being ended: `python -m benchmarks.soak` ends one again and again, and compares.

A batch over stills and videos runs undisturbed. Then the same batch, into another folder, is ended at random moments
and started again each time; at last it runs to its end. Every file of counts and every annotated video must be byte for
byte that of the undisturbed run. Ways to end it (`--ends`), each in turn:

    process    SIGKILL for the process and all its workers at once
    worker     SIGKILL for a worker or cluster actor; the batch goes on, does what that one had, and is killed
    terminate  SIGTERM, and its own end
    interrupt  Ctrl-C twice
    disk       the disk is full until it ends by itself (with `--tmpfs`, where root may mount one)
    clock      SIGKILL, after its clock jumped about by up to a day every two seconds

With `--fakes` in place of the networks it takes minutes. Options after `--` go to `crowdmask analyze`, such as
`-- --workers 2`, `-- --segment 2` or `-- --cluster auto`.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from benchmarks.clips import machine, table
from crowdmask.errors import CrowdmaskError
from crowdmask.jobs.manifest.database import Manifest
from crowdmask.media.pictures import SUFFIXES
from tests.factories import make_image, write_clip

ROOT = Path(__file__).parents[1]
LONG_AGO = 1_700_000_000
COMPARED = (
    "frames.csv", "persons.csv", "detections.csv", "aggregate.csv", "videos/**/*.csv",
    "annotated/**/*.png", "annotated/**/*.jpg", "annotated/**/*.mp4",
)  # fmt: skip
ENDS = ("process", "worker", "terminate", "interrupt", "disk", "clock")
GOES_ON_S = 60.0  # without a worker that was killed, at most
BY_ITSELF_S = 120.0  # in which a batch that was asked to end has to
POLL_S = 0.01
MOST_TOO_LATE = 10


@dataclass(frozen=True)
class Kill:
    """One end: how, how long after the start, and how many inputs were done by the manifest then."""

    how: str
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
    inputs: Path,
    folder: Path,
    kills: int,
    *,
    seed: int,
    fakes: bool,
    fake_ms: float = 0.0,
    options: Sequence[str] = (),
    ends: Sequence[str] = ("process",),
    disk: Path | None = None,
) -> Soak:
    """The whole of it, in `folder`; a batch that fails ends it. `disk` is a small one for the batch that is ended."""
    rng = random.Random(seed)
    whole, disturbed = folder / "whole", (disk or folder) / "disturbed"
    begun = time.perf_counter()
    _finish(_start(inputs, whole, fakes, fake_ms, options))
    result = Soak(time.perf_counter() - begun)
    share = result.undisturbed_s / (kills + 1)
    while len(result.kills) < kills and result.too_late < MOST_TOO_LATE:
        how = ends[len(result.kills) % len(ends)]
        process = _start(inputs, disturbed, fakes, fake_ms, options, jumping=how == "clock")
        begun = time.perf_counter()
        if rng.random() < 0.7:  # else whenever it is, in the start as well
            before = _done(disturbed)
            while process.poll() is None and _done(disturbed) <= before:
                time.sleep(POLL_S)
        end = time.perf_counter() + rng.uniform(0.0, share)
        while process.poll() is None and time.perf_counter() < end:
            time.sleep(POLL_S)
        if process.poll() is not None or (how == "worker" and not _kill_worker(process, disturbed)):
            result.too_late += 1
            _finish(process)
            if result.too_late < MOST_TOO_LATE:
                shutil.rmtree(disturbed)  # the moment came too late: once more from the start
                share /= 2
            continue
        _end(how, process, disturbed)
        result.kills.append(Kill(how, time.perf_counter() - begun, _done(disturbed)))
    _finish(_start(inputs, disturbed, fakes, fake_ms, options))
    _compare(whole, disturbed, result)
    return result


def _end(how: str, process: subprocess.Popen[bytes], run: Path) -> None:
    if how in ("process", "clock", "worker"):
        with suppress(ProcessLookupError):  # without the worker that was killed it may have come to its end
            os.killpg(process.pid, signal.SIGKILL)
    elif how == "terminate":
        process.terminate()
    elif how == "interrupt":
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
    else:
        _fill(run, process)
    try:
        process.communicate(timeout=BY_ITSELF_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise SystemExit(f"the batch did not end by itself ({how})") from None
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # workers of one that ended at once


def _kill_worker(process: subprocess.Popen[bytes], run: Path) -> bool:
    """Kill one as soon as there is one, and see the batch go on without it. False where it ended before."""
    while not (workers := _workers_of(process.pid)):
        if process.poll() is not None:
            return False
        time.sleep(POLL_S)
    before, end = _results(run), time.monotonic() + GOES_ON_S
    try:
        os.kill(random.choice(workers), signal.SIGKILL)
    except ProcessLookupError:  # it has ended with the batch
        return False
    while process.poll() is None and _results(run) < before + 2 and time.monotonic() < end:
        time.sleep(POLL_S)
    if process.poll() not in (None, 0):
        raise SystemExit(f"the batch ended with {process.returncode} when a worker was killed")
    return True


def _fill(run: Path, process: subprocess.Popen[bytes]) -> None:
    """No byte is free for as long as the batch goes on, and a while at most."""
    ballast, end = run.parent / "ballast", time.monotonic() + BY_ITSELF_S / 2
    with ballast.open("wb", buffering=0) as file:
        while process.poll() is None and time.monotonic() < end:
            with suppress(OSError):
                while True:
                    file.write(bytes(1 << 16))
            time.sleep(POLL_S)
    ballast.unlink()
    if process.poll() is None:
        process.terminate()


def _workers_of(pid: int) -> list[int]:
    """Its worker processes, or the actors of the cluster on this machine."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError):
            name, _, rest = status.read_text().partition("(")[2].rpartition(")")
            command = (status.parent / "cmdline").read_bytes()
            ours = int(rest.split()[1]) == pid and b"spawn_main" in command
            if ours or name.startswith("ray::Cluster"):
                found.append(int(status.parent.name))
    return found


def _start(
    inputs: Path, run: Path, fakes: bool, fake_ms: float, options: Sequence[str], *, jumping: bool = False
) -> subprocess.Popen[bytes]:
    module = "benchmarks.fake_networks" if fakes else "benchmarks.jumping_clock" if jumping else "crowdmask"
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


def _results(run: Path) -> int:
    """How often the manifest was written to since the run began, about."""
    with suppress(CrowdmaskError), Manifest.reading(run / "manifest.sqlite") as manifest:
        return manifest.last_row
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


@contextmanager
def _disk(path: Path, megabytes: int | None) -> Iterator[Path | None]:
    if megabytes is None:
        yield None
        return
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


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
    parser.add_argument("--ends", default="process", help=f"ways to end it, of {','.join(ENDS)}")
    parser.add_argument("--tmpfs", type=int, metavar="MB", help="a disk of so many MB for the batch that is ended")
    parser.add_argument("options", nargs="*", help="options of crowdmask analyze, after --")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        if given.fakes:
            make_inputs(folder / "in", given.stills, given.videos)
        else:
            copy_inputs(given.source, folder / "in", given.stills, given.videos)
        with _disk(folder / "disk", given.tmpfs) as disk:
            result = soak(
                folder / "in",
                folder,
                given.kills,
                seed=given.seed,
                fakes=given.fakes,
                fake_ms=given.fake_ms,
                options=given.options,
                ends=given.ends.split(","),
                disk=disk,
            )
    rows = [[f"{n}", kill.how, f"{kill.after_s:.1f}", f"{kill.done}"] for n, kill in enumerate(result.kills, 1)]
    print(table(["end", "how", "seconds after the start", "inputs done"], rows))
    networks = "fake networks" if given.fakes else "the networks of weights/"
    print(f"\n{given.stills} stills and {given.videos} videos, {networks}, seed {given.seed}; undisturbed")
    print(f"{result.undisturbed_s:.0f} s. {len(result.kills)} ends; {len(result.compared)} files compared,")
    print(f"{len(result.differing)} differ{': ' + ', '.join(result.differing[:10]) if result.differing else ''}.")
    print(machine())
    return 0 if result.is_good and len(result.kills) == given.kills else 1


if __name__ == "__main__":
    sys.exit(main())
