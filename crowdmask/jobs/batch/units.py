"""What goes to whoever does the work, and what comes back: plain values, for this process or another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from typing_extensions import Self

from crowdmask.jobs.batch.entries import Entry
from crowdmask.records import Counts
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


@dataclass(frozen=True)
class Unit:
    """Work that is given out at once: one video, or pictures one after the other."""

    number: int
    entries: tuple[Entry, ...]
    alone: bool = False  # its worker is to have nothing else in hand, so that its death can be laid to this one


@dataclass(frozen=True)
class Worked:
    """What came of one input: done, failed or unsettled; `faces` are a picture's detections where they are kept.

    In aggregate-only mode a done one has `sums` by period, and `is_long` if it lasts as long as a period.
    """

    entry: Entry
    faces: bytes | None = None
    sums: Mapping[Cell, Sums] | None = None
    is_long: bool = False


@dataclass(frozen=True)
class Broken:
    """An input that was under way when its worker died; `alone`: no other can have been the cause."""

    entry: Entry
    alone: bool


@dataclass(frozen=True)
class Beat:
    """A sign of life from within a long video: what was done since the last one, told beside the reports."""

    source: str
    frames: int
    counts: Counts


@dataclass(frozen=True)
class UnitDone:
    number: int


@dataclass(frozen=True)
class WeightsAtWork:
    """Which files the networks came from, told once by each worker."""

    weights: tuple[WeightsUsed, ...]


Report = Worked | Broken | UnitDone | WeightsAtWork


class Executor(Protocol):
    """Where the work is done. A cluster's engine can be put in the place of those here without touching the rest."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def run(self, units: Iterator[Unit | None]) -> Iterator[Report]:
        """Do all units, and tell of every input of each as soon as it is done, in any order; less when stopped.

        `units` may wait for the next to be found; None says that it is about to, so that nothing be held back for
        company. It may be read from any thread, but from one at a time. May be called again when it has ended.
        """
        ...
