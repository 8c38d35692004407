"""How a run stands, as its manifest adds it up: totals, shares by kind and state, and the sessions so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from crowdmask.jobs.batch.entries import Kind, State
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
    """The inputs of one kind in one state, and what they come to."""

    kind: Kind
    state: State
    inputs: int
    bytes: int
    wall_s: float  # at work on the videos among them


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
