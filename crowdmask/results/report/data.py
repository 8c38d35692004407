"""Gathers what the report shows: cells of cameras and buckets of time, out of which the page computes every figure.

The page adds cells up itself, because a choice of cameras or of a time changes every figure. It stays fast because a
cell is a sum already: no more than MOST_CELLS of them are handed over, whatever the run, and buckets get wider until
they fit. Adding up that many numbers takes a browser a few thousandths of a second.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from crowdmask.errors import SourceError
from crowdmask.results.report.inputs import Input, inputs_of
from crowdmask.results.report.moments import Moment, worst_moments
from crowdmask.results.statistics import Z_95
from crowdmask.results.timeline.buckets import DAY, HOUR, Width
from crowdmask.results.timeline.frames_table import AGAINST, BLOCK_MINUTES, SECOND_US, SUPPORTING, FramesTable, Totals
from crowdmask.results.timeline.gaps import CameraGap, longest_gaps
from crowdmask.results.timeline.periods import run_zone
from crowdmask.results.timeline.precision import DesignEffect, precision_of, t_quantile
from crowdmask.results.timeline.statistics_rows import StatisticsRow, statistics_rows
from crowdmask.results.timeline.widths import WIDTHS, buckets_of, fitting_width
from crowdmask.verdicts import WORDS, Counts
from crowdmask.words import day_words, natural, span_words

MOST_CELLS = 150_000
MOST_BUCKETS_ASKED = 10_000
MOST_GAPS = 200
MOST_SECOND_BUCKETS = 200
SECOND_WIDTHS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
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

    def as_dict(self) -> dict[str, list[int]]:
        return {"camera": self.camera, "bucket": self.bucket, **self.numbers}

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

    @property
    def weighted_by(self) -> str:
        return "frames" if self.mode == "periods" else "time"

    def as_dict(self) -> dict[str, Any]:
        columns = ("start", "end", "words", "local", "weekday", "hour")
        return {
            "mode": self.mode,
            "weighted": self.weighted_by,
            "cameras": self.cameras,
            "buckets": {name: [getattr(bucket, name) for bucket in self.buckets] for name in columns},
            "cells": self.cells.as_dict(),
            "hours": self.hours.as_dict(),
            "factors": self.factors,
            "overall": self.overall,
        }


@dataclass(frozen=True)
class Seen:
    """What is the same whatever the axis of time."""

    totals: Totals
    moments: Sequence[Moment]
    sources: int


@dataclass(frozen=True)
class Report:
    """One page."""

    inputs: tuple[Input, ...]
    zone: ZoneInfo
    made_at: datetime
    data: Data
    against: Data | None = None
    against_name: str = ""


def gather(
    runs: Sequence[Path],
    *,
    against: Sequence[Path] = (),
    every: str | None = None,
    zone_name: str | None = None,
    moments: int = 12,
    threads: int = 0,
) -> Report:
    """Read run folders, per-frame CSVs or aggregate-only runs, whatever their size."""
    inputs = inputs_of(runs)
    zone = run_zone(runs, zone_name)
    asked = Width.parse(every) if every else None
    data = _data(inputs, zone, asked, moments, threads)
    other, name = None, ""
    if against:
        others = inputs_of(against)
        other = _data(others, zone, Width.parse(data.width) if data.mode == "clock" else asked, 0, threads)
        if other.mode != data.mode:
            raise SourceError(
                f"{against[0]}: it cannot be put beside {runs[0]}: one has times of the clock and the other has not"
            )
        name = ", ".join(one.name for one in others)
    return Report(tuple(inputs), zone, datetime.now(timezone.utc).astimezone(zone), data, other, name)


def _data(inputs: Sequence[Input], zone: ZoneInfo, asked: Width | None, moments: int, threads: int) -> Data:
    if any(one.is_aggregate for one in inputs):
        if len(inputs) > 1:
            raise SourceError(f"{inputs[0].path}: an aggregate-only run has a report of its own: give it alone")
        return _of_periods(inputs[0], zone)
    with FramesTable([one.frames for one in inputs], threads=threads, keep_seconds=True) as table:
        seen = Seen(table.totals(), *worst_moments(table, moments))
        if seen.totals.first is None and seen.totals.frames:
            return _of_seconds(table, inputs, seen)
        return _of_clock(table, zone, asked, seen)


def _of_clock(
    table: FramesTable,
    zone: ZoneInfo,
    asked: Width | None,
    seen: Seen,
) -> Data:
    precision = precision_of(table)
    cameras = [row[0] for row in table.execute("SELECT DISTINCT camera FROM minutes").fetchall()]
    cameras.sort(key=natural)
    at = {camera: i for i, camera in enumerate(cameras)}
    width = _width(table, seen.totals, asked, len(cameras))
    buckets: dict[datetime, int] = {}
    ends: dict[datetime, datetime] = {}
    cells, hours = Cells(), Cells()
    for row in statistics_rows(table, width, zone, "camera", precision=precision):
        bucket = UNTIMED
        if row.start is not None and row.end is not None:
            bucket = buckets.setdefault(row.start, len(buckets))
            ends[row.start] = row.end
        if row.frames or row.covered_s:
            cells.add(at[row.camera], bucket, _numbers(row))
    if width.minutes > HOUR:
        _fold_hours(statistics_rows(table, Width.parse("1h"), zone, empty=False, precision=precision), at, hours)
    return Data(
        "clock",
        tuple(cameras),
        tuple(_bucket(start, ends[start]) for start in buckets),
        cells,
        hours,
        tuple(_factor(precision.by_camera.get(camera, precision.overall)) for camera in cameras),
        _factor(precision.overall),
        seen.totals,
        seen.sources,
        width.text,
        asked.text if asked is not None and asked != width else None,
        tuple(seen.moments),
        tuple(longest_gaps(table, zone, MOST_GAPS)),
    )


def _width(table: FramesTable, totals: Totals, asked: Width | None, cameras: int) -> Width:
    """As asked or as fits, and wider where that would be more cells than the page is to hold."""
    width = asked or fitting_width(table, finest=WIDTHS[1])
    most = min(MOST_CELLS / max(1, cameras), MOST_BUCKETS_ASKED)
    if buckets_of(totals, width) <= most:
        return width
    wider = [one for one in WIDTHS if one.minutes > width.minutes]
    return next((one for one in wider if buckets_of(totals, one) <= most), WIDTHS[-1])


def _numbers(row: StatisticsRow) -> dict[str, float]:
    numbers: dict[str, float] = {
        "frames": row.frames,
        "with_faces": row.frames_with_faces,
        "faces": row.counts.faces,
        **row.counts.by_word,
        "peak": row.peak_unmasked,
        "covered_s": row.covered_s or 0.0,
        "gap_s": row.gap_s or 0.0,
    }
    if row.time is not None:
        numbers |= {
            "for_ms": row.time.masked_s * 1000,
            "against_ms": row.time.unmasked_s * 1000,
            "recorded_ms": row.time.recorded_s * 1000,
            "trials_u": row.time.trials * 1e6,
            "blocks_c": row.time.blocks * 100,
        }
    return numbers


def _fold_hours(rows: Iterable[StatisticsRow], at: Mapping[str, int], hours: Cells) -> None:
    found: dict[tuple[int, int], Counter[str]] = {}
    for row in rows:
        if row.start is not None:
            key = at[row.camera], row.start.weekday() * 24 + row.start.hour
            found.setdefault(key, Counter()).update({name: round(n) for name, n in _numbers(row).items()})
    for (camera, hour), numbers in sorted(found.items()):
        hours.add(camera, hour, numbers)


def _bucket(start: datetime, end: datetime) -> Bucket:
    local = start.strftime("%Y-%m-%dT%H:%M")
    return Bucket(start.timestamp(), end.timestamp(), span_words(start, end), local, start.weekday(), start.hour)


def _factor(effect: DesignEffect | None) -> float | None:
    return None if effect is None else (Z_95 / t_quantile(effect.freedom)) ** 2 / effect.effect


def _of_seconds(table: FramesTable, inputs: Sequence[Input], seen: Seen) -> Data:
    """Recordings of which nobody knows when they were made: over their own seconds, each in place of a camera."""
    longest_us = table.execute("SELECT max(last_us + stands_us) FROM standing").fetchall()[0][0] or 0
    width_s = next((w for w in SECOND_WIDTHS if longest_us / SECOND_US / w <= MOST_SECOND_BUCKETS), SECOND_WIDTHS[-1])
    words = ", ".join(f"sum({word})" for word in WORDS)
    found = table.execute(f"""
        SELECT source, first_us // {width_s * SECOND_US} AS bucket, sum(frames), sum(frames_with_faces), sum(faces),
            {words}, sum(({SUPPORTING}) * stands_us // frames), sum(({AGAINST}) * stands_us // frames), sum(stands_us),
            sum({SUPPORTING} + {AGAINST}), max(peak_unmasked)
        FROM standing GROUP BY source, bucket ORDER BY bucket
    """).fetchall()
    names = {one.prefix: one.name for one in inputs if one.is_video}
    cameras = sorted({source for source, *_ in found}, key=natural)
    at = {camera: i for i, camera in enumerate(cameras)}
    cells = Cells()
    for source, bucket, *numbers in found:
        values = dict(zip(("frames", "with_faces", "faces", *WORDS), numbers, strict=False))
        *_, for_us, against_us, recorded_us, judged, peak = numbers
        judged_s = (for_us + against_us) / SECOND_US
        values |= {
            "for_ms": for_us / 1000,
            "against_ms": against_us / 1000,
            "recorded_ms": recorded_us / 1000,
            "trials_u": min(judged, judged_s / 60) * 1e6,
            "blocks_c": 100 * min(1.0, width_s / 60 / BLOCK_MINUTES) if judged else 0,
            "peak": peak,
            "covered_s": min(width_s, recorded_us / SECOND_US),
        }
        cells.add(at[source], int(bucket), values)
    number = 1 + max((int(bucket) for _, bucket, *_ in found), default=-1)
    buckets = [Bucket(i * width_s, (i + 1) * width_s, _seconds_words(i * width_s, width_s)) for i in range(number)]
    return Data(
        "seconds",
        tuple(names.get(camera, camera) for camera in cameras),
        tuple(buckets),
        cells,
        Cells(),
        (None,) * len(cameras),
        None,
        seen.totals,
        seen.sources,
        f"{width_s} s",
        None,
        tuple(seen.moments),
    )


def _seconds_words(start: int, width: int) -> str:
    def clock(seconds: int) -> str:
        hours, rest = divmod(seconds, 3600)
        return (f"{hours}:{rest // 60:02}" if hours else f"{rest // 60}") + f":{rest % 60:02}"

    return f"{clock(start)} to {clock(start + width)}"


def _of_periods(one: Input, zone: ZoneInfo) -> Data:
    """An aggregate-only run: its rows are the cells; those of which something was left out are only counted."""
    rows = list(_aggregate_rows(one.aggregate))
    cameras = sorted({row["camera"] for row in rows}, key=natural)
    spans = sorted({(row["bucket_start"], row["bucket_end"]) for row in rows if row["bucket_start"]}, key=_instants)
    buckets = [_bucket(*(datetime.fromisoformat(end).astimezone(zone) for end in span)) for span in spans]
    at = {span: i for i, span in enumerate(spans)}
    cells, left_out, whole, frames = Cells(), 0, Counts(), 0
    for row in rows:
        frames += int(row["frames"] or 0)
        if row["masked"] == "":
            left_out += 1
            continue
        counts = Counts.of((word_verdict, int(row.get(word) or 0)) for word, word_verdict in _verdicts())
        whole += counts
        numbers: dict[str, float] = {"frames": int(row["frames"] or 0), "faces": counts.faces, **counts.by_word}
        numbers |= {"for_ms": counts.supporting, "against_ms": counts.against, "recorded_ms": int(row["frames"] or 0)}
        bucket = at.get((row["bucket_start"], row["bucket_end"]), UNTIMED)
        numbers["covered_s"] = buckets[bucket].end - buckets[bucket].start if bucket >= 0 else 0
        cells.add(cameras.index(row["camera"]), bucket, numbers)
    first = datetime.fromtimestamp(buckets[0].start, timezone.utc) if buckets else None
    last = datetime.fromtimestamp(buckets[-1].end, timezone.utc) if buckets else None
    totals = Totals(frames, 0, whole, 0, 0, 0, 0, first, last)
    width = f"{round((buckets[0].end - buckets[0].start) / 60)} min" if buckets else ""
    return Data(
        "periods", tuple(cameras), tuple(buckets), cells, Cells(), (None,) * len(cameras), None, totals, 0, width,
        None, left_out=left_out,
    )  # fmt: skip


def _verdicts() -> Iterator[tuple[str, Any]]:
    from crowdmask.verdicts import VERDICTS

    return ((row.word, row.verdict) for row in VERDICTS)


def _instants(span: tuple[str, str]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(span[0]), datetime.fromisoformat(span[1])


def _aggregate_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            _ = row["camera"], row["masked"], int(row["frames"])
            if row["bucket_start"]:
                _instants((row["bucket_start"], row["bucket_end"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{path}: it cannot be read as an aggregate ({error}): run the batch's command again"
        ) from None
    return rows


def summaries(report: Report) -> dict[str, Any]:
    """The summaries of all inputs as one: what failed, what could not be decoded, notes, settings of the first."""
    found = [(one, one.summary) for one in report.inputs]
    several = len(found) > 1

    def listed(key: str) -> list[Mapping[str, Any]]:
        rows: list[Mapping[str, Any]] = []
        for one, summary in found:
            value = summary.get(key)
            for row in value if isinstance(value, list) else []:
                if isinstance(row, Mapping):
                    source = str(row.get("source", ""))
                    rows.append({**row, "source": f"{one.prefix}/{source}" if several and one.prefix else source})
        return rows

    notes = [note for _, summary in found for note in _texts(summary.get("notes"))]
    first = next((summary for _, summary in found if summary), {})
    return {
        "failures": listed("failures"),
        "gaps": listed("gaps"),
        "notes": list(dict.fromkeys(notes)),
        "settings": first.get("settings"),
        "weights": [row for row in first.get("weights") or [] if isinstance(row, Mapping)],
        "energy": [(one.name, used) for one, summary in found if isinstance(used := summary.get("energy"), Mapping)],
        "versions": first.get("versions"),
        "state": first.get("state"),
        "known": bool(first),
    }


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def span_of(report: Report) -> str:
    """From when to when, in words."""
    totals = report.data.totals
    if totals.first is None or totals.last is None:
        return ""
    first, last = (moment.astimezone(report.zone) for moment in (totals.first, totals.last))
    if first.date() == last.date():
        return f"{day_words(first)}, {first:%H:%M} to {last:%H:%M}, {report.zone.key}"
    return f"{day_words(first)}, {first:%H:%M} to {day_words(last)}, {last:%H:%M}, {report.zone.key}"


def spans_a_week(data: Data) -> bool:
    """Whether a map of weekdays says more than one of days."""
    return data.mode == "clock" and bool(data.buckets) and data.buckets[-1].end - data.buckets[0].start > 7 * DAY * 60


def payload(report: Report) -> str:
    """The data as JSON for the page."""
    return json.dumps(
        {
            "data": report.data.as_dict(),
            "against": None if report.against is None else report.against.as_dict(),
            "words": WORDS,
        },
        separators=(",", ":"),
    )
