"""COCO JSON: pictures found wherever they lie, crowds ignored, damaged files named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crowdmask.errors import DatasetError
from crowdmask.labels.reading import read_labels
from crowdmask.labels.records import Label, LeftOut

CATEGORIES = [{"id": 7, "name": "with_mask"}, {"id": 9, "name": "without_mask"}]


def write(root: Path, images: list[Any], annotations: list[Any], name: str = "annotations/instances.json") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": CATEGORIES}))
    return path


def image(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": name, "width": 100, "height": 80, **more}


def box(number: int, category: int, *xywh: float, **more: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": number, "category_id": category, "bbox": list(xywh), **more}


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not opened")


def test_listed_picture_without_annotations_shows_no_face(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg")
    write(tmp_path, [image(1, "a.jpg")], [])
    (picture,) = read_labels(tmp_path).pictures
    assert len(picture.boxes) == 0 and picture.size_wh == (100, 80)


def test_boxes_classes_and_crowds(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "images/b.jpg")
    crowds = [box(1, 7, 0, 0, 9, 9, iscrowd=1), box(1, 7, 0, 0, 9, 9, ignore=1)]
    annotations = [box(2, 9, 10, 20, 30, 40), box(1, 7, 1, 2, 3, 4), *crowds]
    write(tmp_path, [image(1, "images/b.jpg"), image(2, "a.jpg")], annotations)
    a, b = read_labels(tmp_path).pictures
    assert a.path.name == "a.jpg" and a.boxes.tolist() == [[10, 20, 40, 60]] and a.class_names == ("without_mask",)
    assert b.labels.tolist() == [Label.MASKED, Label.IGNORE, Label.IGNORE]


def test_files_of_several_parts_are_all_read_and_same_names_told_apart(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.jpg", "val/a.jpg")
    write(tmp_path, [image(1, "a.jpg")], [box(1, 7, 1, 1, 5, 5)], "train/_annotations.coco.json")
    write(tmp_path, [image(1, "a.jpg")], [box(1, 9, 1, 1, 5, 5)], "val/_annotations.coco.json")
    train, val = read_labels(tmp_path).pictures
    assert train.path == tmp_path / "train/a.jpg" and train.labels.tolist() == [Label.MASKED]
    assert val.path == tmp_path / "val/a.jpg" and val.labels.tolist() == [Label.UNMASKED]


def test_every_fault_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    annotations = [
        box(1, 7, 1, 1, 5, 5),
        box(1, 8, 2, 2, 5, 5),
        box(1, 7, 1, 1, 0, 5),
        box(1, 7),
        box(5, 7, 1, 1, 5, 5),
    ]
    path = write(tmp_path, [image(1, "a.jpg"), image(2, "gone.jpg")], annotations)
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('{"labels": {}}')
    found = read_labels(tmp_path)
    assert found.pictures[0].labels.tolist() == [Label.MASKED, Label.IGNORE]
    reasons = "\n".join(str(p) for p in found.problems)
    assert f"{tmp_path / 'broken.json'}: the annotation file does not parse" in reasons
    assert f"{path}: gone.jpg: the folder has no such picture" in reasons
    assert f"{path}: a.jpg: class '8' is not known" in reasons
    assert f"{path}: a.jpg: the box (1, 1, 1, 6) has no area" in reasons
    assert f"{path}: annotation 1 of image 1 has no box of four numbers" in reasons
    assert f"{path}: 1 box(es) belong to images that the file does not list" in reasons
    assert len(found.problems) == 6
    assert sum(p.left_out is LeftOut.PICTURE for p in found.problems) == 2


@pytest.mark.parametrize("text", ["{", '{"images": [{}], "annotations": [], "categories": []}'])
def test_nothing_but_a_broken_file_is_an_error(tmp_path: Path, text: str) -> None:
    touch(tmp_path, "a.jpg")
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(DatasetError, match=r"labels\.json: the annotation file does not parse"):
        read_labels(tmp_path)
