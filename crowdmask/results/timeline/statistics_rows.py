"""Compliance statistics: one row per bucket of time and camera, and one per file for frames whose time is unknown.

A gap is a pause between two successive frames of the camera that is longer than a minute and than three times its
usual pause, or than `--gap` where that is given. The usual pause is the median over the minutes that have frames: the
mean pause within such a minute, or from its only frame to the next one. The time before the first frame and after the
last one, up to the ends of the first and the last bucket of the table (or `--from` and `--to`), is a pause as well.
`gap_s` is how many seconds of the bucket lie in gaps. A bucket without a single frame has a row of its own: a camera
that failed is seen, not missing. Only where days with frames are more than LONGEST_EMPTY_DAYS apart the buckets
between are left out: one wrong clock would give millions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from crowdmask.records import Counts
from crowdmask.results.statistics import wilson_interval
from crowdmask.results.timeline.buckets import Width, bucket_spans, local_at
from crowdmask.results.timeline.frames_table import MINUTE_US, FramesTable, microseconds

BY = ("camera", "source", "none")
LONGEST_EMPTY_DAYS = 31
SHORTEST_GAP_S = 60.0
USUAL_PAUSES = 3


@dataclass(frozen=True)
class StatisticsRow:
    """One line of the statistics; without a start it is a file's whose frames have no time."""

    start: datetime | None
    end: datetime | None
    camera: str
    source: str
    frames: int
    frames_with_faces: int
    counts: Counts
    peak_unmasked: int
    gap_s: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        return wilson_interval(self.counts.supporting, self.counts.judged)

    @property
    def mean_unmasked_per_frame(self) -> float | None:
        return self.counts.unmasked / self.frames if self.frames else None


def statistics_rows(
    table: FramesTable,
    width: Width,
    zone: ZoneInfo,
    by: str = "camera",
    *,
    gap_s: float | None = None,
    empty: bool = True,
) -> Iterator[StatisticsRow]:
    """Rows in order of bucket, camera and source; then the files without times. `by` is one of BY."""
    starts, ends = bucket_spans(width, zone, table.stretches(LONGEST_EMPTY_DAYS))
    if len(starts):
        table.put("spans", {"start": starts, "stop": ends})
        begin_us, end_us = int(starts[0]) * MINUTE_US, int(ends[-1]) * MINUTE_US
        if table.begin is not None:
            begin_us = max(begin_us, microseconds(table.begin))
        if table.end is not None:
            end_us = min(end_us, microseconds(table.end))
        yield from _timed(table, zone, _query(by, gap_s, empty, begin_us, end_us))
    yield from _untimed(table)


def _timed(table: FramesTable, zone: ZoneInfo, query: str) -> Iterator[StatisticsRow]:
    found = table.execute(query)
    while rows := found.fetchmany(5_000):
        for start, stop, camera, source, frames, with_faces, masked, unmasked, unknown, peak, gap_us in rows:
            yield StatisticsRow(
                local_at(int(start), zone),
                local_at(int(stop), zone),
                camera,
                source,
                int(frames),
                int(with_faces),
                Counts(int(masked), int(unmasked), int(unknown)),
                int(peak),
                int(gap_us) / 1e6,
            )


def _query(by: str, gap_s: float | None, empty: bool, begin_us: int, end_us: int) -> str:
    camera = "''" if by == "none" else "camera"
    source = "source" if by == "source" else "''"
    usual = f"greatest({SHORTEST_GAP_S * 1e6}, {USUAL_PAUSES} * coalesce(median(pace), 0))"
    longest = usual if gap_s is None else f"{gap_s * 1e6}"
    first, last = str(begin_us), str(end_us)
    if by == "source":  # a file's buckets end where it does; a camera is expected to have frames all the time
        first = f"greatest({begin_us}, min(spans.start) * {MINUTE_US})"
        last = f"least({end_us}, max(spans.stop) * {MINUTE_US})"
    return f"""
        WITH
        kept AS MATERIALIZED (
            SELECT {camera} AS camera, {source} AS source, minute, sum(frames) AS frames,
                sum(frames_with_faces) AS frames_with_faces, sum(masked) AS masked, sum(unmasked) AS unmasked,
                sum(unknown) AS unknown, max(peak_unmasked) AS peak, min(first_us) AS first_us, max(last_us) AS last_us
            FROM minutes WHERE minute IS NOT NULL GROUP BY ALL
        ),
        counted AS (
            SELECT spans.start, camera, source, sum(frames) AS frames, sum(frames_with_faces) AS frames_with_faces,
                sum(masked) AS masked, sum(unmasked) AS unmasked, sum(unknown) AS unknown, max(peak) AS peak
            FROM kept ASOF JOIN spans ON kept.minute >= spans.start GROUP BY ALL
        ),
        expected AS (
            SELECT camera, source, {first} AS begin_us, {last} AS end_us, min(first_us) AS first_us,
                max(last_us) AS last_us
            FROM kept ASOF JOIN spans ON kept.minute >= spans.start GROUP BY camera, source
        ),
        between_frames AS (
            SELECT camera, source, last_us AS since,
                lead(first_us) OVER (PARTITION BY camera, source ORDER BY minute) AS upto,
                CASE WHEN frames > 1 THEN (last_us - first_us) / (frames - 1) ELSE upto - since END AS pace
            FROM kept
        ),
        longest AS (SELECT camera, source, {longest} AS us FROM between_frames GROUP BY camera, source),
        pauses AS (
            SELECT camera, source, since, upto FROM between_frames WHERE upto IS NOT NULL
            UNION ALL SELECT camera, source, begin_us, first_us FROM expected
            UNION ALL SELECT camera, source, last_us, end_us FROM expected
        ),
        gaps AS (
            SELECT camera, source, since, upto FROM pauses JOIN longest USING (camera, source)
            WHERE upto - since > longest.us
        ),
        uncovered AS (
            SELECT spans.start, camera, source,
                sum(least(upto, stop * {MINUTE_US}) - greatest(since, spans.start * {MINUTE_US})) AS us
            FROM gaps JOIN spans ON since < stop * {MINUTE_US} AND upto > spans.start * {MINUTE_US} GROUP BY ALL
        ),
        listed AS (
            SELECT start, stop, camera, source FROM expected
                JOIN spans ON stop * {MINUTE_US} > begin_us AND start * {MINUTE_US} < end_us
        )
        SELECT start, stop, camera, source, coalesce(frames, 0), coalesce(frames_with_faces, 0), coalesce(masked, 0),
            coalesce(unmasked, 0), coalesce(unknown, 0), coalesce(peak, 0), coalesce(us, 0)
        FROM listed {"LEFT" if empty else "INNER"} JOIN counted USING (start, camera, source)
            LEFT JOIN uncovered USING (start, camera, source)
        ORDER BY start, camera, source
    """


def _untimed(table: FramesTable) -> Iterator[StatisticsRow]:
    found = table.execute("""
        SELECT camera, source, sum(frames), sum(frames_with_faces), sum(masked), sum(unmasked), sum(unknown),
            max(peak_unmasked)
        FROM minutes WHERE minute IS NULL GROUP BY camera, source ORDER BY source, camera
    """)
    while rows := found.fetchmany(5_000):
        for camera, source, frames, with_faces, masked, unmasked, unknown, peak in rows:
            counts = Counts(int(masked), int(unmasked), int(unknown))
            yield StatisticsRow(None, None, camera, source, int(frames), int(with_faces), counts, int(peak), None)
