"""Regions found by a reviewer: read, refused with line and path, and added to their pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from crowdmask.errors import DatasetError
from crowdmask.labels.records import Label, Problem
from crowdmask.labels.regions import read_regions, with_regions
from tests.unit.labels.test_records import make_set, picture

HEAD = "number,x1,y1,x2,y2\n"


def test_header_alone_names_nothing(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("# by eye\n" + HEAD)
    assert read_regions(path) == {}


def test_regions_by_picture(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("number,x1,y1,x2,y2,why\n00012,1,2,3,4.5,a face\n\n# turned away\n00012,5,6,7,8,\n00003,0,0,1,1\n")
    regions = read_regions(path)
    assert {name: boxes.tolist() for name, boxes in regions.items()} == {
        "00012": [[1, 2, 3, 4.5], [5, 6, 7, 8]],
        "00003": [[0, 0, 1, 1]],
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot be read"),
        ("", "must begin with"),
        ("00012,1,2,3,4\n", "must begin with"),
        (HEAD + "1,1,2,3\n", "line 2"),
        (HEAD + "1,1,2,3,x\n", "line 2"),
        (HEAD + "1,0,0,9,9\n1,5,5,5,9\n", "line 3"),
        (HEAD + "1,1,2,nan,4\n", "line 2"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str | None, reason: str) -> None:
    path = tmp_path / "r.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DatasetError, match=f"{path}.*{reason}"):
        read_regions(path)


def test_regions_become_ignored_boxes(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(HEAD + "b,1,2,3,4\ngone,1,2,3,4\n")
    labels = make_set(
        picture("a", Label.MASKED), picture("b", Label.MASKED), problems=(Problem(Path("gone.xml"), "bad"),)
    )
    a, b = with_regions(labels, read_regions(path), path).pictures
    assert a.labels.tolist() == [Label.MASKED]
    assert b.labels.tolist() == [Label.MASKED, Label.IGNORE] and b.boxes[1].tolist() == [1, 2, 3, 4]
    path.write_text(HEAD + "z,1,2,3,4\n")
    with pytest.raises(DatasetError, match=r"r\.csv: set has no picture named z"):
        with_regions(labels, read_regions(path), path)


def test_a_region_over_a_labels_own_box_strikes_that_label_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    labels = make_set(picture("a", Label.MASKED))
    x1, y1, x2, y2 = labels.pictures[0].boxes[0].tolist()
    wider = x1 + (x2 - x1) / 0.89  # overlaps it by 0.89
    for right, kept in ((x2, Label.IGNORE), (wider, Label.MASKED)):
        path.write_text(HEAD + f"a,{x1},{y1},{right},{y2}\n")
        (a,) = with_regions(labels, read_regions(path), path).pictures
        assert a.labels.tolist() == [kept, Label.IGNORE]
        assert a.boxes[0].tolist() == [x1, y1, x2, y2]
