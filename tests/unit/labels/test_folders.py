"""A folder per class: names looked up, empty and unknown folders named."""

from __future__ import annotations

from pathlib import Path

import pytest

from crowdmask.errors import DatasetError
from crowdmask.labels.folders import read_class_folders
from crowdmask.labels.records import Label
from crowdmask.labels.table import LabelTable


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not opened")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no folder of masked or unmasked"):
        read_class_folders(tmp_path)
    with pytest.raises(DatasetError, match="no such folder"):
        read_class_folders(tmp_path / "absent")


def test_crops_and_problems(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "with_mask/10.jpg",
        "with_mask/9.jpg",
        "Without Mask/deep/1.png",
        "ignore/1.png",
        "visor/1.jpg",
        "x.jpg",
    )
    (tmp_path / "no_mask").mkdir()
    found = read_class_folders(tmp_path)
    assert [(c.path.name, c.label, c.class_name) for c in found.crops] == [
        ("9.jpg", Label.MASKED, "with_mask"),
        ("10.jpg", Label.MASKED, "with_mask"),
        ("1.png", Label.UNMASKED, "Without Mask"),
    ]
    assert (found.count(Label.MASKED), found.count(Label.UNMASKED)) == (2, 1)
    assert {p.path.name for p in found.problems} == {"no_mask", "visor"}
    assert read_class_folders(tmp_path, LabelTable().changed({"visor": "unmasked"})).count(Label.UNMASKED) == 2


def test_empty_files_are_named_and_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "with_mask/1.png", "without_mask/2.png")
    (tmp_path / "with_mask" / "3.png").touch()
    found = read_class_folders(tmp_path)
    assert [c.path.name for c in found.crops] == ["1.png", "2.png"]
    assert [str(p).rpartition("/")[2] for p in found.problems] == ["3.png: the file is empty"]
