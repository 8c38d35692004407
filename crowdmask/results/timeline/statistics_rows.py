"""Compliance statistics: one row per bucket of time and camera, and one per file for frames whose time is unknown.

The rate of a row counts people, where all its frames are of videos whose faces were followed: each person in the bucket
in which it begins, with Wilson's interval. Else it weighs every face by the time its frame stands for (see
frames_table.py), camera by camera, and its interval is that of precision.py. The counts are plain sums over the frames.

A gap is a pause between two successive frames of the camera that is longer than a minute and than three times its
usual pause, or than `--gap` where that is given. The usual pause is the median over the minutes that have frames: the
mean pause within such a minute, or from its only frame to the next one. `gap_s` is how many seconds of the bucket lie
in gaps: pauses inside the time that the camera was recording, the same whatever the width of the buckets. `coverage`
is the share of the bucket that was recorded: it lacks the gaps, and what lies before the camera's first frame and
after its last one. A bucket without a single frame has a row of its own: a camera that failed is seen, not missing.
Only where days with frames are more than LONGEST_EMPTY_DAYS apart the buckets between are left out: one wrong clock
would give millions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from crowdmask.results.statistics import score_interval, wilson_interval
from crowdmask.results.timeline.buckets import Width, bucket_spans, local_at
from crowdmask.results.timeline.frames_table import BLOCK_MINUTES, MINUTE_US, FramesTable, microseconds
from crowdmask.results.timeline.gaps import pauses_sql
from crowdmask.results.timeline.people_rows import PEOPLE_WORDS
from crowdmask.results.timeline.precision import MICRO, Precision, precision_of
from crowdmask.results.timeline.zone_columns import ZoneColumns
from crowdmask.results.zone_stats import ZoneStats
from crowdmask.verdicts import WORDS, Counts
from crowdmask.words import natural

BY = ("camera", "source", "none")
LONGEST_EMPTY_DAYS = 31
TOTAL = "total"  # in place of a camera, in the row of all of them


@dataclass(frozen=True)
class TimeSums:
    """What the frames of a row come to in time: seconds recorded, and seconds multiplied by faces."""

    recorded_s: float = 0.0
    masked_s: float = 0.0
    unmasked_s: float = 0.0
    trials: float = 0.0  # see precision.py
    blocks: float = 0  # with judged faces

    def __add__(self, other: TimeSums) -> TimeSums:
        return TimeSums(
            self.recorded_s + other.recorded_s,
            self.masked_s + other.masked_s,
            self.unmasked_s + other.unmasked_s,
            self.trials + other.trials,
            self.blocks + other.blocks,
        )

    @property
    def rate(self) -> float | None:
        judged = self.masked_s + self.unmasked_s
        return self.masked_s / judged if judged > 0 else None


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
    time: TimeSums | None = None  # None where only counts were kept
    effective: float = 0.0  # how many independent observations the judged faces are worth
    covered_s: float | None = None  # of the bucket, by this camera; None where no time is known
    most_at_once: int = 0  # faces in one frame
    followed_frames: int = 0
    appearances: Counts = field(default_factory=Counts)  # people who begin in it, of the frames that were followed
    places: ZoneStats | None = None  # by zone and line; None where its cameras have none
    told: Mapping[str, Any] = field(default_factory=dict)  # what columns say instead; None is left out, or was not kept

    @property
    def people(self) -> Counts | None:
        """The people who begin in it; None where no frame was followed."""
        return self.appearances if self.followed_frames else None

    @property
    def people_interval(self) -> tuple[float, float] | None:
        """95 % interval of their compliance: they, unlike frames, are nearly independent of each other."""
        return None if self.people is None else wilson_interval(self.people.supporting, self.people.judged)

    @property
    def weighted_by(self) -> str:
        """What `compliance` counts: people, face time, or faces frame by frame where only their sums were kept."""
        if self.followed_frames and self.followed_frames == self.frames:
            return "people"
        return "frames" if self.time is None else "time"

    @property
    def compliance(self) -> float | None:
        return self.appearances.compliance if self.weighted_by == "people" else self.time_compliance

    @property
    def time_compliance(self) -> float | None:
        return self.counts.compliance if self.time is None else self.time.rate

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the compliance; None where there is nothing that says how far it is to be trusted."""
        if self.weighted_by == "people":
            return self.people_interval
        rate = self.compliance
        return None if rate is None or self.time is None else score_interval(rate, self.effective)

    @property
    def effective_judged(self) -> float | None:
        """What the interval rests on."""
        if self.weighted_by == "people":
            return self.appearances.judged
        return None if self.time is None else self.effective

    @property
    def mean_unmasked_per_frame(self) -> float | None:
        return self.counts.against / self.frames if self.frames else None

    @property
    def unmasked_in_view(self) -> float | None:
        """How many unmasked faces are seen at a time, on average over what was recorded."""
        return self.time.unmasked_s / self.time.recorded_s if self.time and self.time.recorded_s > 0 else None

    @property
    def expected_s(self) -> float | None:
        return None if self.start is None or self.end is None else (self.end - self.start).total_seconds()

    @property
    def missing_s(self) -> float:
        """Seconds of the bucket that were not recorded, in a gap or before or after all frames."""
        return 0.0 if self.expected_s is None or self.covered_s is None else max(0.0, self.expected_s - self.covered_s)

    @property
    def coverage(self) -> float | None:
        """The share of the bucket that was recorded."""
        expected = self.expected_s
        return None if not expected or self.covered_s is None else min(1.0, self.covered_s / expected)


@dataclass
class Total:
    """Adds rows up to the row of all of them, or of all of a camera."""

    camera: str
    rows: int = 0
    start: datetime | None = None
    end: datetime | None = None
    frames: int = 0
    frames_with_faces: int = 0
    counts: Counts = field(default_factory=Counts)
    peak_unmasked: int = 0
    gap_s: float = 0.0
    time: TimeSums = field(default_factory=TimeSums)
    covered_s: float = 0.0
    expected_s: float = 0.0
    most_at_once: int = 0
    followed_frames: int = 0
    appearances: Counts = field(default_factory=Counts)
    places: ZoneStats | None = None

    def add(self, row: StatisticsRow) -> None:
        self.rows += 1
        self.start = min((at for at in (self.start, row.start) if at is not None), default=None)
        self.end = max((at for at in (self.end, row.end) if at is not None), default=None)
        self.frames += row.frames
        self.frames_with_faces += row.frames_with_faces
        self.counts = self.counts + row.counts
        self.peak_unmasked = max(self.peak_unmasked, row.peak_unmasked)
        self.gap_s += row.gap_s or 0.0
        self.time = self.time + (row.time or TimeSums())
        self.covered_s += row.covered_s or 0.0
        self.expected_s += row.expected_s or 0.0
        self.most_at_once = max(self.most_at_once, row.most_at_once)
        self.followed_frames += row.followed_frames
        self.appearances = self.appearances + row.appearances
        if row.places is not None:
            self.places = row.places if self.places is None else self.places + row.places

    def row(self, precision: Precision, camera: str | None = None) -> StatisticsRow:
        """`camera` is whose precision is asked for; None for all together."""
        return TotalRow(
            self.start,
            self.end,
            self.camera,
            "",
            self.frames,
            self.frames_with_faces,
            self.counts,
            self.peak_unmasked,
            self.gap_s,
            self.time,
            precision.effective(self.time.trials, self.time.blocks, camera),
            self.covered_s,
            self.most_at_once,
            self.followed_frames,
            self.appearances,
            self.places,
            of_s=self.expected_s,
        )


@dataclass(frozen=True)
class TotalRow(StatisticsRow):
    """The sum of several rows: its buckets may be those of several cameras, or leave time out between them."""

    of_s: float = 0.0

    @property
    def expected_s(self) -> float | None:
        return self.of_s


def with_totals(rows: Iterable[StatisticsRow], precision: Precision) -> Iterator[StatisticsRow]:
    """The rows, and after them one for each camera, where there are several, and one for all."""
    cameras: dict[str, Total] = {}
    whole = Total(TOTAL)
    for row in rows:
        yield row
        whole.add(row)
        cameras.setdefault(row.camera, Total(row.camera)).add(row)
    if len(cameras) > 1:
        for camera in sorted(cameras, key=natural):
            if cameras[camera].rows > 1:
                yield cameras[camera].row(precision, camera)
    if whole.rows > 1:
        yield whole.row(precision)


def statistics_rows(
    table: FramesTable,
    width: Width,
    zone: ZoneInfo,
    by: str = "camera",
    *,
    gap_s: float | None = None,
    empty: bool = True,
    precision: Precision | None = None,
) -> Iterator[StatisticsRow]:
    """Rows in order of bucket, camera and source; then the files without times. `by` is one of BY.

    `precision` is that of the table, for whoever has measured it already.
    """
    measured = precision or precision_of(table)
    asked = _put_buckets(table, width, zone)
    if asked is not None:
        query = _buckets_query(by, gap_s, asked, empty=empty, zones=table.zones)
        found = table.execute(f"{query} ORDER BY start, camera, source")
        while rows := found.fetchmany(5_000):
            for start, stop, camera, source, *numbers in rows:
                key = local_at(start, zone), local_at(stop, zone), camera, source
                of = None if by == "none" else camera
                yield row_of(key, numbers, measured, of, separate=table.separate, zones=table.zones)
    yield from _untimed(table, measured)


def _put_buckets(table: FramesTable, width: Width, zone: ZoneInfo) -> tuple[int, int] | None:
    """Give the table its buckets as `spans`; from when to when they are asked for, None where no frame has a time."""
    starts, ends = bucket_spans(width, zone, table.stretches(LONGEST_EMPTY_DAYS))
    if not len(starts):
        return None
    table.put("spans", {"start": starts, "stop": ends})
    begin_us, end_us = int(starts[0]) * MINUTE_US, int(ends[-1]) * MINUTE_US
    if table.begin is not None:
        begin_us = max(begin_us, microseconds(table.begin))
    if table.end is not None:
        end_us = min(end_us, microseconds(table.end))
    return begin_us, end_us


def row_of(
    key: tuple[datetime | None, datetime | None, str, str],
    numbers: Sequence[Any],
    precision: Precision,
    camera: str | None,
    *,
    separate: bool,
    zones: ZoneColumns,
) -> StatisticsRow:
    """From what the queries give, in the order of SUMS, OF_TIME and the columns of these zones."""
    found = dict(zip((*SUMS, *OF_TIME, *zones.names_of_all), numbers, strict=True))
    recorded, masked, unmasked, trials = (found[name] / MICRO for name in _TIMES)
    time = TimeSums(recorded, masked, unmasked, trials, found["blocks"])
    gap_us, covered_us = (found[name] for name in OF_TIME)
    return StatisticsRow(
        *key,
        found["frames"],
        found["frames_with_faces"],
        Counts.shown((found[word] for word in WORDS), separate=separate),
        found["peak"],
        None if gap_us is None else gap_us / MICRO,
        time,
        precision.effective(time.trials, time.blocks, camera),
        None if covered_us is None else covered_us / MICRO,
        found["most_at_once"],
        found["followed_frames"],
        Counts.shown((found[word] for word in PEOPLE_WORDS), separate=separate),
        zones.sums(found, separate=separate) if zones else None,
    )


_TIMES = ("recorded_us", "masked_us", "unmasked_us", "trials_u")
_ADDED = ("frames", "frames_with_faces", *_TIMES, *WORDS, "followed_frames", *PEOPLE_WORDS)
SUMS = ("blocks", "peak", "most_at_once", *_ADDED)
OF_TIME = ("gap_us", "covered_us")  # None where no time is known


def _buckets_query(by: str, gap_s: float | None, asked: tuple[int, int], *, empty: bool, zones: ZoneColumns) -> str:
    """SQL of start, stop, camera, source, SUMS, OF_TIME and the zones' columns of every bucket of `spans`."""
    camera = "''" if by == "none" else "camera"
    source = "source" if by == "source" else "''"
    begin_us, end_us = asked
    first, last = str(begin_us), str(end_us)
    if by == "source":  # a file's buckets end where it does; a camera is expected to have frames all the time
        first = f"greatest({begin_us}, min(start) * {MINUTE_US})"
        last = f"least({end_us}, max(stop) * {MINUTE_US})"
    added = ", ".join(f"sum({name})::BIGINT AS {name}" for name in (*_ADDED, *zones.added))
    added += "".join(f", max({name}) AS {name}" for name in zones.largest)
    sums = ", ".join(f"coalesce({name}, 0)::BIGINT AS {name}" for name in SUMS[1:])
    of_zones = "".join(f", coalesce({name}, 0)::BIGINT AS {name}" for name in zones.names_of_all)
    return f"""
        WITH
        kept AS MATERIALIZED (
            SELECT {camera} AS camera, {source} AS source, minute, block, {added},
                max(peak_unmasked) AS peak, max(most_at_once) AS most_at_once, min(first_us) AS first_us,
                max(last_us) AS last_us
            FROM minutes WHERE minute IS NOT NULL GROUP BY ALL
        ),
        counted AS (
            SELECT spans.start, spans.stop, camera, source, {added}, max(peak) AS peak,
                max(most_at_once) AS most_at_once, count(DISTINCT CASE WHEN trials_u > 0 THEN block END) AS blocks,
                min(first_us) AS first_us, max(last_us) AS last_us
            FROM kept ASOF JOIN spans ON kept.minute >= spans.start GROUP BY ALL
        ),
        expected AS (
            SELECT camera, source, {first} AS begin_us, {last} AS end_us, min(first_us) AS first_us,
                max(last_us) AS last_us
            FROM counted GROUP BY camera, source
        ),
        {pauses_sql(gap_s)},
        pauses AS (
            SELECT camera, source, since, upto, true AS within FROM between_frames WHERE upto IS NOT NULL
            UNION ALL SELECT camera, source, begin_us, first_us, false FROM expected
            UNION ALL SELECT camera, source, last_us, end_us, false FROM expected
        ),
        gaps AS (
            SELECT camera, source, since, upto, within FROM pauses JOIN longest USING (camera, source)
            WHERE upto - since > longest.us
        ),
        uncovered AS (
            SELECT spans.start, camera, source,
                sum(least(upto, stop * {MINUTE_US}) - greatest(since, spans.start * {MINUTE_US})) AS us,
                sum(least(upto, stop * {MINUTE_US}) - greatest(since, spans.start * {MINUTE_US}))
                    FILTER (within) AS gap_us
            FROM gaps JOIN spans ON since < stop * {MINUTE_US} AND upto > spans.start * {MINUTE_US} GROUP BY ALL
        ),
        listed AS (
            SELECT start, stop, camera, source FROM expected
                JOIN spans ON stop * {MINUTE_US} > begin_us AND start * {MINUTE_US} < end_us
        )
        SELECT start, stop, camera, source,
            coalesce(blocks, 0) * least(1.0, (stop - start) / {BLOCK_MINUTES})::DOUBLE AS blocks,  -- or a part of one
            {sums}, coalesce(gap_us, 0)::BIGINT AS gap_us,
            greatest(0, (stop - start) * {MINUTE_US} - coalesce(us, 0))::BIGINT AS covered_us{of_zones}
        FROM listed {"LEFT" if empty else "INNER"} JOIN counted USING (start, stop, camera, source)
            LEFT JOIN uncovered USING (start, camera, source)
    """


def sums_by(table: FramesTable) -> str:
    """SQL that adds `minutes` up for `row_of`, where nothing is asked of gaps and of what was covered."""
    by_name = {name: f"sum({name})::BIGINT" for name in _ADDED}
    by_name |= {"peak": "max(peak_unmasked)", "most_at_once": "max(most_at_once)"}
    by_name |= {"blocks": "count(DISTINCT CASE WHEN trials_u > 0 THEN block END)::DOUBLE"}
    of_zones = [f"sum({name})::BIGINT" for name in table.zones.added]
    of_zones += [f"max({name})::BIGINT" for name in table.zones.largest]
    return ", ".join([*(by_name[name] for name in SUMS), "NULL, NULL", *of_zones])


def _untimed(table: FramesTable, precision: Precision) -> Iterator[StatisticsRow]:
    found = table.execute(f"""
        SELECT camera, source, {sums_by(table)}
        FROM minutes WHERE minute IS NULL GROUP BY camera, source ORDER BY source, camera
    """)
    while rows := found.fetchmany(5_000):
        for camera, source, *numbers in rows:
            key = None, None, camera, source
            yield row_of(key, numbers, precision, camera, separate=table.separate, zones=table.zones)
