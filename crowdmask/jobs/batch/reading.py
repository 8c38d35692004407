"""Reads and decodes the pictures of a unit ahead of the networks, on several threads, in their order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from crowdmask.jobs.batch.entries import Entry, Identity, Kind, State, stream_of
from crowdmask.jobs.batch.units import Worked, failed, told
from crowdmask.media.opening import check_file
from crowdmask.media.picture_kinds import decoded_bytes, starts_picture
from crowdmask.media.pictures import decode_with_doubts
from crowdmask.records import Frame, Gap

MOST_THREADS = 4  # one decodes as fast as two cores judge; more hide the waiting of slow disks
MOST_BYTES = 512_000_000  # of decoded pictures that wait, but for one that alone has more
ALONE_BYTES = 100_000_000  # a picture of more is looked at by itself


class Room:
    """How much is decoded ahead: who comes first gets room first, and one picture always has it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._used = self._turn = 0
        self._closed = False

    def take(self, turn: int, size: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_free_for(turn, size))
            self._used, self._turn = self._used + size, turn + 1
            self._changed.notify_all()

    def _is_free_for(self, turn: int, size: int) -> bool:
        fits = not self._used or self._used + size <= MOST_BYTES
        return self._closed or (self._turn == turn and fits)

    def close(self) -> None:
        """Nobody waits any more: nothing that is read is wanted."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def give_back(self, size: int) -> None:
        with self._changed:
            self._used -= size
            self._changed.notify_all()


@dataclass(frozen=True)
class Still:
    """A picture that is read: its entry, placed and with its identity, and its only frame."""

    entry: Entry
    frame: Frame

    @property
    def is_large(self) -> bool:
        return self.frame.image.nbytes > ALONE_BYTES


class Reading:
    """The pictures of a unit, read and decoded on the threads of a pool, in order, so many of them ahead."""

    def __init__(
        self, entries: Sequence[Entry], place: Callable[[Entry], Entry], pool: ThreadPoolExecutor, ahead: int
    ) -> None:
        self._waiting, self._place, self._pool = deque(entries), place, pool
        self._coming: deque[Future[tuple[Still | Worked, int]]] = deque()
        self._room, self._begun = Room(), 0
        for _ in range(ahead):
            self._begin_next()

    def _begin_next(self) -> None:
        if self._waiting:
            room = partial(self._room.take, self._begun)
            self._begun += 1
            self._coming.append(self._pool.submit(read, self._waiting.popleft(), self._place, room))

    def close(self) -> None:
        """The rest is not wanted."""
        self._waiting.clear()
        self._room.close()

    def __iter__(self) -> Iterator[Still | Worked]:
        while self._coming:
            item, size = self._coming.popleft().result()
            self._begin_next()
            yield item
            del item  # before the room is another's
            self._room.give_back(size)


def read(entry: Entry, place: Callable[[Entry], Entry], room: Callable[[int], None]) -> tuple[Still | Worked, int]:
    """One picture, and its size; only its own failures, whatever they are, become what is given for it."""
    taken: list[int] = []

    def once(size: int) -> None:
        if not taken:
            taken.append(size)
            room(size)

    try:
        found = _read_picture(entry, place, once)
    except Exception as error:  # a library that stumbles over a broken file must not stop the night
        found = failed(entry, told(error, entry.path))
    once(0)
    return found, taken[0]


def _read_picture(entry: Entry, place: Callable[[Entry], Entry], room: Callable[[int], None]) -> Still | Worked:
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
    room(decoded_bytes(data))
    image, doubts = decode_with_doubts(data, entry.path)
    image.flags.writeable = False
    gaps = tuple(Gap(None, 0.0, doubt) for doubt in doubts)
    entry = place(replace(entry, kind=Kind.PICTURE, identity=identity, gaps=gaps))
    return Still(entry, Frame(0, 0.0, image, stream=stream_of(entry)))
