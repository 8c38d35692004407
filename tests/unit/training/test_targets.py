"""What anchors are told to answer, on a crop small enough to check by hand."""

from __future__ import annotations

import numpy as np

from crowdmask.geometry import empty_boxes
from crowdmask.nets.anchors import AnchorGrid
from crowdmask.training.targets import BACKGROUND, FACE, NO_MATTER, anchor_targets

GRID = AnchorGrid(strides=(8, 16, 32), sizes=((8,), (16,), (32,)))  # every cell its own square: 16 + 4 + 1 anchors


def boxes(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_an_empty_crop_is_all_background() -> None:
    kinds, offsets = anchor_targets(GRID, 32, empty_boxes(), empty_boxes())
    assert kinds.tolist() == [BACKGROUND] * 21
    assert not offsets.any()


def test_a_face_that_is_an_anchor_takes_it_alone() -> None:
    kinds, offsets = anchor_targets(GRID, 32, boxes((8, 0, 16, 8)), empty_boxes())
    assert np.flatnonzero(kinds == FACE).tolist() == [1]  # second cell of the first row
    assert not offsets[1].any()
    # the 16 px anchor over it overlaps by 64 of 256, too little to be neither
    assert kinds[16] == BACKGROUND


def test_the_gap_between_face_and_background_does_not_matter() -> None:
    # 8 x 8 anchor against a 14 x 14 face from the corner: 64 / 196 = 0.327
    kinds, _ = anchor_targets(GRID, 32, boxes((0, 0, 14, 14)), empty_boxes())
    assert kinds[0] == NO_MATTER
    assert kinds[16] == FACE  # 196 / 256


def test_every_face_gets_its_best_anchor() -> None:
    # 3 x 3 in the corner: 9 / 64 with the best anchor, far below any threshold
    kinds, offsets = anchor_targets(GRID, 32, boxes((0, 0, 3, 3)), empty_boxes())
    assert np.flatnonzero(kinds == FACE).tolist() == [0]
    back = GRID.decode_boxes(offsets[:1], GRID.boxes_cxcywh((32, 32))[:1])
    assert np.allclose(back, [[0, 0, 3, 3]], atol=1e-4)


def test_ignored_ground_does_not_matter_but_a_face_on_it_does() -> None:
    kinds, _ = anchor_targets(GRID, 32, boxes((0, 0, 8, 8)), boxes((0, 0, 32, 8)))
    assert kinds[:4].tolist() == [FACE, NO_MATTER, NO_MATTER, NO_MATTER]
    assert kinds[4] == BACKGROUND
    assert kinds[16] == NO_MATTER  # lies half in it


def test_the_better_of_two_faces_is_taken() -> None:
    kinds, offsets = anchor_targets(GRID, 32, boxes((0, 0, 7, 8), (1, 0, 9, 8)), empty_boxes())
    assert kinds[0] == FACE
    anchors = GRID.boxes_cxcywh((32, 32))
    # the first face overlaps the anchor (0, 0, 8, 8) by 56/64, the second by 56/72
    assert np.allclose(GRID.decode_boxes(offsets[:1], anchors[:1]), [[0, 0, 7, 8]], atol=1e-3)
