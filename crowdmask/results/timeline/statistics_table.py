"""The statistics for people: a table of 80 columns for terminals, and the same as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import TextIO

from crowdmask.results.timeline.statistics_rows import StatisticsRow
from crowdmask.words import percent

HEADS = ("from", "camera", "counts", "masked", "unmasked", "unknown", "rate", "95 %", "cover")
WIDTH = 80
_LEFT = 3  # the first of them are words, the others numbers
_ROWS_AHEAD = 200  # columns are aligned on the first rows, so that a long table begins at once
_LEAST_CAMERA = 8
_SHOWN = dict.fromkeys((*range(32), 127), "�")  # a file name must not drive the terminal


def write_table(rows: Iterable[StatisticsRow], file: TextIO) -> None:
    """Numbers aligned to the right; where the table is wider than WIDTH, long names of cameras are cut."""
    source = iter(rows)
    ahead = list(islice(source, _ROWS_AHEAD))
    with_year = len({row.start.year for row in ahead if row.start is not None}) > 1
    first = [_cells(row, with_year=with_year) for row in ahead]
    widths = [max(len(cells[i]) for cells in [HEADS, *first]) for i in range(len(HEADS))]
    others = sum(widths) - widths[1] + 2 * (len(HEADS) - 1)
    widths[1] = max(_LEAST_CAMERA, min(widths[1], WIDTH - others))
    for cells in chain([HEADS], first, (_cells(row, with_year=with_year) for row in source)):
        file.write(_line(cells, widths).rstrip() + "\n")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    camera = cells[1] if len(cells[1]) <= widths[1] else cells[1][: widths[1] - 1] + "…"
    shown = (cells[0], camera, *cells[2:])
    return "  ".join(
        cell.ljust(width) if i < _LEFT else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(shown, widths, strict=True))
    )


def write_markdown(rows: Iterable[StatisticsRow], file: TextIO) -> None:
    file.write(_markdown(HEADS))
    file.write("|" + "---|" * _LEFT + "---:|" * (len(HEADS) - _LEFT) + "\n")
    for row in rows:
        file.write(_markdown(_cells(row, with_year=True)))


def _markdown(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("\\", "\\\\").replace("|", "\\|") for cell in cells) + " |\n"


def _cells(row: StatisticsRow, *, with_year: bool) -> tuple[str, ...]:
    of_people = row.weighted_by == "people"
    counts = row.appearances if of_people else row.counts
    return (
        "" if row.start is None else _time(row.start, with_year=with_year),
        " ".join((row.camera, row.source)).strip().translate(_SHOWN),
        "people" if of_people else "faces",
        f"{counts.masked:,}",
        f"{counts.unmasked:,}",
        f"{counts.unknown:,}",
        "" if row.compliance is None else percent(row.compliance).replace(" ", ""),
        "" if row.interval is None else "-".join(f"{100 * end:.0f}" for end in row.interval),
        "" if row.coverage is None else percent(row.coverage, 0).replace(" ", ""),
    )


def _time(moment: datetime, *, with_year: bool) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if with_year else f"{moment:%m-%d %H:%M}"
