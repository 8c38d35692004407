"""Makes long videos of short ones by repeating their packets, without decoding; and runs commands, measured."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.packet import Packet
from av.stream import Stream


@dataclass(frozen=True)
class Ran:
    """What one run of a command took and printed.

    `peak_bytes` is the largest memory resident at once; `cpu_seconds` are those of all cores, which other work on the
    machine disturbs less than the clock.
    """

    seconds: float
    peak_bytes: int
    stdout: str
    cpu_seconds: float


def length_of(video: str | Path) -> Fraction:
    """Seconds from a video's first frame to the end of its last."""
    with av.open(str(video)) as source:
        stream = source.streams.video[0]
        if stream.time_base is None:
            raise SystemExit(f"{video}: tells no time base: give an MP4 or MKV")
        times = [p.pts for p in source.demux(stream) if p.pts is not None]
        step = (max(times) - min(times)) / max(1, len(times) - 1)
        return Fraction(max(times) - min(times) + round(step)) * Fraction(stream.time_base)


def repeat(video: str | Path, out: str | Path, seconds: float, *, slower: int = 1) -> None:
    """Write `video` again and again into `out` until it lasts at least `seconds`.

    With `slower` each frame then lasts so many times as long, and the sound is left out.
    """
    length = length_of(video)
    with av.open(str(out), "w") as target:
        copies: dict[int, Stream] = {}
        for turn in range(-(-Fraction(seconds) // length)):
            with av.open(str(video)) as source:
                kept = [*source.streams.video[:1], *(source.streams.audio[:1] if slower == 1 else [])]
                if not copies:
                    copies = {s.index: target.add_stream_from_template(s) for s in kept}
                for packet in shifted(source, kept, turn, length):
                    assert packet.pts is not None and packet.dts is not None and packet.duration is not None
                    packet.pts, packet.dts = packet.pts * slower, packet.dts * slower
                    packet.duration *= slower
                    packet.stream = copies[packet.stream.index]
                    target.mux(packet)


def shifted(
    source: av.container.InputContainer, kept: Sequence[Stream], turn: int, length: Fraction
) -> Iterator[Packet[Any]]:
    """The packets of one turn, moved to their time; sound that reaches into the turn before or after is left out."""
    for packet in source.demux(*kept):
        base = packet.stream.time_base
        if packet.pts is None or packet.dts is None or base is None:
            continue
        at = packet.pts * base
        if packet.stream.type == "audio" and ((turn and at < 0) or at + (packet.duration or 0) * base > length):
            continue
        offset = round(turn * length / base)
        packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
        yield packet


# A process's peak counts from before it became another program, so the command is started from a small one.
LAUNCHER = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[2:])
_, status, used = os.wait4(child.pid, 0)
open(sys.argv[1], "w").write(f"{used.ru_maxrss} {used.ru_utime + used.ru_stime}")
sys.exit(os.waitstatus_to_exitcode(status) & 255)
"""


def measured(command: Sequence[str], tree: Path | None = None) -> Ran:
    """Run a command to its end; a failure is shown and ends the benchmark. `tree` is a checkout to run the code of."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors, tempfile.NamedTemporaryFile() as peak:
        begun = time.perf_counter()
        launcher = [sys.executable, "-c", LAUNCHER, peak.name, *command]
        place = {} if tree is None else {"cwd": tree, "env": {**os.environ, "PYTHONPATH": str(tree)}}
        child = subprocess.run(launcher, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, check=False, **place)
        seconds = time.perf_counter() - begun
        out.seek(0)
        errors.seek(0)
        if child.returncode:
            sys.stderr.write(errors.read().decode(errors="replace"))
            raise SystemExit(f"{' '.join(command)}: ended with {child.returncode}")
        # Linux counts in KiB, macOS in bytes
        unit = 1 if sys.platform == "darwin" else 1024
        resident, cpu_seconds = peak.read().split()
        return Ran(seconds, int(resident) * unit, out.read().decode(errors="replace"), float(cpu_seconds))


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """The repository as it was at a commit, in a folder of its own for as long as the block lasts."""
    root = Path(__file__).parents[1]
    git = ["git", "-C", str(root), "worktree"]
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def crowdmask(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "crowdmask", *arguments]


def machine() -> str:
    """The processor and its number of cores, for the line under a table."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores; {platform.system()}, Python {platform.python_version()}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its first column to the left and the others to the right."""
    lines = [header, ["---", *("---:" for _ in header[1:])], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
