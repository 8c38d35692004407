"""Reads the tables of people that lie beside per-frame CSVs; the statistics count each person where it begins.

A person is an appearance: one face followed through one recording. It is counted once, in the bucket in which it
begins, so that buckets add up to the table of people. Its camera and its bucket are those of the second of its source
in which it begins, as the frames have it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from crowdmask.errors import SourceError
from crowdmask.results.timeline.sql import sql_path, sql_text, sql_unguarded
from crowdmask.verdicts import WORDS

PEOPLE_WORDS = tuple(f"people_{word}" for word in WORDS)
NEEDED = ("source", "first_s", "verdict")
ROUNDED_US = 1_000  # times of people are written in milliseconds


def persons_beside(frames: Path) -> Path | None:
    """The table of people that belongs to a per-frame CSV, of a run or of one input; None where there is none."""
    name = "persons.csv" if frames.name == "frames.csv" else f"{frames.stem}.persons.csv"
    found = frames.with_name(name)
    return found if found.is_file() else None


def people_sql(sources: Mapping[Path, str]) -> str:
    """SQL of a row for each person of these tables: all their columns as text, at_us, damaged, and 1 for its verdict.

    `sources` has for each table the SQL of its rows' source as the frames name it, made of the column `source`.
    """
    return " UNION ALL BY NAME ".join(_rows_of(path, source) for path, source in sources.items())


def _rows_of(path: Path, source: str) -> str:
    header = _header(path)
    columns = ", ".join(f"{sql_text(name)}: 'VARCHAR'" for name in header)
    captured = "nullif(captured_at, '')" if "captured_at" in header else "NULL::VARCHAR"
    words = ", ".join(
        f"(verdict = {sql_text(word)})::BIGINT AS {name}" for word, name in zip(WORDS, PEOPLE_WORDS, strict=True)
    )
    known = ", ".join(sql_text(word) for word in WORDS)
    return f"""
        SELECT * REPLACE ({source} AS source), {words},
            coalesce(epoch_us({captured}::TIMESTAMPTZ), TRY_CAST(first_s::DOUBLE * 1e6 AS BIGINT)) AS at_us,
            verdict IS NULL OR verdict NOT IN ({known}) AS damaged
        FROM (
            SELECT * REPLACE ({sql_unguarded("source")} AS source)
            FROM read_csv({sql_path(path)}, auto_detect = false, header = true, delim = ',', quote = '"',
                escape = '"', columns = {{{columns}}})
        )
    """


def _header(path: Path) -> Sequence[str]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, csv.Error) as error:
        raise damaged([path], str(error)) from error
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise damaged([path], f"the column {missing[0]!r} is missing")
    return header


def damaged(paths: Iterable[Path], reason: str) -> SourceError:
    names = ", ".join(map(str, paths))
    return SourceError(f"{names}: it cannot be read as a table of people ({reason}): analyse the input again")
