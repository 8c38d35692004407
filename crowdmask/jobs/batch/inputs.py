"""The inputs of a batch: what the user named, which of the files found there count, and the walk that finds them.

The walk goes in natural order and hands out each input once. Nothing is held but the folder at hand, and of a very
large one a block at a time, so that the first file is handed out at once. Links are followed. Where one leads to what
is found anyway, or to a folder above, it is passed over; of several that lead to one place outside of the inputs the
first counts. Hard links are files of their own.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from crowdmask.errors import SettingsError
from crowdmask.jobs.manifest.entries import Kind, part_key, readable, shard_of
from crowdmask.jobs.naming import PICTURES_READ, VIDEOS_READ, is_own_output, is_stream
from crowdmask.media.opening import local_path, refuse_store, shown

STDIN = "-"


def asks_for_batch(inputs: Sequence[str]) -> bool:
    """Whether any input is a folder, a pattern that the shell left as it was, or the list on stdin."""
    return any(given == STDIN or _is_folder(given) or _unexpanded(given) for given in inputs)


def _is_folder(given: str) -> bool:
    return not is_stream(given) and local_path(given).is_dir()


def _unexpanded(given: str) -> bool:
    return not is_stream(given) and is_pattern(given) and not os.path.lexists(local_path(given))


@dataclass(frozen=True)
class Inputs:
    """The inputs as they were given, absolute; `listed` is where `-` reads its list."""

    folders: tuple[str, ...] = ()
    globs: tuple[tuple[str, str], ...] = ()  # the folder that a pattern starts from, and the rest of it
    files: tuple[str, ...] = ()
    from_stdin: bool = False
    root: str = ""
    listed: BinaryIO = field(default_factory=io.BytesIO, compare=False)

    @classmethod
    def of(cls, given: Sequence[str], listed: BinaryIO | None = None) -> Inputs:
        folders, globs, files = [], [], []
        for one in given:
            if one == STDIN:
                continue
            refuse_store(one)
            if is_stream(one):
                raise SettingsError(
                    f"{shown(one)}: a camera or a stream has no end and cannot be in a batch: name it alone"
                )
            path = os.path.abspath(local_path(one))
            if os.path.isdir(path):
                folders.append(path)
            elif _unexpanded(one):
                globs.append(_split(with_slashes(path)))
            else:
                files.append(path)
        from_stdin = STDIN in given
        tops = [*folders, *(folder for folder, _ in globs), *(os.path.dirname(file) for file in files)]
        root = os.path.commonpath(tops) if tops else os.getcwd()
        return cls(_outermost(folders), tuple(globs), tuple(files), from_stdin, root, listed or io.BytesIO())

    @property
    def one_alone(self) -> bool:
        """Whether no file can be found twice, by two of the inputs."""
        return len(self.folders) + len(self.globs) == 1 and not self.files and not self.from_stdin

    def as_dict(self) -> dict[str, object]:
        given = [*self.folders, *("/".join(glob) for glob in self.globs), *self.files]
        return {"inputs": sorted(given), "from_stdin": self.from_stdin}

    def source_of(self, path: str) -> str:
        """What a file is called in the results: relative to the root, absolute where it lies outside of it."""
        path, root = with_slashes(path), with_slashes(self.root)
        inside = root.rstrip("/") + "/"
        return path[len(inside) :] if path.startswith(inside) else path

    def read_list(self) -> Iterator[str]:
        """The paths on stdin as they come, one a line, or with NUL between as `find -print0` gives them."""
        rest, end = b"", b""
        while block := self.listed.read1(1 << 16) if hasattr(self.listed, "read1") else self.listed.read(1 << 16):
            end = end or (b"\0" if b"\0" in block else b"\n" if b"\n" in block else b"")
            *whole, rest = (rest + block).split(end) if end else (rest + block,)
            yield from (_path(line) for line in whole if line.strip(b"\r"))
        if rest.strip(b"\r\n"):
            yield _path(rest)


def with_slashes(path: str) -> str:
    """A path as sources are written on every system."""
    return path.replace(os.sep, "/")


def _path(line: bytes) -> str:
    return os.path.abspath(local_path(os.fsdecode(line.rstrip(b"\r"))))


def _split(pattern: str) -> tuple[str, str]:
    parts = pattern.split("/")
    first = next(i for i, part in enumerate(parts) if is_pattern(part))
    return "/".join(parts[:first]) or "/", "/".join(parts[first:])


def _outermost(folders: Sequence[str]) -> tuple[str, ...]:
    """Without those that lie in another."""
    kept: list[str] = []
    for folder in sorted(dict.fromkeys(folders), key=lambda path: Path(path).parts):
        if not any(os.path.commonpath([folder, above]) == above for above in kept):
            kept.append(folder)
    return tuple(folder for folder in dict.fromkeys(folders) if folder in kept)


OF_SYSTEMS = ("@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found")  # NAS, Windows, ext4


def is_pattern(text: str) -> bool:
    return any(letter in text for letter in "*?[")


def is_hidden(name: str) -> bool:
    """Whether a name is of the kind that people do not mean when they name the folder it lies in."""
    return name.startswith(".") or name.casefold() in OF_SYSTEMS


def is_media(name: str) -> bool:
    """Whether a file's name says that it is a picture or a video, and not one of crowdmask's own."""
    suffix = PurePosixPath(name).suffix.lower()
    return (suffix in PICTURES_READ or suffix in VIDEOS_READ) and not is_own_output(name)


def pattern_re(pattern: str) -> re.Pattern[str]:
    """`*`, `?` and `[...]` within a name, `**` over folders; matches what the pattern names and all that is in it."""
    parts = pattern.strip("/").split("/")
    made = "".join("(?:.*/)?" if part == "**" else _part_re(part) + "/" for part in parts[:-1])
    made += ".*" if parts[-1] == "**" else _part_re(parts[-1])
    return re.compile(rf"{made}(?:/.*)?", re.IGNORECASE | re.DOTALL)


def _part_re(part: str) -> str:
    made, at = "", 0
    while at < len(part):
        letter = part[at]
        end = part.find("]", at + 2) if letter == "[" else -1
        if end > 0:
            inside = part[at + 1 : end]
            inside = ("^/" + inside[1:]) if inside[0] in "!^" else inside
            made += "[" + inside.replace("\\", "\\\\").replace("[", "\\[") + "]"
            at = end
        else:
            made += {"*": "[^/]*", "?": "[^/]"}.get(letter, re.escape(letter))
        at += 1
    return made


@dataclass(frozen=True)
class Selection:
    """What `--include` and `--exclude` leave; patterns without `/` are about names, the others about paths."""

    include: tuple[re.Pattern[str], ...] = ()
    exclude: tuple[re.Pattern[str], ...] = ()
    endings: tuple[str, ...] = ()  # that the patterns of `include` end in

    @classmethod
    def of(cls, include: str | None, exclude: str | None) -> Selection:
        named = tuple(ending for pattern in _listed(include) if (ending := _ending(pattern)))
        return cls(_compiled(include), _compiled(exclude), named)

    def takes(self, source: str) -> bool:
        """Whether a file is an input: a picture or video by its ending, or by an ending that a pattern names."""
        if self.refuses(source):
            return False
        if not self.include:
            return is_media(source)
        matching = [pattern for pattern in self.include if pattern.fullmatch(source)]
        return bool(matching) and (is_media(source) or _ending(source) in self.endings)

    def refuses(self, source: str) -> bool:
        """Whether a file or a whole folder is excluded."""
        return any(pattern.fullmatch(source) for pattern in self.exclude)


def _listed(patterns: str | None) -> list[str]:
    return [pattern.strip() for pattern in (patterns or "").split(",") if pattern.strip()]


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _compiled(patterns: str | None) -> tuple[re.Pattern[str], ...]:
    # a folder's pattern holds for what is in it, a name's pattern at any depth
    return tuple(pattern_re(p if "/" in p.rstrip("/") else f"**/{p}") for p in _listed(patterns))


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
        self.met_other_shards = False  # something was left to them

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

    def _is_of_others(self, source: str) -> bool:
        if self._in_shard(source):
            return False
        self.met_other_shards = True
        return True

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
        if self._is_of_others(source) or self._is_second(source, path) or self._is_own(path):
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
            elif _leads_to_folder(found):
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
        if not takes(source) or self._is_of_others(source) or self._is_own(entry.path):
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


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself


def _kind_of(path: str) -> Kind:
    """By its name only: reading each of a million files takes hours. Whoever opens it looks again."""
    return Kind.PICTURE if PurePosixPath(path).suffix.lower() in PICTURES_READ else Kind.VIDEO
