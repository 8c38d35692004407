"""Reads the head of a per-frame CSV, and finds the first line of one that cannot be counted, to name it."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from crowdmask.errors import SourceError
from crowdmask.results.run_folder import COUNT_COLUMNS
from crowdmask.results.timeline.zone_columns import zone_names
from crowdmask.verdicts import WORDS

REMEDY = "mend the line or analyse the input again"
_ISO = re.compile(r"(\d{4})-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)")


def read_header(path: Path) -> tuple[str, ...]:
    """The column names of a per-frame CSV; a SourceError where it has none, or not the ones that are counted."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            header = next(csv.reader(file), None)
    except (OSError, csv.Error) as error:
        raise SourceError(f"{path}: it cannot be read as CSV ({error}): give a run folder or its frames.csv") from error
    if not header:
        raise SourceError(f"{path}: the file is empty, not even a header: analyse the input again")
    missing = [column for column in COUNT_COLUMNS if column not in header]
    if missing:
        hint = " (its columns must be separated by commas)" if len(header) == 1 else ""
        raise SourceError(
            f"{path}: line 1: the column {missing[0]!r} is missing{hint}: give a per-frame CSV of crowdmask"
        )
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise SourceError(f"{path}: line 1: the column {twice[0]!r} is there twice: {REMEDY}")
    return tuple(header)


def find_damage(paths: Sequence[Path]) -> SourceError | None:
    """The first line of the files that cannot be counted, as an error that names path, line, column and value."""
    for path in paths:
        header = read_header(path)
        for line, column, fault in _faults(path, header):
            where = f"line {line}, column {column!r}" if column else f"line {line}"
            return SourceError(f"{path}: {where}: {fault}: {REMEDY}")
    return None


def _faults(path: Path, header: tuple[str, ...]) -> Iterator[tuple[int, str, str]]:
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        rows = csv.reader(file, strict=True)
        next(rows)
        while True:
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield rows.line_num, "", f"it is no CSV ({error})"
                return
            if row is None:
                return
            if row:
                yield from ((rows.line_num, *fault) for fault in _faults_of_row(row, header))


def _faults_of_row(row: list[str], header: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if len(row) != len(header):
        yield "", f"it has {len(row)} values, the header has {len(header)} columns"
        return
    record = dict(zip(header, row, strict=True))
    for column, value in record.items():
        if not value.isascii() and any("\udc80" <= letter <= "\udcff" for letter in value):
            yield column, "it is not UTF-8"
    there = [word for word in WORDS if word in record]
    for column in ("faces", *there):
        if re.fullmatch(r"\d{1,18}", record[column], re.ASCII) is None:
            yield column, f"{record[column]!r} is no count"
            return
    faces, *numbers = (int(record[column]) for column in ("faces", *there))
    if faces != sum(numbers):
        parts = " + ".join(f"{number} {word}" for number, word in zip(numbers, there, strict=True))
        yield "faces", f"{faces} is not {parts}"
    for zone in zone_names([header]).zones:
        values = [record[f"zone_{zone}_{word}"] for word in ("faces", *WORDS)]
        whole = all(re.fullmatch(r"\d{1,18}", value, re.ASCII) for value in values)
        if any(values) and not (whole and int(values[0]) == sum(map(int, values[1:]))):
            yield f"zone_{zone}_faces", f"{values[0]!r} is not the sum of {', '.join(values[1:])}"
    captured_at = record.get("captured_at", "")
    if captured_at and not is_instant(captured_at):
        yield "captured_at", f"{captured_at!r} is no time with an offset, such as 2026-11-20T23:15:01.000+01:00"


def is_instant(text: str) -> bool:
    """Whether it is ISO 8601 with an offset, between 1970 and 2199."""
    match = _ISO.fullmatch(text)
    if match is None or not 1970 <= int(match[1]) < 2200:
        return False
    try:
        datetime.strptime(text[:10] + text[11:16], "%Y-%m-%d%H:%M")
    except ValueError:
        return False
    return match[2] is None or int(match[2][1:3]) < 60
