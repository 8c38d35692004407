"""Label sets: choosing by name, counting, and refusing what nothing can be learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crowdmask.errors import DatasetError
from crowdmask.geometry import empty_boxes
from crowdmask.labels.boxes import within
from crowdmask.labels.records import Label, LabelledPicture, LabelSet, LeftOut, Problem, natural


def picture(name: str, *labels: Label) -> LabelledPicture:
    boxes = np.array([[i, i, i + 10, i + 10] for i in range(len(labels))], np.float32).reshape(-1, 4)
    return LabelledPicture(Path(f"{name}.jpg"), None, boxes, np.array(labels, np.int8), tuple(v.word for v in labels))


def make_set(*pictures: LabelledPicture, problems: tuple[Problem, ...] = ()) -> LabelSet:
    return LabelSet(Path("set"), pictures, problems)


def test_empty_picture() -> None:
    empty = LabelledPicture(Path("a.jpg"), (9, 9), empty_boxes(), np.zeros(0, np.int8), ())
    assert empty.faces.tolist() == []
    assert len(empty.take(empty.faces).boxes) == 0
    assert empty.with_ignored(np.array([[1, 2, 3, 4]], np.float32)).labels.tolist() == [Label.IGNORE]


def test_parts_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a\.jpg.*do not belong together"):
        LabelledPicture(Path("a.jpg"), None, empty_boxes(), np.zeros(1, np.int8), ())


def test_take_keeps_boxes_labels_and_names_together() -> None:
    taken = picture("a", Label.MASKED, Label.IGNORE, Label.UNMASKED).take(np.array([2, 0]))
    assert taken.boxes[:, 0].tolist() == [2, 0]
    assert taken.labels.tolist() == [1, 0]
    assert taken.class_names == ("unmasked", "masked")


def test_only_and_without() -> None:
    problem = Problem(Path("annotations/7.xml"), "broken")
    found = make_set(picture("1", Label.MASKED), picture("2", Label.UNMASKED), problems=(problem,))
    assert [p.name for p in found.only(["2", "7"]).pictures] == ["2"]
    assert found.only(["2", "7"]).problems == (problem,)
    assert [p.name for p in found.without(["2", "7"]).pictures] == ["1"]
    assert found.without(["2", "7"]).problems == ()
    with pytest.raises(DatasetError, match=r"set: no labelled picture is named 3, 4, 5 and 1 more"):
        found.only(["6", "3", "5", "4", "1"])


def test_both_classes_are_required() -> None:
    make_set(picture("1", Label.MASKED, Label.UNMASKED)).require_both_classes()
    with pytest.raises(DatasetError, match="set: no unmasked face among 2 masked ones"):
        make_set(picture("1", Label.MASKED, Label.MASKED, Label.IGNORE)).require_both_classes()
    with pytest.raises(DatasetError, match="no masked face among 1 unmasked ones"):
        make_set(picture("1", Label.UNMASKED)).require_both_classes()


def test_natural_order() -> None:
    assert sorted(["b10", "b9", "a", "B1", "10", "9", ""], key=natural) == ["", "9", "10", "a", "B1", "b9", "b10"]


def test_boxes_are_held_against_the_size_of_the_opened_picture() -> None:
    told = LabelledPicture(
        Path("a.jpg"), (50, 50), np.array([[1, 1, 9, 9], [40, 1, 48, 9]], np.float32), np.zeros(2, np.int8), ("m", "n")
    )
    same, problems = within(told, (50, 50))
    assert same.boxes.tolist() == told.boxes.tolist() and problems == []
    smaller, problems = within(told, (30, 30))
    assert smaller.class_names == ("m",) and smaller.size_wh == (30, 30)
    assert [p.left_out for p in problems] == [LeftOut.NOTHING, LeftOut.BOX]
    assert "says 50x50, the picture has 30x30" in problems[0].reason
