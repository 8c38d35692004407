"""Pairing finds with faces: the empty picture first, then greed, doubles, and regions that count for nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdmask.evaluation.matching import pair
from crowdmask.geometry import FloatArray, empty_boxes


def boxes(*rows: tuple[float, float, float, float]) -> FloatArray:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_nothing_found_and_nothing_labelled() -> None:
    none = pair(empty_boxes(), np.zeros(0, np.float32), empty_boxes(), empty_boxes())
    assert none.face.shape == none.ignored.shape == none.right.shape == (0,)
    only_found = pair(boxes((0, 0, 1, 1)), np.ones(1), empty_boxes(), empty_boxes())
    assert only_found.face.tolist() == [-1] and only_found.ignored.tolist() == [False]
    assert pair(empty_boxes(), np.zeros(0), boxes((0, 0, 1, 1)), empty_boxes()).face.tolist() == []


@pytest.mark.parametrize(("width", "face"), [(20, 0), (20.1, -1), (5, 0), (4.9, -1)])
def test_half_of_the_union_is_enough(width: float, face: int) -> None:
    found = pair(boxes((0, 0, width, 10)), np.ones(1), boxes((0, 0, 10, 10)), empty_boxes())
    assert found.face.tolist() == [face]


def test_best_score_takes_the_face_and_doubles_are_left_over() -> None:
    found = pair(
        boxes((0, 0, 10, 10), (0, 0, 10, 9), (50, 50, 60, 60)),
        np.array([0.6, 0.9, 0.8]),
        boxes((0, 0, 10, 10)),
        empty_boxes(),
    )
    assert found.face.tolist() == [-1, 0, -1]
    assert found.right.tolist() == [False, True, False]


def test_a_find_takes_the_free_face_it_overlaps_most() -> None:
    faces = boxes((0, 0, 10, 10), (2, 0, 12, 10))
    # the first overlaps both (1.0 and 2/3), and the second then has only the other left
    found = pair(boxes((0, 0, 10, 10), (0, 0, 10, 10)), np.array([0.9, 0.8]), faces, empty_boxes())
    assert found.face.tolist() == [0, 1]


def test_half_inside_a_region_counts_for_nothing() -> None:
    region = boxes((0, 0, 100, 100))
    found = pair(
        boxes((95, 0, 105, 10), (96, 0, 106, 10), (10, 10, 20, 20), (200, 0, 210, 10)),
        np.full(4, 0.9),
        boxes((10, 10, 20, 20)),
        region,
    )
    assert found.ignored.tolist() == [True, False, False, False]  # a face inside a region is still a face
    assert found.face.tolist() == [-1, -1, 0, -1]


def test_each_region_is_asked_alone() -> None:
    regions = boxes((0, 0, 4, 10), (6, 0, 10, 10))
    found = pair(boxes((0, 0, 10, 10)), np.ones(1), empty_boxes(), regions)
    assert found.ignored.tolist() == [False]


def test_box_without_area_is_wrong() -> None:
    found = pair(boxes((5, 5, 5, 5)), np.ones(1), boxes((0, 0, 10, 10)), boxes((0, 0, 10, 10)))
    assert found.face.tolist() == [-1] and found.ignored.tolist() == [False]


corner, side = st.integers(0, 12), st.integers(1, 8)
some_boxes = st.lists(
    st.tuples(corner, corner, side, side).map(lambda r: (r[0], r[1], r[0] + r[2], r[1] + r[3])),
    max_size=8,
)


@given(found=some_boxes, faces=some_boxes, seed=st.integers(0, 99), cut=st.floats(0, 1))
def test_a_cut_leaves_the_pairs_above_it_as_they_were(
    found: list[tuple[int, int, int, int]], faces: list[tuple[int, int, int, int]], seed: int, cut: float
) -> None:
    scores = np.random.default_rng(seed).permutation(len(found) + 1)[1:] / 9.0
    above = scores >= cut
    whole = pair(boxes(*found), scores, boxes(*faces), empty_boxes())
    part = pair(boxes(*found)[above], scores[above], boxes(*faces), empty_boxes())
    assert part.face.tolist() == whole.face[above].tolist()
