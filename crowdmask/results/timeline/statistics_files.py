"""Writes the statistics as CSV, as JSON or as a table for a terminal, row by row."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, TextIO

from crowdmask.results.timeline.statistics_rows import StatisticsRow

COLUMNS = (
    "bucket_start",  # ISO 8601 with offset; empty in the rows of files whose frames have no time
    "bucket_end",
    "camera",  # empty with --by none
    "source",  # with --by source, and in the rows of files whose frames have no time
    "frames",
    "frames_with_faces",
    "faces",
    "masked",
    "unmasked",
    "unknown",
    "compliance",  # masked / (masked + unmasked); empty where no face was judged
    "compliance_low",  # Wilson's 95 % interval, which takes every judged face for a trial of its own
    "compliance_high",
    "mean_unmasked_per_frame",
    "peak_unmasked",  # in one frame
    "gap_s",  # seconds of the bucket that lie in gaps, see statistics_rows
)
FORMATS = ("csv", "json", "table")
_TABLE_ROWS_AHEAD = 200


def record(row: StatisticsRow) -> dict[str, Any]:
    """The row by column name; rates are rounded to six places, None where there is nothing to tell."""
    low, high = row.interval or (None, None)
    values = (
        _iso(row.start),
        _iso(row.end),
        row.camera,
        row.source,
        row.frames,
        row.frames_with_faces,
        row.counts.faces,
        row.counts.masked,
        row.counts.unmasked,
        row.counts.unknown,
        _rounded(row.counts.compliance),
        _rounded(low),
        _rounded(high),
        _rounded(row.mean_unmasked_per_frame),
        row.peak_unmasked,
        _rounded(row.gap_s, 3),
    )
    return dict(zip(COLUMNS, values, strict=True))


def write_csv(rows: Iterable[StatisticsRow], file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(["" if value is None else value for value in record(row).values()])


def write_json(rows: Iterable[StatisticsRow], file: TextIO) -> None:
    """One array of objects, one object a line, so that it can be read by lines as well."""
    lead = "[\n"
    for row in rows:
        file.write(lead + json.dumps(record(row), ensure_ascii=False))
        lead = ",\n"
    file.write("[]\n" if lead == "[\n" else "\n]\n")


def write_table(rows: Iterable[StatisticsRow], file: TextIO) -> None:
    """Columns aligned on the first rows; only the columns a person asks first."""
    waiting: list[tuple[str, ...]] = [("from", "to", "camera", "frames", "faces", "unmasked", "unknown", "compliance")]
    waiting[0] += ("95 % interval", "per frame", "peak", "gap")
    widths = [0] * len(waiting[0])
    for cells in _cells(rows):
        waiting.append(cells)
        if len(waiting) > _TABLE_ROWS_AHEAD:
            widths = _flush(waiting, widths, file)
    _flush(waiting, widths, file)


def _flush(waiting: list[tuple[str, ...]], widths: list[int], file: TextIO) -> list[int]:
    widths = [max(width, *(len(row[i]) for row in waiting)) for i, width in enumerate(widths)]
    for row in waiting:
        cells = (cell.ljust(w) if i < 3 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
        file.write("  ".join(cells).rstrip() + "\n")
    waiting.clear()
    return widths


def _cells(rows: Iterable[StatisticsRow]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        low, high = row.interval or (None, None)
        interval = "" if low is None or high is None else f"{_percent(low)} to {_percent(high)}"
        mean = row.mean_unmasked_per_frame
        yield (
            "" if row.start is None else f"{row.start:%Y-%m-%d %H:%M%z}",
            "" if row.end is None else f"{row.end:%Y-%m-%d %H:%M%z}",
            " ".join((row.camera, row.source)).strip().translate(_SHOWN),
            str(row.frames),
            str(row.counts.faces),
            str(row.counts.unmasked),
            str(row.counts.unknown),
            _percent(row.counts.compliance),
            interval,
            "" if mean is None else f"{mean:.2f}",
            str(row.peak_unmasked),
            "" if not row.gap_s else f"{row.gap_s:.0f} s",
        )


WRITERS: dict[str, Callable[[Iterable[StatisticsRow], TextIO], None]] = {
    "csv": write_csv,
    "json": write_json,
    "table": write_table,
}
_SHOWN = dict.fromkeys((*range(32), 127), "�")  # a file name must not drive the terminal


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _rounded(value: float | None, places: int = 6) -> float | None:
    return None if value is None else round(value, places)


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{100 * rate:.1f} %"
