"""The statistics for people: a table of 80 columns for terminals, and the same as Markdown; then zones and lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import TextIO

from crowdmask.results.columns import Table
from crowdmask.results.statistics import wilson_interval
from crowdmask.results.timeline.statistics_columns import STATISTICS
from crowdmask.results.timeline.statistics_rows import StatisticsRow, TotalRow
from crowdmask.results.timeline.zone_columns import WAYS
from crowdmask.results.zone_stats import ZoneStats, ZoneSums
from crowdmask.verdicts import WORDS, Counts
from crowdmask.words import duration, natural, percent

HEADS = ("from", "camera", "counts", "masked", "unmasked", "unknown", "rate", "95 %", "cover")
WIDTH = 80
ZONE_HEADS = ("zone", "camera", *WORDS, "rate", "95 %", "stay")
FACES_HEADS = ("zone, faces", "camera", *WORDS, "rate")  # where nobody was followed
LINE_HEADS = ("line", "camera", "way", *WORDS, "rate")
_LEFT_HEADS = ("from", "zone", "zone, faces", "line", "camera", "counts", "way")  # words; the others are numbers
LEFT_OUT = "–"  # what an aggregate-only run does not tell, so that nobody is known again
NOTE = "unmasked 7+2: 7 unmasked and 2 whose mask is worn incorrectly"  # a column more would be wider than WIDTH
_ROWS_AHEAD = 200  # columns are aligned on the first rows, so that a long table begins at once
_LEAST_CAMERA = 8
_SHOWN = dict.fromkeys((*range(32), 127), "�")  # a file name must not drive the terminal


def write_table(rows: Iterable[StatisticsRow], file: TextIO, table: Table[StatisticsRow] = STATISTICS) -> None:
    """Numbers aligned to the right; where the table is wider than WIDTH, long names of cameras are cut."""
    places = _Places()
    source = places.watch(rows)
    ahead = list(islice(source, _ROWS_AHEAD))
    with_year = len({row.start.year for row in ahead if row.start is not None}) > 1
    first = [_cells(row, with_year=with_year) for row in ahead]
    _write_aligned(HEADS, first, (_cells(row, with_year=with_year) for row in source), file)
    if places.are_incorrect:
        file.write(f"\n{NOTE}\n")
    for heads, cells in places.tables():
        file.write("\n")
        _write_aligned(heads, cells, (), file)


def _write_aligned(
    heads: Sequence[str], first: Sequence[Sequence[str]], others: Iterable[Sequence[str]], file: TextIO
) -> None:
    """Columns are as wide as the first rows need."""
    widths = [max(len(cells[i]) for cells in [heads, *first]) for i in range(len(heads))]
    rest = sum(widths) - widths[1] + 2 * (len(heads) - 1)
    widths[1] = max(_LEAST_CAMERA, min(widths[1], WIDTH - rest))
    for cells in chain([heads], first, others):
        file.write(_line(heads, cells, widths).rstrip() + "\n")


def _line(heads: Sequence[str], cells: Sequence[str], widths: Sequence[int]) -> str:
    camera = cells[1] if len(cells[1]) <= widths[1] else cells[1][: widths[1] - 1] + "…"
    shown = (cells[0], camera, *cells[2:])
    return "  ".join(
        cell.ljust(width) if head in _LEFT_HEADS else cell.rjust(width)
        for head, cell, width in zip(heads, shown, widths, strict=True)
    )


def write_markdown(rows: Iterable[StatisticsRow], file: TextIO, table: Table[StatisticsRow] = STATISTICS) -> None:
    places = _Places()
    _write_markdown(HEADS, (_cells(row, with_year=True) for row in places.watch(rows)), file)
    if places.are_incorrect:
        file.write(f"\n{NOTE}\n")
    for heads, cells in places.tables():
        file.write("\n")
        _write_markdown(heads, cells, file)


def _write_markdown(heads: Sequence[str], rows: Iterable[Sequence[str]], file: TextIO) -> None:
    file.write(_markdown(heads))
    file.write("|" + "".join("---|" if head in _LEFT_HEADS else "---:|" for head in heads) + "\n")
    for cells in rows:
        file.write(_markdown(cells))


def _markdown(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("\\", "\\\\").replace("|", "\\|") for cell in cells) + " |\n"


class _Places:
    """Adds zones and lines up by camera, over all buckets, while the rows pass."""

    def __init__(self) -> None:
        self._by_camera: dict[str, ZoneStats] = {}
        self._followed: set[str] = set()
        self._left_out: set[tuple[str, str]] = set()  # cameras and columns of which an aggregate-only run tells nothing
        self.are_incorrect = False  # some of those in the rows

    def watch(self, rows: Iterable[StatisticsRow]) -> Iterator[StatisticsRow]:
        for row in rows:
            if row.places is not None and not isinstance(row, TotalRow):
                camera = " ".join((row.camera, row.source)).strip()
                self._by_camera[camera] = self._by_camera.get(camera, ZoneStats()) + row.places
                if row.followed_frames:
                    self._followed.add(camera)
                self._left_out.update((camera, column) for column, value in row.told.items() if value is None)
            self.are_incorrect |= _shown_counts(row).incorrect > 0
            yield row

    def tables(self) -> Iterator[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
        """Heads and cells of the zones, and of the lines; nothing where there are none."""
        cameras = sorted(self._by_camera, key=natural)
        zones = dict.fromkeys(name for camera in cameras for name in self._by_camera[camera].zones)
        lines = dict.fromkeys(name for camera in cameras for name in self._by_camera[camera].lines)
        for followed, heads in ((True, ZONE_HEADS), (False, FACES_HEADS)):
            if cells := [
                (zone, camera.translate(_SHOWN), *self._zone_cells(zone, camera, sums, followed=followed))
                for zone in zones
                for camera in cameras
                if (camera in self._followed) is followed
                and (sums := self._by_camera[camera].zones.get(zone)) is not None
            ]:
                yield heads, cells
        if crossed := [
            (line, camera.translate(_SHOWN), way, *self._numbers(camera, f"line_{line}_{way}_", counts))
            for line in lines
            for camera in cameras
            if camera in self._followed and line in self._by_camera[camera].lines
            for way, counts in ((way, self._by_camera[camera].lines[line][way]) for way in WAYS)
        ]:
            yield LINE_HEADS, crossed

    def _zone_cells(self, zone: str, camera: str, sums: ZoneSums, *, followed: bool) -> tuple[str, ...]:
        if not followed:
            return self._numbers(camera, f"zone_{zone}_", sums.faces)
        counts, before = sums.people, f"zone_{zone}_people_"
        ends = "" if self._misses(camera, before) else _ends(wilson_interval(counts.supporting, counts.judged))
        known = sums.mean_s is not None and (camera, f"zone_{zone}_dwell_s") not in self._left_out
        return (*self._numbers(camera, before, counts), ends, duration(sums.mean_s or 0.0) if known else "")

    def _numbers(self, camera: str, before: str, counts: Counts) -> tuple[str, ...]:
        """How many of each verdict, and the rate; nothing where one of them was left out in some bucket."""
        if self._misses(camera, before):
            return (*(LEFT_OUT for _ in counts.in_order), "")
        return (*(f"{count:,}" for count in counts.in_order), _percent(counts.compliance))

    def _misses(self, camera: str, before: str) -> bool:
        return (camera, f"{before}masked") in self._left_out


def _percent(rate: float | None, places: int = 1) -> str:
    return "" if rate is None else percent(rate, places).replace(" ", "")


def _ends(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else "-".join(f"{100 * end:.0f}" for end in interval)


def _is_left_out(row: StatisticsRow, before: str) -> bool:
    """Whether an aggregate-only run does not tell the verdicts in these columns."""
    return f"{before}masked" in row.told and row.told[f"{before}masked"] is None


def _shown_counts(row: StatisticsRow) -> Counts:
    return row.appearances if row.weighted_by == "people" else row.counts


def _cells(row: StatisticsRow, *, with_year: bool) -> tuple[str, ...]:
    counts = _shown_counts(row)
    masked, unmasked, unknown = (f"{number:,}" for number in (counts.masked, counts.unmasked, counts.unknown))
    unmasked += f"+{counts.incorrect:,}" if counts.incorrect else ""
    if rate_left_out := _is_left_out(row, "people_" if row.weighted_by == "people" else ""):
        masked = unmasked = unknown = LEFT_OUT
    return (
        "" if row.start is None else _time(row.start, with_year=with_year),
        " ".join((row.camera, row.source)).strip().translate(_SHOWN),
        "people" if row.weighted_by == "people" else "faces",
        masked,
        unmasked,
        unknown,
        _percent(None if rate_left_out else row.compliance),
        _ends(None if rate_left_out else row.interval),
        _percent(row.coverage, 0),
    )


def _time(moment: datetime, *, with_year: bool) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if with_year else f"{moment:%m-%d %H:%M}"
