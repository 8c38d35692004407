"""What ends cost a long video: `python -m benchmarks.long_video VIDEO` ends its analysis at random, and compares.

The video is repeated, without encoding it, to an hour of a camera that records five frames a second. It is analysed
undisturbed, and then with SIGKILL at random moments and the same command after each. Of each end it is said what was
lost: frames that the networks had looked at and segments that were being drawn, against what the manifest kept. The
files must be equal byte for byte; resident memory is read once a second. Options after `--` go to `crowdmask analyze`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clips import machine, repeat, table
from crowdmask.errors import CrowdmaskError
from crowdmask.jobs.manifest.database import Manifest
from crowdmask.jobs.manifest.entries import CONCLUSION, PIECES, State

ROOT = Path(__file__).parents[1]
POLL_S = 0.1


@dataclass(frozen=True)
class Kept:
    """What the manifest has of the video under way."""

    looked: int = 0  # frames
    pieces: int = 0  # drawn
    most_looked: int = 0  # frames of the largest segment


@dataclass
class Session:
    """One start of the command, to its end or to the kill."""

    seconds: float = 0.0
    looked: int = 0  # frames, by its own progress
    code: int | None = None
    resident: list[tuple[float, int]] | None = None  # seconds after the start, and bytes


def kept_of(work: Path) -> Kept:
    with suppress(CrowdmaskError), Manifest.reading(work / "manifest.sqlite") as manifest:
        found = [one for entry in manifest.in_order(*State) for one in manifest.segments_of(entry.source)]
        looks = [one.frames for one in found if one.segment < PIECES]
        drawn = sum(PIECES < one.segment < CONCLUSION for one in found)
        return Kept(sum(looks), drawn, max(looks, default=0))
    return Kept()


def run(video: Path, out: Path, options: Sequence[str], kill_after_s: float | None) -> Session:
    """One start; the kill is for the process and all that it started."""
    command = [sys.executable, "-m", "crowdmask", "analyze", str(video), "--out-dir", str(out)]
    process = subprocess.Popen(
        [*command, "--progress", "json", *options],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    session, begun = Session(resident=[]), time.monotonic()
    lines: list[str] = []

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            with suppress(ValueError, KeyError, TypeError):
                session.looked = max(session.looked, json.loads(line)["frames"])

    reader = threading.Thread(target=read)
    reader.start()
    assert session.resident is not None
    while process.poll() is None:
        after_s = time.monotonic() - begun
        if kill_after_s is not None and after_s >= kill_after_s:
            os.killpg(process.pid, signal.SIGKILL)
            break
        if not session.resident or after_s - session.resident[-1][0] >= 1:
            session.resident.append((after_s, _resident(process.pid)))
        time.sleep(POLL_S)
    session.code = process.wait()
    reader.join()
    session.seconds = time.monotonic() - begun
    if session.code not in (0, -signal.SIGKILL):
        sys.stderr.writelines(lines[-20:])
        raise SystemExit(f"the analysis ended with {session.code}")
    return session


def _resident(pid: int) -> int:
    with suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--slower", type=int, default=5, help="how many times longer each frame lasts (default: 5)")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="a new folder to work in, which stays")
    words = list(sys.argv[1:] if arguments is None else arguments)
    end = words.index("--") if "--" in words else len(words)
    given, options = parser.parse_args(words[:end]), words[end + 1 :]
    with tempfile.TemporaryDirectory(prefix="long-video-") as name:
        folder = given.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        return _compare(given, folder, options)


def _compare(given: argparse.Namespace, folder: Path, options: Sequence[str]) -> int:
    video, rng = folder / "long.mp4", random.Random(given.seed)
    repeat(given.video, video, 60 * given.minutes / given.slower, slower=given.slower)
    whole = run(video, folder / "whole", options, None)
    print(f"undisturbed: {whole.seconds:.0f} s, {whole.looked} frames looked at", flush=True)
    assert whole.resident is not None
    _memory(whole.resident)
    cut, work = folder / "cut", folder / "cut" / "long.crowdmask.work"
    rows, sessions = [], []
    while len(rows) < given.kills:
        before = kept_of(work)
        session = run(video, cut, options, rng.uniform(0.02, 1.6) * whole.seconds / given.kills)
        if session.code == 0:
            break
        now = kept_of(work)
        lost = session.looked - (now.looked - before.looked)
        drawn = {part.name.partition(".")[0] for part in work.glob("parts/**/*.mp4.part")}
        rows.append(
            [f"{len(rows) + 1}", f"{session.seconds:.0f}", f"{now.looked}", f"{now.pieces}", f"{lost}", f"{len(drawn)}"]
        )
        sessions.append(session)
        print(rows[-1], flush=True)
    last = run(video, cut, options, None)
    print(table(["end", "after s", "frames kept", "segments drawn", "frames lost", "segments being drawn"], rows))
    print(f"the last start: {last.seconds:.0f} s; all starts {last.seconds + sum(s.seconds for s in sessions):.0f} s")
    names = sorted({path.name for out in ("whole", "cut") for path in (folder / out).iterdir()})
    differing = [name for name in names if not name.endswith(".json") and not _equal(folder, name)]
    print(f"{len(names)} files, of which {len(differing)} differ{': ' + ', '.join(differing) if differing else ''}.")
    print(f"options: {' '.join(options) or 'none'}; seed {given.seed}\n{machine()}")
    return 1 if differing or len(rows) < given.kills else 0


def _equal(folder: Path, name: str) -> bool:
    one, other = folder / "whole" / name, folder / "cut" / name
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


def _memory(resident: Sequence[tuple[float, int]]) -> None:
    """Resident memory over ten tenths of the run, the median of each."""
    tenths: list[list[int]] = [[] for _ in range(10)]
    for at, size in resident:
        tenths[min(9, int(10 * at / (resident[-1][0] + 1e-9)))].append(size)
    print(
        "MB resident by tenths of the run:",
        *(f"{sorted(sizes)[len(sizes) // 2] / 1e6:.0f}" for sizes in tenths if sizes),
    )


if __name__ == "__main__":
    sys.exit(main())
