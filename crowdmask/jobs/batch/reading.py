"""Reads and decodes the pictures of a unit ahead of the networks, on several threads, in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crowdmask.errors import CrowdmaskError
from crowdmask.jobs.batch.entries import Entry, Identity, Kind, State, stream_of
from crowdmask.jobs.batch.units import Worked
from crowdmask.media.opening import check_file
from crowdmask.media.picture_kinds import starts_picture
from crowdmask.media.pictures import decode_with_doubts
from crowdmask.records import Frame, Gap

MOST_THREADS = 4  # one decodes as fast as two cores judge; more hide the waiting of slow disks


@dataclass(frozen=True)
class Still:
    """A picture that is read: its entry, placed and with its identity, and its only frame."""

    entry: Entry
    frame: Frame


class Reading:
    """The pictures of a unit, read and decoded on the threads of a pool, in order, so many of them ahead."""

    def __init__(
        self, entries: Sequence[Entry], place: Callable[[Entry], Entry], pool: ThreadPoolExecutor, ahead: int
    ) -> None:
        self._waiting, self._place, self._pool = deque(entries), place, pool
        self._coming: deque[Future[Still | Worked]] = deque()
        for _ in range(ahead):
            self._begin_next()

    def _begin_next(self) -> None:
        if self._waiting:
            self._coming.append(self._pool.submit(read, self._waiting.popleft(), self._place))

    def __iter__(self) -> Iterator[Still | Worked]:
        while self._coming:
            item = self._coming.popleft().result()
            self._begin_next()
            yield item


def read(entry: Entry, place: Callable[[Entry], Entry]) -> Still | Worked:
    """One picture; only its own failures, whatever they are, become what is given for it."""
    try:
        return _read_picture(entry, place)
    except Exception as error:  # a library that stumbles over a broken file must not stop the night
        return failed(entry, told(error, entry.path))


def told(error: Exception, path: str) -> str:
    """Why an input cannot be read, in one line."""
    if isinstance(error, CrowdmaskError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return f"{path} is gone: it was there when the folder was looked through"
    if isinstance(error, OSError):
        return f"{path} cannot be read ({error.strerror or error}): check it and the disk"
    if isinstance(error, MemoryError):
        return f"{path} needs more memory than there is: try fewer --workers"
    return f"{path} cannot be read ({type(error).__name__}: {error}): save it anew as PNG"


def _read_picture(entry: Entry, place: Callable[[Entry], Entry]) -> Still | Worked:
    with open(entry.path, "rb") as file:
        identity = Identity.of_open(file)
        if not identity.looks_like(entry.identity):
            return Worked(replace(entry, identity=replace(identity, digest=""), state=State.UNSETTLED))
        head = file.read(16)
        if not head:
            check_file(Path(entry.path))  # raises, in the words used everywhere
        if not starts_picture(head):
            return Worked(replace(entry, kind=Kind.VIDEO, state=State.WAITING))  # its files are others
        file.seek(0)
        data = np.fromfile(file, np.uint8)
    image, doubts = decode_with_doubts(data, entry.path)
    image.flags.writeable = False
    gaps = tuple(Gap(None, 0.0, doubt) for doubt in doubts)
    entry = place(replace(entry, kind=Kind.PICTURE, identity=identity, gaps=gaps))
    return Still(entry, Frame(0, 0.0, image, stream=stream_of(entry)))


def failed(entry: Entry, reason: str) -> Worked:
    return Worked(replace(entry, state=State.FAILED, attempts=entry.attempts + 1, error=reason))
