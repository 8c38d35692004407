"""Zones and lines in the statistics: what per-frame CSVs and tables of people say of them, added up by minute.

In a zone a person counts once, in the bucket in which it first comes there, with all its visits; a crossing of a line
counts in the bucket in which it happens. So buckets add up to the table of people. Faces in a zone are sums over the
frames, as everywhere. A camera that has no such zone says nothing of it, which is not the same as nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from crowdmask.results.timeline.people_rows import PEOPLE_WORDS, ROUNDED_US
from crowdmask.results.timeline.sql import sql_text
from crowdmask.results.zone_stats import Ways, ZoneStats, ZoneSums
from crowdmask.tracking.zones import IN, OUT, ZoneNames
from crowdmask.verdicts import WORDS, Counts

WAYS = (IN, OUT)
MS = 1000.0


def zone_names(headers: Iterable[Sequence[str]]) -> ZoneNames:
    """Whose columns per-frame CSVs have, in their order."""
    zones: dict[str, None] = {}
    lines: dict[str, None] = {}
    for header in headers:
        there = set(header)
        for column in header:
            zone, line = column[len("zone_") : -len("_faces")], column[len("line_") : -len("_in")]
            if column == f"zone_{zone}_faces" and there.issuperset(f"zone_{zone}_{word}" for word in WORDS):
                zones[zone] = None
            elif column == f"line_{line}_in" and f"line_{line}_out" in there:
                lines[line] = None
    return ZoneNames(tuple(zones), tuple(lines))


@dataclass(frozen=True)
class ZoneColumns:
    """The columns of the statistics' table `minutes` for these zones and lines, by their places in the list.

    zK_frames: frames of cameras that have the zone; zK_masked and its like: faces in it; zK_people_masked and its
    like: people who first come there; zK_visits, zK_dwell_ms: of these; zK_longest_ms: of one of them.
    lK_frames likewise; lK_in_masked and its like: crossings by way and verdict.
    """

    names: ZoneNames

    def __bool__(self) -> bool:
        return bool(self.names)

    @cached_property
    def _faces(self) -> dict[str, str]:
        """The column of the per-frame CSV for each of the faces."""
        return {f"z{k}_{word}": f"zone_{zone}_{word}" for k, zone in enumerate(self.names.zones) for word in WORDS}

    @cached_property
    def _frames(self) -> dict[str, str]:
        """The column of the per-frame CSV that is empty where a camera has no such zone or line."""
        zones = {f"z{k}_frames": f"zone_{zone}_faces" for k, zone in enumerate(self.names.zones)}
        return zones | {f"l{k}_frames": f"line_{line}_{IN}" for k, line in enumerate(self.names.lines)}

    @cached_property
    def of_frames(self) -> tuple[str, ...]:
        return (*self._frames, *self._faces)

    @cached_property
    def of_people(self) -> tuple[str, ...]:
        """Those of people that are added."""
        zones = [f"z{k}_{what}" for k in range(len(self.names.zones)) for what in (*PEOPLE_WORDS, "visits", "dwell_ms")]
        return (*zones, *(f"l{k}_{way}_{word}" for k in range(len(self.names.lines)) for way in WAYS for word in WORDS))

    @cached_property
    def added(self) -> tuple[str, ...]:
        return (*self.of_frames, *self.of_people)

    @cached_property
    def largest(self) -> tuple[str, ...]:
        return tuple(f"z{k}_longest_ms" for k in range(len(self.names.zones)))

    @cached_property
    def names_of_all(self) -> tuple[str, ...]:
        """In the order in which `minutes`, and what is made of it, has them."""
        return (*self.added, *self.largest)

    def read(self, header: Sequence[str]) -> Iterator[str]:
        """SQL of each of `of_frames` in the rows of files with this header: frames as 1 or 0, faces or nothing."""
        for name, column in self._frames.items():
            yield f"({_given(column)} IS NOT NULL)::BIGINT AS {name}" if column in header else f"0::BIGINT AS {name}"
        for name, column in self._faces.items():
            yield f"coalesce({_given(column)}, 0) AS {name}" if column in header else f"0::BIGINT AS {name}"

    @staticmethod
    def faults(header: Sequence[str]) -> Iterator[str]:
        """SQL of what is wrong in a row: counts in a zone that are no numbers, or do not add up."""
        for zone in zone_names([header]).zones:
            faces, *parts = (_given(f"zone_{zone}_{word}") for word in ("faces", *WORDS))
            nothing = " AND ".join(
                f"nullif({_quoted(f'zone_{zone}_{word}')}, '') IS NULL" for word in ("faces", *WORDS)
            )
            yield f"(NOT ({nothing}) AND coalesce({faces} <> {' + '.join(parts)}, true))"

    def people_sql(self, columns: Sequence[str]) -> str:
        """SQL of a row for everybody in each zone, and one for each crossing, out of `given_people`."""
        words = ", ".join(PEOPLE_WORDS)
        nothing = f"SELECT '' AS source, 0::BIGINT AS at_us, '' AS place, {words}, 0::BIGINT AS visits, "
        nothing += "0::BIGINT AS dwell_ms FROM given_people WHERE false"
        later = f"at_us + round((since - first_s::DOUBLE) * 1e6)::BIGINT + {ROUNDED_US}"
        any_words = ", ".join(f"any_value({word}) AS {word}" for word in PEOPLE_WORDS)
        parts = [nothing]
        if "zones" in columns:
            parts.append(f"""
                SELECT source, min({later}) AS at_us, 'zone ' || struct_extract(found, 'name') AS place,
                    {any_words}, count(*) AS visits,
                    sum(round((struct_extract(found, 'upto')::DOUBLE - since) * {MS}))::BIGINT AS dwell_ms
                FROM ({_parted("zones", "^(.*)@([0-9.]+)-([0-9.]+)$", ("name", "since", "upto"))})
                GROUP BY who, source, place
            """)
        if "lines" in columns:
            parts.append(f"""
                SELECT source, {later} AS at_us, 'line ' || struct_extract(found, 'name') AS place, {words},
                    0 AS visits, 0 AS dwell_ms
                FROM ({_parted("lines", "^(.*)@([0-9.]+)$", ("name", "since"))})
            """)
        return " UNION ALL ".join(parts)

    def added_people(self) -> Iterator[str]:
        """SQL of each of `of_people`, then of `largest`, out of these rows."""
        for k, zone in enumerate(self.names.zones):
            there = f"FILTER (place = {sql_text('zone ' + zone)})"
            for name in (*PEOPLE_WORDS, "visits", "dwell_ms"):
                yield f"sum({name}) {there} AS z{k}_{name}"
        for k, line in enumerate(self.names.lines):
            for way in WAYS:
                there = f"FILTER (place = {sql_text(f'line {line} {way}')})"
                for word, name in zip(WORDS, PEOPLE_WORDS, strict=True):
                    yield f"sum({name}) {there} AS l{k}_{way}_{word}"
        for k, zone in enumerate(self.names.zones):
            yield f"max(dwell_ms) FILTER (place = {sql_text('zone ' + zone)}) AS z{k}_longest_ms"

    def sums(self, found: Mapping[str, Any], *, separate: bool) -> ZoneStats | None:
        """What a row of these columns says; None where it is of cameras without zones and lines."""

        def counts(before: str) -> Counts:
            return Counts.shown((int(found[f"{before}{word}"]) for word in WORDS), separate=separate)

        stats = ZoneStats()
        for k, zone in enumerate(self.names.zones):
            if found[f"z{k}_frames"]:
                stats.zones[zone] = ZoneSums(
                    counts(f"z{k}_"),
                    counts(f"z{k}_people_"),
                    int(found[f"z{k}_visits"]),
                    int(found[f"z{k}_dwell_ms"]) / MS,
                    int(found[f"z{k}_longest_ms"]) / MS,
                )
        for k, line in enumerate(self.names.lines):
            if found[f"l{k}_frames"]:
                ways: Ways = {way: counts(f"l{k}_{way}_") for way in WAYS}
                stats.lines[line] = ways
        return stats if stats.zones or stats.lines else None


NO_ZONES = ZoneColumns(ZoneNames())


def _parted(column: str, pattern: str, names: Sequence[str]) -> str:
    """SQL of a row for each of the parts, between semicolons, of a column of given_people: `found`, and `since`."""
    listed = ", ".join(map(sql_text, names))
    return f"""
        SELECT *, struct_extract(found, 'since')::DOUBLE AS since
        FROM (
            SELECT *, regexp_extract(part, {sql_text(pattern)}, [{listed}]) AS found
            FROM (
            SELECT *, unnest(string_split({column}, ';')) AS part
            FROM (SELECT *, row_number() OVER () AS who FROM given_people)
            WHERE coalesce({column}, '') <> '')
        )
    """


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _given(column: str) -> str:
    """SQL of a count that may be left empty, out of text."""
    return f"TRY_CAST(nullif({_quoted(column)}, '') AS BIGINT)"
