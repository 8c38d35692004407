"""How every file comes into being: written as NAME.part, made durable, and given its name only when it is whole."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from crowdmask.errors import OutputError
from crowdmask.media.locking import BINARY, lock

WAITS_S = (0.1, 0.4, 1.5)
_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up: free some space or choose another folder",
    errno.EACCES: "no permission to write there: choose another folder",
    errno.EPERM: "no permission to write there: choose another folder",
    errno.EROFS: "the disk is read-only: choose another folder",
    errno.ENOENT: "the folder does not exist: create it first",
    errno.ENOTDIR: "a part of the path is a file, not a folder: choose another path",
    errno.EEXIST: "a part of the path is a file, not a folder: choose another path",
    errno.EISDIR: "it is a folder: give the name of a file",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
    errno.EFBIG: "the file is too large for this disk: choose another one",
    errno.EIO: "the disk failed while writing: check it or choose another one",
}


def part_of(path: str | os.PathLike[str]) -> Path:
    """Where `path` grows until it is whole: the same folder, so that the final rename is atomic."""
    path = Path(path)
    return path.with_name(path.name + ".part")


class Failure(Protocol):
    """What an OSError and FFmpeg's errors have in common."""

    @property
    def errno(self) -> Any: ...
    @property
    def strerror(self) -> Any: ...


def as_output_error(error: Failure, path: str | os.PathLike[str]) -> OutputError:
    """The error as one line: what, which path, and what to do about it."""
    remedy = _REMEDIES.get(error.errno or 0)
    reason = remedy or f"{error.strerror or error}: check the disk and the path"
    return OutputError(f"cannot write {os.fspath(path)}: {reason}")


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Any failure to write inside becomes an OutputError about `path`."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise as_output_error(error, path) from error


def ensure_writable(path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Create the folder of `path` and prove that a file can be made there, before hours of work are spent."""
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not overwrite and path.exists():
            raise OutputError(f"{path} exists already: give another path, or --overwrite to replace it")
        part = part_of(path)
        forget_link(part)
        was_there = part.exists()
        with open(part, "ab"):
            pass
        if not was_there:
            part.unlink()
    return path


def forget_link(part: Path) -> None:
    """Take away a link that has the name of a file to be written: what it points to is somebody else's."""
    if part.is_symlink():
        part.unlink()


def open_alone(part: Path) -> int:
    """A handle on an empty file that no other run writes to at the same time; it is given back when it is closed."""
    forget_link(part)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | BINARY, 0o666)
    try:
        lock(handle)
        if os.fstat(handle).st_size:
            os.ftruncate(handle, 0)
    except BlockingIOError as error:
        os.close(handle)
        raise OutputError(
            f"cannot write {part.with_suffix('')}: another run is writing it: wait for that one, or give another name"
        ) from error
    except OSError:
        os.close(handle)
        raise
    return handle


def refuse_own_input(path: str | os.PathLike[str], source: str | os.PathLike[str] | None) -> None:
    """Raise OutputError where `path` is the file being read, by any name or link."""
    if source is None:
        return
    try:
        same = os.path.samefile(path, source)
    except (OSError, ValueError):
        same = False  # one of them is no file: a stream, or an output not there yet
    if same or os.path.abspath(path) == os.path.abspath(source):
        raise OutputError(f"{os.fspath(path)} is the input itself: choose another output path")


def commit(path: str | os.PathLike[str], part: str | os.PathLike[str] | None = None) -> Path:
    """Give a whole file its name: its bytes are on the disk first, then one atomic rename, then the folder."""
    path, part = Path(path), Path(part) if part is not None else part_of(path)
    with writing(path):
        handle = os.open(part, os.O_RDWR | BINARY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        _replace(part, path)
        _sync_folder(path.parent)
    return path


def _replace(part: Path, path: Path) -> None:
    """Windows refuses for as long as somebody has one of the two open, such as a virus scanner or a spreadsheet."""
    for wait_s in WAITS_S:
        try:
            return os.replace(part, path)
        except PermissionError:
            if os.name != "nt":
                raise
            time.sleep(wait_s)
    return os.replace(part, path)


def write_whole(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write a small file at once: its name never shows anything but all of it, and a failure leaves nothing."""
    try:
        with writing(path):
            forget_link(part_of(path))
            part_of(path).write_bytes(data)
        return commit(path)
    except OutputError:
        with suppress(OSError):
            part_of(path).unlink(missing_ok=True)
        raise


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, in place of whatever has it; the same bytes anew where the disk knows no links."""
    part = part_of(target)
    try:
        with suppress(OSError):  # a part that is there is of an earlier call
            part.unlink()
        os.link(source, part)
        _replace(part, target)
        _sync_folder(target.parent)
    except OSError:  # another disk, or one that knows no links
        with writing(target):
            shutil.copy2(source, part)
        commit(target)


def _sync_folder(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some network file systems cannot; the rename itself has happened
            os.fsync(handle)
    finally:
        os.close(handle)
