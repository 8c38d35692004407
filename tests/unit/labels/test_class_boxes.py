"""Class folders with one table of boxes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from crowdmask.errors import DatasetError
from crowdmask.labels.reading import read_faceless, read_labels
from crowdmask.labels.records import Label


def folder(root: Path, rows: str) -> Path:
    for name in ("masked/a.png", "wrong/a.png", "unmasked/b.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), np.zeros((40, 50, 3), np.uint8))
    (root / "boxes.csv").write_text(rows)
    return root


def test_the_folder_is_the_class_and_the_table_has_the_boxes(tmp_path: Path) -> None:
    rows = "file,x1,y1,x2,y2,box_from\nmasked/a.png,1,2,30,31.5,label\nwrong/a.png,5,5,20,20,detector\n"
    found = read_labels(folder(tmp_path, rows + "wrong/a.png,25,5,40,20,detector\n"))
    assert [p.path.relative_to(tmp_path).as_posix() for p in found.pictures] == ["masked/a.png", "wrong/a.png"]
    assert found.pictures[0].boxes.tolist() == [[1, 2, 30, 31.5]]
    assert found.pictures[1].labels.tolist() == [Label.INCORRECT, Label.INCORRECT]
    assert found.problems == ()


def test_alike_names_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    found = read_labels(folder(tmp_path, "file,x1,y1,x2,y2\nmasked/a.png,1,2,9,9\nwrong/a.png,1,2,9,9\n"))
    assert found.names == ("masked/a", "wrong/a")
    assert [p.path.parent.name for p in found.only(["wrong/a"]).pictures] == ["wrong"]
    assert [p.path.parent.name for p in found.without(["wrong/a"]).pictures] == ["masked"]
    with pytest.raises(DatasetError, match="no labelled picture is named unmasked/a"):
        found.only(["unmasked/a"])


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("file,x1,y1,x2,y2\nmasked/a.png,1,2,9,9\nmasked/none.png,1,2,9,9\n", "not there"),
        ("file,x1,y1,x2,y2\nmasked/a.png,1,2,9,9\nwrong/a.png,1,2,,9\n", "line 3: the box is not four numbers"),
        ("file,x1,y1,x2,y2\nmasked/a.png,1,2,9,9\nwrong/a.png,9,2,1,9\n", "has no area"),
    ],
)
def test_every_fault_is_named(tmp_path: Path, rows: str, reason: str) -> None:
    found = read_labels(folder(tmp_path, rows))
    assert reason in found.problems[0].reason
    assert sum(len(p.boxes) for p in found.pictures) == 1


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"lacks the column\(s\) y2"):
        read_labels(folder(tmp_path, "file,x1,y1,x2\nmasked/a.png,1,2,9\n"))


def test_pictures_without_faces(tmp_path: Path) -> None:
    found = read_faceless(folder(tmp_path, ""))
    assert len(found.pictures) == 3
    assert all(len(p.boxes) == 0 for p in found.pictures)
    with pytest.raises(DatasetError, match="no such folder"):
        read_faceless(tmp_path / "nowhere")
