"""Gathers what the report shows: the frames counted over time, by camera and by hour, and what the run left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from crowdmask.records import Counts
from crowdmask.results.report.moments import Moment, worst_moments
from crowdmask.results.run_folder import RunFolder, frames_file
from crowdmask.results.statistics import wilson_interval
from crowdmask.results.timeline.buckets import Width
from crowdmask.results.timeline.frames_table import FramesTable, Totals
from crowdmask.results.timeline.periods import run_zone
from crowdmask.results.timeline.statistics_rows import StatisticsRow, statistics_rows
from crowdmask.words import natural

MOST_BUCKETS = 200  # more do not fit on a screen, and would make the page heavy
WIDTHS = ("1m", "5m", "10m", "20m", "1h", "2h", "6h", "1d", "1w", "1mo")


@dataclass(frozen=True)
class CameraFigures:
    """One camera over the whole run; the frames of a file without a time have no gaps."""

    camera: str
    frames: int
    counts: Counts
    peak_unmasked: int
    gap_s: float


@dataclass(frozen=True)
class Coverage:
    """Of one bucket over time: how many cameras were expected to have frames, and what is missing of them."""

    cameras: int = 0
    without_frames: int = 0
    missing_s: float = 0.0

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(
            self.cameras + other.cameras,
            self.without_frames + other.without_frames,
            self.missing_s + other.missing_s,
        )


@dataclass(frozen=True)
class HourFigures:
    """One hour of one weekday, all its occurrences together."""

    frames: int = 0
    counts: Counts = field(default_factory=Counts)

    def __add__(self, other: HourFigures) -> HourFigures:
        return HourFigures(self.frames + other.frames, self.counts + other.counts)


@dataclass(frozen=True)
class Figures:
    """Everything on the page, but for the pictures."""

    run: Path
    zone: ZoneInfo
    made_at: datetime
    totals: Totals
    sources: int
    width: Width
    asked_width: Width | None  # where it was too fine to be shown
    over_time: tuple[StatisticsRow, ...]
    coverage: tuple[Coverage, ...]  # of the same buckets
    by_camera: tuple[CameraFigures, ...]
    by_hour: Mapping[tuple[int, int], HourFigures]  # (weekday from Monday, hour)
    moments: tuple[Moment, ...]
    summary: Mapping[str, Any]


def gather(
    run: Path, *, every: str | None = None, zone_name: str | None = None, moments: int = 12, threads: int = 0
) -> Figures:
    """Read a run folder, or a per-frame CSV, twice in all, whatever its size."""
    folder = RunFolder(run if run.is_dir() else run.parent)
    frames = frames_file(run)
    zone = run_zone([run], zone_name)
    asked = Width.parse(every) if every else None
    with FramesTable([frames], threads=threads) as table:
        totals = table.totals()
        width = fitting_width(totals, asked)
        over_time = [row for row in statistics_rows(table, width, zone, "none") if row.start is not None]
        by_camera = list(statistics_rows(table, width, zone, "camera"))
        hours = statistics_rows(table, Width.parse("1h"), zone, "none", empty=False)
        by_hour = fold_by_hour(hours)
        worst, sources = worst_moments(table, moments)
    return Figures(
        run=run,
        zone=zone,
        made_at=datetime.now(timezone.utc).astimezone(zone),
        totals=totals,
        sources=sources,
        width=width,
        asked_width=asked if asked is not None and asked != width else None,
        over_time=tuple(over_time),
        coverage=fold_coverage(over_time, by_camera),
        by_camera=fold_by_camera(by_camera),
        by_hour=by_hour,
        moments=tuple(worst),
        summary=folder.read_summary() if run.is_dir() else {},
    )


def fitting_width(totals: Totals, asked: Width | None = None) -> Width:
    """The finest of WIDTHS, or the one asked for, at which the time of the frames has no more than MOST_BUCKETS."""
    span = 0.0
    if totals.first is not None and totals.last is not None:
        span = (totals.last - totals.first).total_seconds() / 60
    for width in ([asked] if asked else []) + [Width.parse(text) for text in WIDTHS]:
        if span / width.minutes <= MOST_BUCKETS and (asked is None or width.minutes >= asked.minutes):
            return width
    return Width.parse(WIDTHS[-1])


def fold_by_camera(rows: Iterable[StatisticsRow]) -> tuple[CameraFigures, ...]:
    """One row per camera, in natural order."""
    found: dict[str, CameraFigures] = {}
    for row in rows:
        old = found.get(row.camera, CameraFigures(row.camera, 0, Counts(), 0, 0.0))
        found[row.camera] = CameraFigures(
            row.camera,
            old.frames + row.frames,
            old.counts + row.counts,
            max(old.peak_unmasked, row.peak_unmasked),
            old.gap_s + row.missing_s,
        )
    return tuple(sorted(found.values(), key=lambda camera: natural(camera.camera)))


def fold_coverage(over_time: Iterable[StatisticsRow], by_camera: Iterable[StatisticsRow]) -> tuple[Coverage, ...]:
    """The cameras' gaps, bucket by bucket."""
    found: dict[datetime | None, Coverage] = defaultdict(Coverage)
    for row in by_camera:
        found[row.start] += Coverage(1, int(not row.frames), row.missing_s)
    return tuple(found[row.start] for row in over_time)


def fold_by_hour(rows: Iterable[StatisticsRow]) -> dict[tuple[int, int], HourFigures]:
    found: dict[tuple[int, int], HourFigures] = defaultdict(HourFigures)
    for row in rows:
        if row.start is not None:
            found[row.start.weekday(), row.start.hour] += HourFigures(row.frames, row.counts)
    return dict(found)


def interval_of(counts: Counts) -> tuple[float, float] | None:
    return wilson_interval(counts.masked, counts.masked + counts.unmasked)


def failures_by_reason(failures: Iterable[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """Reasons, the most frequent first; paths and numbers in them do not make them different."""
    reasons: Counter[str] = Counter()
    for failure in failures:
        source, reason = str(failure.get("source", "")), str(failure.get("reason", "")) or "no reason recorded"
        reasons[reason.replace(source, "").strip(" :") if source else reason] += 1
    return reasons.most_common()
