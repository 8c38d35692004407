"""Counts per-frame CSVs of any size into one row per camera and minute, out of which every statistic is made.

DuckDB reads the files in place, on all cores, within a fixed memory, and spills to disk beyond it. Every bucket edge
is a whole minute, so a minute is never split, and the counts of any bucket add up exactly to the rows of the CSVs.

Beside the counts there is what each frame stands for in time, so that three clips of 25 frames a second do not
outweigh a night of stills. A frame of a video stands for the time until the video's next one; a still for the time
until its camera's next still. Where that pause is a gap (longer than a minute and than three usual pauses) or there is
no next one, it stands for a usual pause; and never for longer than `stand_s`. Frames of one second are added up first
and share that second's time alike.

Where a table of people lies beside a per-frame CSV, its videos were followed, and their people are counted as well, see
people_rows.py.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
from typing_extensions import Self

from crowdmask.errors import CrowdmaskError, OutputError, SourceError
from crowdmask.results.run_folder import people_purged, sets_apart
from crowdmask.results.timeline.buckets import minute_of
from crowdmask.results.timeline.damage import find_damage, read_header
from crowdmask.results.timeline.people_rows import PEOPLE_WORDS, ROUNDED_US, damaged, people_sql, persons_beside
from crowdmask.results.timeline.sql import first_line, sql_path, sql_text, sql_unguarded
from crowdmask.results.timeline.zone_columns import NO_ZONES, ZoneColumns, zone_names
from crowdmask.settings import RuntimeSettings
from crowdmask.verdicts import WORDS, Counts, Share, verdicts_that_are

MEMORY = "1GB"
SUPPORTING = " + ".join(verdict.word for verdict in verdicts_that_are(Share.FOR))
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LAST_YEAR = datetime(2200, 1, 1, tzinfo=timezone.utc)
MINUTE_US = 60_000_000
SECOND_US = 1_000_000
SHORTEST_GAP_S = 60.0
USUAL_PAUSES = 3
STAND_S = 600.0  # a still stands for ten minutes at most
BLOCK_MINUTES = 5  # the stretch of time that counts for one observation, see precision.py
LONE_STILL_S = 60.0  # what a still stands for whose camera or whose time is not known to have another


def microseconds(moment: datetime) -> int:
    """Since 1970 in UTC, as the table keeps instants."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def instant_of(us: int) -> datetime:
    """The other way round."""
    return _EPOCH + timedelta(microseconds=us)


@dataclass(frozen=True)
class Totals:
    """What the files hold in all."""

    frames: int
    frames_with_faces: int
    counts: Counts
    peak_unmasked: int
    untimed_frames: int
    untimed_sources: int
    left_out: int  # frames outside the period asked for
    first: datetime | None  # of the frames that have a time
    last: datetime | None
    people: Counts = field(default_factory=Counts)  # appearances, of the frames that were followed
    followed_frames: int = 0
    most_at_once: int = 0  # faces in one frame

    @property
    def is_followed(self) -> bool:
        """Whether every frame is of a video whose faces were followed, so that people say it all."""
        return 0 < self.followed_frames == self.frames


class FramesTable:
    """A context manager: the per-frame CSVs, counted once into the table `minutes` of its connection.

    minutes(camera, source, minute, block, frames, frames_with_faces, faces, the verdicts' words, peak_unmasked,
    most_at_once, first_us, last_us, recorded_us, masked_us, unmasked_us, trials_u, followed_frames, the verdicts'
    words after `people_`):

    - `separate` says whether masks wrongly worn are in no rate, as the analysis had it; then `against` lacks them.
      It stands in the summaries beside the files, unless it is given, as by whoever is about to write them.
    - `source` is kept only with `by_source` and for frames without a time, whose `minute` is NULL. With several files
      it is prefixed by the run it belongs to. Outside of `begin` to `end` nothing is counted.
    - `recorded_us` is the time that the frames stand for; `masked_us` that time multiplied by the faces that count for
      the compliance, `unmasked_us` by those that count against it.
    - With `keep_seconds` the table `standing` stays, one row per source and second, with `stands_us`.
    - `followed_frames` are those of videos whose faces were followed; `people_masked` and its like are the people who
      begin there. With `keep_seconds` the table `people` stays too, one row for each, with its `first_us`; and
      `given_people`, with all columns of the tables of people.
    - For the zones and lines that the files have columns for, `zones` says which further columns there are.
    - `trials_u` (in millionths) counts every judged face once a minute at most, and once a still: what precision.py
      takes for a trial. `block` numbers stretches of BLOCK_MINUTES.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        by_source: bool = False,
        stand_s: float = STAND_S,
        keep_seconds: bool = False,
        begin: datetime | None = None,
        end: datetime | None = None,
        threads: int = 0,
        memory: str = MEMORY,
        separate: bool | None = None,
    ) -> None:
        self.paths = list(paths)
        self.by_source, self.begin, self.end = by_source, begin, end
        self.separate = sets_apart(self.paths) if separate is None else separate
        self.zones = NO_ZONES  # those of the files are known when it is entered
        self.against = " + ".join(verdict.word for verdict in verdicts_that_are(Share.AGAINST, separate=self.separate))
        self._keep_seconds = keep_seconds
        self.people_lost = 0  # sources whose people were purged
        self._stand_us = round(stand_s * SECOND_US)
        self._threads, self._memory = RuntimeSettings(threads=threads).cores, memory
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            spill = opening.enter_context(tempfile.TemporaryDirectory(prefix="crowdmask-", ignore_cleanup_errors=True))
            self.connection = duckdb.connect(
                config={
                    "threads": str(self._threads),
                    "memory_limit": self._memory,
                    "temp_directory": spill,
                    "preserve_insertion_order": "false",
                    "autoinstall_known_extensions": "false",
                    "autoload_known_extensions": "false",
                }
            )
            opening.callback(self.connection.close)
            self.connection.execute("SET TimeZone = 'UTC'")
            self._count()
            # only the counting is faster without; and without, DuckDB 1.2 lets sorted rows, too, come as they may
            self.connection.execute("SET preserve_insertion_order = true")
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def _count(self) -> None:
        if not self.paths:
            raise SourceError("there is no run to count: give a run folder or a per-frame CSV")
        self.zones = ZoneColumns(zone_names(read_header(path) for path in self.paths))
        self._read_people()
        limits = [] if self.begin is None else [f"at_us >= {microseconds(self.begin)}"]
        limits += [] if self.end is None else [f"at_us < {microseconds(self.end)}"]
        inside = f"coalesce({' AND '.join(limits)}, false)" if limits else "true"
        self.execute(f"""
            CREATE TEMP TABLE seconds AS
            SELECT camera, source, at_us IS NOT NULL AS timed, clock_us // {SECOND_US} AS second, {inside} AS inside,
                count(*) AS frames, count(*) FILTER (faces > 0) AS frames_with_faces, sum(faces)::BIGINT AS faces,
                {_added((*WORDS, *self.zones.of_frames))}, max({self.against}) AS peak_unmasked,
                max(faces) AS most_at_once,
                bool_or(followed) AS has_people, min(clock_us) AS first_us, max(clock_us) AS last_us,
                bool_or(damaged) AS damaged
            FROM (SELECT *, coalesce(at_us, TRY_CAST(time_s * 1e6 AS BIGINT), 0) AS clock_us FROM ({self._followed()}))
            GROUP BY ALL
        """)
        if self.execute("SELECT count(*) FROM seconds WHERE damaged").fetchall()[0][0]:
            raise self._damage("a count or a time in it is no such")
        self.execute(self._standing())
        self.execute("DROP TABLE seconds")
        self._place_people()
        self.execute(self._counted())
        if not self._keep_seconds:
            for name in ("standing", "people", "places", "given_people"):
                self.execute(f"DROP TABLE {name}")
        self.execute("CREATE TEMP VIEW minutes AS SELECT * EXCLUDE (inside, clock_minute) FROM counted WHERE inside")

    def _read_people(self) -> None:
        """A table `given_people` of all people there are, and `people_lost` of the sources whose people were purged."""
        beside = {frames: persons_beside(frames) for frames in self.paths}
        persons = {table: self._source_of(frames) for frames, table in beside.items() if table is not None}
        words = ", ".join(f"0::BIGINT AS {name}" for name in PEOPLE_WORDS)
        none = f"SELECT '' AS source, 0::BIGINT AS at_us, {words}, false AS damaged WHERE false"
        try:
            self.connection.execute(f"CREATE TEMP TABLE given_people AS {people_sql(persons) if persons else none}")
            wrong = self.connection.execute(
                "SELECT count(*) FILTER (damaged OR at_us IS NULL) FROM given_people"
            ).fetchall()[0][0]
        except duckdb.Error as error:
            raise damaged(persons, first_line(error)) from error
        if wrong:
            raise damaged(persons, "a time or a verdict in it is no such")
        lost = [self._named(frames, source) for frames in self.paths for source in people_purged(frames)]
        self.execute("CREATE TEMP TABLE people_lost (source VARCHAR)")
        if lost:
            self.connection.executemany("INSERT INTO people_lost VALUES (?)", [(source,) for source in lost])
            self.execute("DELETE FROM people_lost WHERE source IN (SELECT source FROM given_people)")
        self.people_lost = int(self.execute("SELECT count(*) FROM people_lost").fetchall()[0][0])

    def _followed(self) -> str:
        """SQL of every row; where the people of a source are not known any more, as if nobody had followed them."""
        if not self.people_lost:
            return self.rows()
        known = "followed AND source NOT IN (SELECT source FROM people_lost)"
        return f"SELECT * REPLACE ({known} AS followed) FROM ({self.rows()})"

    def _place_people(self) -> None:
        """A table of the people, each with the second of its source in which it begins."""
        persons = [table for table in map(persons_beside, self.paths) if table is not None]
        self.execute(f"""
            CREATE TEMP TABLE people AS
            SELECT standing.camera, standing.source, timed, clock_minute, inside, first_us, {", ".join(PEOPLE_WORDS)}
            FROM given_people ASOF JOIN (SELECT * FROM standing WHERE moving AND has_people) AS standing
                ON given_people.source = standing.source AND given_people.at_us + {ROUNDED_US} >= standing.first_us
        """)
        given, placed = (
            self.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in ("given_people", "people")
        )
        if placed != given:
            raise damaged(persons, "somebody in it is in no frame")
        self._place_visits(persons)

    def _place_visits(self, persons: Iterable[Path]) -> None:
        """A table `places` of everybody in each zone, and of every crossing of a line, likewise."""
        columns = [name for name, *_ in self.execute("DESCRIBE given_people").fetchall()]
        try:
            self.connection.execute(f"""
                CREATE TEMP TABLE places AS
                SELECT standing.camera, standing.source, timed, clock_minute, inside, first_us, found.* EXCLUDE (source)
                FROM ({self.zones.people_sql(columns)}) AS found
                ASOF JOIN (SELECT * FROM standing WHERE moving AND has_people) AS standing
                    ON found.source = standing.source AND found.at_us + {ROUNDED_US} >= standing.first_us
            """)
        except duckdb.Error as error:
            raise damaged(persons, first_line(error)) from error

    def _standing(self) -> str:
        """SQL that gives every second the time that its frames stand for."""
        lone, shortest = round(LONE_STILL_S * SECOND_US), round(SHORTEST_GAP_S * SECOND_US)
        return f"""
            CREATE TEMP TABLE standing AS
            WITH
            kinds AS (SELECT camera, source, timed, sum(frames) > 1 AS moving FROM seconds GROUP BY ALL),
            strands AS (  -- what follows one another: the frames of a video, or the stills of a camera
                SELECT *, CASE WHEN moving THEN source ELSE '' END AS strand
                FROM seconds JOIN kinds USING (camera, source, timed)
            ),
            paused AS (
                SELECT *, lead(first_us) OVER (
                    PARTITION BY camera, moving, strand, timed ORDER BY first_us, source) - first_us AS pause
                FROM strands
            ),
            usual AS (
                SELECT camera, moving, strand, timed, median(pause)::BIGINT AS usual,
                    (max(last_us) - min(first_us)) // greatest(sum(frames) - 1, 1) AS pace
                FROM paused GROUP BY ALL
            )
            SELECT paused.*, least({self._stand_us}, CASE
                WHEN NOT moving AND NOT timed THEN {lone}
                WHEN pause <= greatest({shortest}, {USUAL_PAUSES} * usual) THEN pause
                WHEN moving THEN last_us - first_us + least(pace, coalesce(usual, pace))
                ELSE coalesce(usual, {lone}) END) AS stands_us, first_us // {MINUTE_US} AS clock_minute
            FROM paused JOIN usual USING (camera, moving, strand, timed)
        """

    def _counted(self) -> str:
        """SQL that adds the seconds and the people up to minutes."""
        source = "source" if self.by_source else "CASE WHEN NOT timed THEN source END"
        key = f"""camera, {source} AS source, CASE WHEN timed THEN clock_minute END AS minute, clock_minute,
            clock_minute // {BLOCK_MINUTES} AS block, inside"""
        of_zones = (*self.zones.of_people, *self.zones.largest)
        return f"""
            CREATE TEMP TABLE counted AS
            SELECT frames.*, {_or_none("there", PEOPLE_WORDS)}{"," if of_zones else ""} {_or_none("placed", of_zones)}
            FROM (
                SELECT {key}, {_added(("frames", "frames_with_faces", "faces", *WORDS, *self.zones.of_frames))},
                    max(peak_unmasked) AS peak_unmasked, max(most_at_once) AS most_at_once,
                    min(first_us) AS first_us, max(last_us) AS last_us,
                    sum(stands_us)::BIGINT AS recorded_us,
                    sum(({SUPPORTING}) * stands_us // frames)::BIGINT AS masked_us,
                    sum(({self.against}) * stands_us // frames)::BIGINT AS unmasked_us,
                    least(sum({SUPPORTING} + {self.against}) * {SECOND_US},
                        sum(({SUPPORTING} + {self.against}) * stands_us // frames) // 60)::BIGINT AS trials_u,
                    coalesce(sum(frames) FILTER (moving AND has_people), 0)::BIGINT AS followed_frames
                FROM standing GROUP BY ALL
            ) AS frames LEFT JOIN (SELECT {key}, {_added(PEOPLE_WORDS)} FROM people GROUP BY ALL) AS there
                ON {_same("there")}
            {f"LEFT JOIN ({self._placed(key)}) AS placed ON {_same('placed')}" if of_zones else ""}
        """

    def _placed(self, key: str) -> str:
        return f"SELECT {key}, {', '.join(self.zones.added_people())} FROM places GROUP BY ALL"

    def rows(self) -> str:
        """SQL of every row of the files: frame, time_s, the counts, source, camera, at_us (microseconds), damaged."""
        alike: dict[tuple[str, ...], list[Path]] = defaultdict(list)
        for path in self.paths:
            alike[read_header(path)].append(path.absolute())
        several = len(self.paths) > 1
        return " UNION ALL ".join(
            _rows_of(header, paths, self._folder, several, self.zones) for header, paths in alike.items()
        )

    @property
    def _folder(self) -> str:
        return os.path.commonpath([path.absolute().parent for path in self.paths])

    def _source_of(self, frames: Path) -> str:
        """SQL of the source of people who belong to a per-frame CSV, as its own rows have it."""
        file = os.path.relpath(frames.absolute(), self._folder).replace(os.sep, "/")
        if "source" not in read_header(frames):
            return sql_text(file)
        prefix = file.removesuffix("frames.csv").rstrip("/")
        several = len(self.paths) > 1 and prefix
        return f"concat_ws('/', {sql_text(prefix)}, source)" if several else "coalesce(source, '')"

    def _named(self, frames: Path, source: str) -> str:
        """The source of a row of a per-frame CSV as this table has it; the same as `_source_of` says in SQL."""
        file = os.path.relpath(frames.absolute(), self._folder).replace(os.sep, "/")
        if "source" not in read_header(frames):
            return file
        prefix = file.removesuffix("frames.csv").rstrip("/")
        return f"{prefix}/{source}" if len(self.paths) > 1 and prefix else source

    def totals(self) -> Totals:
        row = self.execute(f"""
            SELECT sum(frames), sum(frames_with_faces), max(peak_unmasked), sum(frames) FILTER (minute IS NULL),
                count(DISTINCT source) FILTER (minute IS NULL), min(first_us) FILTER (minute IS NOT NULL),
                max(last_us) FILTER (minute IS NOT NULL), sum(followed_frames), max(most_at_once), {_added(WORDS)},
                {_added(PEOPLE_WORDS)}
            FROM minutes
        """).fetchall()[0]
        frames, with_faces, peak, untimed, sources = (int(value or 0) for value in row[:5])
        first, last = (None if us is None else instant_of(us) for us in row[5:7])
        followed, most, *numbers = (int(value or 0) for value in row[7:])
        words, more = numbers[: len(WORDS)], numbers[len(WORDS) :]
        counts, people = (Counts.shown(some, separate=self.separate) for some in (words, more))
        left_out = self.execute("SELECT sum(frames) FROM counted WHERE NOT inside").fetchall()[0][0]
        return Totals(
            frames, with_faces, counts, peak, untimed, sources, int(left_out or 0), first, last, people, followed, most
        )

    def stretches(self, longest_empty_days: int) -> list[tuple[int, int]]:
        """Stretches of minutes with frames (or asked for) in them; a longer time without any parts two of them."""
        found = self.execute("""
            SELECT min(minute), max(minute) FROM minutes WHERE minute IS NOT NULL GROUP BY minute // 1440 ORDER BY 1
        """).fetchall()
        ends = [] if self.begin is None else [(minute_of(self.begin),) * 2]
        ends += [] if self.end is None else [(minute_of(self.end - timedelta(microseconds=1)),) * 2]
        joined: list[tuple[int, int]] = []
        for first, last in sorted([*found, *ends]) if found else []:
            if joined and first - joined[-1][1] <= longest_empty_days * 1440:
                joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
            else:
                joined.append((first, last))
        return joined

    def put(self, name: str, columns: dict[str, Any]) -> None:
        """Give the connection a table of NumPy columns, in place of one of that name."""
        self.connection.register("given", columns)
        self.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM given")
        self.connection.unregister("given")

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Run SQL; what is wrong with the files, the memory or the disk becomes an error that says so."""
        try:
            return self.connection.execute(sql)
        except duckdb.OutOfMemoryException as error:
            raise OutputError(
                f"the statistics need more than {self._memory} of memory and found no room on the disk "
                f"for the rest ({first_line(error)}): free some space in {tempfile.gettempdir()}"
            ) from error
        except duckdb.IOException as error:
            raise SourceError(f"{self.paths[0]}: reading failed ({first_line(error)}): check the disk") from error
        except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
            raise self._damage(first_line(error)) from error

    def _damage(self, reason: str) -> CrowdmaskError:
        return find_damage(self.paths) or SourceError(f"{self.paths[0]}: it cannot be counted ({reason})")


def _added(names: Iterable[str]) -> str:
    return ", ".join(f"sum({name})::BIGINT AS {name}" for name in names)  # a HUGEINT is twice as large


def _or_none(table: str, names: Iterable[str]) -> str:
    return ", ".join(f"coalesce({table}.{name}, 0)::BIGINT AS {name}" for name in names)


def _same(table: str) -> str:
    """SQL of what is of the same minute as `frames`."""
    return f"""frames.camera = {table}.camera AND frames.source IS NOT DISTINCT FROM {table}.source
        AND frames.minute IS NOT DISTINCT FROM {table}.minute AND frames.clock_minute = {table}.clock_minute
        AND frames.inside = {table}.inside"""


def _rows_of(header: tuple[str, ...], paths: Sequence[Path], folder: str, several: bool, zones: ZoneColumns) -> str:
    """SQL of the rows of files with the same columns; `folder` holds them all."""
    counts = {"faces", *WORDS}
    columns = ", ".join(f"{sql_text(name)}: '{'BIGINT' if name in counts else 'VARCHAR'}'" for name in header)
    files = ", ".join(sql_path(path) for path in paths)
    read = (
        f"read_csv([{files}], auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', "
        f"columns = {{{columns}}}, filename = 'file_of_row')"
    )
    source = file = f"ltrim(substr(file_of_row, {len(folder) + 1}), '/')"
    own = sql_unguarded("source")
    if "source" in header and several:
        source = f"concat_ws('/', nullif(regexp_replace({file}, '/?frames[.]csv$', ''), ''), {own})"
    elif "source" in header:
        source = f"coalesce({own}, '')"
    camera = f"coalesce({sql_unguarded('camera')}, '')" if "camera" in header else "''"
    with_people = [sql_text(str(path)) for path in paths if persons_beside(path) is not None]
    followed = f"file_of_row IN ({', '.join(with_people)})" if with_people else "false"
    frame = "TRY_CAST(frame AS BIGINT)" if "frame" in header else "NULL::BIGINT"
    seconds = "TRY_CAST(time_s AS DOUBLE)" if "time_s" in header else "NULL::DOUBLE"
    # a date alone has a '-' at the sixth place from its end as well, hence the length
    timed = "nullif(captured_at, '')" if "captured_at" in header else "NULL::VARCHAR"
    there = [word for word in WORDS if word in header]
    words = ", ".join(word if word in header else f"0 AS {word}" for word in WORDS)  # an older file may lack one
    faults = [f"{name} IS NULL OR {name} < 0" for name in ("faces", *there)]
    of_zones = "".join(f", {sql}" for sql in zones.read(header))
    if wrong := list(zones.faults(header)):
        faults.append("zones_wrong")
        of_zones += f", {' OR '.join(wrong)} AS zones_wrong"
    return f"""
        SELECT frame, time_s, faces, {", ".join(WORDS)}, source, camera, at_us, followed,
            {"".join(f"{name}, " for name in zones.of_frames)}
            {" OR ".join(faults)} OR faces <> {" + ".join(there)}
                OR (stamp IS NOT NULL AND NOT (length(stamp) > 16 AND (stamp[-1] = 'Z' OR stamp[-6] IN ('+', '-'))))
                OR (at_us IS NOT NULL AND (at_us < 0 OR at_us >= {microseconds(_LAST_YEAR)})) AS damaged
        FROM (
            SELECT {frame} AS frame, {seconds} AS time_s, faces, {words}, {source} AS source,
                {camera} AS camera, {timed} AS stamp, {followed} AS followed,
                epoch_us(stamp::TIMESTAMPTZ) AS at_us{of_zones}
            FROM {read}
        )
    """
