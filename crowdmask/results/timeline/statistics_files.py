"""Writes the statistics as CSV, JSON, Parquet, a workbook or Markdown, row by row; terminals have statistics_table."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

from crowdmask import __version__
from crowdmask.results.columns import Kind, Table, no_formula
from crowdmask.results.parquet import parquet_of
from crowdmask.results.timeline.statistics_columns import STATISTICS, is_share
from crowdmask.results.timeline.statistics_rows import TOTAL, StatisticsRow
from crowdmask.results.timeline.statistics_table import write_markdown, write_table

Rows = Iterable[StatisticsRow]
Columns = Table[StatisticsRow]
_FORMATS = {Kind.NUMBER: "0.0##", Kind.COUNT: "#,##0"}  # of spreadsheets; shares are shown in percent
_SHARE_FORMAT = "0.0 %"


def write_csv(rows: Rows, file: TextIO, table: Columns = STATISTICS) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(table.names)
    for row in rows:
        values = (no_formula(value) if isinstance(value, str) else value for value in table.values(row).values())
        writer.writerow(["" if value is None else value for value in values])


def write_json(rows: Rows, file: TextIO, table: Columns = STATISTICS) -> None:
    """One object with all rows in `rows`, one row a line, so that it can be read by lines as well."""
    file.write(f'{{"schema_version": {table.version}, "rows": [')
    lead = "\n"
    for row in rows:
        file.write(lead + json.dumps(table.values(row), ensure_ascii=False))
        lead = ",\n"
    file.write("]}\n" if lead == "\n" else "\n]}\n")


def write_parquet(rows: Rows, path: Path, table: Columns = STATISTICS) -> None:
    """Through a CSV, so that memory is bounded whatever the number of rows."""
    with tempfile.TemporaryDirectory(prefix="crowdmask-", ignore_cleanup_errors=True) as folder:
        part = Path(folder) / "rows.csv"
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(table.names)
            writer.writerows(["" if value is None else value for value in table.values(row).values()] for row in rows)
        parquet_of(part, path, table.sql_kinds, table.metadata(__version__))


def write_workbook(rows: Rows, path: Path, table: Columns = STATISTICS) -> None:
    """XLSX with a frozen header, filters and number formats; names are text, never formulas."""
    from xlsxwriter import Workbook

    with Workbook(str(path), {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet("statistics")
        head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        plain, total = (_formats(book, table, bold=bold) for bold in (False, True))
        for at, column in enumerate(table.columns):
            sheet.set_column(at, at, 22 if column.kind is Kind.TEXT else 12)
            sheet.write_string(0, at, column.name, head)
        sheet.freeze_panes(1, 3)
        line = 0
        for line, row in enumerate(rows, start=1):
            formats = total if row.camera == TOTAL else plain
            for at, (value, form) in enumerate(zip(table.values(row).values(), formats, strict=True)):
                if value is not None:
                    (sheet.write_string if isinstance(value, str) else sheet.write_number)(line, at, value, form)
        sheet.autofilter(0, 0, max(line, 1), len(table.columns) - 1)


def _formats(book: Any, table: Columns, *, bold: bool) -> list[Any]:
    shown = [_SHARE_FORMAT if is_share(column.name) else _FORMATS.get(column.kind) for column in table.columns]
    return [book.add_format({"bold": bold, **({"num_format": form} if form else {})}) for form in shown]


TEXT_WRITERS: dict[str, Callable[[Rows, TextIO, Columns], None]] = {
    "csv": write_csv,
    "json": write_json,
    "md": write_markdown,
    "table": write_table,
}
FILE_WRITERS: dict[str, Callable[[Rows, Path, Columns], None]] = {"parquet": write_parquet, "xlsx": write_workbook}
FORMATS = (*TEXT_WRITERS, *FILE_WRITERS)
WITH_TOTALS = ("table", "md", "xlsx")  # what people read; programs add up themselves
