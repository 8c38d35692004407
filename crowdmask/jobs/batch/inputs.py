"""What the user named as inputs of a batch, and the folder that their sources are told relative to."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from crowdmask.errors import SettingsError
from crowdmask.jobs.batch.patterns import is_pattern
from crowdmask.jobs.naming import is_stream
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
