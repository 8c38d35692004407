"""What the batch keeps of each of its inputs, and how a run of them stands: plain values, for the manifest too."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from hashlib import blake2b
from typing import BinaryIO

from crowdmask.records import Counts, Gap, SourceKind, Stream

EDGE_BYTES = 16_384  # of the head and of the tail of an input, by which its content is known again
READ_BYTES = 1 << 20
MOST_NS = (1 << 63) - 1
IN_ONE_PIECE = "it is analysed in one piece"  # in the note of a video that cannot be cut
PIECES, CONCLUSION = 1 << 29, 1 << 30  # of what is kept of a video under way; see Entry.segment


class State(str, Enum):
    """How far an input has come. Whatever is under way is still `waiting`, so that a kill leaves nothing to undo."""

    WAITING = "waiting"
    UNSETTLED = "unsettled"  # its recorder seems to be writing still: left for the end
    DONE = "done"
    FAILED = "failed"


class Kind(str, Enum):
    PICTURE = "picture"
    VIDEO = "video"
    FOLDER = "folder"  # one that could not be read; always failed


@dataclass(frozen=True)
class Identity:
    """By which a file is known again: size, time and a hash of its first and last bytes (empty: not looked at yet)."""

    size: int
    mtime_ns: int
    digest: str = ""

    def __post_init__(self) -> None:
        # after the year 2262 nanoseconds are more than the manifest's 64 bits hold
        object.__setattr__(self, "mtime_ns", min(max(self.mtime_ns, -MOST_NS), MOST_NS))

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Identity:
        with open(path, "rb") as file:
            return cls.of_open(file)

    @classmethod
    def of_open(cls, file: BinaryIO) -> Identity:
        """Of a file that is open for reading; its position is at the start afterwards."""
        status = os.fstat(file.fileno())
        file.seek(0)
        edges = blake2b(file.read(EDGE_BYTES), digest_size=16)
        if status.st_size > EDGE_BYTES:
            file.seek(max(EDGE_BYTES, status.st_size - EDGE_BYTES))
            edges.update(file.read(EDGE_BYTES))
        file.seek(0)
        return cls(status.st_size, status.st_mtime_ns, edges.hexdigest())

    def looks_like(self, other: Identity) -> bool:
        """Whether size and time agree, which needs no reading."""
        return (self.size, self.mtime_ns) == (other.size, other.mtime_ns)


@dataclass(frozen=True)
class OutputFile:
    """A file of the run that belongs to a result: relative to the run folder with `/`, and a hash of all its bytes."""

    path: str
    size: int
    digest: str

    @classmethod
    def of(cls, run: str | os.PathLike[str], path: str) -> OutputFile:
        """As it lies there; OSError where it does not."""
        whole, size = blake2b(digest_size=16), 0
        with open(os.path.join(run, path), "rb") as file:
            while block := file.read(READ_BYTES):
                whole.update(block)
                size += len(block)
        return cls(path, size, whole.hexdigest())

    @classmethod
    def of_bytes(cls, path: str, data: bytes) -> OutputFile:
        return cls(path, len(data), blake2b(data, digest_size=16).hexdigest())

    def is_whole(self, run: str | os.PathLike[str]) -> bool:
        """Whether it lies there as it was written, byte for byte."""
        try:
            return os.stat(os.path.join(run, self.path)).st_size == self.size and OutputFile.of(run, self.path) == self
        except OSError:
            return False


@dataclass(frozen=True)
class Entry:
    """One result of the run: a row of the manifest, known by its source and segment.

    Segment 0 is the input itself. Of a video that is cut, as long as it is under way: the looks at its segments, 1 and
    up; the CONCLUSION from them; and the drawn pieces, from PIECES + 1 on. A done picture has exactly one frame, number
    0 at second 0, so that its counts are its row of the frames CSV.
    """

    source: str  # relative to the input root with `/`; absolute where it lies outside of it
    path: str  # where it lies, absolute; may hold bytes that are no UTF-8
    kind: Kind
    identity: Identity
    state: State = State.WAITING
    attempts: int = 0  # in the last session that tried it
    error: str = ""
    settings: str = ""  # digest of the settings under which it was analysed
    placed: str = ""  # digest of the settings by which camera and time were told
    camera: str = ""
    captured_at: datetime | None = None  # of the first frame, in UTC
    captured_from: str = ""
    frames: int = 0
    frames_with_faces: int = 0
    counts: Counts = field(default_factory=Counts)
    gaps: tuple[Gap, ...] = ()
    outputs: tuple[OutputFile, ...] = ()
    note: str = ""  # what else a reader should know of it
    wall_s: float = 0.0
    segment: int = 0
    zones: Mapping[str, Counts] = field(default_factory=dict)  # of a picture, where zones are watched
    no_faces: int = 0  # finds that are in no count


def stream_of(entry: Entry) -> Stream:
    """What the frames of an input know of their origin, as far as the entry does."""
    kind = SourceKind.PICTURE if entry.kind is Kind.PICTURE else SourceKind.VIDEO
    return Stream(entry.source, kind, entry.camera, entry.captured_at, entry.captured_from)


def natural_key(source: str) -> bytes:
    """Sorts paths as people do: `cam2/9.jpg` before `cam2/10.jpg` before `cam10`, whatever the case; never ties."""
    readable = source.encode("utf-8", "surrogatepass")
    return b"\0".join(part_key(part) for part in source.split("/")) + b"\0\0" + readable


def part_key(name: str) -> bytes:
    """The key of one name: a number sorts by its length, then by its digits, where the digit 0 would."""
    folded = name.casefold().encode("utf-8", "surrogatepass")
    return re.sub(rb"[0-9]+", _number_key, folded)


def _number_key(match: re.Match[bytes]) -> bytes:
    digits = match[0].lstrip(b"0")
    return b"0" + bytes([min(len(digits), 250) + 1]) + digits


def readable(path: str) -> str:
    r"""A path as it may be written down and shown: what is no UTF-8, and what steers terminals and tables, is escaped.

    No two paths become one: a backslash that looks like the beginning of an escape is escaped itself.
    """
    if path.isascii() and path.isprintable() and "\\" not in path:
        return path
    shown = _ESCAPE.sub(r"\\x5c\1", path)
    return "".join(_escaped(letter) if _steers(letter) else letter for letter in shown)


_ESCAPE = re.compile(r"\\([xu][0-9a-f])")


def _steers(letter: str) -> bool:
    # Cc: control characters; Cs: bytes that are no UTF-8; Zl, Zp: ends of lines; Bidi: what turns the text around
    return unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or letter in "\u202a\u202b\u202c\u202d\u202e"


def _escaped(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return f"\\x{ord(letter):02x}" if ord(letter) < 0x100 else f"\\u{ord(letter):04x}"


def shard_of(source: str, shards: int) -> int:
    """Which of the shards, from 1, a source belongs to; the same on every machine and in every version of Python.

    No checksum would do: those of names that differ in a digit alone are alike, and eight cameras came to one shard.
    """
    digest = blake2b(source.encode("utf-8", "backslashreplace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % shards + 1


@dataclass(frozen=True)
class Totals:
    """What the manifest holds in all. Folders that could not be read are among the failed."""

    done: int = 0
    failed: int = 0
    waiting: int = 0
    unsettled: int = 0
    frames: int = 0
    frames_with_faces: int = 0
    counts: Counts = field(default_factory=Counts)
    videos_done: int = 0

    @property
    def left(self) -> int:
        return self.waiting + self.unsettled

    @property
    def inputs(self) -> int:
        return self.done + self.failed + self.left


@dataclass(frozen=True)
class Share:
    """The inputs of one kind in one state."""

    kind: Kind
    state: State
    inputs: int


@dataclass(frozen=True)
class Session:
    """One start of the batch. A session without `ended_at` runs still, or was killed: the run's lock tells which."""

    number: int
    started_at: str
    pid: int
    host: str
    active_s: float = 0.0  # measured; the clock may have been set meanwhile
    listed: bool = False  # all inputs are found: what is left is all that is left
    done: int = 0  # inputs, of this session
    failed: int = 0
    frames: int = 0  # of this session
    ended_at: str | None = None
    ending: str = ""  # `finished`, or why it ended early
