"""Aggregate-only mode: counts per period and camera and nothing else, for places whose law asks for it.

Modelled on the French decree 2021-269 of 10 March 2021, by which public transport was allowed to measure for a year
how many people wore a mask: pictures neither stored nor passed on, turned at once into anonymous data, the share of
masks told for periods of no less than twenty minutes. This mode keeps no more than such figures. Whether a use of it
is lawful depends on much else, and no program can promise that.

What RUN/aggregate.csv holds, in the columns of `crowdmask stats`: for each period and camera the frames analysed, the
faces and how many of them were masked, unmasked and unknown, the compliance, and the mean of unmasked faces per frame;
where faces were followed, the people who begin in the period, and their compliance with its interval; with zones, both
by zone, and the crossings of each line. A mask wrongly worn is among the unmasked, or with `--incorrect separate` among
the unknown. What would say something of a single frame, file or person, or of times within the period
(frames_with_faces, source, peak_unmasked, most_at_once, gap_s, stays in a zone, the columns of time), stays empty, and
so does the interval of faces: those of successive frames are not independent, and what would show by how much is not
kept. No picture, no box, no row per frame, per person or per file is ever written. People are followed in memory and
counted when they leave.

Suppression. A count from 1 to min_count - 1 is small. A count of 0 is told: nobody was there to be known again.

- If any of masked, unmasked and unknown is small, all three are left out, and with them the compliance
  and the mean: out of the other two and the sum the small one could be computed. This holds for faces, for people, for
  each zone and each line by itself.
- Where those of the people are left out, those of their faces are too: many faces may be one person's.
- What is in a zone is left out as well where the rest of the camera, outside of it, is small.
- `faces` of such a row is told where it is not small itself. It does not give the three away: whatever they are, the
  same numbers in another order are possible as well, and they are never forced to be equal.
- No total includes a count that is left out, neither on the terminal nor in the summary nor in what `crowdmask stats`
  makes of the file: by it the row could be computed. The batch adds no rows up over cameras or periods at all.

So the rows that are told in full are those with many people in them. Their compliance is not that of all: choose a
longer period rather than adding up what is left.

What it does not protect from: somebody who adds files to a finished run and compares its two versions, or who runs it
twice with different periods; the recordings themselves, where they are kept; and a period in which everybody is alike.

On the disk in between, see jobs/batch/periods.py.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from crowdmask.media.parts import write_whole
from crowdmask.records import Counts
from crowdmask.results.columns import no_formula
from crowdmask.results.timeline.buckets import Width, edges, local_at, minute_of
from crowdmask.results.zone_stats import ZoneStats, ZoneSums
from crowdmask.tracking.zones import IN, OUT, ZoneNames
from crowdmask.verdicts import WORDS
from crowdmask.words import natural

if TYPE_CHECKING:
    from crowdmask.results.timeline.statistics_rows import StatisticsRow

UNTIMED = -1  # in place of a period's minutes where nothing tells when a frame was taken
_SPANS_KEPT = 10_000
_LEFT_EMPTY = ("source", "frames_with_faces", "peak_unmasked", "most_at_once", "gap_s", "incorrect", "people_incorrect")
_OF_PARTS = ("masked", "unmasked", "unknown", "frame_compliance", "time_compliance", "mean_unmasked_per_frame")
_RATE = ("compliance", "compliance_low", "compliance_high", "effective_judged")
_PEOPLE_RATE = ("people_compliance", "people_compliance_low", "people_compliance_high")
FACES, PEOPLE = "", "people"  # what is counted; what follows are those of a zone and of a line
_ZONE_FACES, _ZONE, _LINE = "faces ", "zone ", "line "


@dataclass(frozen=True)
class Place:
    """The zone or line, with its way, that the `of` of a cell names; no place where it is that of the whole picture."""

    kind: str = ""  # _ZONE_FACES, _ZONE, _LINE or none
    name: str = ""
    way: str = ""

    @classmethod
    def of(cls, counted: str) -> Place:
        for kind in (_ZONE_FACES, _ZONE):
            if counted.startswith(kind):
                return cls(kind, counted[len(kind) :])
        if not counted.startswith(_LINE):
            return cls()
        line, _, way = counted[len(_LINE) :].rpartition(" ")
        return cls(_LINE, line, way)


def beside(counted: str, *, people: bool) -> tuple[str, ...]:
    """What else is counted wherever this is: a zone's faces, and its people where faces are followed; both ways."""
    place, cell = Place.of(counted), Cell(0, 0, "")
    if place.kind == _LINE:
        return tuple(cell.across(place.name, way).of for way in (IN, OUT))
    if not place.kind:
        return ()
    return (cell.faces_in(place.name).of, *((cell.people_in(place.name).of,) if people else ()))


_WHOLE_OF = {_ZONE_FACES: FACES, _ZONE: PEOPLE}  # of what those in a zone are a part


@dataclass(frozen=True, order=True)
class Cell:
    """What is counted in a period of a camera: from minute `start` to `stop`, since 1970 in UTC."""

    start: int
    stop: int
    camera: str
    of: str = FACES

    def faces_in(self, zone: str) -> Cell:
        return replace(self, of=_ZONE_FACES + zone)

    @property
    def people(self) -> Cell:
        return replace(self, of=PEOPLE)

    def people_in(self, zone: str) -> Cell:
        return replace(self, of=_ZONE + zone)

    def across(self, line: str, way: str) -> Cell:
        return replace(self, of=f"{_LINE}{line} {way}")


@dataclass(frozen=True)
class Sums:
    """What was counted in a cell."""

    frames: int = 0
    counts: Counts = field(default_factory=Counts)

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.frames + other.frames, self.counts + other.counts)

    @property
    def parts(self) -> tuple[int, int, int]:
        """For the compliance, against it, and neither; they add up to the faces."""
        judged = self.counts.supporting, self.counts.against
        return *judged, self.counts.faces - sum(judged)


@dataclass(frozen=True)
class Told:
    """What may be told of a cell; None is left out."""

    frames: int
    faces: int | None
    parts: tuple[int, int, int] | None

    @property
    def counts(self) -> Counts:
        """Nothing where the parts are left out."""
        return Counts(*(self.parts or (0, 0, 0)))

    def __add__(self, other: Told) -> Told:
        """What is left out of one is left out of both together: the other's would be taken for that of both."""
        faces = None if self.faces is None or other.faces is None else self.faces + other.faces
        parts = None
        if self.parts is not None and other.parts is not None:
            (supporting, against, neither), (more_supporting, more_against, more_neither) = self.parts, other.parts
            parts = (supporting + more_supporting, against + more_against, neither + more_neither)
        return Told(self.frames + other.frames, faces, parts)


def is_small(count: int, min_count: int) -> bool:
    return 0 < count < min_count


def told(sums: Sums, min_count: int) -> Told:
    """The cell by the rule at the top of this module."""
    faces = sums.counts.faces
    shown = not any(is_small(part, min_count) for part in sums.parts)
    return Told(sums.frames, None if is_small(faces, min_count) else faces, sums.parts if shown else None)


def told_together(found: Mapping[str, Sums], min_count: int, cut: Collection[str] = ()) -> dict[str, Told]:
    """What may be told of all that is counted in one period of a camera; `cut` is what was left out before."""
    shown = {of: told(sums, min_count) for of, sums in found.items()}
    people_cut = PEOPLE in cut or (PEOPLE in shown and shown[PEOPLE].parts is None)
    if FACES in shown and people_cut:
        shown[FACES] = replace(shown[FACES], parts=None)
    for of, sums in found.items():
        kind = Place.of(of).kind
        whole = _WHOLE_OF.get(kind)
        if whole is None or whole not in found:
            continue
        rest = [all_of - part for all_of, part in zip(found[whole].parts, sums.parts, strict=True)]
        if shown[whole].parts is not None and any(is_small(count, min_count) for count in rest):
            shown[of] = replace(shown[of], parts=None)
        if shown[whole].faces is not None and is_small(sum(rest), min_count):
            shown[of] = replace(shown[of], faces=None, parts=None)
        if kind == _ZONE_FACES and people_cut:
            shown[of] = replace(shown[of], parts=None)
    return shown


class Periods:
    """Adds frames up by period and camera."""

    def __init__(self, width: Width, zone: ZoneInfo) -> None:
        self._width, self._zone = width, zone
        self._spans: dict[int, tuple[int, int]] = {}

    def cell(self, camera: str, taken: datetime | None, seconds: float = 0.0) -> Cell:
        """Where a frame `seconds` after an instant is counted."""
        if taken is None:
            return Cell(UNTIMED, UNTIMED, camera)
        minute = minute_of(taken + timedelta(seconds=seconds))
        if minute not in self._spans:
            if len(self._spans) >= _SPANS_KEPT:
                self._spans.clear()
            begin, end = edges(self._width, self._zone, minute, minute)[:2].tolist()
            self._spans[minute] = begin, end
        return Cell(*self._spans[minute], camera)


def write_aggregate(path: Path, cells: Iterable[tuple[Cell, Told]], zone: ZoneInfo) -> int:
    """RUN/aggregate.csv, whole or not at all; how many rows of it have something left out."""
    from crowdmask.results.timeline.statistics_columns import statistics_table  # loads DuckDB: a batch does without

    periods: dict[tuple[bool, int, int, str], dict[str, Told]] = defaultdict(dict)
    for cell, shown in cells:
        periods[cell.start == UNTIMED, cell.start, cell.stop, cell.camera][cell.of] = shown
    counted = sorted({of for found in periods.values() for of in found}, key=natural)
    zones, lines = (
        tuple(dict.fromkeys(place.name for kind in kinds for place in map(Place.of, counted) if place.kind == kind))
        for kinds in ((_ZONE, _ZONE_FACES), (_LINE,))
    )
    table = statistics_table(ZoneNames(zones, lines))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.names)
    left_out = 0
    for (untimed, start, stop, camera), found in sorted(periods.items(), key=lambda period: period[0]):
        ends = None if untimed else (local_at(start, zone), local_at(stop, zone))
        values = table.values(row_of_period(ends, camera, found))
        left_out += any(shown.parts is None for shown in found.values())
        values["camera"] = no_formula(camera)
        writer.writerow(["" if value is None else value for value in values.values()])
    write_whole(path, out.getvalue().encode("utf-8", "backslashreplace"))
    return left_out


def row_of_period(ends: tuple[datetime, datetime] | None, camera: str, found: Mapping[str, Told]) -> StatisticsRow:
    """A row of the file, or of the statistics made of it, with nothing where it is not told."""
    from crowdmask.results.timeline.statistics_rows import StatisticsRow

    faces, people = found.get(FACES, Told(0, 0, (0, 0, 0))), found.get(PEOPLE)
    start, end = ends or (None, None)
    row = StatisticsRow(
        start,
        end,
        camera,
        "",
        faces.frames,
        0,
        faces.counts,
        0,
        None,
        followed_frames=0 if people is None else people.frames,
        appearances=Counts() if people is None else people.counts,
        places=_places(found),
    )
    values: dict[str, Any] = dict.fromkeys(_LEFT_EMPTY)
    values["faces"] = faces.faces
    if faces.parts is None:
        values |= dict.fromkeys(_OF_PARTS)
    of_people = row.weighted_by == "people"
    if people is not None:
        values["people"] = people.faces
        if people.parts is None:
            values |= dict.fromkeys((*(f"people_{word}" for word in WORDS), *_PEOPLE_RATE))
    if (people if of_people and people is not None else faces).parts is None:
        values |= dict.fromkeys(_RATE)
    for of, shown in found.items():
        values |= _left_out_of(of, shown)
    return replace(row, told=values)


def _places(found: Mapping[str, Told]) -> ZoneStats:
    """What is counted by zone and line, as far as it is told."""
    places = ZoneStats()
    for of, shown in found.items():
        place = Place.of(of)
        if place.kind == _LINE:
            places.lines.setdefault(place.name, {IN: Counts(), OUT: Counts()})[place.way] = shown.counts
        elif place.kind:
            sums = ZoneSums(people=shown.counts) if place.kind == _ZONE else ZoneSums(faces=shown.counts)
            places.zones[place.name] = places.zones.get(place.name, ZoneSums()) + sums
    return places


def _left_out_of(of: str, shown: Told) -> dict[str, Any]:
    """What of the columns of a zone or a line is not told, or was never kept."""
    place = Place.of(of)
    zone = f"zone_{place.name}"
    rates: tuple[str, ...] = ()
    if place.kind == _ZONE:
        before, total = f"{zone}_people_", f"{zone}_people"
        rates = tuple(f"{zone}_{name}" for name in ("compliance", "compliance_low", "compliance_high"))
        empty = {f"{zone}_{name}": None for name in ("visits", "dwell_s", "longest_s")}
    elif place.kind == _ZONE_FACES:
        before, total, empty = f"{zone}_", f"{zone}_faces", {}
    elif place.kind == _LINE:
        total = f"line_{place.name}_{place.way}"
        before, empty = f"{total}_", {}
    else:
        return {}
    if shown.parts is None:
        empty |= dict.fromkeys((*(before + word for word in WORDS), *rates))
    return empty | {f"{before}incorrect": None, total: shown.faces}
