"""Reads regions that a reviewer found to count for nothing: `number,x1,y1,x2,y2` lines beside the labels of a set."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from crowdmask.errors import DatasetError
from crowdmask.geometry import FloatArray
from crowdmask.labels.records import LabelSet

COLUMNS = ("number", "x1", "y1", "x2", "y2")


def read_regions(path: Path) -> dict[str, FloatArray]:
    """Boxes (n, 4) by picture name; lines after # and further columns say nothing here."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: the list of regions to ignore cannot be read: {error}") from error
    kept = [(i, line) for i, line in enumerate(lines, start=1) if line.strip() and not line.lstrip().startswith("#")]
    header = next(csv.reader([kept[0][1]])) if kept else []
    if [word.strip() for word in header[: len(COLUMNS)]] != list(COLUMNS):
        raise DatasetError(f"{path}: the list of regions to ignore must begin with the line {','.join(COLUMNS)}")
    rows: dict[str, list[list[float]]] = defaultdict(list)
    for i, line in kept[1:]:
        words = next(csv.reader([line]))
        try:
            corners = [float(word) for word in words[1 : len(COLUMNS)]]
            good = len(corners) == 4 and corners[2] > corners[0] and corners[3] > corners[1]
        except ValueError:
            good = False
        if not good:
            raise DatasetError(f"{path}, line {i}: {line!r} is not a picture's name and a box x1,y1,x2,y2 with an area")
        rows[words[0].strip()].append(corners)
    return {name: np.array(boxes, np.float32) for name, boxes in rows.items()}


def with_regions(labels: LabelSet, regions: dict[str, FloatArray], origin: Path) -> LabelSet:
    """The set with these regions ignored; a name that it never had is an error, one that was left out is not."""
    names = {p.name for p in labels.pictures} | {p.path.stem for p in labels.problems}
    strangers = sorted(regions.keys() - names)
    if strangers:
        raise DatasetError(
            f"{origin}: {labels.root} has no picture named {', '.join(strangers[:3])}: does the list belong to it?"
        )
    pictures = tuple(p.with_ignored(regions[p.name]) if p.name in regions else p for p in labels.pictures)
    return replace(labels, pictures=pictures)
