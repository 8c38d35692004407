"""The executor that works in several processes of this machine; one that dies costs what it had in hand."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from typing import Any

from typing_extensions import Self

from crowdmask.errors import CrowdmaskError, SettingsError, WeightsError
from crowdmask.jobs.batch.entries import Entry
from crowdmask.jobs.batch.units import Beat, Broken, Plan, Report, Unit, UnitDone, Worked
from crowdmask.jobs.networks import Networks
from crowdmask.jobs.stopping import Stop

UNITS_IN_HAND = 2  # so that a worker need not wait for the next
FALSE_STARTS = 3  # workers that died before they could begin, until it is no accident any more
DEATHS_IN_A_ROW = 100  # without one good result between them, likewise
LOOK_S = 0.2


@dataclass(frozen=True)
class _Fatal:
    """What would befall every input, such as weights that are missing."""

    kind: str
    message: str


@dataclass(frozen=True)
class _Hello:
    """The worker is up."""


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    is_up: bool = False
    has_alone: bool = False
    in_hand: dict[int, dict[str, Entry]] = field(default_factory=dict)  # by unit, what it has not told of yet


class WorkerProcesses:
    """An `Executor` of several processes, each with its share of the threads; they live until it is left."""

    def __init__(
        self, plan: Plan, networks: Networks, stop: Stop, beat: Callable[[Beat], None] = lambda beat: None
    ) -> None:
        count = plan.batch.workers
        threads = max(1, (plan.runtime.threads or len(os.sched_getaffinity(0))) // count)
        self._plan = replace(plan, runtime=replace(plan.runtime, threads=threads))
        self._networks, self._stop, self._beat, self._count = networks, stop, beat, count
        self._context = multiprocessing.get_context("spawn")
        self._ending = self._context.Event()
        self._workers: list[_Worker] = []
        self._false_starts = 0
        self._deaths = 0  # since the last good result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        for worker in self._workers:
            with suppress(OSError):
                worker.pipe.close()
        for worker in self._workers:
            worker.process.join(timeout=10)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    def run(self, units: Iterator[Unit | None]) -> Iterator[Report]:
        coming = _Coming(units)
        try:
            while True:
                if self._stop.asked:
                    self._ending.set()
                self._fill(coming)
                busy = [worker for worker in self._workers if worker.in_hand]
                if not busy and (coming.ended or self._stop.asked):
                    break
                yield from self._hear(busy)
        finally:
            coming.close()
        if coming.error is not None:
            raise coming.error

    def _fill(self, coming: _Coming) -> None:
        """Give every worker enough to do, starting those that are missing; the idlest first."""
        while not self._stop.asked:
            unit = coming.peek()
            worker = None if unit is None else self._free_for(unit)
            if unit is None or worker is None:
                return
            coming.drop()
            worker.in_hand[unit.number] = {entry.source: entry for entry in unit.entries}
            worker.has_alone = unit.alone
            with suppress(OSError):  # it has died: `_hear` finds out
                worker.pipe.send(unit)

    def _free_for(self, unit: Unit) -> _Worker | None:
        idle = [worker for worker in self._workers if not worker.in_hand]
        if idle:
            return idle[0]
        if len(self._workers) < self._count:
            return self._start()
        free = [worker for worker in self._workers if len(worker.in_hand) < UNITS_IN_HAND and not worker.has_alone]
        return None if unit.alone or not free else min(free, key=lambda worker: len(worker.in_hand))

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(theirs, self._ending, self._plan, self._networks, list(sys.path)), daemon=True
        )
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _hear(self, busy: list[_Worker]) -> Iterator[Report]:
        if not busy:
            threading.Event().wait(LOOK_S / 4)  # for the next unit to be found
            return
        ready = wait([worker.pipe for worker in busy], timeout=LOOK_S)
        for worker in busy:
            if worker.pipe not in ready:
                continue
            try:
                message = worker.pipe.recv()
            except (EOFError, OSError):
                yield from self._bury(worker)
                continue
            yield from self._take(worker, message)

    def _take(self, worker: _Worker, message: Any) -> Iterator[Report]:
        if isinstance(message, _Hello):
            worker.is_up = True
        elif isinstance(message, Beat):
            self._beat(message)
        elif isinstance(message, _Fatal):
            known = {"WeightsError": WeightsError, "SettingsError": SettingsError}
            raise known.get(message.kind, CrowdmaskError)(message.message)
        elif isinstance(message, UnitDone):
            worker.in_hand.pop(message.number, None)
            yield message
        else:
            if isinstance(message, Worked):
                self._deaths = 0
                for entries in worker.in_hand.values():
                    entries.pop(message.entry.source, None)
            yield message

    def _bury(self, worker: _Worker) -> Iterator[Report]:
        """A worker is gone. When the stop is asked it had to go; else what it had in hand is broken."""
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        if self._stop.asked:
            return
        left = [entry for entries in worker.in_hand.values() for entry in entries.values()]
        self._deaths += 1
        self._false_starts += not worker.is_up
        if self._false_starts >= FALSE_STARTS or self._deaths >= DEATHS_IN_A_ROW:
            raise CrowdmaskError(
                f"the worker processes keep dying (exit code {worker.process.exitcode}): try fewer --workers, "
                "and look at what stands above"
            )
        for entry in left:
            yield Broken(entry, alone=worker.has_alone)
        for number in worker.in_hand:
            yield UnitDone(number)


class _Coming:
    """The units, taken from their iterator on a thread of its own: it may wait, and the workers' reports may not."""

    def __init__(self, units: Iterator[Unit | None]) -> None:
        self._units = units
        self._ready: deque[Unit] = deque()
        self._changed = threading.Condition()
        self._closed = self._finished = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._fetch, name="crowdmask-units", daemon=True)
        self._thread.start()

    def _fetch(self) -> None:
        try:
            for unit in self._units:
                if unit is None:
                    continue
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or not self._ready)
                    if self._closed:
                        return
                    self._ready.append(unit)
        except BaseException as error:  # whoever reads the reports has to learn of it
            self.error = error
        finally:
            with self._changed:
                self._finished = True

    def peek(self) -> Unit | None:
        """The next unit if one is there."""
        with self._changed:
            return self._ready[0] if self._ready else None

    def drop(self) -> None:
        with self._changed:
            self._ready.popleft()
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        with self._changed:
            return self._finished and not self._ready

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()


class _EndingStop(Stop):
    """The stop of a worker: its parent's word. Signals of the terminal reach the parent too, which decides."""

    def __init__(self, ending: Any) -> None:
        self._ending, self._here = ending, False
        super().__init__()

    @property
    def asked(self) -> bool:
        return self._here or bool(self._ending.is_set())

    @asked.setter
    def asked(self, value: bool) -> None:
        self._here = value  # of this worker only; for all of them the parent decides


def _work(pipe: Connection, ending: Any, plan: Plan, networks: Networks, path: list[str]) -> None:
    """What a worker process does until it is told to end, or its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _die_with_parent()
    from crowdmask.jobs.batch.working import Workman  # here, so that a broken install is told and not only an exit

    stop = _EndingStop(ending)
    lock = threading.Lock()

    def tell(message: object) -> None:
        with lock:
            pipe.send(message)

    def units() -> Iterator[Unit | None]:
        while not stop.asked:
            if not pipe.poll(0):
                yield None
                while not pipe.poll(LOOK_S):
                    if stop.asked:
                        return
            try:
                yield pipe.recv()
            except (EOFError, OSError):
                return

    tell(_Hello())
    try:
        for report in Workman(plan, networks, stop, tell).run(units()):
            tell(report)
    except CrowdmaskError as error:
        tell(_Fatal(type(error).__name__, str(error)))
    except (BrokenPipeError, ConnectionResetError):
        return  # the parent went before us


def _die_with_parent() -> None:
    """A parent that was killed cannot tell its workers to end, and whoever goes on with the run needs their files."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    gone = parent.sentinel

    def watch() -> None:
        wait([gone])
        os._exit(1)

    threading.Thread(target=watch, name="crowdmask-parent", daemon=True).start()
