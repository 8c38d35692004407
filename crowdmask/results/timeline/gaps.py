"""What a gap is: a pause of a camera that is longer than a minute and than three times its usual one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from crowdmask.results.timeline.frames_table import SHORTEST_GAP_S, USUAL_PAUSES, FramesTable, instant_of


@dataclass(frozen=True)
class CameraGap:
    """A stretch inside the time that a camera was recording, without any frame."""

    camera: str
    since: datetime
    upto: datetime

    @property
    def seconds(self) -> float:
        return (self.upto - self.since).total_seconds()


def pauses_sql(gap_s: float | None) -> str:
    """CTEs over `kept` (frames by minute): the pauses between them, and how long a pause of each camera is a gap."""
    usual = f"greatest({SHORTEST_GAP_S * 1e6}, {USUAL_PAUSES} * coalesce(median(pace), 0))"
    longest = usual if gap_s is None else f"{gap_s * 1e6}"
    return f"""
        between_frames AS (
            SELECT camera, source, last_us AS since,
                lead(first_us) OVER (PARTITION BY camera, source ORDER BY minute) AS upto,
                CASE WHEN frames > 1 THEN (last_us - first_us) / (frames - 1) ELSE upto - since END AS pace
            FROM kept
        ),
        longest AS (SELECT camera, source, {longest} AS us FROM between_frames GROUP BY camera, source)
    """


def longest_gaps(table: FramesTable, zone: ZoneInfo, number: int) -> Iterator[CameraGap]:
    """The longest gaps of all cameras, in the order of cameras and time."""
    found = table.execute(f"""
        WITH kept AS (
            SELECT camera, '' AS source, minute, sum(frames) AS frames, min(first_us) AS first_us,
                max(last_us) AS last_us
            FROM minutes WHERE minute IS NOT NULL GROUP BY ALL
        ), {pauses_sql(None)}
        SELECT * FROM (
            SELECT camera, since, upto FROM between_frames JOIN longest USING (camera, source)
            WHERE upto - since > longest.us ORDER BY upto - since DESC, camera, since LIMIT {number}
        ) ORDER BY camera, since
    """).fetchall()
    for camera, since, upto in found:
        yield CameraGap(camera, *(instant_of(int(us)).astimezone(zone) for us in (since, upto)))
