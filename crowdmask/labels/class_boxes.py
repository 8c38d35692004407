"""Reads folders of pictures by class with one table of boxes: `boxes.csv` says where in each the face is."""

from __future__ import annotations

import csv
from pathlib import Path

from crowdmask.labels.boxes import RawBox, labelled
from crowdmask.labels.records import LabelledPicture, LeftOut, Problem
from crowdmask.labels.table import LabelTable

TABLE = "boxes.csv"
COLUMNS = ("file", "x1", "y1", "x2", "y2")


def read_class_boxes(root: Path, table: LabelTable) -> tuple[list[LabelledPicture], list[Problem]]:
    """`boxes.csv` has a line `file,x1,y1,x2,y2` for each face, further columns say nothing here; the folder that a file
    lies in is its class."""
    path = root / TABLE
    raw: dict[Path, list[RawBox]] = {}
    problems: list[Problem] = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                return [], [Problem(path, f"its first line lacks the column(s) {', '.join(missing)}")]
            for row in rows:
                picture = root / row["file"]
                try:
                    x1, y1, x2, y2 = (float(row[name]) for name in COLUMNS[1:])
                except (TypeError, ValueError):
                    reason = f"line {rows.line_num}: the box is not four numbers"
                    problems.append(Problem(path, reason, LeftOut.BOX))
                    continue
                raw.setdefault(picture, []).append(RawBox((x1, y1, x2, y2), picture.parent.name))
    except (OSError, ValueError, csv.Error) as error:
        return [], [Problem(path, f"the table of boxes cannot be read: {error}")]
    pictures = []
    for picture, boxes in raw.items():
        if not picture.is_file():
            problems.append(Problem(picture, f"{TABLE} names this picture, and it is not there"))
            continue
        result, found = labelled(picture, None, boxes, table, path)
        pictures.append(result)
        problems += found
    return pictures, problems
