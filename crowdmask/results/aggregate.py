"""Aggregate-only mode: counts per period and camera and nothing else, for places whose law asks for it.

Modelled on the French decree 2021-269 of 10 March 2021, by which public transport was allowed to measure for a year
how many people wore a mask: pictures neither stored nor passed on, turned at once into anonymous data, the share of
masks told for periods of no less than twenty minutes. This mode keeps no more than such figures. Whether a use of it
is lawful depends on much else, and no program can promise that.

What RUN/aggregate.csv holds, in the columns of `crowdmask stats`: for each period and camera the frames analysed, the
faces and how many of them were masked, unmasked and unknown, the compliance, and the mean of unmasked faces per frame.
What would say something of a single frame or file, or of times within the period (frames_with_faces, source,
peak_unmasked, gap_s, the columns of time), stays empty, and so does the interval: faces of successive frames are not
independent, and what would show by how much is not kept. No picture, no box, no row per frame or per file is ever
written.

Suppression. A count from 1 to min_count - 1 is small. A count of 0 is told: nobody was there to be known again.

- If any of masked, unmasked and unknown of a row is small, all three are left out, and with them the compliance
  and the mean: out of the other two and the sum the small one could be computed.
- `faces` of such a row is told where it is not small itself. It does not give the three away: whatever they are, the
  same numbers in another order are possible as well, and they are never forced to be equal.
- No total includes a row in which something is left out, neither on the terminal nor in the summary: by it the row
  could be computed. Rows are not added up over cameras or periods at all.

So the rows that are told in full are those with many people in them. Their compliance is not that of all: choose a
longer period rather than adding up what is left.

What it does not protect from: somebody who adds files to a finished run and compares its two versions, or who runs it
twice with different periods; the recordings themselves, where they are kept; and a period in which everybody is alike.

On the disk in between, see jobs/batch/period_sums.py.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from crowdmask.media.parts import write_whole
from crowdmask.records import Counts
from crowdmask.results.timeline.buckets import Width, edges, local_at, minute_of

UNTIMED = -1  # in place of a period's minutes where nothing tells when a frame was taken
_SPANS_KEPT = 10_000
_LEFT_EMPTY = ("source", "frames_with_faces", "peak_unmasked", "gap_s")
_PARTS = ("masked", "unmasked", "unknown")
_OF_PARTS = (*_PARTS, "compliance", "frame_compliance", "mean_unmasked_per_frame")


@dataclass(frozen=True, order=True)
class Cell:
    """A period of a camera: from minute `start` to `stop`, since 1970 in UTC."""

    start: int
    stop: int
    camera: str


@dataclass(frozen=True)
class Sums:
    """What was counted in a cell."""

    frames: int = 0
    counts: Counts = field(default_factory=Counts)

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.frames + other.frames, self.counts + other.counts)

    @property
    def parts(self) -> tuple[int, int, int]:
        """Masked, unmasked and unknown, which add up to the faces: masks wrongly worn are among the unmasked."""
        return self.counts.masked, self.counts.unmasked + self.counts.incorrect, self.counts.unknown


@dataclass(frozen=True)
class Told:
    """What may be told of a cell; None is left out."""

    frames: int
    faces: int | None
    parts: tuple[int, int, int] | None


def is_small(count: int, min_count: int) -> bool:
    return 0 < count < min_count


def told(sums: Sums, min_count: int) -> Told:
    """The cell by the rule at the top of this module."""
    faces = sums.counts.faces
    shown = not any(is_small(part, min_count) for part in sums.parts)
    return Told(sums.frames, None if is_small(faces, min_count) else faces, sums.parts if shown else None)


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
    from crowdmask.results.timeline.statistics_columns import STATISTICS  # loads DuckDB, which a batch does without

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(STATISTICS.names)
    left_out = 0
    for row in _rows(sorted(cells, key=lambda pair: (pair[0].start == UNTIMED, pair[0])), zone):
        left_out += row[STATISTICS.names.index("masked")] == ""
        writer.writerow(row)
    write_whole(path, out.getvalue().encode("utf-8", "backslashreplace"))
    return left_out


def _rows(cells: Iterable[tuple[Cell, Told]], zone: ZoneInfo) -> Iterator[list[str]]:
    from crowdmask.results.timeline.statistics_columns import record
    from crowdmask.results.timeline.statistics_rows import StatisticsRow

    for cell, shown in cells:
        timed = cell.start != UNTIMED
        start, stop = (local_at(minute, zone) if timed else None for minute in (cell.start, cell.stop))
        counts = Counts(*(shown.parts or (0, 0, 0)))
        values = record(StatisticsRow(start, stop, cell.camera, "", shown.frames, 0, counts, 0, None))
        values |= dict.fromkeys(_LEFT_EMPTY)
        values["faces"] = shown.faces
        if shown.parts is None:
            values |= dict.fromkeys(_OF_PARTS)
        yield ["" if value is None else str(value) for value in values.values()]
