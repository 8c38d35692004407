"""Does one unit after the other, the next one fetched: stills in windows by both networks, videos in videos.py.

The stills of a unit are read and decoded ahead of the networks, on several threads, in their order.
"""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np
from typing_extensions import Self

from crowdmask.engine.judging import Judge
from crowdmask.engine.spine import analyse
from crowdmask.engine.watching import zones_file
from crowdmask.errors import OutputError, SettingsError, WeightsError
from crowdmask.jobs import naming
from crowdmask.jobs.batch.counting import Counting
from crowdmask.jobs.batch.units import Done, Placing, Plan, Step, Unit, Worked, failed, told
from crowdmask.jobs.batch.videos import Videos
from crowdmask.jobs.forecast import Beat, Beating, Work
from crowdmask.jobs.manifest.entries import Entry, Identity, Kind, OutputFile, State, stream_of
from crowdmask.jobs.manifest.packing import pack
from crowdmask.jobs.networks import Networks, Pair
from crowdmask.jobs.stopping import Stop
from crowdmask.media.opening import check_file
from crowdmask.media.picture_kinds import decoded_bytes, starts_picture
from crowdmask.media.pictures import decode_with_doubts
from crowdmask.records import Frame, FrameResult, Gap
from crowdmask.results.annotated import AnnotatedPicture
from crowdmask.results.summary import WeightsUsed
from crowdmask.tracking.zones import Zones

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


log = logging.getLogger(__name__)

WRITING_AHEAD = 8  # annotated pictures that may wait to be written


class Worker:
    """Works for one run; the networks are loaded at its first readable input. A context manager."""

    def __init__(
        self,
        plan: Plan,
        networks: Networks,
        stop: Stop,
        beat: Callable[[Beat], None] = lambda beat: None,
    ) -> None:
        self._plan, self._networks, self._stop = plan, networks, stop
        self._placing = Placing(plan)
        only_counts = plan.aggregate.aggregate is not None
        self._counting = Counting(plan, self._placing.zone, self._placing.place) if only_counts else None
        self._zones = zones_file(plan.analysis)
        self._pair: Pair | None = None
        self._send = beat
        threads = min(MOST_THREADS, plan.runtime.threads or os.cpu_count() or 1)
        self._readers = ThreadPoolExecutor(threads, thread_name_prefix="crowdmask-read")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="crowdmask-write")
        self._ahead = 2 * threads
        self._fetched: dict[int, Reading] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for reading in self._fetched.values():
            reading.close()
        for pool in (self._readers, self._writer):
            pool.shutdown(wait=True, cancel_futures=True)

    def fetch(self, unit: Unit) -> None:
        """Begin to read a unit that is done later; on any thread."""
        if unit.step is Step.STILLS:
            with self._lock:
                self._fetched[unit.number] = self._reading(unit)

    def do(self, unit: Unit) -> Done:
        """One transaction: the unit's results, with all their files on the disk; fewer where the stop was asked."""
        begun = time.monotonic()
        if unit.step is Step.STILLS:
            with self._lock:
                reading = self._fetched.pop(unit.number, None)
            with closing(reading or self._reading(unit)) as pictures:
                worked = self._stills(pictures, partial(self._beat, unit.number))
        elif self._counting is not None:
            worked = self._counting.video(unit, self._loaded, self._stop, partial(self._beat, unit.number))
        else:
            beat = partial(self._beat, unit.number)
            if unit.step is Step.DRAW and self._pair is not None:
                self._pair.rest()
            videos = Videos(self._plan, self._placing, self._loaded, self._stop, beat, weights=lambda: self._weights)
            worked = videos.do(unit)
        if unit.step is not Step.STILLS:
            # FFmpeg's containers and their streams hold each other: 40 MB of a 1080p file that is closed stay until
            # the rare collection of what is old, and a long video is opened for each of its segments. It takes 30 ms
            gc.collect()
        return Done(unit, tuple(worked), self._weights, time.monotonic() - begun)

    @property
    def _weights(self) -> tuple[WeightsUsed, ...]:
        return () if self._pair is None else self._pair.weights

    def _beat(self, unit: int, beat: Beat) -> None:
        self._send(replace(beat, unit=unit))

    def _reading(self, unit: Unit) -> Reading:
        return Reading(unit.entries, self._placing.place, self._readers, self._ahead)

    def _loaded(self) -> Judge:
        if self._pair is None:
            self._pair = self._networks(self._plan.analysis, self._plan.runtime)
        return self._pair.judge(self._plan.analysis, self._plan.runtime)

    # Stills

    def _stills(self, reading: Reading, beat: Callable[[Beat], None]) -> list[Worked]:
        worked: list[Worked] = []
        hand: deque[Still] = deque()  # what went to the networks and has not come back
        going: deque[Future[Worked]] = deque()

        def frames() -> Iterator[Frame]:
            for item in reading:
                if isinstance(item, Worked):
                    worked.append(item)
                elif item.is_large:
                    worked.append(self._alone(item, self._loaded()))
                    beating.saw()
                else:
                    hand.append(item)
                    yield item.frame
                if self._stop.asked:
                    return

        beating = Beating(Work.STILLS, "", beat)
        coming = frames()
        first = next(coming, None)  # the networks are not loaded for nothing
        judge = None if first is None else self._loaded()
        again: list[Frame] = [] if first is None else [first]
        while judge is not None:
            try:
                for result in analyse(_both(again, coming), judge):
                    going.append(self._writer.submit(self._keep, hand.popleft(), result))
                    beating.saw()
                    while len(going) > WRITING_AHEAD:
                        worked.append(going.popleft().result())
                    if self._stop.asked:
                        break
                break
            except (WeightsError, SettingsError):
                raise
            except Exception:  # one of the window's pictures, whatever is the matter with it: each by itself
                log.debug("a window failed", exc_info=True)
                while hand:
                    worked.append(self._alone(hand.popleft(), judge))
        worked += [future.result() for future in going]
        beating.end()
        return worked

    def _alone(self, still: Still, judge: Judge) -> Worked:
        try:
            (result,) = analyse([still.frame], judge)
        except (WeightsError, SettingsError):
            raise
        except Exception as error:
            return failed(still.entry, f"{still.entry.path} cannot be analysed ({type(error).__name__}: {error})")
        return self._keep(still, result)

    def _keep(self, still: Still, result: FrameResult) -> Worked:
        """The picture's files, and then its entry."""
        if self._counting is not None:
            return self._counting.still(still.entry, result)
        plan, counts = self._plan, result.counts
        mode = plan.batch.annotate or "unmasked"
        outputs: tuple[OutputFile, ...] = ()
        if plan.output.video and (mode == "all" or (mode == "unmasked" and counts.against)):
            path = naming.annotated_file(plan.run, still.entry.source, Kind.PICTURE)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                AnnotatedPicture(path, plan.output, zones=self._zones_of(still.entry)).write(result)
                outputs = (OutputFile.of(plan.run, path.relative_to(plan.run).as_posix()),)
            except OSError as error:
                return failed(still.entry, str(error) if isinstance(error, OutputError) else f"{path}: {error}")
            except Exception as error:
                return failed(still.entry, f"{path} cannot be drawn ({type(error).__name__}: {error})")
        entry: Entry = replace(
            still.entry,
            state=State.DONE,
            error="",
            attempts=still.entry.attempts + 1,
            settings=plan.settings_digest,
            frames=1,
            frames_with_faces=int(counts.faces > 0),
            counts=counts,
            outputs=outputs,
            zones={name: result.counts_where(inside) for name, inside in result.zones.items()},
            no_faces=result.no_faces,
        )
        return Worked(entry, pack(result) if plan.detections is not None else None)

    def _zones_of(self, entry: Entry) -> Zones | None:
        return None if self._zones is None else self._zones.of(entry.camera)


def _both(first: list[Frame], rest: Iterator[Frame]) -> Iterator[Frame]:
    """Those taken out before, once, and then the others."""
    while first:
        yield first.pop(0)
    yield from rest
