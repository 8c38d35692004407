"""The door of the labels room: finds out in which format a folder is labelled, and reads it."""

from __future__ import annotations

from pathlib import Path

from crowdmask.errors import DatasetError
from crowdmask.labels.files import files_below, pictures_below
from crowdmask.labels.records import LabelSet, natural
from crowdmask.labels.table import LabelTable
from crowdmask.labels.voc import read_voc


def read_labels(root: Path, table: LabelTable | None = None) -> LabelSet:
    """The labelled pictures of a folder; what cannot be used is left out and named, and nothing left is an error."""
    table = table or LabelTable()
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder: give the folder that holds the pictures and their labels")
    if not pictures_below(root):
        raise DatasetError(f"{root}: the folder holds no pictures")
    if not files_below(root, frozenset({".xml"})):
        raise DatasetError(f"{root}: the folder holds pictures but no label files")
    found, problems = read_voc(root, table)
    if not found:
        raise DatasetError(
            f"{root}: none of the labels can be used; the first of {len(problems)} problems: {problems[0]}"
        )
    found.sort(key=lambda p: natural(p.path.relative_to(root).as_posix()))
    return LabelSet(root, tuple(found), tuple(problems))
