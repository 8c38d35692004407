"""The cells of recordings of which nobody knows when they were made: over their own seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crowdmask.results.report.cells import Bucket, Cells, Data, Seen
from crowdmask.results.report.inputs import Input
from crowdmask.results.report.zone_cells import ZoneCells
from crowdmask.results.timeline.frames_table import BLOCK_MINUTES, SECOND_US, SUPPORTING, FramesTable
from crowdmask.results.timeline.people_rows import PEOPLE_WORDS
from crowdmask.results.zone_stats import ZoneStats
from crowdmask.verdicts import WORDS
from crowdmask.words import natural

MOST_SECOND_BUCKETS = 200
SECOND_WIDTHS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)


def of_seconds(table: FramesTable, inputs: Sequence[Input], seen: Seen) -> Data:
    """Recordings of which nobody knows when they were made: over their own seconds, each in place of a camera."""
    longest_us = table.execute("SELECT max(last_us + stands_us) FROM standing").fetchall()[0][0] or 0
    width_s = next((w for w in SECOND_WIDTHS if longest_us / SECOND_US / w <= MOST_SECOND_BUCKETS), SECOND_WIDTHS[-1])
    words = ", ".join(f"sum({word})" for word in WORDS)
    found = table.execute(f"""
        SELECT source, first_us // {width_s * SECOND_US} AS bucket, sum(frames), sum(frames_with_faces), sum(faces),
            {words}, sum(({SUPPORTING}) * stands_us // frames), sum(({table.against}) * stands_us // frames),
            sum(stands_us), sum({SUPPORTING} + {table.against}), max(peak_unmasked),
            coalesce(sum(frames) FILTER (moving AND has_people), 0), max(most_at_once)
        FROM standing GROUP BY source, bucket ORDER BY bucket
    """).fetchall()
    people = {
        (source, bucket): numbers
        for source, bucket, *numbers in table.execute(f"""
            SELECT source, first_us // {width_s * SECOND_US} AS bucket, {", ".join(f"sum({w})" for w in PEOPLE_WORDS)}
            FROM people GROUP BY source, bucket
        """).fetchall()
    }
    names = {one.prefix: one.name for one in inputs if one.is_video}
    cameras = sorted({source for source, *_ in found}, key=natural)
    at = {camera: i for i, camera in enumerate(cameras)}
    cells = Cells()
    for source, bucket, *numbers in found:
        values = dict(zip(("frames", "with_faces", "faces", *WORDS), numbers, strict=False))
        *_, for_us, against_us, recorded_us, judged, peak, followed, most = numbers
        judged_s = (for_us + against_us) / SECOND_US
        values |= {
            "for_ms": for_us / 1000,
            "against_ms": against_us / 1000,
            "recorded_ms": recorded_us / 1000,
            "trials_u": min(judged, judged_s / 60) * 1e6,
            "blocks_c": 100 * min(1.0, width_s / 60 / BLOCK_MINUTES) if judged else 0,
            "peak": peak,
            "followed": followed,
            "most": most,
            **dict(zip(PEOPLE_WORDS, people.get((source, bucket), ()), strict=False)),
            "covered_s": min(width_s, recorded_us / SECOND_US),
        }
        cells.add(at[source], int(bucket), values)
    places = ZoneCells()
    for source, bucket, stats in _places(table, width_s * SECOND_US):
        places.add(at[source], bucket, stats)
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
        people=tuple(seen.people),
        places=places,
    )


def _places(table: FramesTable, width_us: int) -> Iterator[tuple[str, int, ZoneStats | None]]:
    """What was in the zones and lines of each source and bucket."""
    zones = table.zones
    if not zones:
        return
    faces = ", ".join(f"sum({name}) AS {name}" for name in zones.of_frames)
    people = ", ".join(f"coalesce(placed.{name}, 0) AS {name}" for name in (*zones.of_people, *zones.largest))
    found = table.execute(f"""
        SELECT source, bucket, frames.* EXCLUDE (source, bucket), {people}
        FROM (SELECT source, first_us // {width_us} AS bucket, {faces} FROM standing GROUP BY ALL) AS frames
        LEFT JOIN (
            SELECT source, first_us // {width_us} AS bucket, {", ".join(zones.added_people())}
            FROM places GROUP BY ALL
        ) AS placed USING (source, bucket)
    """)
    for source, bucket, *numbers in found.fetchall():
        sums = zones.sums(dict(zip(zones.names_of_all, numbers, strict=True)), separate=table.separate)
        yield source, int(bucket), sums


def _seconds_words(start: int, width: int) -> str:
    def clock(seconds: int) -> str:
        hours, rest = divmod(seconds, 3600)
        return (f"{hours}:{rest // 60:02}" if hours else f"{rest // 60}") + f":{rest % 60:02}"

    return f"{clock(start)} to {clock(start + width)}"
