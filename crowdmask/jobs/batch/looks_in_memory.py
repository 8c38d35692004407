"""In aggregate-only mode, what the networks saw of segments of videos under way: kept in memory, never on a disk.

A video is in the sums of its periods or not at all (period_sums.py), and who is followed walks across the borders of
segments. So the looks at its segments are kept until it is in the sums, in a folder of the system's memory file system
where there is one, as on Linux: a kill costs one segment then, and workers share a video. A restart of the machine
costs the videos under way. Elsewhere, or where memory is short, a video is counted in one piece. The folder is for its
user alone, and goes when the run is finished.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import stat
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from crowdmask.jobs.batch.entries import Entry, Identity, OutputFile, State
from crowdmask.media.segments import Span
from crowdmask.records import Gap

MEMORY = Path("/dev/shm")
MOUNTS = Path("/proc/self/mounts")
FRAME_BYTES = 4096  # of a look with some fifty faces, more than it mostly is
SHARE = 0.5  # of the memory that is free there, at most


class LooksInMemory:
    """Of one run, for its driver and its workers on the same machine."""

    def __init__(self, run: Path) -> None:
        place = os.fsencode(os.path.realpath(run))
        self.folder = MEMORY / f"crowdmask-{blake2b(place, digest_size=12).hexdigest()}"

    def have_room(self, spans: Sequence[Span]) -> bool:
        """Whether the looks at all segments of a video can be kept; the folder is made for them."""
        if not is_memory(MEMORY):
            return False
        with suppress(OSError):
            self.folder.mkdir(mode=0o700)
        if not self._is_ours:
            return False
        return sum(span.frames for span in spans) * FRAME_BYTES < SHARE * shutil.disk_usage(self.folder).free

    def file(self, source: str, number: int) -> Path:
        return self._of(source) / f"{number:04d}.looks"

    def output(self, path: Path) -> OutputFile:
        """A file of looks as its segment's entry names it."""
        return OutputFile.of(self.folder, path.relative_to(self.folder).as_posix())

    def add(self, segment: Entry) -> None:
        """A segment is looked at; its file is there."""
        if self._is_ours:
            with suppress(OSError):  # memory is full: an end costs more, and nothing else
                handle = os.open(self._list(segment.source), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    os.write(handle, _line(segment))
                finally:
                    os.close(handle)

    def kept(self, video: Entry) -> list[Entry]:
        """What was written down of a video's segments; whoever uses it checks that it is of this very file."""
        if not self._is_ours:
            return []
        try:
            lines = self._list(video.source).read_bytes().splitlines()
        except OSError:
            return []
        found = {entry.segment: entry for line in lines if (entry := _entry(video, line)) is not None}
        return list(found.values())

    def forget(self, source: str) -> None:
        """It is in the sums by now, or another file."""
        if self._is_ours:
            shutil.rmtree(self._of(source), ignore_errors=True)

    def clear(self) -> None:
        if self._is_ours:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _is_ours(self) -> bool:
        """Whether it is there, and nobody else can have put anything into it."""
        try:
            found = os.lstat(self.folder)
        except OSError:
            return False
        ours = hasattr(os, "getuid") and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700
        return ours and stat.S_ISDIR(found.st_mode)

    def _of(self, source: str) -> Path:
        return self.folder / blake2b(source.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def _list(self, source: str) -> Path:
        return self._of(source) / "segments"


def is_memory(folder: Path) -> bool:
    """Whether what is written there stays in memory."""
    try:
        mounts = [line.split() for line in MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return False
    return any(mount[1:3] == [str(folder), "tmpfs"] for mount in mounts)


def _line(segment: Entry) -> bytes:
    kept = {
        "segment": segment.segment,
        "identity": dataclasses.astuple(segment.identity),
        "settings": segment.settings,
        "frames": segment.frames,
        "gaps": [dataclasses.asdict(gap) for gap in segment.gaps],
        "outputs": [dataclasses.astuple(output) for output in segment.outputs],
    }
    data = json.dumps(kept).encode()
    return b"%08x %b\n" % (zlib.crc32(data), data)


def _entry(video: Entry, line: bytes) -> Entry | None:
    """None where a kill left half of the line."""
    checksum, _, data = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(data):
        return None
    kept: dict[str, Any] = json.loads(data)
    return replace(
        video,
        segment=kept["segment"],
        state=State.DONE,
        identity=Identity(*kept["identity"]),
        settings=kept["settings"],
        frames=kept["frames"],
        gaps=tuple(Gap(**gap) for gap in kept["gaps"]),
        outputs=tuple(OutputFile(*output) for output in kept["outputs"]),
    )
