"""Folds frames into the hours of a week, which a report shows where its buckets are wider than an hour."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import numpy as np

from crowdmask.results.timeline.buckets import Width, bucket_spans, local_at
from crowdmask.results.timeline.frames_table import FramesTable
from crowdmask.results.timeline.precision import Precision
from crowdmask.results.timeline.statistics_rows import LONGEST_EMPTY_DAYS, StatisticsRow, row_of, sums_by

DAY_HOURS = 24


def hours_of_week(table: FramesTable, zone: ZoneInfo, precision: Precision) -> Iterator[tuple[int, StatisticsRow]]:
    """Weekday * 24 + hour by the clock of `zone`, and a camera's sum over all of these hours that have frames.

    DuckDB adds them up: a year of 400 cameras has millions of hours, and 67,200 such sums. No block of time lies in
    two hours, so none is counted twice. Gaps and what was covered are left out: nobody asks for them by hour.
    """
    starts, _ = bucket_spans(Width.parse("1h"), zone, table.stretches(LONGEST_EMPTY_DAYS))
    local = [local_at(int(start), zone) for start in starts]
    hours = np.array([at.weekday() * DAY_HOURS + at.hour for at in local], np.int64)
    table.put("hours", {"start": starts, "hour": hours})
    found = table.execute(f"""
        SELECT hour, camera, {sums_by(table)}
        FROM (FROM minutes WHERE minute IS NOT NULL) AS timed ASOF JOIN hours ON timed.minute >= hours.start
        GROUP BY hour, camera ORDER BY camera, hour
    """)
    while rows := found.fetchmany(5_000):
        for hour, camera, *numbers in rows:
            key = None, None, camera, ""
            yield hour, row_of(key, numbers, precision, camera, separate=table.separate, zones=table.zones)
