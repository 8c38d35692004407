"""Writes per-frame CSVs with hand-made or drawn numbers, for the tests of statistics, report and purge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from crowdmask.engine.following import Person
from crowdmask.records import Counts, SourceKind, Stream
from crowdmask.results.frames_csv import FrameRow, FramesCsv
from crowdmask.results.persons import PersonsFile
from crowdmask.tracking.appearances import Appearance
from crowdmask.tracking.zones import Trace, ZoneNames
from crowdmask.verdicts import Verdict


@dataclass(frozen=True)
class Row:
    """One frame: what was seen, where and when; `at` is ISO 8601 with an offset, or empty."""

    at: str = ""
    masked: int = 0
    unmasked: int = 0
    unknown: int = 0
    camera: str = "north"
    source: str = "north/a.mp4"
    frame: int = 0
    seconds: float = 0.0
    zones: Mapping[str, Counts] = field(default_factory=dict)
    lines: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def counts(self) -> Counts:
        return Counts(self.masked, self.unmasked, self.unknown)


def write_frames(path: Path, rows: Iterable[Row], zones: ZoneNames | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with FramesCsv(path, of_run=True, zones=zones) as sink:
        for row in rows:
            taken = datetime.fromisoformat(row.at) - timedelta(seconds=row.seconds) if row.at else None
            stream = Stream(row.source, SourceKind.VIDEO, row.camera, taken, "name" if taken else "")
            sink.add(FrameRow(stream, row.frame, row.seconds, row.counts, row.zones, row.lines))
    return path


def write_run(folder: Path, rows: Sequence[Row]) -> Path:
    """A run folder with nothing in it but the frames."""
    write_frames(folder / "frames.csv", rows)
    return folder


@dataclass(frozen=True)
class Somebody:
    """One appearance: when it begins, in seconds of its source, and its verdict; `at` is when the source begins."""

    first_s: float
    verdict: Verdict = Verdict.MASKED
    source: str = "north/a.mp4"
    camera: str = "north"
    at: str = ""
    person: int = 1
    box_xyxy: tuple[float, float, float, float] = (10.0, 10.0, 30.0, 30.0)
    best_frame: int = 0
    trace: Trace | None = None

    @property
    def as_person(self) -> Person:
        begins = datetime.fromisoformat(self.at) if self.at else None
        stream = Stream(self.source, SourceKind.VIDEO, self.camera, begins, "name" if begins else "")
        probability = np.array([0.1, 0.8, 0.05, 0.05], np.float32)
        box = np.array(self.box_xyxy, np.float32)
        return Person(
            stream,
            Appearance(
                person=self.person,
                first_s=self.first_s,
                last_s=self.first_s + 2,
                seen_s=2.0,
                first_frame=0,
                last_frame=50,
                frames=50,
                observations=40,
                judged=20,
                verdict=int(self.verdict),
                probability=probability,
                stretches=(),
                best_frame=self.best_frame,
                best_s=self.first_s,
                best_box_xyxy=box,
                median_size=20.0,
            ),
            self.trace,
        )


def write_persons(path: Path, people: Iterable[Somebody], *, of_run: bool = True) -> Path:
    with PersonsFile(path, of_run=of_run) as sink:
        for somebody in people:
            sink.write_person(somebody.as_person)
    return path
