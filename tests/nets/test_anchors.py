"""Anchors: places worked out by hand, decoding undoes encoding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdmask.nets.anchors import AnchorGrid

GRID = AnchorGrid()


def test_places_of_the_first_level() -> None:
    anchors = GRID.boxes_cxcywh((64, 32))
    # stride 8: 8 x 4 cells of two sizes, stride 16: 4 x 2, stride 32: 2 x 1
    assert anchors.shape == (2 * (32 + 8 + 2), 4)
    assert anchors[0].tolist() == [4, 4, 10, 10]
    assert anchors[1].tolist() == [4, 4, 20, 20]
    assert anchors[2].tolist() == [12, 4, 10, 10]  # the next cell to the right
    assert anchors[16].tolist() == [4, 12, 10, 10]  # the second row
    assert anchors[64].tolist() == [8, 8, 32, 32]
    assert anchors[-1].tolist() == [48, 16, 256, 256]


def test_a_side_that_no_stride_divides_is_rounded_up() -> None:
    assert len(GRID.boxes_cxcywh((33, 8))) == 2 * (5 * 1 + 3 * 1 + 2 * 1)


def test_decoding_by_hand() -> None:
    anchor = np.array([[50, 40, 20, 20]], np.float32)
    # centre moved by 0.5 x 0.1 x 20 = 1, size grown by exp(0.2 x 1)
    box = GRID.decode_boxes(np.array([[0.5, 0.0, 1.0, 0.0]], np.float32), anchor)[0]
    half = 10 * np.exp(0.2)
    assert box == pytest.approx([51 - half, 30, 51 + half, 50])
    points = GRID.decode_landmarks(np.array([[1, 0] * 5], np.float32), anchor)
    assert points.tolist() == [[[52, 40]] * 5]


@given(st.integers(0, 2**32 - 1))
def test_decoding_undoes_encoding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(-50, 300, (6, 2)), rng.uniform(2, 200, (6, 2))
    boxes = np.concatenate([corner, corner + size], axis=1).astype(np.float32)
    anchors = np.concatenate([rng.uniform(0, 300, (6, 2)), rng.uniform(8, 256, (6, 2))], axis=1).astype(np.float32)
    back = GRID.decode_boxes(GRID.encode_boxes(boxes, anchors), anchors)
    assert np.allclose(back, boxes, atol=0.05)


def test_levels_must_have_sizes() -> None:
    with pytest.raises(ValueError, match="same number"):
        AnchorGrid(strides=(8, 16), sizes=((10, 20), (32,)))
