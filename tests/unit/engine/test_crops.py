"""Crops: the box that is cut by hand, and the pixels that come out."""

from __future__ import annotations

import numpy as np
import pytest

from crowdmask.engine.crops import cut_crops
from crowdmask.geometry import crop_boxes, empty_boxes
from crowdmask.settings import AnalysisSettings

RULE = {"margin": 0.2, "undersized_below": 24.0, "undersized_margin": 0.3}


def cut(box: tuple[float, ...], size_wh: tuple[int, int] = (200, 100), **rule: float) -> list[int]:
    return crop_boxes(np.array([box], np.float32), size_wh, **{**RULE, **rule})[0].tolist()  # type: ignore[arg-type]


def test_none() -> None:
    assert crop_boxes(empty_boxes(), (10, 10), **RULE).shape == (0, 4)  # type: ignore[arg-type]
    assert cut_crops(np.zeros((10, 10, 3), np.uint8), empty_boxes(), AnalysisSettings(), 32).shape == (0, 32, 32, 3)


def test_a_square_over_the_longer_side_with_the_margin() -> None:
    # centre (100, 50), longer side 40, x 1.2 = 48
    assert cut((85, 30, 115, 70)) == [76, 26, 124, 74]


def test_an_undersized_face_is_enlarged_further() -> None:
    # 20 px < 24: 20 x (1 + 0.2 + 0.3) = 30
    assert cut((90, 40, 110, 60)) == [85, 35, 115, 65]
    assert cut((90, 40, 110, 60), undersized_below=20.0) == [88, 38, 112, 62]


def test_it_is_clamped_to_the_picture() -> None:
    assert cut((0, 0, 40, 40)) == [0, 0, 44, 44]
    assert cut((180, 80, 220, 120)) == [176, 76, 200, 100]


@pytest.mark.parametrize("box", [(5, 5, 5, 5), (-50, -50, -40, -40), (500, 500, 600, 600)])
def test_whatever_the_box_at_least_a_pixel_inside_is_cut(box: tuple[float, ...]) -> None:
    x1, y1, x2, y2 = cut(box)
    assert 0 <= x1 < x2 <= 200
    assert 0 <= y1 < y2 <= 100


def test_enlarging_changes_the_pixels_and_not_only_a_drawing() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[40:60, 40:60] = 255
    box = np.array([[40, 40, 60, 60]], np.float32)
    tight = cut_crops(image, box, AnalysisSettings(crop_margin=0.0, undersized_margin=0.0), 40)
    wide = cut_crops(image, box, AnalysisSettings(crop_margin=0.0, undersized_margin=1.0), 40)
    assert tight.min() == 255
    assert wide[0, 0, 0].tolist() == [0, 0, 0]
    # twice the side: a quarter of the area is face
    assert (wide > 127).mean() == pytest.approx(0.25, abs=0.02)
    assert image[0, 0, 0] == 0


def test_crops_are_written_to_the_place_that_is_given() -> None:
    image = np.random.default_rng(0).integers(0, 256, (100, 200, 3)).astype(np.uint8)
    boxes = np.array([[10, 10, 40, 40], [100, 20, 190, 90]], np.float32)
    batch = np.zeros((4, 32, 32, 3), np.uint8)
    given = cut_crops(image, boxes, AnalysisSettings(), 32, into=batch[1:3])
    assert np.shares_memory(given, batch)
    assert np.array_equal(batch[1:3], cut_crops(image, boxes, AnalysisSettings(), 32))
    assert not batch[0].any() and not batch[3].any()
