"""Boxes with hand-written numbers; the empty input first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from crowdmask.geometry import (
    FloatArray,
    areas,
    averaged,
    clip,
    empty_boxes,
    enlarge,
    face_sizes,
    intersections,
    iou,
    nms,
    sizes_wh,
)


def boxes(*rows: tuple[float, float, float, float]) -> FloatArray:
    return np.array(rows, np.float32).reshape(-1, 4)


side = st.floats(0, 500, width=32)


@st.composite
def some_boxes(draw: st.DrawFn) -> FloatArray:
    rows = draw(st.lists(st.tuples(side, side, side, side), max_size=12))
    return boxes(*[(x, y, x + w, y + h) for x, y, w, h in rows])


def test_no_boxes_give_empty_answers_of_the_right_shape() -> None:
    none = empty_boxes()
    assert sizes_wh(none).shape == (0, 2)
    assert areas(none).shape == face_sizes(none).shape == (0,)
    assert clip(none, (10, 10)).shape == enlarge(none, 0.5).shape == (0, 4)
    assert iou(none, boxes((0, 0, 1, 1))).shape == (0, 1)
    assert nms(none, np.zeros(0, np.float32), 0.5).shape == (0,)


def test_sizes_and_areas() -> None:
    given = boxes((0, 0, 4, 9), (10, 20, 13, 24), (5, 5, 5, 9))
    assert_array_equal(sizes_wh(given), [[4, 9], [3, 4], [0, 4]])
    assert_array_equal(areas(given), [36, 12, 0])
    assert_allclose(face_sizes(given), [6, 12**0.5, 0])


def test_a_box_inside_out_has_no_area() -> None:
    assert_array_equal(areas(boxes((8, 8, 2, 20), (8, 8, 2, 2))), [0, 0])


def test_clip_cuts_to_the_picture() -> None:
    given = boxes((-5, -5, 5, 5), (90, 40, 120, 60), (200, 200, 300, 300))
    assert_array_equal(clip(given, (100, 50)), [[0, 0, 5, 5], [90, 40, 100, 50], [100, 50, 100, 50]])


def test_enlarge_is_symmetric_and_takes_a_proportion_for_each_box() -> None:
    given = boxes((10, 10, 20, 30), (0, 0, 8, 8))
    assert_array_equal(enlarge(given, 0.5), [[7.5, 5, 22.5, 35], [-2, -2, 10, 10]])
    assert_array_equal(enlarge(given, np.array([0.0, 1.0], np.float32)), [[10, 10, 20, 30], [-4, -4, 12, 12]])


def test_iou_by_hand() -> None:
    a = boxes((0, 0, 10, 10))
    b = boxes((0, 0, 10, 10), (5, 0, 15, 10), (5, 5, 15, 15), (10, 0, 20, 10), (3, 3, 3, 3))
    assert_array_equal(intersections(a, b), [[100, 50, 25, 0, 0]])
    assert_allclose(iou(a, b), [[1, 50 / 150, 25 / 175, 0, 0]])
    assert iou(boxes((3, 3, 3, 3)), boxes((3, 3, 3, 3)))[0, 0] == 0


def test_nms_keeps_the_best_of_each_heap_best_first() -> None:
    given = boxes((0, 0, 10, 10), (1, 0, 11, 10), (50, 50, 60, 60), (0, 1, 10, 11))
    scores = np.array([0.6, 0.9, 0.7, 0.8], np.float32)
    assert nms(given, scores, 0.5).tolist() == [1, 2]


def test_nms_removes_only_what_lies_above_the_threshold_and_equal_scores_keep_their_order() -> None:
    given = boxes((0, 0, 10, 10), (5, 0, 15, 10))  # IoU is a third
    scores = np.array([0.5, 0.5], np.float32)
    assert nms(given, scores, 0.34).tolist() == [0, 1]
    assert nms(given, scores, 0.33).tolist() == [0]


@given(some_boxes(), some_boxes())
def test_iou_is_symmetric_and_between_nought_and_one(a: FloatArray, b: FloatArray) -> None:
    ratios = iou(a, b)
    assert_allclose(ratios, iou(b, a).T, atol=1e-6)
    assert np.all(ratios >= 0) and np.all(ratios <= 1 + 1e-5)


@given(some_boxes(), st.integers(0, 99))
def test_what_nms_keeps_does_not_overlap_and_what_it_drops_does(given: FloatArray, seed: int) -> None:
    scores = np.random.default_rng(seed).random(len(given)).astype(np.float32)
    kept = nms(given, scores, 0.4)
    among = iou(given[kept], given[kept])
    np.fill_diagonal(among, 0)
    assert np.all(among <= 0.4 + 1e-5)
    for dropped in set(range(len(given))) - set(kept.tolist()):
        better = [k for k in kept if scores[k] >= scores[dropped]]
        assert iou(given[[dropped]], given[better]).max() > 0.4 - 1e-5


@given(some_boxes(), st.floats(0, 2))
def test_enlarge_keeps_the_centre(given: FloatArray, proportion: float) -> None:
    grown = enlarge(given, proportion)
    assert_allclose(grown[:, :2] + grown[:, 2:], given[:, :2] + given[:, 2:], rtol=1e-5, atol=1e-2)
    assert_allclose(sizes_wh(grown), sizes_wh(given) * (1 + proportion), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("size_wh", [(1, 1), (100, 50)])
def test_clipping_twice_changes_nothing(size_wh: tuple[int, int]) -> None:
    once = clip(boxes((-3.5, 2, 700, 45.25)), size_wh)
    assert_array_equal(clip(once, size_wh), once)


def test_averaged_by_hand() -> None:
    kept = np.array([[0, 0, 10, 10]], np.float32)
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 8], [50, 50, 60, 60]], np.float32)
    scores = np.array([0.8, 0.5, 0.9], np.float32)
    # weights 1.0 x 0.8 and 0.8 x 0.5; the third is elsewhere: (0.8 x 10 + 0.4 x 8) / 1.2
    mean = averaged(kept, boxes, scores, iou(kept, boxes), 0.6)
    assert mean[0].tolist() == pytest.approx([0, 0, 10, 11.2 / 1.2])
    # with nothing near enough a box stays as it is
    assert averaged(kept, boxes[2:], scores[2:], iou(kept, boxes[2:]), 0.6).tolist() == [[0, 0, 10, 10]]
    assert averaged(kept[:0], boxes, scores, iou(kept[:0], boxes), 0.6).shape == (0, 4)
