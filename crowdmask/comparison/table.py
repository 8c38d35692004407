"""One table of what was compared, as CSV, Markdown and HTML: a declaration of its columns, read three times."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

Row = Mapping[str, Any]
NOTHING = "–"


@dataclass(frozen=True)
class ComparedColumn:
    """Its name, its value in a row (None where there is none) and how it is worded for people."""

    name: str
    value: Callable[[Row], Any]
    words: Callable[[Any], str] = str


def _share(value: float) -> str:
    return f"{value:.3f}"


def _millions(value: float) -> str:
    return f"{value / 1e6:.2f}"


def _one(value: float) -> str:
    return f"{value:.1f}"


def _two(value: float) -> str:
    return f"{value:.2f}"


def _at(*keys: str) -> Callable[[Row], Any]:
    def value(row: Row) -> Any:
        found: Any = row
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    return value


def classifier_columns(rows: Sequence[Row]) -> list[ComparedColumn]:
    columns = [
        ComparedColumn("classifier", _at("name")),
        ComparedColumn("recipe", _at("recipe")),
        ComparedColumn("start", _at("started_from")),
    ]
    for name in ("accuracy", "precision", "recall", "f1", "auc"):
        columns.append(ComparedColumn(name, _at("measures", name), _share))
    columns.append(ComparedColumn("calibration error", _at("measures", "calibration_error"), _share))
    for band in _keys(rows, "measures", "by_size"):
        columns.append(ComparedColumn(f"accuracy {band} px", _at("measures", "by_size", band, "accuracy"), _share))
    columns.append(ComparedColumn("parameters (million)", _at("parameters"), _millions))
    columns.append(ComparedColumn("file (MB)", _at("file_bytes"), _millions))
    for runtime in _keys(rows, "ms_a_crop"):
        columns.append(ComparedColumn(f"ms a crop, {runtime}", _at("ms_a_crop", runtime), _two))
    columns.append(ComparedColumn("steps", _at("training", "steps")))
    columns.append(ComparedColumn("training (s)", _at("training", "seconds"), _one))
    columns.append(ComparedColumn("training (Wh, estimated)", _at("training", "energy", "watt_hours"), _two))
    return columns


def detector_columns(rows: Sequence[Row]) -> list[ComparedColumn]:
    columns = [ComparedColumn("detector", _at("name")), ComparedColumn("face AP50", _at("ap"), _share)]
    columns += [ComparedColumn(name, _at(name), _share) for name in ("precision", "recall")]
    for band in _keys(rows, "by_size"):
        columns.append(ComparedColumn(f"recall {band} px", _at("by_size", band, "recall"), _share))
    columns.append(ComparedColumn("file (MB)", _at("file_bytes"), _millions))
    columns.append(ComparedColumn("ms a frame", _at("ms_a_frame"), _one))
    return columns


def _keys(rows: Sequence[Row], *path: str) -> list[str]:
    """Every key that stands at this place in some row, in the order of their first coming."""
    found: dict[str, None] = {}
    for row in rows:
        found |= dict.fromkeys(_at(*path)(row) or {})
    return list(found)


def as_csv(rows: Sequence[Row], columns: Sequence[ComparedColumn]) -> str:
    """Full numbers, for machines; nothing where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in columns] + ["failed"])
    for row in rows:
        values = [column.value(row) for column in columns]
        writer.writerow(["" if v is None else v for v in values] + [row.get("failed", "")])
    return text.getvalue()


def cells(row: Row, columns: Sequence[ComparedColumn]) -> list[str]:
    values = [(column, column.value(row)) for column in columns]
    return [NOTHING if value is None else column.words(value) for column, value in values]


def as_markdown(rows: Sequence[Row], columns: Sequence[ComparedColumn]) -> str:
    lines = [
        "| " + " | ".join(column.name for column in columns) + " |",
        "|---|" + "---:|" * (len(columns) - 1),
    ]
    lines += ["| " + " | ".join(cells(row, columns)) + " |" for row in rows if "failed" not in row]
    lines += [f"\n{row['name']} is not in the table: {row['failed']}" for row in rows if "failed" in row]
    return "\n".join(lines) + "\n"


def as_html(rows: Sequence[Row], columns: Sequence[ComparedColumn]) -> str:
    head = "".join(f"<th>{escape(column.name)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells(row, columns)) + "</tr>"
        for row in rows
        if "failed" not in row
    )
    left = "".join(
        f"<p>{escape(row['name'])} is not in the table: {escape(row['failed'])}</p>" for row in rows if "failed" in row
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{left}"
