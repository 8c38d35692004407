"""Does the units of a batch in one process: pictures in windows through both networks, videos one after the other."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from crowdmask.engine.spine import analyse
from crowdmask.errors import OutputError, SettingsError, WeightsError
from crowdmask.jobs import tasks
from crowdmask.jobs.analysis import analyse_file
from crowdmask.jobs.batch import locations
from crowdmask.jobs.batch.counting import Counting
from crowdmask.jobs.batch.entries import Entry, Identity, Kind, OutputFile, State, stream_of
from crowdmask.jobs.batch.kept_results import KeptResults, pack
from crowdmask.jobs.batch.placing import Placing
from crowdmask.jobs.batch.reading import MOST_THREADS, Film, Item, Pause, Still, failed, items_of, told
from crowdmask.jobs.batch.units import Beat, Plan, Report, Unit, WeightsAtWork, Worked
from crowdmask.jobs.naming import Outputs
from crowdmask.jobs.networks import Networks, Pair
from crowdmask.jobs.stopping import Stop
from crowdmask.jobs.watching import Watch
from crowdmask.media.ahead import ahead
from crowdmask.media.parts import part_of
from crowdmask.records import Counts, Frame, FrameResult, SourceKind
from crowdmask.results.annotated import AnnotatedPicture
from crowdmask.results.statistics import ComplianceStats

log = logging.getLogger(__name__)

BEAT_S = 1.0
WRITING_AHEAD = 8  # annotated pictures that may wait to be written


class Workman:
    """Works for one run; the networks are loaded at its first readable input."""

    def __init__(
        self, plan: Plan, networks: Networks, stop: Stop, beat: Callable[[Beat], None] = lambda beat: None
    ) -> None:
        self._plan, self._networks, self._stop, self._beat = plan, networks, stop, beat
        self._placing = Placing(plan)
        only_counts = plan.aggregate.aggregate is not None
        self._counting = Counting(plan, self._placing.zone, self._placing.place) if only_counts else None
        self._pair: Pair | None = None
        self._told_weights = False
        self._put_back: list[Item] = []
        self._reading_error: Exception | None = None

    def run(self, units: Iterator[Unit | None]) -> Generator[Report, None, None]:
        """As `Executor.run`: ends early, without a word, when the stop is asked."""
        threads = min(MOST_THREADS, self._plan.runtime.threads or os.cpu_count() or 1)
        reading = items_of(units, self._placing.place, threads=threads)
        with ahead(reading, self._plan.runtime.window) as items:
            try:
                while not self._stop.asked:
                    item = self._next(items)
                    if item is None:
                        break
                    if isinstance(item, Still):
                        self._put_back.append(item)
                        yield from self._pictures(items)
                    elif isinstance(item, Film):
                        yield from self._video(item.entry)
                    elif not isinstance(item, Pause):
                        yield item
            except BaseException:
                self._stop.ask()  # else the reading thread would wait for units that nobody wants any more
                raise
        self._put_back.clear()
        if self._reading_error is not None:
            error, self._reading_error = self._reading_error, None
            raise error

    def _next(self, items: Iterator[Item]) -> Item | None:
        if self._put_back:
            return self._put_back.pop()
        try:
            return next(items, None)
        except Exception as error:
            self._reading_error = error  # not of an input but of the units themselves: it ends the run
            return None

    def _loaded(self) -> Pair:
        if self._pair is None:
            self._pair = self._networks(self._plan.analysis, self._plan.runtime)
        return self._pair

    def _weights(self) -> Iterator[Report]:
        if not self._told_weights and self._pair is not None:
            self._told_weights = True
            yield WeightsAtWork(self._pair.weights)

    # Pictures

    def _pictures(self, items: Iterator[Item]) -> Iterator[Report]:
        """All up to the next item that is none, each with its report, in order."""
        pair = self._loaded()
        yield from self._weights()
        hand: deque[Still | Report] = deque()  # what was taken in and is not told yet

        def frames() -> Iterator[Frame]:
            while not self._stop.asked and (item := self._next(items)) is not None:
                if isinstance(item, (Film, Pause)):
                    self._put_back.append(item)
                    return
                hand.append(item)
                if isinstance(item, Still):
                    yield item.frame

        with ThreadPoolExecutor(1, thread_name_prefix="crowdmask-write") as writer:
            going: deque[Report | Future[Report]] = deque()
            for judged in self._judged(pair, frames(), hand):
                going.append(writer.submit(self._keep, *judged) if isinstance(judged, tuple) else judged)
                yield from _gone(going, WRITING_AHEAD)
                if self._stop.asked:
                    break
            yield from _gone(going, 0)

    def _judged(
        self, pair: Pair, frames: Iterator[Frame], hand: deque[Still | Report]
    ) -> Iterator[tuple[Still, FrameResult] | Report]:
        plan, more = self._plan, True
        while more:
            try:
                for result in analyse(frames, pair.judge(plan.analysis, plan.runtime)):
                    still = yield from _up_to_still(hand)
                    if still is not None:
                        yield still, result
                more = False
            except (WeightsError, SettingsError):
                raise
            except Exception:  # one of the window's pictures, whatever is the matter with it: each by itself
                log.debug("a window failed", exc_info=True)
                yield from self._one_by_one(pair, hand)
        if not self._stop.asked:
            yield from _up_to_still(hand)

    def _one_by_one(self, pair: Pair, hand: deque[Still | Report]) -> Iterator[tuple[Still, FrameResult] | Report]:
        plan = self._plan
        while hand:
            item = hand.popleft()
            if not isinstance(item, Still):
                yield item
                continue
            try:
                (result,) = analyse([item.frame], pair.judge(plan.analysis, plan.runtime))
            except (WeightsError, SettingsError):
                raise
            except Exception as error:
                yield failed(item.entry, f"{item.entry.path} cannot be analysed ({type(error).__name__}: {error})")
            else:
                yield item, result

    def _keep(self, still: Still, result: FrameResult) -> Report:
        """The picture's files, and then its entry."""
        if self._counting is not None:
            return self._counting.still(still.entry, result)
        plan, counts = self._plan, result.counts
        mode = plan.batch.annotate or "unmasked"
        outputs: tuple[OutputFile, ...] = ()
        if plan.output.video and (mode == "all" or (mode == "unmasked" and counts.unmasked)):
            path = locations.annotated_file(plan.run, still.entry.source, Kind.PICTURE)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                AnnotatedPicture(path, plan.output).write(result)
                outputs = (_output(plan.run, path),)
            except OSError as error:
                return failed(still.entry, str(error) if isinstance(error, OutputError) else f"{path}: {error}")
            except Exception as error:
                return failed(still.entry, f"{path} cannot be drawn ({type(error).__name__}: {error})")
        entry = replace(
            still.entry,
            state=State.DONE,
            error="",
            attempts=still.entry.attempts + 1,
            settings=plan.settings_digest,
            frames=1,
            frames_with_faces=int(counts.faces > 0),
            counts=counts,
            outputs=outputs,
        )
        return Worked(entry, pack(result) if plan.detections is not None else None)

    # Videos

    def _video(self, entry: Entry) -> Iterator[Report]:
        try:
            before = Identity.of(entry.path)
        except OSError as error:
            yield failed(entry, told(error, entry.path))
            return
        entry = replace(entry, kind=Kind.VIDEO, identity=before)
        if self._counting is not None:
            report: Report | None = self._counting.video(entry, self._loaded, self._stop, self._beat)
        else:
            report = self._analysed(entry)
        yield from self._weights()
        if report is not None:
            yield report

    def _analysed(self, entry: Entry) -> Report | None:
        """None where it was interrupted: nothing of it is kept then, and it stays waiting."""
        plan = self._plan
        entry = self._placing.place(entry)
        task = self._task(entry)
        with ExitStack() as stack:
            faces: KeptResults | None = None
            try:
                if plan.detections is not None:
                    faces = stack.enter_context(KeptResults(locations.faces_file_of(plan.run, entry.source)))
                outcome = analyse_file(
                    task,
                    networks=lambda analysis, runtime: self._loaded(),
                    watch=_Beating(entry.source, self._beat),
                    stop=self._stop,
                    also=[] if faces is None else [faces],
                )
                stack.close()
            except (OutputError, OSError) as error:
                return failed(entry, str(error))
        if outcome.state is tasks.State.INTERRUPTED:
            _remove([*task.outputs.paths, *([faces.path] if faces else [])])
            return None
        if outcome.state is tasks.State.FAILED:
            return failed(entry, outcome.error)
        try:
            if Identity.of(entry.path) != entry.identity:
                return Worked(
                    replace(entry, identity=replace(Identity.of(entry.path), digest=""), state=State.UNSETTLED)
                )
            return Worked(self._done(entry, task, outcome, faces))
        except OSError as error:
            return failed(entry, told(error, entry.path))

    def _task(self, entry: Entry) -> tasks.Task:
        plan, run = self._plan, self._plan.run
        drawn = plan.output.video and plan.batch.annotate != "none"
        outputs = Outputs(
            locations.annotated_file(run, entry.source, Kind.VIDEO) if drawn else None,
            locations.frames_file_of(run, entry.source),
            locations.summary_file_of(run, entry.source),
        )
        output = replace(plan.output, overwrite=True)  # what lies there is of an attempt that came to nothing
        return tasks.Task(entry.path, SourceKind.VIDEO, outputs, plan.analysis, plan.runtime, output, stream_of(entry))

    def _done(self, entry: Entry, task: tasks.Task, outcome: tasks.Outcome, faces: KeptResults | None) -> Entry:
        annotated = task.outputs.annotated
        if annotated is not None and self._plan.batch.annotate == "unmasked" and not outcome.stats.unmasked:
            _remove([annotated])
            annotated = None
        files = [annotated, task.outputs.frames_csv, task.outputs.summary, faces.path if faces else None]
        stats = outcome.stats
        return replace(
            entry,
            state=State.DONE,
            error="",
            attempts=entry.attempts + 1,
            settings=self._plan.settings_digest,
            frames=stats.frames,
            frames_with_faces=stats.frames_with_faces,
            counts=stats.counts,
            gaps=outcome.gaps,
            outputs=tuple(_output(self._plan.run, file) for file in files if file is not None),
            wall_s=round(outcome.wall_s, 3),
        )


class _Beating(Watch):
    """Tells from within a video how far it is, about once a second."""

    def __init__(self, source: str, beat: Callable[[Beat], None]) -> None:
        self._source, self._beat = source, beat
        self._at, self._frames, self._counts = time.monotonic(), 0, Counts()

    def saw(self, result: FrameResult, stats: ComplianceStats) -> None:
        self._frames += 1
        self._counts = self._counts + result.counts
        if time.monotonic() - self._at >= BEAT_S:
            self._beat(Beat(self._source, self._frames, self._counts))
            self._at, self._frames, self._counts = time.monotonic(), 0, Counts()


def _up_to_still(hand: deque[Still | Report]) -> Generator[Report, None, Still | None]:
    """Gives what was ready before the next picture, and returns that one."""
    while hand:
        item = hand.popleft()
        if isinstance(item, Still):
            return item
        yield item
    return None


def _gone(going: deque[Report | Future[Report]], may_wait: int) -> Iterator[Report]:
    """What is ready, in order; waits where more than may is on its way."""
    while going:
        first = going[0]
        if isinstance(first, Future):
            if not first.done() and len(going) <= may_wait:
                return
            yield first.result()
        else:
            yield first
        going.popleft()


def _output(run: Path, path: Path) -> OutputFile:
    return OutputFile.of(run, path.relative_to(run).as_posix())


def _remove(paths: list[Path]) -> None:
    for path in paths:
        for one in (path, part_of(path)):
            with suppress(OSError):
                one.unlink()
