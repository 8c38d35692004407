"""Gives out what waits in the manifest, in order, as units of work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from crowdmask.jobs.batch.claims import Claims
from crowdmask.jobs.batch.entries import Entry, Kind
from crowdmask.jobs.batch.manifest import Manifest
from crowdmask.jobs.batch.planner import Planner
from crowdmask.jobs.batch.units import UNIT_PICTURES, Unit
from crowdmask.jobs.stopping import Stop

PAGE = 256


class GivingOut:
    """Pictures go out several at once; a video, and an input on which a process died, by itself."""

    def __init__(
        self,
        manifest: Manifest,
        planner: Planner,
        stop: Stop,
        *,
        writes: Callable[[Entry], Sequence[str]],
        claims: Claims,
        refuse: Callable[[Entry, str], None],
    ) -> None:
        self._manifest, self._planner, self._stop = manifest, planner, stop
        self._writes, self._claims, self._refuse = writes, claims, refuse
        self.only_alone: set[str] = set()  # sources
        self._given = 0

    def units(self, from_place: int, until: Callable[[], bool] = lambda: True) -> Iterator[Unit | None]:
        """What is in the queue, and what joins it, until it is empty and nothing can join any more."""
        place, waits = from_place, False
        while not self._stop.asked:
            last = until()
            found = self._manifest.waiting(place, PAGE)
            if found:
                place, waits = found[-1][0] + 1, False
                yield from self._bundled(self._claimed([entry for _, entry in found]))
            elif last:
                return
            else:
                if not waits:
                    yield None
                waits = True
                self._planner.wait(0.2)

    def _claimed(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those whose files may be written; a place that something else has taken is that input's failure."""
        wanted = {entry.source: self._writes(entry) for entry in entries}
        refused = self._claims.refused([path for paths in wanted.values() for path in paths])
        going = []
        for entry in entries:
            reason = next((refused[path] for path in wanted[entry.source] if path in refused), None)
            if reason is None:
                going.append(entry)
            else:
                self._refuse(entry, reason)
        return going

    def _bundled(self, entries: Sequence[Entry]) -> Iterator[Unit]:
        held: list[Entry] = []
        for entry in entries:
            apart = entry.kind is Kind.VIDEO or entry.source in self.only_alone
            if held and (apart or len(held) >= UNIT_PICTURES):
                yield self._unit(held)
                held = []
            if apart:
                yield self._unit([entry], alone=entry.source in self.only_alone)
            else:
                held.append(entry)
        if held:
            yield self._unit(held)

    def _unit(self, entries: Iterable[Entry], alone: bool = False) -> Unit:
        self._given += 1
        return Unit(self._given, tuple(entries), alone)
