"""How a run stands: totals, shares by kind and state, the sessions so far, and what the one under way has done."""

from __future__ import annotations

from dataclasses import dataclass, field

from crowdmask.jobs.batch.entries import Entry, Kind, State
from crowdmask.jobs.forecast import Beat, Work
from crowdmask.records import Counts


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


@dataclass
class Tally:
    """What this session did."""

    done: int = 0
    failed: int = 0
    frames: int = 0
    counts: Counts = field(default_factory=Counts)
    tells_faces: bool = True  # not so in aggregate-only mode
    under_way: dict[tuple[str, int], int] = field(
        default_factory=dict
    )  # frames of what is not done, by source and unit

    @property
    def frames_seen(self) -> int:
        return self.frames + sum(list(self.under_way.values()))

    def add(self, entry: Entry) -> None:
        self.done += 1
        self.frames += entry.frames
        self.counts = self.counts + entry.counts
        self._forget(entry.source)

    def fail(self, entry: Entry) -> None:
        self.failed += 1
        self._forget(entry.source)

    def beat(self, beat: Beat) -> None:
        if beat.work is not Work.DRAW:  # which goes over the same frames once more
            place = beat.source, beat.unit
            self.under_way[place] = self.under_way.get(place, 0) + beat.amount

    def end_unit(self, unit: int) -> None:
        """What a unit of pictures did is counted by now."""
        self.under_way.pop(("", unit), None)

    def lose_unit(self, unit: int) -> None:
        for place in [place for place in self.under_way if place[1] == unit]:
            del self.under_way[place]

    def _forget(self, source: str) -> None:
        for place in [place for place in self.under_way if place[0] == source]:
            del self.under_way[place]
