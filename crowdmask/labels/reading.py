"""The door of the labels room: finds out in which format a folder is labelled, and reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from crowdmask.errors import DatasetError, SettingsError
from crowdmask.geometry import empty_boxes
from crowdmask.labels import class_boxes, coco, voc, yolo
from crowdmask.labels.files import paired, pictures_below
from crowdmask.labels.records import LabelledPicture, LabelSet, Problem, natural
from crowdmask.labels.table import LabelTable

Reader = Callable[[Path, LabelTable], tuple[list[LabelledPicture], list[Problem]]]
READERS: dict[str, Reader] = {
    "voc": voc.read_voc,
    "yolo": yolo.read_yolo,
    "coco": coco.read_coco,
    "boxes": class_boxes.read_class_boxes,
}


def read_labels(root: Path, table: LabelTable | None = None, form: str | None = None) -> LabelSet:
    """The labelled pictures of a folder; what cannot be used is left out and named, and nothing left is an error.

    `form` is voc, yolo, coco or boxes; without it the folder's files tell.
    """
    if form is not None and form not in READERS:
        raise SettingsError(f"label format {form!r}: choose one of {', '.join(READERS)}")
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder: give the folder that holds the pictures and their labels")
    if not pictures_below(root):
        raise DatasetError(f"{root}: the folder holds no pictures")
    pictures, problems = READERS[form or find_format(root)](root, table or LabelTable())
    if not pictures:
        first = f"; the first of {len(problems)} problem(s): {problems[0]}" if problems else ""
        raise DatasetError(f"{root}: no picture has labels that can be used{first}")
    pictures.sort(key=lambda p: natural(p.path.relative_to(root).as_posix()))
    return LabelSet(root, tuple(pictures), tuple(problems))


def read_faceless(root: Path) -> LabelSet:
    """Pictures that are known to show no face: whatever is found in them is none."""
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder: give a folder of pictures without people")
    pictures = [LabelledPicture(p, None, empty_boxes(), np.zeros(0, np.int8), ()) for p in pictures_below(root)]
    if not pictures:
        raise DatasetError(f"{root}: the folder holds no pictures")
    return LabelSet(root, tuple(pictures), ())


def find_format(root: Path) -> str:
    """The format that a folder's files show; label files that belong to pictures by name come before one for all."""
    claimed = {
        "voc": sum(label is not None for _, label in paired(root, voc.FOLDERS, ".xml")[0]),
        "yolo": sum(label is not None for _, label in paired(root, yolo.FOLDERS, ".txt", yolo.NOT_LABELS)[0]),
    }
    best = max(claimed, key=lambda form: claimed[form])
    if claimed[best]:
        return best
    if coco.coco_files(root):
        return "coco"
    if (root / class_boxes.TABLE).is_file():
        return "boxes"
    raise DatasetError(
        f"{root}: the folder holds pictures but no labels: a Pascal VOC .xml or a YOLO .txt for each picture "
        "(beside it, or in annotations/ or labels/), a COCO .json, or class folders with a boxes.csv is expected"
    )
