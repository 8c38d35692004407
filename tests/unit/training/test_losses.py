"""The detector's losses by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from crowdmask.training.losses import (
    box_loss,
    landmark_loss,
    mined_face_loss,
    overlap_loss,
    overlaps,
    quality_loss,
    smooth_l1,
    teacher_loss,
)
from crowdmask.training.targets import BACKGROUND, FACE, NO_MATTER


def number(value: object) -> float:
    return float(np.asarray(keras.ops.convert_to_numpy(value)).reshape(()))


def test_smooth_l1() -> None:
    assert np.asarray(smooth_l1(np.array([0.0, 0.5, -1.0, 3.0], np.float32))).tolist() == [0.0, 0.125, 0.5, 2.5]


def test_only_the_hardest_background_counts() -> None:
    logits = np.array([[0.0, 2.0, 1.0, -5.0, 9.0]], np.float32)
    kinds = np.array([[FACE, BACKGROUND, BACKGROUND, BACKGROUND, NO_MATTER]], np.int8)
    # one face, two negatives for it: the 2.0 and the 1.0; the 9.0 does not matter
    wanted = np.log(2) + np.log1p(np.exp(2.0)) + np.log1p(np.exp(1.0))
    assert number(mined_face_loss(logits, kinds, 2.0)) == pytest.approx(wanted, rel=1e-5)
    wanted = np.log(2) + np.log1p(np.exp(2.0))
    assert number(mined_face_loss(logits, kinds, 1.0)) == pytest.approx(wanted, rel=1e-5)


def test_a_batch_without_faces_is_finite() -> None:
    logits = np.zeros((1, 4), np.float32)
    kinds = np.full((1, 4), BACKGROUND, np.int8)
    assert np.isfinite(number(mined_face_loss(logits, kinds, 7.0)))
    assert number(box_loss(np.ones((1, 4, 4), np.float32), np.zeros((1, 4, 4), np.float32), kinds)) == 0.0


def test_boxes_count_where_faces_are() -> None:
    kinds = np.array([[FACE, BACKGROUND, NO_MATTER]], np.int8)
    offsets = np.full((1, 3, 4), 2.0, np.float32)
    assert number(box_loss(offsets, np.zeros_like(offsets), kinds)) == pytest.approx(4 * 1.5)


def test_landmarks_follow_a_teacher_that_is_sure() -> None:
    kinds = np.array([[FACE, FACE, BACKGROUND]], np.int8)
    points, taught = np.ones((1, 3, 10), np.float32), np.zeros((1, 3, 10), np.float32)
    sure = np.array([[3.0, -1.0, 5.0]], np.float32)
    assert number(landmark_loss(points, taught, kinds, sure)) == pytest.approx(10 * 0.5)


def test_overlap_by_hand() -> None:
    kinds = np.array([[FACE, BACKGROUND]], np.int8)
    same = np.zeros((1, 2, 4), np.float32)
    assert number(overlap_loss(same, same, kinds, (0.1, 0.2))) == pytest.approx(0.0, abs=1e-5)
    # moved by half its width: 0.5 shared, 1.5 in union, and no more in the hull, so 1 - 1/3
    moved = same.copy()
    moved[0, 0, 0] = 5.0
    assert number(overlap_loss(moved, same, kinds, (0.1, 0.2))) == pytest.approx(2 / 3, rel=1e-4)
    # beside it, apart by one width: nothing shared, 2 of the hull's 3, so 1 + 1/3
    moved[0, 0, 0] = 20.0
    assert number(overlap_loss(moved, same, kinds, (0.1, 0.2))) == pytest.approx(4 / 3, rel=1e-4)
    # the background's boxes do not count
    moved[0, 0, 0] = 0.0
    moved[0, 1, 0] = 20.0
    assert number(overlap_loss(moved, same, kinds, (0.1, 0.2))) == pytest.approx(0.0, abs=1e-5)


def test_a_score_is_taught_how_well_its_box_fits() -> None:
    kinds = np.array([[FACE, BACKGROUND, NO_MATTER]], np.int8)
    logits, fits, taught = np.zeros((1, 3), np.float32), np.array([[0.8, 0, 0]], np.float32), np.full((1, 3), 9.0, "f")
    # every score stands at a half, ln 2 of entropy: the face is 0.3 off, background 0.5, and what no label covers 0.5
    # off the teacher's 1, at three tenths; twice each, and a quarter of the face's entropy on top
    entropy = np.log(2)
    wanted = entropy * (2 * 0.3**2 + 0.25 + 2 * 0.5**2 + 2 * 0.3 * 0.5**2)
    assert number(quality_loss(logits, fits, kinds, taught)) == pytest.approx(wanted, rel=1e-3)


def test_a_face_is_never_taught_to_hide() -> None:
    kinds, fits = np.array([[FACE]], np.int8), np.zeros((1, 1), np.float32)
    low, at_least = (np.full((1, 1), v, np.float32) for v in (-6.0, np.log(0.3 / 0.7)))
    taught = np.zeros((1, 1), np.float32)
    assert number(quality_loss(low, fits, kinds, taught)) > number(quality_loss(at_least, fits, kinds, taught))


def test_overlaps_by_hand() -> None:
    same = np.zeros((1, 1, 4), np.float32)
    moved = same.copy()
    moved[0, 0, 0] = 5.0  # by half the anchor's width: a half shared, one and a half in union
    assert number(overlaps(moved, same, (0.1, 0.2))) == pytest.approx(1 / 3, rel=1e-4)
    assert number(overlaps(same, same, (0.1, 0.2))) == pytest.approx(1.0, rel=1e-4)


def test_a_teacher_is_not_believed_where_labels_say_background() -> None:
    def network(face: float, box: float) -> dict[str, np.ndarray]:
        return {"face": np.full((1, 1), face, np.float32), "box": np.full((1, 1, 4), box, np.float32)}

    background, face = (np.array([[kind]], np.int8) for kind in (BACKGROUND, FACE))
    assert number(teacher_loss(network(-3.0, 0.0), network(6.0, 1.0), background)) == 0.0
    # sure and right: only the boxes' four halves are left, at three tenths
    agreed = number(teacher_loss(network(6.0, 0.0), network(6.0, 1.0), face))
    assert agreed == pytest.approx(0.3 * 4 * 0.5, rel=1e-5)
    assert number(teacher_loss(network(-3.0, 0.0), network(6.0, 1.0), face)) > agreed + 1.0
