"""Reads YOLO: a text file per picture, in `labels/` or beside it; class names in data.yaml or classes.txt."""

from __future__ import annotations

from pathlib import Path

import yaml

from crowdmask.errors import DatasetError, SourceError
from crowdmask.labels.boxes import RawBox, labelled, unreadable
from crowdmask.labels.files import files_below, paired
from crowdmask.labels.records import LabelledPicture, Problem
from crowdmask.labels.table import LabelTable
from crowdmask.media.pictures import read_picture

FOLDERS = ("labels", "annotations", "Annotations")
NAME_LISTS = ("classes.txt", "obj.names", "_darknet.labels", "predefined_classes.txt", "labels.txt")
NOT_LABELS = frozenset((*NAME_LISTS, "readme.txt", "README.txt", "README.dataset.txt", "README.roboflow.txt"))


def read_yolo(root: Path, table: LabelTable) -> tuple[list[LabelledPicture], list[Problem]]:
    """Every picture is opened, for its size; a class without a name is known to the table by its number."""
    names = class_names(root)
    pictures: list[LabelledPicture] = []
    problems: list[Problem] = []
    pairs, orphans = paired(root, FOLDERS, ".txt", NOT_LABELS)
    for picture, label in pairs:
        if label is None:
            problems.append(Problem(picture, "no label file: an empty one says that it shows no face"))
            continue
        try:
            rows = _parse(label)
        except (ValueError, OSError) as error:
            problems.append(Problem(label, f"the label file does not parse: {error}"))
            continue
        try:
            height, width = read_picture(picture).shape[:2]
        except SourceError as error:
            problems.append(unreadable(picture, error))
            continue
        raw = []
        for number, (x1, y1, x2, y2) in rows:
            name = names[number] if number in names else str(number)
            raw.append(RawBox((x1 * width, y1 * height, x2 * width, y2 * height), name))
        result, found = labelled(picture, (width, height), raw, table, label)
        pictures.append(result)
        problems += found
    problems += [Problem(label, "no picture belongs to this label file") for label in orphans]
    return pictures, problems


def class_names(root: Path) -> dict[int, str]:
    """Names by class number; empty where the folder has no list of them."""
    for path in files_below(root, frozenset({".yaml", ".yml"})):
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise DatasetError(f"{path}: the list of class names does not parse: {error}") from error
        names = content.get("names") if isinstance(content, dict) else None
        if isinstance(names, list):
            return {i: str(name) for i, name in enumerate(names)}
        if isinstance(names, dict):
            if not all(str(key).isdecimal() for key in names):
                raise DatasetError(f"{path}: `names` must be a list, or a table from class number to name")
            return {int(key): str(name) for key, name in names.items()}
    for name in NAME_LISTS:
        for path in sorted(root.rglob(name), key=lambda p: len(p.parts)):
            try:
                lines = path.read_text(encoding="utf-8").splitlines()
            except (OSError, ValueError) as error:
                raise DatasetError(f"{path}: the list of class names cannot be read: {error}") from error
            return {i: line.strip() for i, line in enumerate(lines) if line.strip()}
    return {}


def _parse(path: Path) -> list[tuple[int, tuple[float, float, float, float]]]:
    """Class number and box, in parts of the picture, of each line; a polygon comes back as the box about it."""
    rows = []
    for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            number = int(words[0])
            values = [float(word) for word in words[1:]]
        except ValueError:
            raise ValueError(f"line {i} is not made of numbers: {line[:60]!r}") from None
        if len(values) == 4:
            x, y, w, h = values
            rows.append((number, (x - w / 2, y - h / 2, x + w / 2, y + h / 2)))
        elif len(values) >= 6 and len(values) % 2 == 0:
            xs, ys = values[::2], values[1::2]
            rows.append((number, (min(xs), min(ys), max(xs), max(ys))))
        else:
            raise ValueError(f"line {i} has {len(words)} numbers: a class and four of a box are expected")
        if max(values) > 2:
            raise ValueError(f"line {i} holds pixels: YOLO boxes are given in parts of the picture, 0 to 1")
    return rows
