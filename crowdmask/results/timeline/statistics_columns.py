"""The one table of the statistics' columns: name, kind, meaning, and how each comes out of a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from crowdmask.results.columns import Column, Kind, Table
from crowdmask.results.statistics import rounded, wilson_interval
from crowdmask.results.timeline.statistics_rows import StatisticsRow
from crowdmask.results.timeline.zone_columns import WAYS
from crowdmask.results.zone_stats import ZoneStats, ZoneSums
from crowdmask.tracking.zones import ZoneNames
from crowdmask.verdicts import VERDICTS, Counts, Share, VerdictRow, verdicts_that_are

Sums = TypeVar("Sums")

ZONE_SHARES = ("_compliance", "_compliance_low", "_compliance_high")
FIRST_WORDS = ("masked", "unmasked", "unknown")  # verdicts that came later have their column at the end
PEOPLE_SHARES = ("people_compliance", "people_compliance_low", "people_compliance_high")
SHARES = (  # shown in percent
    *("compliance", "compliance_low", "compliance_high", "frame_compliance", "coverage", "time_compliance"),
    *PEOPLE_SHARES,
)
_AGAINST = " + ".join(verdict.word for verdict in verdicts_that_are(Share.AGAINST))


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _end_of(interval: tuple[float, float] | None, which: int) -> float | None:
    return None if interval is None else rounded(interval[which])


def _count(row: VerdictRow) -> Column[StatisticsRow]:
    return Column(row.word, Kind.COUNT, "sum over the frames", lambda found: found.counts[row.verdict])


def _people(row: VerdictRow) -> Column[StatisticsRow]:
    meaning = f"of them, {row.meaning.replace('faces', 'people')}"
    return Column(
        f"people_{row.word}",
        Kind.COUNT,
        meaning,
        lambda found: None if found.people is None else found.people[row.verdict],
    )


@dataclass(frozen=True)
class StatisticsTable(Table[StatisticsRow]):
    """Says in place of what a row counts what it is told to say."""

    def values(self, row: StatisticsRow) -> dict[str, Any]:
        found = super().values(row)
        return {name: row.told.get(name, value) for name, value in found.items()} if row.told else found


STATISTICS = StatisticsTable(
    "statistics",
    3,
    (  # none ever moves: new ones come at the end
        Column(
            "bucket_start",
            Kind.TEXT,
            "ISO 8601 with offset; empty in the rows of files whose frames have no time",
            lambda row: _iso(row.start),
        ),
        Column("bucket_end", Kind.TEXT, "likewise; the first instant that is outside", lambda row: _iso(row.end)),
        Column("camera", Kind.TEXT, "empty with --by none; `total` in the row of all", lambda row: row.camera),
        Column("source", Kind.TEXT, "with --by source, and for files without a time", lambda row: row.source),
        Column("frames", Kind.COUNT, "how many were analysed", lambda row: row.frames),
        Column("frames_with_faces", Kind.COUNT, "in how many of them there was a face", lambda r: r.frames_with_faces),
        Column("faces", Kind.COUNT, "sum over the frames: the same face counts in each", lambda row: row.counts.faces),
        *(_count(row) for row in VERDICTS if row.word in FIRST_WORDS),
        Column(
            "compliance",
            Kind.NUMBER,
            "share of those judged who wore a mask, counted as `weighted_by` says; empty where nobody was judged",
            lambda row: rounded(row.compliance),
        ),
        Column("compliance_low", Kind.NUMBER, "lower end of its 95 % interval", lambda row: _end_of(row.interval, 0)),
        Column("compliance_high", Kind.NUMBER, "upper end of its 95 % interval", lambda row: _end_of(row.interval, 1)),
        Column(
            "mean_unmasked_per_frame",
            Kind.NUMBER,
            f"({_AGAINST}) / frames",
            lambda row: rounded(row.mean_unmasked_per_frame),
        ),
        Column("peak_unmasked", Kind.COUNT, f"most faces of {_AGAINST} in one frame", lambda row: row.peak_unmasked),
        Column(
            "gap_s",
            Kind.NUMBER,
            "seconds of the bucket that lie in gaps: pauses between two frames of the camera, longer than a minute and "
            "than three times its usual pause, or than --gap",
            lambda row: rounded(row.gap_s, 3),
        ),
        Column(
            "weighted_by",
            Kind.TEXT,
            "what `compliance` counts: `people` where all frames were followed, else the `time` for which faces are in "
            "view, or the faces of all `frames` where only sums were kept",
            lambda row: row.weighted_by,
        ),
        Column(
            "frame_compliance",
            Kind.NUMBER,
            "masked / (masked + unmasked), every frame counting alike",
            lambda row: rounded(row.counts.compliance),
        ),
        Column(
            "unmasked_in_view",
            Kind.NUMBER,
            f"faces of {_AGAINST} in view at a time, on average over the time recorded",
            lambda row: rounded(row.unmasked_in_view),
        ),
        Column(
            "recorded_s",
            Kind.NUMBER,
            "seconds that the frames stand for: that of a video until its next, a still until the camera's next",
            lambda row: None if row.time is None else rounded(row.time.recorded_s, 3),
        ),
        Column(
            "coverage",
            Kind.NUMBER,
            "share of the bucket that was recorded: without gaps, and without the time before the camera's first "
            "frame and after its last",
            lambda row: rounded(row.coverage),
        ),
        Column(
            "effective_judged",
            Kind.NUMBER,
            "how many independent observations the judged faces are worth, or how many people were judged: what the "
            "interval rests on",
            lambda row: rounded(row.effective_judged, 3),
        ),
        *(_count(row) for row in VERDICTS if row.word not in FIRST_WORDS),
        Column(
            "time_compliance",
            Kind.NUMBER,
            "the compliance with every face weighed by the time for which it is in view",
            lambda row: None if row.time is None else rounded(row.time_compliance),
        ),
        Column(
            "people",
            Kind.COUNT,
            "appearances that begin in the bucket: faces followed through one recording, each counted once; somebody "
            "who was lost for long counts anew. Empty where faces were not followed, as in stills",
            lambda row: None if row.people is None else row.people.faces,
        ),
        *(_people(row) for row in VERDICTS),
        Column(
            "people_compliance",
            Kind.NUMBER,
            "share of the judged people who wore a mask",
            lambda row: None if row.people is None else rounded(row.people.compliance),
        ),
        Column(
            "people_compliance_low",
            Kind.NUMBER,
            "lower end of its 95 % interval (Wilson)",
            lambda row: _end_of(row.people_interval, 0),
        ),
        Column(
            "people_compliance_high",
            Kind.NUMBER,
            "upper end of its 95 % interval (Wilson)",
            lambda row: _end_of(row.people_interval, 1),
        ),
        Column(
            "most_at_once",
            Kind.COUNT,
            "most faces in one frame: so many different people there were at least",
            lambda row: row.most_at_once,
        ),
    ),
)


def statistics_table(zones: ZoneNames) -> StatisticsTable:
    """The table with columns for these zones and lines."""
    if not zones:
        return STATISTICS
    columns = [column for zone in zones.zones for column in _zone_columns(zone)]
    columns += [column for line in zones.lines for way in WAYS for column in _line_columns(line, way)]
    return replace(STATISTICS, columns=(*STATISTICS.columns, *columns))


def is_share(column: str) -> bool:
    """Whether it is shown in percent."""
    return column in SHARES or (column.startswith("zone_") and column.endswith(ZONE_SHARES))


@dataclass(frozen=True)
class _Of(Generic[Sums]):
    """A column that every zone or every line has."""

    name: str
    kind: Kind
    meaning: str
    value: Callable[[Sums], Any]
    followed: bool = True  # empty where nobody was followed

    def column(self, name: str, sums_of: Callable[[ZoneStats], Sums | None]) -> Column[StatisticsRow]:
        def value(row: StatisticsRow) -> Any:
            sums = None if row.places is None or (self.followed and not row.followed_frames) else sums_of(row.places)
            return None if sums is None else self.value(sums)

        return Column(f"{name}{self.name}", self.kind, self.meaning, value)


def _of_word(name: str, row: VerdictRow, counts_of: Callable[[Sums], Counts], *, people: bool = True) -> _Of[Sums]:
    meaning = row.meaning.replace("faces", "people") if people else row.meaning
    return _Of(name + row.word, Kind.COUNT, f"of them, {meaning}", lambda s: counts_of(s)[row.verdict], people)


def _end_of_zone(sums: ZoneSums, which: int) -> float | None:
    return _end_of(wilson_interval(sums.people.supporting, sums.people.judged), which)


ZONE: tuple[_Of[ZoneSums], ...] = (
    _Of(
        "_people",
        Kind.COUNT,
        "people who first come into the zone in the bucket, each counted once; empty where nobody was followed",
        lambda sums: sums.people.faces,
    ),
    *(_of_word("_people_", row, lambda sums: sums.people) for row in VERDICTS),
    _Of(
        "_compliance",
        Kind.NUMBER,
        "share of the judged ones of them who wore a mask",
        lambda sums: rounded(sums.people.compliance),
    ),
    _Of("_compliance_low", Kind.NUMBER, "lower end of its 95 % interval (Wilson)", lambda s: _end_of_zone(s, 0)),
    _Of("_compliance_high", Kind.NUMBER, "upper end of its 95 % interval (Wilson)", lambda s: _end_of_zone(s, 1)),
    _Of("_visits", Kind.COUNT, "how often they came", lambda sums: sums.visits),
    _Of(
        "_dwell_s",
        Kind.NUMBER,
        "for how long they stayed, on average, all visits of one person together",
        lambda sums: rounded(sums.mean_s, 3),
    ),
    _Of(
        "_longest_s",
        Kind.NUMBER,
        "for how long the one of them stayed who stayed longest",
        lambda sums: rounded(sums.longest_s, 3) if sums.people.faces else None,
    ),
    _Of("_faces", Kind.COUNT, "faces in the zone, summed over the frames", lambda s: s.faces.faces, followed=False),
    *(_of_word("_", row, lambda sums: sums.faces, people=False) for row in VERDICTS),
)
LINE: tuple[_Of[Counts], ...] = (
    _Of("", Kind.COUNT, "how often the line was crossed this way in the bucket", lambda counts: counts.faces),
    *(_of_word("_", row, lambda counts: counts) for row in VERDICTS),
)


def _zone_columns(zone: str) -> Iterator[Column[StatisticsRow]]:
    return (one.column(f"zone_{zone}", lambda places: places.zones.get(zone)) for one in ZONE)


def _line_columns(line: str, way: str) -> Iterator[Column[StatisticsRow]]:
    def counts(places: ZoneStats) -> Counts | None:
        return places.lines[line][way] if line in places.lines else None

    return (one.column(f"line_{line}_{way}", counts) for one in LINE)


def zone_meanings() -> dict[str, str]:
    """What the columns of a zone and of a line mean, by their names."""
    zones = {f"zone_NAME{one.name}": one.meaning for one in ZONE}
    return zones | {f"line_NAME_{way}{one.name}": one.meaning for way in WAYS for one in LINE}
