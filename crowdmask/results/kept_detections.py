"""Reads a detections file back as results, to draw or judge anew what was found, without a network."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.errors import SourceError
from crowdmask.records import Faces, Frame, FrameResult
from crowdmask.results.detections import DETECTIONS, NO_FACE
from crowdmask.results.timeline.sql import first_line, sql_path, sql_text, sql_unguarded
from crowdmask.verdicts import Verdict

NEEDED = ("source", "frame", "x1", "y1", "x2", "y2", "score", "unmasked_prob", "verdict")
FOLLOWED = ("person", "seen", "steady_prob")
JUDGED = ("time_s", *FOLLOWED, "incorrect_prob", "no_face_prob", "vote_weight", "zones")
ROWS_AT_ONCE = 5_000

Row = dict[str, Any]


class KeptDetections:
    """The faces of one source, by frame; rows of a source stand together and in order, as they were written."""

    def __init__(self, path: Path, source: str, *, separate: bool = False) -> None:
        self._path, self._separate = path, separate
        self._groups = groupby(_rows(path, source), key=lambda row: int(row["frame"]))
        self._next = next(self._groups, None)
        self.is_empty = self._next is None

    def of(self, frame: Frame) -> FrameResult:
        """The result of a frame; frames come in order, and those without faces have none."""
        if self._next is None or self._next[0] > frame.index:
            return _result(frame, [], self._separate)
        number, rows = self._next[0], list(self._next[1])
        self._next = next(self._groups, None)
        if number < frame.index:
            raise SourceError(
                f"{self._path}: it has faces in frame {number} of {frame.stream.source}, which was not decoded now: "
                "draw the file that was analysed"
            )
        return _result(frame, rows, self._separate)


def sources_in(path: Path) -> list[str]:
    """The sources that have a face in the file, by name."""
    return sorted(str(row[0]) for row in _query(path, "SELECT DISTINCT source FROM {file}"))


def kept_faces(path: Path, source: str | None = None) -> Iterator[Row]:
    """All that was kept of each face, in order; of one source, or of all."""
    return _rows(path, source, JUDGED)


def _rows(path: Path, source: str | None, also: tuple[str, ...] = FOLLOWED) -> Iterator[Row]:
    """Rows of faces; finds that are no face are left out."""
    names = _names(path)
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise SourceError(f"{path}: the column {missing[0]!r} is missing: give a detections file of crowdmask")
    chosen = [name for name in (*NEEDED, *also) if name in names]
    own = "source" if path.suffix.lower() == ".parquet" else sql_unguarded("source")
    which = "" if source is None else f" AND source = {sql_text(source)}"
    query = (
        f"SELECT {', '.join(chosen)} FROM (SELECT * REPLACE ({own} AS source) FROM {{file}}) "
        f"WHERE verdict <> {sql_text(NO_FACE)}{which}"
    )
    for values in _query(path, query):
        yield dict(zip(chosen, values, strict=True))


def _names(path: Path) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in _query(path, "DESCRIBE SELECT * FROM {file}"))


def _query(path: Path, query: str) -> Iterator[tuple[Any, ...]]:
    import duckdb

    if not path.is_file():
        raise SourceError(f"{path}: there is no such detections file: analyse with --detections")
    config: dict[str, str | bool | int | float | list[str]] = {"threads": "1", "autoinstall_known_extensions": "false"}
    try:
        with duckdb.connect(config=config) as connection:
            found = connection.execute(query.format(file=_reader(path)))
            while rows := found.fetchmany(ROWS_AT_ONCE):
                yield from rows
    except duckdb.Error as error:
        raise SourceError(f"{path}: it cannot be read as detections ({first_line(error)}): analyse again") from error


def _reader(path: Path) -> str:
    if path.suffix.lower() == ".parquet":
        return f"read_parquet({sql_path(path)})"
    kinds = DETECTIONS.sql_kinds
    columns = ", ".join(f"{sql_text(name)}: {sql_text(kinds.get(name, 'VARCHAR'))}" for name in _header(path))
    return (
        f"read_csv({sql_path(path)}, header = true, columns = {{{columns}}}, auto_detect = false, delim = ',', "
        "quote = '\"', escape = '\"', nullstr = '', parallel = false)"
    )


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return next(csv.reader(file), [])


def _result(frame: Frame, rows: list[Row], separate: bool) -> FrameResult:
    def column(name: str) -> NDArray[np.float32]:
        return np.array([np.nan if row[name] is None else row[name] for row in rows], np.float32)

    boxes = np.array([[row[name] for name in ("x1", "y1", "x2", "y2")] for row in rows], np.float32).reshape(-1, 4)
    faces = Faces(boxes, column("score"), np.full((len(rows), 5, 2), np.nan, np.float32))
    verdicts = np.array([Verdict[row["verdict"].upper()] for row in rows], np.int8)
    result = FrameResult(frame, faces, column("unmasked_prob"), verdicts, separate=separate)
    if rows and rows[0].get("person") is not None:
        result = result.with_columns(
            person=np.array([row["person"] for row in rows], np.int32),
            observed=np.array([row["seen"] == "observed" for row in rows]),
            behind=np.array([row["seen"] == "behind" for row in rows]),
            steady_prob=column("steady_prob"),
        )
    return result
