"""Pascal VOC: hand-written files, good and bad."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crowdmask.errors import DatasetError
from crowdmask.labels.reading import read_labels
from crowdmask.labels.records import Label, LeftOut
from crowdmask.labels.table import LabelTable

OBJECT = (
    "<object><name>{name}</name><difficult>{difficult}</difficult>"
    "<bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"
)


def xml(*objects: str, size: tuple[int, int] | None = (100, 80)) -> str:
    told = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    return f"<annotation>{told}{''.join(objects)}</annotation>"


def thing(name: str, *corners: float, difficult: int = 0) -> str:
    return OBJECT.format(*corners, name=name, difficult=difficult)


def add(root: Path, name: str, text: str | None, folders: tuple[str, str] = ("images", "annotations")) -> None:
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / folders[0] / f"{name}.jpg").write_bytes(b"not opened")
    if text is not None:
        (root / folders[1] / f"{name}.xml").write_text(text)


def test_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"{tmp_path}: the folder holds no pictures"):
        read_labels(tmp_path)
    with pytest.raises(DatasetError, match="no such folder"):
        read_labels(tmp_path / "absent")


def test_pictures_without_any_labels_are_refused(tmp_path: Path) -> None:
    add(tmp_path, "a", None)
    with pytest.raises(DatasetError, match=r"no labels: a Pascal VOC \.xml"):
        read_labels(tmp_path)


def test_annotation_without_objects_is_a_picture_without_faces(tmp_path: Path) -> None:
    add(tmp_path, "a", xml())
    (picture,) = read_labels(tmp_path).pictures
    assert picture.boxes.shape == (0, 4)
    assert picture.size_wh == (100, 80)


@pytest.mark.parametrize("folders", [("images", "annotations"), ("JPEGImages", "Annotations"), (".", ".")])
def test_reads_boxes_labels_and_names_in_natural_order(tmp_path: Path, folders: tuple[str, str]) -> None:
    add(tmp_path, "10", xml(thing("without_mask", 1, 2, 11, 22)), folders)
    add(tmp_path, "2", xml(thing("with_mask", 5, 6, 7, 8.5), thing("mask_weared_incorrect", 0, 0, 9, 9)), folders)
    found = read_labels(tmp_path)
    assert [p.name for p in found.pictures] == ["2", "10"]
    np.testing.assert_array_equal(found.pictures[0].boxes, np.array([[5, 6, 7, 8.5], [0, 0, 9, 9]], np.float32))
    assert found.pictures[0].boxes.dtype == np.float32
    assert found.pictures[0].labels.tolist() == [Label.MASKED, Label.INCORRECT]
    assert found.pictures[0].class_names == ("with_mask", "mask_weared_incorrect")
    assert [found.count(label) for label in Label] == [1, 1, 0, 1, 0]
    assert found.problems == () and found.left_out() == ""


def test_difficult_is_ignored_whatever_its_class(tmp_path: Path) -> None:
    add(tmp_path, "a", xml(thing("with_mask", 1, 1, 5, 5, difficult=1), thing("who_knows", 1, 1, 5, 5, difficult=1)))
    found = read_labels(tmp_path)
    assert found.pictures[0].labels.tolist() == [Label.IGNORE, Label.IGNORE]
    assert found.problems == ()


def test_unknown_class_counts_for_nothing_and_is_named(tmp_path: Path) -> None:
    add(tmp_path, "a", xml(thing("visor", 1, 1, 5, 5), thing("visor", 2, 2, 5, 5), thing("with_mask", 1, 1, 9, 9)))
    found = read_labels(tmp_path)
    assert found.pictures[0].labels.tolist() == [Label.IGNORE, Label.IGNORE, Label.MASKED]
    (problem,) = found.problems
    assert problem.path == tmp_path / "annotations" / "a.xml"
    assert "'visor'" in problem.reason and "2 boxes" in problem.reason and problem.left_out is LeftOut.BOX
    changed = read_labels(tmp_path, LabelTable().changed({"visor": "unmasked"}))
    assert changed.pictures[0].labels.tolist() == [Label.UNMASKED, Label.UNMASKED, Label.MASKED]
    assert changed.problems == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<annotation><object>", "does not parse"),
        ("", "does not parse"),
        ("<labels/>", "not <annotation>"),
        (xml("<object><name>mask</name></object>"), "object 1 lacks"),
        (xml(thing("mask", 1, 1, 5, 5).replace("<xmin>1", "<xmin>one")), "could not convert"),
        (None, "no annotation file"),
    ],
)
def test_picture_with_a_bad_annotation_is_left_out(tmp_path: Path, text: str | None, reason: str) -> None:
    add(tmp_path, "bad", text)
    add(tmp_path, "good", xml(thing("mask", 1, 1, 5, 5)))
    found = read_labels(tmp_path)
    assert [p.name for p in found.pictures] == ["good"]
    (problem,) = found.problems
    assert problem.path.stem == "bad" and reason in problem.reason and problem.left_out is LeftOut.PICTURE
    assert found.left_out() == f"{tmp_path}: left out 1 picture"


def test_nothing_usable_is_an_error_with_the_first_path(tmp_path: Path) -> None:
    add(tmp_path, "bad", "<annotation>")
    with pytest.raises(DatasetError, match=r"no picture has labels that can be used.*bad\.xml"):
        read_labels(tmp_path)


@pytest.mark.parametrize(
    ("corners", "fault"),
    [
        ((5, 5, 5, 9), "has no area"),
        ((9, 5, 5, 9), "has no area"),
        ((100, 5, 120, 9), "outside"),
        ((1, 1, float("nan"), 5), "number"),
    ],
)
def test_impossible_box_is_left_out(tmp_path: Path, corners: tuple[float, ...], fault: str) -> None:
    add(tmp_path, "a", xml(thing("mask", *corners), thing("no-mask", 0, 0, 5, 5)))
    found = read_labels(tmp_path)
    assert found.pictures[0].class_names == ("no-mask",)
    (problem,) = found.problems
    assert fault in problem.reason and problem.left_out is LeftOut.BOX
    assert found.left_out() == f"{tmp_path}: left out 1 box"


def test_a_folder_that_counts_pixels_from_1_is_brought_to_edges(tmp_path: Path) -> None:
    """As the format says: the whole of a picture of 100 x 80 is 1, 1, 100, 80; a single pixel has an area."""
    add(tmp_path, "a", xml(thing("mask", 1, 1, 100, 80), thing("mask", 31, 41, 31, 41)))
    add(tmp_path, "b", xml(thing("mask", 21, 11, 40, 30)))
    first, second = read_labels(tmp_path).pictures
    assert first.boxes.tolist() == [[0, 0, 100, 80], [30, 40, 31, 41]]
    assert second.boxes.tolist() == [[20, 10, 40, 30]]  # though nothing in its own file begins at 1


@pytest.mark.parametrize("corners", [(0, 11, 20, 30), (7.5, 11, 20, 30), (2, 11, 20, 30)])
def test_a_folder_that_measures_from_0_is_taken_as_it_stands(tmp_path: Path, corners: tuple[float, ...]) -> None:
    """A 0 or a fraction anywhere says so; whole numbers of which none is 1 say nothing."""
    add(tmp_path, "a", xml(thing("mask", *corners)))
    add(tmp_path, "b", xml(thing("mask", 21 if corners[0] == 2 else 1, 11, 40, 30)))
    assert read_labels(tmp_path).pictures[0].boxes.tolist() == [list(corners)]
    assert read_labels(tmp_path).pictures[1].boxes[0, 2] == 40
    assert read_labels(tmp_path).pictures[1].boxes[0, 0] in (21, 1)


def test_overhanging_box_is_cut_at_the_edge(tmp_path: Path) -> None:
    add(tmp_path, "a", xml(thing("mask", -1, 70, 20, 81)))
    add(tmp_path, "b", xml(thing("mask", -9, 70, 20, 90)))
    found = read_labels(tmp_path)
    assert found.pictures[0].boxes.tolist() == found.pictures[1].boxes.tolist() == [[0, 70, 20, 80]]
    (problem,) = found.problems
    assert problem.path.stem == "b" and problem.left_out is LeftOut.NOTHING and found.left_out() == ""


def test_size_of_zero_is_unknown(tmp_path: Path) -> None:
    add(tmp_path, "a", xml(thing("mask", 1, 1, 500, 500), size=(0, 0)))
    add(tmp_path, "b", xml(thing("mask", 1, 1, 500, 500), size=None))
    found = read_labels(tmp_path)
    assert [p.size_wh for p in found.pictures] == [None, None]
    assert found.problems == ()


def test_annotation_without_its_picture_is_named(tmp_path: Path) -> None:
    add(tmp_path, "a", xml())
    (tmp_path / "annotations" / "gone.xml").write_text(xml())
    (problem,) = read_labels(tmp_path).problems
    assert problem.path.name == "gone.xml" and "no picture" in problem.reason
