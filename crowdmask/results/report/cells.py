"""What a report's figures are computed from: columns of numbers, an entry for each camera and bucket of time.

The page adds cells up itself, because a choice of cameras or of a time changes every figure. It stays fast because a
cell is a sum already: no more than MOST_CELLS of them are handed over, whatever the run, and buckets get wider until
they fit. Adding up that many numbers takes a browser less than a fifth of a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crowdmask.results.report.best_frames import BestFrame
from crowdmask.results.report.moments import Moment
from crowdmask.results.report.zone_cells import ZoneCells
from crowdmask.results.timeline.frames_table import Totals
from crowdmask.results.timeline.gaps import CameraGap
from crowdmask.results.timeline.people_rows import PEOPLE_WORDS
from crowdmask.verdicts import VERDICTS, WORDS

MOST_CELLS = 150_000
FIELDS = (
    "frames",
    "with_faces",
    "faces",
    *WORDS,
    "for_ms",
    "against_ms",
    "recorded_ms",
    "trials_u",
    "blocks_c",
    "peak",
    "covered_s",
    "gap_s",
    "followed",
    "most",
    *PEOPLE_WORDS,
)
UNTIMED = -1  # in place of a bucket


@dataclass
class Cells:
    """Columns of numbers, one entry for each camera and bucket that has something."""

    camera: list[int] = field(default_factory=list)
    bucket: list[int] = field(default_factory=list)
    numbers: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in FIELDS})

    def add(self, camera: int, bucket: int, numbers: Mapping[str, float]) -> None:
        self.camera.append(camera)
        self.bucket.append(bucket)
        for name, column in self.numbers.items():
            column.append(round(numbers.get(name, 0)))

    def as_dict(self, *, with_people: bool) -> dict[str, list[int]]:
        left_out = () if with_people else ("followed", *PEOPLE_WORDS)
        numbers = {name: column for name, column in self.numbers.items() if name not in left_out}
        return {"camera": self.camera, "bucket": self.bucket, **numbers}

    def sum(self, name: str) -> int:
        return sum(self.numbers[name])


@dataclass(frozen=True)
class Bucket:
    """A stretch of time, in seconds since 1970 or from a recording's beginning."""

    start: float
    end: float
    words: str
    local: str = ""  # the start as a clock there shows it, 2026-11-20T23:00
    weekday: int = 0
    hour: int = 0


@dataclass(frozen=True)
class Data:
    """Everything that is computed from frames or periods; the page's texts come from the summaries."""

    mode: str  # "clock", "seconds" of recordings without a time, or "periods" of an aggregate-only run
    cameras: tuple[str, ...]
    buckets: tuple[Bucket, ...]
    cells: Cells
    hours: Cells  # camera × (weekday × 24 + hour), where buckets are wider than an hour
    factors: tuple[float | None, ...]  # by which a camera's trials are multiplied, None where nothing measures it
    overall: float | None
    totals: Totals
    sources: int
    width: str
    asked_width: str | None  # where it was too fine to be shown
    moments: tuple[Moment, ...] = ()
    gaps: tuple[CameraGap, ...] = ()
    left_out: int = 0  # periods of which something was suppressed
    places_left_out: int = 0  # of the others, zones and lines of which it was
    people: tuple[BestFrame, ...] = ()  # some of those without a mask
    places: ZoneCells = field(default_factory=ZoneCells)

    @property
    def has_people(self) -> bool:
        """Whether there are people to show: not where all of an aggregate-only run's were left out, which is not 0."""
        return self.totals.followed_frames > 0 and (self.totals.people.faces > 0 or not self.left_out)

    @property
    def weighted_by(self) -> str:
        """What the rates of the page count: people only where every frame was followed."""
        if self.totals.is_followed and self.has_people:
            return "people"
        return "frames" if self.mode == "periods" else "time"

    def as_dict(self) -> dict[str, Any]:
        columns = ("start", "end", "words", "local", "weekday", "hour")
        return {
            "mode": self.mode,
            "weighted": self.weighted_by,
            "followed": self.has_people,
            "shares": [row.share_of(self.totals.counts.separate).value for row in VERDICTS],
            "cameras": self.cameras,
            "buckets": {name: [getattr(bucket, name) for bucket in self.buckets] for name in columns},
            "cells": self.cells.as_dict(with_people=self.has_people),
            "hours": self.hours.as_dict(with_people=self.has_people),
            **self.places.as_dict(),
            "factors": self.factors,
            "overall": self.overall,
        }


@dataclass(frozen=True)
class Seen:
    """What is the same whatever the axis of time."""

    totals: Totals
    moments: Sequence[Moment]
    sources: int
    people: Sequence[BestFrame] = ()
