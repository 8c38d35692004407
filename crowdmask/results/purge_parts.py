"""What a purge takes out of files that also hold what is to be kept: rows of detections, pictures in reports."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import duckdb

from crowdmask.errors import SourceError
from crowdmask.media.parts import commit, part_of, writing
from crowdmask.results.parquet import parquet_form
from crowdmask.results.persons import PERSONS
from crowdmask.results.report.moments import PICTURE_MARK
from crowdmask.results.timeline.sql import first_line, sql_path, sql_text, sql_unguarded

_PICTURE = re.compile(rf'<img {PICTURE_MARK}="([^"]*)" src="data:image/jpeg;base64,[A-Za-z0-9+/=]*"[^>]*>')
_PEOPLE_BEGIN = ",".join(PERSONS.names[:2]).encode()
_GONE = '<div class="no-picture">picture deleted</div>'


def holds_people(file: Path) -> bool:
    """Whether it is a table of people, and not another that its name makes look like one."""
    if ".csv" not in file.suffixes:
        return True
    with file.open("rb") as opened:
        return opened.read(len(_PEOPLE_BEGIN)) == _PEOPLE_BEGIN


def rows_by_source(file: Path) -> dict[str, int]:
    """How many rows the detections or the table of people hold of each source."""
    with _connection(file) as connection:
        source = _source(file)
        found = connection.execute(f"SELECT {source}, count(*) FROM {_reader(file)} GROUP BY {source}").fetchall()
    return {str(source or ""): int(rows) for source, rows in found}


def drop_rows(file: Path, sources: list[str]) -> None:
    """Rewrite the table without the rows of the sources, whole at any time; its own time stays, for their age."""
    part, times = part_of(file), file.stat()
    with _connection(file) as connection, writing(file):
        connection.execute("CREATE TABLE gone (source VARCHAR)")
        connection.executemany("INSERT INTO gone VALUES (?)", [(source,) for source in sources])
        kept = f"SELECT * FROM {_reader(file)} WHERE {_source(file)} NOT IN (SELECT source FROM gone)"
        connection.execute(f"COPY ({kept}) TO {sql_text(str(part))} ({_form(connection, file)})")
        os.utime(part, ns=(times.st_atime_ns, times.st_mtime_ns))
    commit(file)


def _source(file: Path) -> str:
    """SQL of the source of a row, as the frames name it."""
    return "source" if file.suffix == ".parquet" else f"coalesce({sql_unguarded('source')}, '')"


def _reader(file: Path) -> str:
    if file.suffix == ".parquet":
        return f"read_parquet({sql_path(file)})"
    return f"read_csv({sql_path(file)}, header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"')"


def _form(connection: duckdb.DuckDBPyConnection, file: Path) -> str:
    """How to write a file of the same kind: Parquet keeps the crowdmask words of its metadata."""
    if file.suffix != ".parquet":
        return "FORMAT csv, HEADER"
    words = connection.execute(
        f"SELECT decode(key), decode(value) FROM parquet_kv_metadata({sql_path(file)}) "
        "WHERE starts_with(decode(key), 'crowdmask')"
    ).fetchall()
    return parquet_form(dict(words))


@contextmanager
def _connection(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect(config={"preserve_insertion_order": "true"})) as connection:
        try:
            yield connection
        except duckdb.Error as error:
            reason = first_line(error)
            raise SourceError(f"{file}: it cannot be read as {_what(file)} ({reason}): delete it by hand") from error


def _what(file: Path) -> str:
    return "a table of people" if file.stem == "persons" else "detections"


def count_pictures(report: Path, is_old: Callable[[datetime | None], bool]) -> int:
    """How many pictures in a report are old enough to go."""
    return sum(is_old(_taken(match)) for match in _PICTURE.finditer(_read(report)))


def drop_pictures(report: Path, is_old: Callable[[datetime | None], bool]) -> None:
    """Take the old pictures out of a report; its own time stays, for the age of those that are left."""
    times = report.stat()
    text = _PICTURE.sub(lambda match: _GONE if is_old(_taken(match)) else match[0], _read(report))
    with writing(report):
        part_of(report).write_text(text, encoding="utf-8", newline="")
        os.utime(part_of(report), ns=(times.st_atime_ns, times.st_mtime_ns))
    commit(report)


def _read(report: Path) -> str:
    try:
        with report.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except OSError as error:
        raise SourceError(f"{report}: it cannot be read ({error.strerror}): delete it by hand") from error


def _taken(match: re.Match[str]) -> datetime | None:
    try:
        taken = datetime.fromisoformat(match[1])
    except ValueError:
        return None
    return taken if taken.tzinfo is not None else None
