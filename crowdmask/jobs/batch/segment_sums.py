"""In aggregate-only mode, what was counted in segments of videos under way: kept in memory, never on a disk.

A video is in the sums of its periods or not at all (period_sums.py). Until then its segments' counts stay with the
driver, and in a folder of the system's memory file system where there is one, as on Linux: so a kill costs one segment.
A restart of the machine, or a system without, costs the videos under way. The folder is for its user alone, and goes
when the run is finished.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import stat
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from crowdmask.jobs.batch.entries import Entry, Identity, State
from crowdmask.jobs.batch.reading import failed
from crowdmask.jobs.batch.units import Worked
from crowdmask.records import Counts, Gap
from crowdmask.results.aggregate import Cell, Sums

MEMORY = Path("/dev/shm")
MOUNTS = Path("/proc/self/mounts")


class SegmentSums:
    """Of the videos of one run that were cut; used by the driver alone."""

    def __init__(self, run: Path, period_s: float, settings: str) -> None:
        self._period_s, self._settings = period_s, settings
        place = os.fsencode(os.path.realpath(run))
        self._place = MEMORY / f"crowdmask-{blake2b(place, digest_size=12).hexdigest()}"
        self._videos: dict[str, Worked] = {}
        self._counted: dict[str, dict[int, Worked]] = {}

    def begin(self, video: Worked) -> None:
        """A video came back with its spans; what an earlier session counted of it is taken over."""
        entry, known = video.entry, {span.number for span in video.spans}
        self._videos[entry.source], self._counted[entry.source] = video, {}
        for number, identity, found in self._read(entry):
            if number in known and identity == entry.identity:
                self._counted[entry.source][number] = found

    def of(self, source: str) -> list[Entry]:
        """The segments that are counted."""
        return [one.entry for one in self._counted.get(source, {}).values()]

    def add(self, segment: Worked) -> None:
        entry = segment.entry
        self._counted[entry.source][entry.segment] = segment
        folder = self._folder(make=True)
        if folder is not None:
            with suppress(OSError):  # memory is full: an end costs more, and nothing else
                handle = os.open(_file(folder, entry.source), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    os.write(handle, _line(segment, self._settings))
                finally:
                    os.close(handle)

    def whole(self, source: str) -> Worked | None:
        """A video of which every segment is counted."""
        video, counted = self._videos.get(source), self._counted.get(source, {})
        if video is None or len(counted) < len(video.spans):
            return None
        segments = [counted[span.number] for span in video.spans]
        sums: dict[Cell, Sums] = {}
        for segment in segments:
            for cell, counts in (segment.sums or {}).items():
                sums[cell] = sums.get(cell, Sums()) + counts
        entry = replace(video.entry, gaps=tuple(gap for one in segments for gap in one.entry.gaps))
        if not sums:
            return failed(entry, f"{entry.path}: no frame could be analysed")
        seconds = [second for one in segments if one.sums for second in one.seconds]
        entry = replace(
            entry,
            state=State.DONE,
            error="",
            attempts=entry.attempts + 1,
            settings=self._settings,
            frames=sum(one.entry.frames for one in segments),
        )
        return Worked(entry, sums=sums, is_long=max(seconds) - min(seconds) >= self._period_s)

    def forget(self, source: str) -> None:
        """It is in the sums by now, or another file."""
        self._videos.pop(source, None)
        self._counted.pop(source, None)
        folder = self._folder()
        if folder is not None:
            _file(folder, source).unlink(missing_ok=True)

    def clear(self) -> None:
        folder = self._folder()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _read(self, entry: Entry) -> Iterator[tuple[int, Identity, Worked]]:
        folder = self._folder()
        if folder is None:
            return
        try:
            lines = _file(folder, entry.source).read_bytes().splitlines()
        except OSError:
            return
        for line in lines:
            found = _told(line)
            if found is not None and found["settings"] == self._settings:
                yield found["segment"], Identity(*found["identity"]), _worked(entry, found)

    def _folder(self, *, make: bool = False) -> Path | None:
        """This run's, if it is there and this user's own, or can be made."""
        if make and is_memory(MEMORY):
            with suppress(OSError):
                self._place.mkdir(mode=0o700)
        try:
            found = os.lstat(self._place)
        except OSError:
            return None
        ours = hasattr(os, "getuid") and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700
        return self._place if ours and stat.S_ISDIR(found.st_mode) else None


def is_memory(folder: Path) -> bool:
    """Whether what is written there stays in memory."""
    try:
        mounts = [line.split() for line in MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return False
    return any(mount[1:3] == [str(folder), "tmpfs"] for mount in mounts)


def _file(folder: Path, source: str) -> Path:
    return folder / blake2b(source.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _line(segment: Worked, settings: str) -> bytes:
    entry = segment.entry
    told = {
        "segment": entry.segment,
        "identity": dataclasses.astuple(entry.identity),
        "settings": settings,
        "frames": entry.frames,
        "gaps": [dataclasses.asdict(gap) for gap in entry.gaps],
        "seconds": segment.seconds,
        "sums": [
            [cell.start, cell.stop, cell.camera, cell.of, sums.frames, *sums.counts.numbers]
            for cell, sums in (segment.sums or {}).items()
        ],
    }
    data = json.dumps(told).encode()
    return b"%08x %b\n" % (zlib.crc32(data), data)


def _told(line: bytes) -> dict[str, Any] | None:
    """None where a kill left half of the line."""
    checksum, _, data = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(data):
        return None
    told: dict[str, Any] = json.loads(data)
    return told


def _worked(entry: Entry, told: dict[str, Any]) -> Worked:
    sums = {Cell(*row[:4]): Sums(row[4], Counts(*row[5:])) for row in told["sums"]}
    done = replace(
        entry,
        segment=told["segment"],
        state=State.DONE,
        settings=told["settings"],
        frames=told["frames"],
        gaps=tuple(Gap(**gap) for gap in told["gaps"]),
    )
    return Worked(done, sums=sums, seconds=(told["seconds"][0], told["seconds"][1]))
