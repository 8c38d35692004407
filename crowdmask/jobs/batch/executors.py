"""Where units are done on this machine: in this very process, or in several, of which one that dies costs one unit."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from typing_extensions import Self

from crowdmask.errors import CrowdmaskError, SettingsError, WeightsError
from crowdmask.jobs.batch.units import Broken, Done, Plan, Unit
from crowdmask.jobs.batch.worker import Worker
from crowdmask.jobs.forecast import Beat
from crowdmask.jobs.networks import Networks
from crowdmask.jobs.stopping import Stop

IN_HAND = 2  # units of a worker: one that is done, and one that is fetched meanwhile
FALSE_STARTS = 3  # workers that died before they could begin, until it is no accident any more
DEATHS_IN_A_ROW = 100  # without one good result between them, likewise
LOOK_S = 0.2


def threads_each(plan: Plan, workers: int) -> Plan:
    """The plan with a worker's share of the threads."""
    return replace(plan, runtime=replace(plan.runtime, threads=max(1, plan.runtime.cores // workers)))


class InProcess:
    """An `Executor` of one, which works while it is asked what has come back."""

    def __init__(
        self, plan: Plan, networks: Networks, stop: Stop, beat: Callable[[Beat], None] = lambda beat: None
    ) -> None:
        self._worker = Worker(plan, networks, stop, beat)
        self._units: deque[Unit] = deque()

    def __enter__(self) -> Self:
        self._worker.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._worker.__exit__(None, None, None)

    def fits(self, unit: Unit) -> bool:
        return len(self._units) < IN_HAND

    def put(self, unit: Unit) -> None:
        self._units.append(unit)
        self._worker.fetch(unit)

    def take(self, wait_s: float) -> Sequence[Done | Broken]:
        if not self._units:
            time.sleep(wait_s)
            return ()
        done = self._worker.do(self._units[0])
        self._units.popleft()
        return (done,)

    @property
    def in_hand(self) -> int:
        return len(self._units)


@dataclass(frozen=True)
class _Fatal:
    """What meets every unit, such as weights that are missing."""

    kind: str
    message: str

    def as_error(self) -> CrowdmaskError:
        known = {"WeightsError": WeightsError, "SettingsError": SettingsError}
        return known.get(self.kind, CrowdmaskError)(self.message)


@dataclass(frozen=True)
class _Hello:
    """The worker is up."""


Handle = TypeVar("Handle")


@dataclass(eq=False)
class Member(Generic[Handle]):
    """One of those that work, by whatever it is reached, and what it has in hand."""

    handle: Handle
    is_up: bool = False
    units: deque[Unit] = field(default_factory=deque)


class Crew(Generic[Handle]):
    """Which worker takes a unit, and after how many deaths it is no accident any more; of processes and of actors."""

    def __init__(self, stop: Stop) -> None:
        self.members: list[Member[Handle]] = []
        self._stop = stop
        self._false_starts = self._deaths = 0

    @property
    def in_hand(self) -> int:
        return sum(len(member.units) for member in self.members)

    def free_for(self, unit: Unit, *, has_room: bool) -> Member[Handle] | None:
        """An idle worker; without one, and unless the unit is to be alone, the one with the least in hand."""
        idle = next((member for member in self.members if not member.units), None)
        if idle is not None or unit.alone or has_room:
            return idle
        free = [m for m in self.members if len(m.units) < IN_HAND and not any(u.alone for u in m.units)]
        return min(free, key=lambda member: len(member.units), default=None)

    def did(self, member: Member[Handle], unit: Unit) -> None:
        member.is_up, self._deaths = True, 0
        member.units = deque(one for one in member.units if one.number != unit.number)

    def bury(self, member: Member[Handle], why: str) -> list[Broken]:
        """A worker is gone. When the stop is asked it had to go; else what it had in hand is broken."""
        self.members.remove(member)
        if not self._stop.asked:
            self._deaths += 1
            self._false_starts += not member.is_up
        if self._false_starts >= FALSE_STARTS or self._deaths >= DEATHS_IN_A_ROW:
            raise CrowdmaskError(why)
        return [Broken(unit) for unit in member.units]


@dataclass
class _Process:
    process: Any
    pipe: Connection


class Processes:
    """An `Executor` of several processes, each with its share of the threads; they live until it is left."""

    def __init__(
        self, plan: Plan, networks: Networks, stop: Stop, beat: Callable[[Beat], None] = lambda beat: None
    ) -> None:
        self._count = plan.batch.workers
        self._plan = threads_each(plan, self._count)
        self._networks, self._stop, self._beat = networks, stop, beat
        self._context = multiprocessing.get_context("spawn")
        self._ending = self._context.Event()
        self._crew = Crew[_Process](stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        for worker in self._crew.members:
            with suppress(OSError):
                worker.handle.pipe.close()
        for worker in self._crew.members:
            process = worker.handle.process
            process.join(timeout=10)
            if process.is_alive():
                process.kill()
                process.join()

    @property
    def in_hand(self) -> int:
        return self._crew.in_hand

    @property
    def _has_room(self) -> bool:
        return len(self._crew.members) < self._count

    def fits(self, unit: Unit) -> bool:
        return self._has_room or self._crew.free_for(unit, has_room=False) is not None

    def put(self, unit: Unit) -> None:
        worker = self._crew.free_for(unit, has_room=self._has_room) or self._start()
        worker.units.append(unit)
        with suppress(OSError):  # it has died: `take` finds out
            worker.handle.pipe.send(unit)

    def take(self, wait_s: float) -> Sequence[Done | Broken]:
        if self._stop.asked:
            self._ending.set()
        busy = [worker for worker in self._crew.members if worker.units]
        if not busy:
            time.sleep(wait_s)
            return ()
        ready = wait([worker.handle.pipe for worker in busy], timeout=wait_s)
        found: list[Done | Broken] = []
        for worker in busy:
            if worker.handle.pipe not in ready:
                continue
            try:
                message = worker.handle.pipe.recv()
            except (EOFError, OSError):
                found += self._bury(worker)
                continue
            if isinstance(message, _Hello):
                worker.is_up = True
            elif isinstance(message, Beat):
                self._beat(message)
            elif isinstance(message, _Fatal):
                raise message.as_error()
            elif isinstance(message, Done):
                self._crew.did(worker, message.unit)
                found.append(message)
        return found

    def _start(self) -> Member[_Process]:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(theirs, self._ending, self._plan, self._networks, list(sys.path)), daemon=True
        )
        process.start()
        theirs.close()
        worker = Member(_Process(process, ours))
        self._crew.members.append(worker)
        return worker

    def _bury(self, worker: Member[_Process]) -> list[Broken]:
        process = worker.handle.process
        worker.handle.pipe.close()
        process.join()
        why = f"the worker processes keep dying (exit code {process.exitcode})"
        return self._crew.bury(worker, f"{why}: try fewer --workers, and look at what stands above")


class EndingStop(Stop):
    """The stop of a worker: its driver's word. Signals of the terminal reach the driver too, which decides."""

    def __init__(self, is_asked: Callable[[], bool]) -> None:
        self._is_asked, self._here = is_asked, False
        super().__init__()

    @property
    def asked(self) -> bool:
        return self._here or self._is_asked()

    @asked.setter
    def asked(self, value: bool) -> None:
        self._here = value  # of this worker only; for all of them the driver decides


def _work(pipe: Connection, ending: Any, plan: Plan, networks: Networks, path: list[str]) -> None:
    """What a worker process does until it is asked to end, or its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _die_with_parent()
    stop = EndingStop(ending.is_set)
    lock, units, arrived = threading.Lock(), deque[Unit](), threading.Semaphore(0)

    def send(message: object) -> None:
        with lock:
            pipe.send(message)

    with Worker(plan, networks, stop, send) as worker:

        def receive() -> None:
            with suppress(EOFError, OSError):
                while True:
                    unit = pipe.recv()
                    worker.fetch(unit)
                    units.append(unit)
                    arrived.release()
            stop.asked = True
            arrived.release()

        threading.Thread(target=receive, name="crowdmask-units", daemon=True).start()
        try:
            send(_Hello())
            while not stop.asked:
                if arrived.acquire(timeout=LOOK_S) and units:
                    send(worker.do(units.popleft()))
        except CrowdmaskError as error:
            send(_Fatal(type(error).__name__, str(error)))
        except (BrokenPipeError, ConnectionResetError):
            return  # the parent went before us


def _die_with_parent() -> None:
    """A parent that was killed cannot ask its workers to end, and whoever goes on with the run needs their files."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    gone = parent.sentinel

    def watch() -> None:
        wait([gone])
        os._exit(1)

    threading.Thread(target=watch, name="crowdmask-parent", daemon=True).start()
