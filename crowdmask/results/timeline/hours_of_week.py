"""Folds hours into those of a week: what a report shows by hour of the day where its buckets are wider than an hour."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import numpy as np

from crowdmask.results.timeline.buckets import Width, local_at
from crowdmask.results.timeline.frames_table import FramesTable
from crowdmask.results.timeline.precision import Precision
from crowdmask.results.timeline.statistics_rows import OF_TIME, SUMS, StatisticsRow, buckets_query, put_buckets, row_of

HOURS = 24
LARGEST = ("peak", "most_at_once")  # of several, where others are added up


def hours_of_week(table: FramesTable, zone: ZoneInfo, precision: Precision) -> Iterator[tuple[int, StatisticsRow]]:
    """Weekday * 24 + hour by the clock of `zone`, and a camera's sum over all of these hours that have frames.

    DuckDB adds them up: a year of 400 cameras has millions of hours, and 67,200 such sums.
    """
    asked = put_buckets(table, Width.parse("1h"), zone)
    if asked is None:
        return
    starts = np.array([row[0] for row in table.execute("SELECT start FROM spans").fetchall()], np.int64)
    local = [local_at(int(start), zone) for start in starts]
    table.put("hours", {"start": starts, "hour": np.array([at.weekday() * HOURS + at.hour for at in local], np.int64)})
    whole = {"blocks": "DOUBLE"}
    folded = ", ".join(
        f"{'max' if name in LARGEST else 'sum'}({name})::{whole.get(name, 'BIGINT')}" for name in (*SUMS, *OF_TIME)
    )
    found = table.execute(f"""
        SELECT hour, camera, {folded} FROM ({buckets_query("camera", None, asked, empty=False)})
        JOIN hours USING (start) GROUP BY hour, camera ORDER BY camera, hour
    """)
    while rows := found.fetchmany(5_000):
        for hour, camera, *numbers in rows:
            yield hour, row_of((None, None, camera, ""), numbers, precision, camera, separate=table.separate)
