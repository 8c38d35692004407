"""Writes a declared table to disk row by row, as CSV or Parquet by the file's suffix; NAME.part until it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Generic

from typing_extensions import Self  # in typing from Python 3.11 on

from crowdmask import __version__
from crowdmask.errors import SettingsError
from crowdmask.media.parts import commit, part_of, writing
from crowdmask.results.columns import Row, Table
from crowdmask.results.csv_part import CsvPart
from crowdmask.results.parquet import parquet_of

ROWS_AT_ONCE = 500


class TableCsv(Generic[Row]):
    """Rows are on disk as they are made."""

    def __init__(self, path: str | os.PathLike[str], table: Table[Row]) -> None:
        self.table = table
        self._part = CsvPart(path, table.names)

    def __enter__(self) -> Self:
        self._part.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._part.__exit__(kind, error, trace)

    def add(self, row: Row) -> None:
        self._part.row(self._cells(row))

    def add_all(self, rows: Iterable[Row]) -> None:
        """Many rows, a few hundred of them in one writing."""
        coming = iter(rows)
        while some := list(islice(coming, ROWS_AT_ONCE)):
            self._part.rows(self._cells(row) for row in some)

    def _cells(self, row: Row) -> list[str]:
        return self.table.cells(row)


class TableParquet(TableCsv[Row]):
    """Typed columns with every digit, zstd.

    A Parquet file is read from its end, so one that still grows cannot be read. Therefore NAME.part is a CSV with all
    digits until the work is done; whatever ends it earlier, the rows so far are there.
    """

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._part.close()
        if kind is None:
            path = self._part.path
            rows = part_of(path)
            made = part_of(rows)
            with writing(path):
                parquet_of(rows, made, self.table.sql_kinds, self.table.metadata(__version__))
                commit(path, made)
                rows.unlink()

    def _cells(self, row: Row) -> list[str]:
        return self.table.exact_cells(row)


def open_table(path: str | os.PathLike[str], table: Table[Row]) -> TableCsv[Row]:
    """The writer for the path's suffix, .csv or .parquet; SettingsError where there is none."""
    suffix = Path(path).suffix.lower()
    if suffix == ".csv":
        return TableCsv(path, table)
    if suffix == ".parquet":
        return TableParquet(path, table)
    raise SettingsError(f"cannot tell the format of {os.fspath(path)}: let its name end in .csv or .parquet")
