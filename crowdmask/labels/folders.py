"""Reads face crops sorted into a folder per class, for the classifier."""

from __future__ import annotations

from pathlib import Path

from crowdmask.errors import DatasetError
from crowdmask.labels.files import pictures_below
from crowdmask.labels.records import CropSet, Label, LabelledCrop, Problem, natural
from crowdmask.labels.table import LabelTable


def read_class_folders(root: Path, table: LabelTable | None = None) -> CropSet:
    """The crops below each folder whose name the table knows as masked or unmasked."""
    table = table or LabelTable()
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder: give the folder that holds one folder per class")
    crops: list[LabelledCrop] = []
    problems: list[Problem] = []
    folders = (p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    for folder in sorted(folders, key=lambda p: natural(p.name)):
        label = table.get(folder.name)
        if label is None:
            reason = (
                f"class {folder.name!r} is not in the table: say what it is with --label {folder.name}=masked|unmasked"
            )
            problems.append(Problem(folder, reason))
            continue
        found = []
        for path in pictures_below(folder):
            if path.stat().st_size:
                found.append(path)
            else:
                problems.append(Problem(path, "the file is empty"))
        if not found:
            problems.append(Problem(folder, "the class folder holds no pictures"))
        if label is not Label.IGNORE:
            crops += (LabelledCrop(path, label, folder.name) for path in found)
    if not crops:
        more = f"; the first of {len(problems)} problems: {problems[0]}" if problems else ""
        raise DatasetError(f"{root}: no folder of masked or unmasked faces with pictures in it{more}")
    return CropSet(root, tuple(crops), tuple(problems))
