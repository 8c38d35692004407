"""What goes to whoever does the work, and what comes back: plain values, for this process or another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from typing_extensions import Self

from crowdmask.jobs.batch.entries import Entry
from crowdmask.media.segments import WHOLE, Span
from crowdmask.results.aggregate import Cell, Sums
from crowdmask.results.summary import WeightsUsed
from crowdmask.settings import (
    AggregateSettings,
    AnalysisSettings,
    BatchSettings,
    OutputSettings,
    RuntimeSettings,
    TimeAndPlaceSettings,
)

UNIT_PICTURES = 64


@dataclass(frozen=True)
class Plan:
    """All that is the same for every input of a run."""

    run: Path
    root: Path
    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)
    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    place: TimeAndPlaceSettings = field(default_factory=TimeAndPlaceSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
    detections: Path | None = None
    aggregate: AggregateSettings = field(default_factory=AggregateSettings)
    settings_digest: str = ""  # of all that decides an input's results and files
    place_digest: str = ""  # of all that decides its camera and its time

    @property
    def draws_videos(self) -> bool:
        """Whether videos are decoded a second time, to be drawn upon."""
        return self.output.video and not self.output.video_overlay and self.batch.annotate != "none"


class Step(str, Enum):
    """What a unit is. A short video is one unit; a long one is cut, and goes through the others in this order."""

    STILLS = "stills"
    VIDEO = "video"
    LOOK = "look"  # at one segment, with the networks
    CONCLUDE = "conclude"  # from the looks at all segments
    DRAW = "draw"  # one segment, and encode it
    JOIN = "join"  # the pieces that were drawn


@dataclass(frozen=True)
class Unit:
    """Work that is given out at once and comes back at once: done or not, never half."""

    number: int
    step: Step
    entries: tuple[Entry, ...]  # pictures, or the one video
    spans: tuple[Span, ...] = (WHOLE,)  # LOOK, DRAW: the one; CONCLUDE, JOIN: all
    kept: tuple[Entry, ...] = ()  # what of the video was kept before: its looks, its conclusion, its pieces
    alone: bool = False  # its worker is to have nothing else in hand, so that its death can be laid to this one


@dataclass(frozen=True)
class Worked:
    """What came of one input or segment: done, failed or unsettled; waiting where it is to be given out in another way.

    `faces` are a picture's detections where they are kept. In aggregate-only mode a done one has `sums` by period, and
    `is_long` if it lasts as long as a period. A video that is cut comes back waiting, with its `spans`.
    """

    entry: Entry
    faces: bytes | None = None
    sums: Mapping[Cell, Sums] | None = None
    is_long: bool = False
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Done:
    """A unit came back, with whatever came of it: less than all where the work was stopped."""

    unit: Unit
    worked: tuple[Worked, ...]
    weights: tuple[WeightsUsed, ...] = ()
    busy_s: float = 0.0


@dataclass(frozen=True)
class Broken:
    """Whoever did a unit died of it, or with it."""

    unit: Unit


class Executor(Protocol):
    """Where units are done, in this process, in others or on other machines; all pass tests/contract/test_executors.py.

    A unit that was put comes back from `take` once: done, or broken with its worker. Nobody but the driver may put or
    take; beats come on any thread.
    """

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def fits(self, unit: Unit) -> bool:
        """Whether there is room for the unit now."""
        ...

    def put(self, unit: Unit) -> None:
        """Hand a unit over that fits; it is fetched ahead while the one before is done."""
        ...

    def take(self, wait_s: float) -> Sequence[Done | Broken]:
        """What has come back; waits so long for it at most, or as long as the work takes that is done meanwhile."""
        ...

    @property
    def in_hand(self) -> int:
        """How many units were put and have not come back."""
        ...
