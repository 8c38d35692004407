"""YOLO text files: class names from everywhere they may stand, boxes in parts of the picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from crowdmask.errors import DatasetError
from crowdmask.labels.reading import read_labels
from crowdmask.labels.records import Label, LeftOut
from crowdmask.labels.table import LabelTable
from crowdmask.labels.yolo import class_names


def add(picture: Path, label: Path, text: str | None, size_wh: tuple[int, int] = (200, 100)) -> None:
    picture.parent.mkdir(parents=True, exist_ok=True)
    label.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(picture), np.zeros((size_wh[1], size_wh[0], 3), np.uint8))
    if text is not None:
        label.write_text(text)


def test_empty_label_file_is_a_picture_without_faces(tmp_path: Path) -> None:
    add(tmp_path / "a.png", tmp_path / "a.txt", "")
    (picture,) = read_labels(tmp_path).pictures
    assert len(picture.boxes) == 0 and picture.size_wh == (200, 100)


@pytest.mark.parametrize(
    ("picture", "label"),
    [
        ("a.png", "a.txt"),
        ("images/a.png", "labels/a.txt"),
        ("images/val/a.png", "labels/val/a.txt"),
        ("val/images/a.png", "val/labels/a.txt"),
    ],
)
def test_boxes_come_back_in_pixels(tmp_path: Path, picture: str, label: str) -> None:
    add(tmp_path / picture, tmp_path / label, "0 0.5 0.5 0.1 0.2\n1 0.25 0.5 0.5 1\n\n")
    (tmp_path / "classes.txt").write_text("with_mask\nno mask\n")
    found = read_labels(tmp_path)
    np.testing.assert_allclose(found.pictures[0].boxes, [[90, 40, 110, 60], [0, 0, 100, 100]], atol=1e-4)
    assert found.pictures[0].labels.tolist() == [Label.MASKED, Label.UNMASKED]
    assert found.pictures[0].class_names == ("with_mask", "no mask")
    assert found.problems == ()


def test_polygon_becomes_the_box_about_it(tmp_path: Path) -> None:
    add(tmp_path / "a.png", tmp_path / "a.txt", "0 0.1 0.2 0.5 0.3 0.3 0.9\n")
    found = read_labels(tmp_path, LabelTable().changed({"0": "masked"}))
    np.testing.assert_allclose(found.pictures[0].boxes, [[20, 20, 100, 90]], atol=1e-4)
    assert found.pictures[0].labels.tolist() == [Label.MASKED]


def test_class_without_a_name_is_asked_for_by_number(tmp_path: Path) -> None:
    add(tmp_path / "a.png", tmp_path / "a.txt", "3 0.5 0.5 0.1 0.2\n")
    found = read_labels(tmp_path)
    assert found.pictures[0].labels.tolist() == [Label.IGNORE]
    assert "class '3' is not known" in found.problems[0].reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0 0.5 0.5 0.1\n", "line 1 has 4 numbers"),
        ("0 0.5 0.5 0.1 0.1\nmask 0.5 0.5 0.1 0.1\n", "line 2 is not made of numbers"),
        ("0 50 50 10 20\n", "holds pixels"),
    ],
)
def test_label_file_that_does_not_parse_is_left_out(tmp_path: Path, text: str, reason: str) -> None:
    add(tmp_path / "bad.png", tmp_path / "bad.txt", text)
    add(tmp_path / "good.png", tmp_path / "good.txt", "")
    found = read_labels(tmp_path)
    assert [p.name for p in found.pictures] == ["good"]
    assert found.problems[0].path == tmp_path / "bad.txt" and reason in found.problems[0].reason


def test_unreadable_and_unlabelled_pictures_are_left_out(tmp_path: Path) -> None:
    add(tmp_path / "good.png", tmp_path / "good.txt", "")
    add(tmp_path / "alone.png", tmp_path / "alone.txt", None)
    add(tmp_path / "broken.png", tmp_path / "broken.txt", "")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "gone.txt").write_text("")
    found = read_labels(tmp_path)
    assert [p.name for p in found.pictures] == ["good"]
    reasons = {p.path.name: p.reason for p in found.problems}
    assert reasons.keys() == {"alone.png", "broken.png", "gone.txt"}
    assert "cannot be read" in reasons["broken.png"]
    assert {p.left_out for p in found.problems} == {LeftOut.PICTURE}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.yaml", "train: x\nnames: ['mask', \"no mask\"]\n"),
        ("data.yaml", "names:\n  - mask\n  - no mask\n"),
        ("data.yml", "names:\n  0: mask\n  1: no mask\n"),
        ("classes.txt", "mask\nno mask\n\n"),
        ("obj.names", "mask\nno mask"),
    ],
)
def test_class_names_stand_in_many_places(tmp_path: Path, name: str, text: str) -> None:
    assert class_names(tmp_path) == {}
    (tmp_path / name).write_text(text)
    assert class_names(tmp_path) == {0: "mask", 1: "no mask"}


@pytest.mark.parametrize("text", ["names: [a", "names: {a: 1}"])
def test_bad_list_of_class_names_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DatasetError, match=str(tmp_path / "data.yaml")):
        class_names(tmp_path)
