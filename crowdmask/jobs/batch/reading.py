"""Reads and decodes the pictures of a batch ahead of the networks, on several threads, in the order of the units."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crowdmask.errors import CrowdmaskError
from crowdmask.jobs.batch.entries import Entry, Identity, Kind, State, stream_of
from crowdmask.jobs.batch.units import Unit, UnitDone, Worked
from crowdmask.media.opening import check_file
from crowdmask.media.picture_kinds import starts_picture
from crowdmask.media.pictures import decode_with_doubts, is_picture
from crowdmask.records import Frame, Gap

MOST_THREADS = 4  # one decodes as fast as two cores judge; more hide the waiting of slow disks


@dataclass(frozen=True)
class Still:
    """A picture that is read: its entry, placed and with its identity, and its only frame."""

    entry: Entry
    frame: Frame


@dataclass(frozen=True)
class Film:
    """An input that is not a picture by its content."""

    entry: Entry


@dataclass(frozen=True)
class Pause:
    """Nothing more is there for the time being."""


Item = Still | Film | Pause | Worked | UnitDone


def items_of(
    units: Iterator[Unit | None], place: Callable[[Entry], Entry], *, threads: int
) -> Generator[Item, None, None]:
    """Every input of the units in their order, pictures decoded; a failure to read one is its item."""
    coming: deque[Future[Item] | Item] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="crowdmask-read") as pool:
        try:
            for unit in units:
                if unit is None:
                    yield from _all(coming)
                    yield Pause()
                    continue
                for entry in unit.entries:
                    coming.append(pool.submit(read, entry, place))
                    while len(coming) > 2 * threads:
                        yield _come(coming.popleft())
                coming.append(UnitDone(unit.number))
            yield from _all(coming)
        finally:
            for item in coming:
                if isinstance(item, Future):
                    item.cancel()


def _all(coming: deque[Future[Item] | Item]) -> Iterator[Item]:
    while coming:
        yield _come(coming.popleft())


def _come(item: Future[Item] | Item) -> Item:
    return item.result() if isinstance(item, Future) else item


def read(entry: Entry, place: Callable[[Entry], Entry]) -> Item:
    """One input, as far as it is a picture; only its own failures, whatever they are, become its item."""
    try:
        if entry.kind is Kind.VIDEO and not is_picture(entry.path):
            return Film(entry)
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


def _read_picture(entry: Entry, place: Callable[[Entry], Entry]) -> Item:
    if entry.kind is Kind.VIDEO:
        return Worked(replace(entry, kind=Kind.PICTURE, state=State.WAITING))  # it only has a video's name
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
