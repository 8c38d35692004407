"""Keeps a run folder to one run, and changes, moves or deletes nothing in it that this run did not write.

A lock keeps a second run out; the system frees it when its holder ends, however it ends. Every file is accounted for
before it is written. The account stands in the manifest; RUN/log/written.txt has the same lines, for the day on which
the manifest is lost.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path, PurePosixPath
from types import TracebackType

from typing_extensions import Self

from crowdmask.errors import OutputError
from crowdmask.jobs.manifest.database import Manifest
from crowdmask.media.locking import BINARY, is_locked, lock
from crowdmask.media.parts import part_of, write_whole, writing
from crowdmask.results.run_folder import RunFolder

LOCK = "lock.json"
TRIES = 3


@dataclass(frozen=True)
class Holder:
    """Who works in a run folder."""

    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


class RunLock:
    """A context manager; entering it raises OutputError, naming the other, where another run is at work."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._handle = -1

    def __enter__(self) -> Self:
        path = self._run / LOCK
        with writing(path):
            self._run.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | BINARY, 0o666)
        try:
            self._take()
        except OSError as error:
            other = _read(self._handle)
            self._close()
            if not isinstance(error, BlockingIOError):
                raise OutputError(f"{path} cannot be locked ({error.strerror}): choose another folder") from error
            who = f" ({other})" if other else ""
            raise OutputError(
                f"{self._run}: another run is at work in this folder{who}: wait for it, or give another --out-dir"
            ) from error
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        with writing(path):
            os.ftruncate(self._handle, 0)
            os.lseek(self._handle, 0, os.SEEK_SET)
            told = {"pid": os.getpid(), "host": socket.gethostname(), "since": now}
            os.write(self._handle, json.dumps(told).encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _take(self) -> None:
        for left in reversed(range(TRIES)):
            try:
                return lock(self._handle)
            except BlockingIOError:
                if not left:
                    raise
                time.sleep(0.1)  # it may only be somebody who asks for the holder

    def _close(self) -> None:
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


def holder_of(run: Path) -> Holder | None:
    """Who is at work in a run folder at this moment; None where nobody is."""
    try:
        handle = os.open(run / LOCK, os.O_RDONLY | BINARY)
    except OSError:
        return None
    try:
        if is_locked(handle):
            return _read(handle) or Holder(0, "an unknown host", "an unknown time")
        return None
    finally:
        os.close(handle)


def _read(handle: int) -> Holder | None:
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        found = json.loads(os.read(handle, 4096))
        return Holder(int(found["pid"]), str(found["host"]), str(found["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it has only just taken the lock


PAGE = 500
OWN_FOLDERS = ("annotated", "videos", "parts")
OWN_FILES = (
    *("frames.csv", "persons.csv", "persons.parquet", "aggregate.csv", "summary.json"),
    *("detections.csv", "detections.parquet"),
)


class Claims:
    """What of the run folder is this run's own."""

    def __init__(self, run: RunFolder, manifest: Manifest, *, overwrite: bool) -> None:
        self._run, self._manifest, self._overwrite = run, manifest, overwrite
        self._inside = os.path.abspath(run.path)
        self._list = run.log / "written.txt"
        if manifest.is_new:
            manifest.put_written(_listed(self._list))
        self._write_list()

    def refused(self, paths: Sequence[str]) -> dict[str, str]:
        """Claim paths below the run folder; of those that must not be written, the reason."""
        known: set[str] = set()
        for start in range(0, len(paths), PAGE):
            known |= self._manifest.written(paths[start : start + PAGE])
        fresh = [path for path in dict.fromkeys(paths) if path not in known]
        refused = {}
        if not self._overwrite:
            refused = {path: _foreign(place) for path in fresh if (place := self._there(path)) is not None}
        fresh = [path for path in fresh if path not in refused]
        if fresh:
            self._manifest.put_written(fresh)
            # no fsync: the list matters only where the manifest is lost, and then it is one file against another
            with writing(self._list), self._list.open("a", encoding="utf-8", newline="") as file:
                file.writelines(f"{path}\n" for path in fresh)
        return refused

    def claim(self, paths: Sequence[str]) -> None:
        """Claim paths without which there can be no run; OutputError where something else lies there."""
        for reason in self.refused(paths).values():
            raise OutputError(f"{reason}, or --overwrite to replace it")

    def has_written(self, path: str) -> bool:
        """Whether an absolute path is a file that this run wrote."""
        inside = self._inside + os.sep
        if not path.startswith(inside):
            return False
        place = path[len(inside) :].replace(os.sep, "/")
        return place.isprintable() and bool(self._manifest.written([place]))

    def remove(self, paths: Iterable[str]) -> None:
        """Delete files of this run, and their parts; whatever else lies there stays."""
        paths = iter(paths)
        while page := list(islice(paths, PAGE)):
            for path in self._manifest.written(page):
                for file in (self._run.path / path, part_of(self._run.path / path)):
                    with suppress(OSError):
                        file.unlink()

    def _there(self, path: str) -> Path | None:
        file = self._run.path / path
        return next((one for one in (file, part_of(file)) if os.path.lexists(one)), None)

    def _write_list(self) -> None:
        """Write the list anew where it is not what it ought to be, as far as its size tells."""
        lines = [f"{path}\n" for path in self._manifest.all_written()]
        data = "".join(lines).encode()
        with suppress(OSError):
            if self._list.stat().st_size == len(data):
                return
        if data:
            with writing(self._list):
                self._list.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._list, data)


def _foreign(place: Path) -> str:
    return f"{place}: it is there, and this run did not write it: move it elsewhere, or give another --out-dir"


def _listed(path: Path) -> list[str]:
    """The list's lines, but for those that name no file of a run."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if is_own_place(line)]


def is_own_place(path: str) -> bool:
    """Whether a run may have a file there at all."""
    parts = PurePosixPath(path).parts
    if not parts or ".." in parts or parts[0] == "/":
        return False
    return path in OWN_FILES or (len(parts) > 1 and parts[0] in OWN_FOLDERS)


def put_aside(run: RunFolder) -> Path | None:
    """Move all that the run in the folder wrote into RUN/before-<n>, a run folder itself; None where there is none.

    File by file, by the manifest's account: what else lies there, such as the recordings themselves, stays.
    """
    if not run.manifest.is_file():
        return None
    number = 1
    while (aside := run.path / f"before-{number}").exists():
        number += 1
    with Manifest(run.manifest) as manifest, writing(aside):
        aside.mkdir()
        for path in manifest.all_written():
            for file in (run.path / path, part_of(run.path / path)):
                _move(file, aside / file.relative_to(run.path))
    with writing(aside):
        for folder in OWN_FOLDERS:
            remove_empty(run.path / folder)
        for own in (run.log, run.reports, run.purge_log):
            _move(own, aside / own.name)
        # the manifest last: as long as it is there, the run is
        for own in sorted(run.path.glob(f"{run.manifest.stem}*{run.manifest.suffix}*")):
            _move(own, aside / own.name)
    return aside


def discard(run: RunFolder) -> None:
    """Delete all that the run in the folder wrote, and the folder with it unless something else lies there."""
    if not run.manifest.is_file():
        return
    with Manifest(run.manifest) as manifest:
        written = list(manifest.all_written())
    for path in written:
        for file in (run.path / path, part_of(run.path / path)):
            file.unlink(missing_ok=True)
    for folder in OWN_FOLDERS:
        remove_empty(run.path / folder)
    for aside in run.path.glob("before-*"):
        discard(RunFolder(aside))
    for own in (*run.log.glob("*"), run.path / LOCK, *run.path.glob(f"{run.manifest.stem}*{run.manifest.suffix}*")):
        own.unlink(missing_ok=True)
    for emptied in (run.log, run.path):
        with suppress(OSError):  # not empty
            emptied.rmdir()


def _move(file: Path, target: Path) -> None:
    if os.path.lexists(file):
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, target)


def remove_empty(folder: Path) -> None:
    """Remove a folder and those in it as far as nothing is in them; no link is followed."""
    if folder.is_symlink() or not folder.is_dir():
        return
    for inner, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):  # not empty
            os.rmdir(inner)
