"""Does one unit after the other, the next one fetched: stills in windows by both networks, videos in videos.py."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from types import TracebackType

from typing_extensions import Self

from crowdmask.engine.judging import Judge
from crowdmask.engine.spine import analyse
from crowdmask.engine.watching import zones_file
from crowdmask.errors import OutputError, SettingsError, WeightsError
from crowdmask.jobs.batch import own_files
from crowdmask.jobs.batch.counting import Counting
from crowdmask.jobs.batch.entries import Entry, Kind, OutputFile, State
from crowdmask.jobs.batch.own_files import pack
from crowdmask.jobs.batch.reading import MOST_THREADS, Reading, Still
from crowdmask.jobs.batch.units import Done, Placing, Plan, Step, Unit, Worked, failed
from crowdmask.jobs.batch.videos import Beating, Videos
from crowdmask.jobs.forecast import Beat, Work
from crowdmask.jobs.networks import Networks, Pair
from crowdmask.jobs.stopping import Stop
from crowdmask.records import Frame, FrameResult
from crowdmask.results.annotated import AnnotatedPicture
from crowdmask.results.summary import WeightsUsed
from crowdmask.tracking.zones import Zones

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
        *,
        draws_at_once: int = 1,
    ) -> None:
        self._plan, self._networks, self._stop = plan, networks, stop
        self._placing = Placing(plan)
        only_counts = plan.aggregate.aggregate is not None
        self._counting = Counting(plan, self._placing.zone, self._placing.place) if only_counts else None
        self._zones = zones_file(plan.analysis)
        self._pair: Pair | None = None
        self._send, self._draws_at_once, self._drawing = beat, draws_at_once, 0
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
            found = self._counting.video(unit, self._loaded, self._stop, partial(self._beat, unit.number))
            worked = [] if found is None else [found]
        else:
            beat = partial(self._beat, unit.number)
            plan, runtime = self._plan, self._plan.runtime
            if unit.step is Step.DRAW and self._draws_at_once > 1:  # each decodes with its share of the threads
                plan = replace(plan, runtime=replace(runtime, threads=max(1, runtime.cores // self._draws_at_once)))
            videos = Videos(plan, self._placing, self._loaded, self._stop, beat, weights=lambda: self._weights)
            self._drawing += unit.step is Step.DRAW
            worked = videos.do(unit)
            self._drawing -= unit.step is Step.DRAW
        if unit.step is not Step.STILLS:
            # FFmpeg's containers and their streams hold each other: 40 MB of a 1080p file that is closed stay until
            # the rare collection of what is old, and a long video is opened for each of its segments. It takes 30 ms
            gc.collect()
        return Done(unit, tuple(worked), self._weights, time.monotonic() - begun)

    @property
    def _weights(self) -> tuple[WeightsUsed, ...]:
        return () if self._pair is None else self._pair.weights

    def _beat(self, unit: int, beat: Beat) -> None:
        # several pieces that are drawn at once are one worker's work
        self._send(replace(beat, unit=unit, busy_s=beat.busy_s / max(1, self._drawing)))

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
            path = own_files.annotated_file(plan.run, still.entry.source, Kind.PICTURE)
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
