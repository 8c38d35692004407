"""The cells of recordings whose time is known: cameras and stretches of the clock."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from crowdmask.results.report.cells import MOST_CELLS, UNTIMED, Bucket, Cells, Data, Seen
from crowdmask.results.report.zone_cells import ZoneCells
from crowdmask.results.statistics import Z_95
from crowdmask.results.timeline.buckets import HOUR, Width
from crowdmask.results.timeline.frames_table import FramesTable, Totals
from crowdmask.results.timeline.gaps import longest_gaps
from crowdmask.results.timeline.hours_of_week import hours_of_week
from crowdmask.results.timeline.people_rows import PEOPLE_WORDS
from crowdmask.results.timeline.precision import DesignEffect, precision_of, t_quantile
from crowdmask.results.timeline.statistics_rows import StatisticsRow, statistics_rows
from crowdmask.results.timeline.widths import WIDTHS, buckets_of, fitting_width
from crowdmask.words import natural, span_words

MOST_BUCKETS_ASKED = 10_000
MOST_GAPS = 200


def of_clock(
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
    cells, hours, places = Cells(), Cells(), ZoneCells()
    for row in statistics_rows(table, width, zone, "camera", precision=precision):
        bucket = UNTIMED
        if row.start is not None and row.end is not None:
            bucket = buckets.setdefault(row.start, len(buckets))
            ends[row.start] = row.end
        if row.frames or row.covered_s:
            cells.add(at[row.camera], bucket, _numbers(row))
            places.add(at[row.camera], bucket, row.places)
    if width.minutes > HOUR:
        for hour, row in hours_of_week(table, zone, precision):
            hours.add(at[row.camera], hour, _numbers(row))
    return Data(
        "clock",
        tuple(cameras),
        tuple(bucket_of(start, ends[start]) for start in buckets),
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
        people=tuple(seen.people),
        places=places,
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
        "followed": row.followed_frames,
        "most": row.most_at_once,
        **dict(zip(PEOPLE_WORDS, row.appearances.in_order, strict=True)),
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


def bucket_of(start: datetime, end: datetime) -> Bucket:
    local = start.strftime("%Y-%m-%dT%H:%M")
    return Bucket(start.timestamp(), end.timestamp(), span_words(start, end), local, start.weekday(), start.hour)


def _factor(effect: DesignEffect | None) -> float | None:
    return None if effect is None else (Z_95 / t_quantile(effect.freedom)) ** 2 / effect.effect
