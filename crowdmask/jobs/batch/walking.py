"""Finds the inputs of a batch as it goes, in natural order, each once, whatever links and folders there are.

Nothing is held but the folder at hand, and of a very large one a block at a time, so that the first file is handed
out at once. Links are followed. Where one leads to what is found anyway, or to a folder above, it is passed over; of
several that lead to one place outside of the inputs the first counts. Hard links are files of their own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import PurePosixPath

from crowdmask.jobs.batch.entries import Kind, part_key, readable, shard_of
from crowdmask.jobs.batch.inputs import Inputs
from crowdmask.jobs.batch.patterns import Selection, is_hidden, pattern_re
from crowdmask.jobs.naming import PICTURES_READ

BLOCK = 10_000  # names of one folder that are put in order together


@dataclass(frozen=True)
class Found:
    """A file to analyse, as it was when it was found."""

    source: str
    path: str
    kind: Kind
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Lost:
    """A folder that cannot be read, or a file that is not there."""

    source: str
    path: str
    kind: Kind
    reason: str


Taken = Callable[[str], bool]


class Walk:
    """One walk over the inputs; iterate it once. `passed_over` hears of each run folder that is left out.

    What `is_own` says this very run wrote is no input.
    """

    def __init__(
        self,
        inputs: Inputs,
        selection: Selection,
        *,
        run: str,
        shard: tuple[int, int] | None = None,
        passed_over: Callable[[str], None] = lambda path: None,
        is_own: Callable[[str], bool] = lambda path: False,
    ) -> None:
        self._inputs, self._selection, self._shard = inputs, selection, shard
        self._run = os.path.realpath(run)
        self._passed_over, self._is_own = passed_over, is_own
        self._real_tops = [os.path.realpath(top) for top in (*inputs.folders, *(glob[0] for glob in inputs.globs))]
        self._folders_seen: set[tuple[int, int]] = set()
        self._seen: set[bytes] = set()  # hashes of what may turn up twice

    def __iter__(self) -> Iterator[Found | Lost]:
        for path in self._inputs.files:
            yield from self._given_file(path)
        for folder in self._inputs.folders:
            yield from self._folder(folder, self._selection.takes, lambda source: True)
        for folder, pattern in self._inputs.globs:
            yield from self._glob(folder, pattern)
        if self._inputs.from_stdin:
            for path in self._inputs.read_list():
                if os.path.isdir(path):
                    yield from self._folder(path, self._selection.takes, lambda source: True)
                else:
                    yield from self._given_file(path)

    def takes(self, source: str) -> bool:
        """Whether a source would be an input of this walk if it were there still; True where that cannot be known."""
        path = os.path.join(self._inputs.root, source)
        if path in self._inputs.files or self._inputs.from_stdin:
            return self._in_shard(source)
        inside = any(path.startswith(folder.rstrip("/") + "/") for folder in self._inputs.folders)
        inside = inside or any(
            path.startswith(top.rstrip("/") + "/") and pattern_re(pattern).fullmatch(path[len(top.rstrip("/")) + 1 :])
            for top, pattern in self._inputs.globs
        )
        return inside and self._selection.takes(source) and self._in_shard(source)

    def _in_shard(self, source: str) -> bool:
        return self._shard is None or shard_of(source, self._shard[1]) == self._shard[0]

    def _glob(self, folder: str, pattern: str) -> Iterator[Found | Lost]:
        whole = pattern_re(pattern)
        parts = pattern.split("/")
        matches = [pattern_re(part) for part in parts]
        start = len(folder.rstrip("/")) + 1

        def may_hold(path: str) -> bool:
            for i, name in enumerate(path[start:].split("/")):
                if i >= len(parts) or parts[i] == "**":
                    return True
                if not matches[i].fullmatch(name):
                    return False
            return True

        def takes(source: str) -> bool:
            path = os.path.join(self._inputs.root, source)
            return self._selection.takes(source) and whole.fullmatch(path[start:]) is not None

        if os.path.isdir(folder):
            yield from self._folder(folder, takes, may_hold)
        else:
            yield self._lost(folder, Kind.FOLDER, "it does not exist: check the path")

    def _given_file(self, path: str) -> Iterator[Found | Lost]:
        source = readable(self._inputs.source_of(path))
        if not self._in_shard(source) or self._is_second(source, path) or self._is_own(path):
            return
        try:
            status = os.stat(path)
        except FileNotFoundError:
            yield self._lost(path, _kind_of(path), "it does not exist: check the path")
        except OSError as error:
            yield self._lost(path, _kind_of(path), f"it cannot be read ({error.strerror}): check it and the disk")
        else:
            if not stat.S_ISREG(status.st_mode):
                yield self._lost(path, _kind_of(path), "it is a pipe, a socket or a device: name a file")
                return
            yield Found(source, path, _kind_of(path), status.st_size, status.st_mtime_ns)

    def _folder(self, folder: str, takes: Taken, may_hold: Callable[[str], bool]) -> Iterator[Found | Lost]:
        """All below a folder, without recursion: trees may be deeper than Python's stack."""
        open_folders = [self._entries(folder)]
        while open_folders:
            found = next(open_folders[-1], None)
            if found is None:
                open_folders.pop()
            elif isinstance(found, Lost):
                yield found
            elif _is_folder(found):
                source = readable(self._inputs.source_of(found.path))
                if not self._selection.refuses(source) and may_hold(found.path) and self._may_enter(found):
                    open_folders.append(self._entries(found.path))
            else:
                yield from self._file(found, takes)

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str] | Lost]:
        """What is in a folder, sorted; by blocks where there is very much."""
        try:
            status = os.stat(folder)
            key = (status.st_dev, status.st_ino)
            if key in self._folders_seen:
                return
            self._folders_seen.add(key)
            if os.path.realpath(folder) == self._run:
                return
            if os.path.exists(os.path.join(folder, "manifest.sqlite")):
                self._passed_over(folder)
                return
            with os.scandir(folder) as entries:
                visible = (entry for entry in entries if not is_hidden(entry.name))
                while block := list(islice(visible, BLOCK)):
                    block.sort(key=lambda entry: (part_key(entry.name), entry.name))
                    yield from block
        except OSError as error:
            why = "no permission" if isinstance(error, PermissionError) else str(error.strerror)
            yield self._lost(
                folder, Kind.FOLDER, f"the folder cannot be read ({why}): check its permissions and the disk"
            )

    def _may_enter(self, entry: os.DirEntry[str]) -> bool:
        if not entry.is_symlink():
            return True
        real = os.path.realpath(entry.path)
        for top in self._real_tops:
            if (top + "/").startswith(real.rstrip("/") + "/"):
                return False  # it leads to the top or above
            if real.startswith(top.rstrip("/") + "/"):
                inside = real[len(top.rstrip("/")) + 1 :]
                if not any(is_hidden(name) for name in inside.split("/")) and not self._selection.refuses(inside):
                    return False
        return True

    def _file(self, entry: os.DirEntry[str], takes: Taken) -> Iterator[Found | Lost]:
        source = readable(self._inputs.source_of(entry.path))
        if not takes(source) or not self._in_shard(source) or self._is_own(entry.path):
            return
        try:
            status = entry.stat()
        except OSError as error:
            if entry.is_symlink():
                yield self._lost(entry.path, _kind_of(entry.path), f"the link leads nowhere ({error.strerror})")
            return  # else it was there a moment ago, and has been cleared away
        if not stat.S_ISREG(status.st_mode):
            return
        if (entry.is_symlink() or not self._inputs.one_alone) and self._is_second(source, entry.path):
            return
        yield Found(source, entry.path, _kind_of(entry.path), status.st_size, status.st_mtime_ns)

    def _is_found_itself(self, real: str) -> bool:
        for top in self._inputs.folders:
            real_top = os.path.realpath(top).rstrip(os.sep) + os.sep
            if real.startswith(real_top):
                inside = real[len(real_top) :]
                source = readable(self._inputs.source_of(os.path.join(top, inside)))
                if not any(is_hidden(name) for name in inside.split("/")) and self._selection.takes(source):
                    return True
        return False

    def _is_second(self, source: str, path: str) -> bool:
        if os.path.islink(path):
            real = os.path.realpath(path)
            return self._is_found_itself(real) or self._is_known(real)
        return self._is_known(path)

    def _is_known(self, path: str) -> bool:
        digest = blake2b(os.fsencode(path), digest_size=8).digest()
        if digest in self._seen:
            return True
        self._seen.add(digest)
        return False

    def _lost(self, path: str, kind: Kind, reason: str) -> Lost:
        source = readable(self._inputs.source_of(path) or path)
        return Lost(source + "/" * (kind is Kind.FOLDER), path, kind, f"{path}: {reason}")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself


def _kind_of(path: str) -> Kind:
    """By its name only: reading each of a million files takes hours. Whoever opens it looks again."""
    return Kind.PICTURE if PurePosixPath(path).suffix.lower() in PICTURES_READ else Kind.VIDEO
