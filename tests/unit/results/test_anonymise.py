from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.records import Counts
from crowdmask.results.annotate import annotate
from crowdmask.results.anonymise import CELLS, LINGER_SECONDS, LingeringBlur, blur_faces
from crowdmask.settings import OutputSettings
from tests.factories import make_faces, make_result


def noise(width: int, height: int) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_no_faces_change_nothing() -> None:
    image = noise(40, 30)
    before = image.copy()
    blur_faces(image, make_faces().boxes)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("side", [4, 10, 24, 100, 300])
def test_what_is_left_of_a_face_is_a_few_averages(side: int) -> None:
    image = noise(640, 480)
    blur_faces(image, make_faces([(100, 100, 100 + side, 100 + side)]).boxes)
    face = image[100 : 100 + side, 100 : 100 + side].astype(float)
    # noise keeps its spread under a weak blur; averages over a quarter of the face have next to none
    cell = side * 1.4 / CELLS
    assert face.std() <= 1.6 * 74 / max(2.0, cell)
    if side >= 24:
        restored = cv2.resize(cv2.resize(face, (CELLS, CELLS), interpolation=cv2.INTER_AREA), (side, side))
        assert np.abs(restored - face).mean() < 12


def test_two_faces_with_the_same_averages_end_up_the_same() -> None:
    """A checkerboard and its inverse: fine detail leaves no trace, so nothing can bring it back."""
    fine = (np.indices((112, 112)).sum(axis=0) % 2 * 255).astype(np.uint8)
    pictures = []
    for pattern in (fine, 255 - fine):
        image = np.repeat(pattern[:, :, None], 3, axis=2).copy()
        blur_faces(image, make_faces([(16, 16, 96, 96)]).boxes)
        pictures.append(image[16:96, 16:96].astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


def test_the_margin_is_hidden_too_and_the_rest_stays() -> None:
    image = noise(300, 300)
    before = image.copy()
    blur_faces(image, make_faces([(100, 100, 150, 150)]).boxes)
    touched = (image != before).any(axis=2)
    rows, columns = np.nonzero(touched)
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (90, 90, 160, 160)
    assert touched[90:160, 90:160].mean() > 0.99


def test_boxes_at_and_beyond_the_edge() -> None:
    image = noise(60, 40)
    blur_faces(image, make_faces([(-30, -30, 10, 10), (55, 35, 90, 90), (200, 200, 220, 220), (5, 5, 5, 5)]).boxes)
    assert image.shape == (40, 60, 3)


def test_unknown_faces_are_hidden_as_well_and_other_places_on_demand() -> None:
    result = make_result(None, [(10, 10, 40, 40)], [float("nan")], size_wh=(200, 100))
    settings = OutputSettings(blur=True, panel=False)
    hidden = annotate(result, Counts(), settings)
    open_ = annotate(result, Counts(), OutputSettings(panel=False))
    assert (hidden[14:36, 14:36] != open_[14:36, 14:36]).any()
    elsewhere = make_faces([(120, 10, 160, 90)]).boxes
    more = annotate(result, Counts(), settings, also_blur=elsewhere)
    assert (more[:, 120:160] != hidden[:, 120:160]).any()
    assert np.array_equal(more[:, :100], hidden[:, :100])


def seen(lingering: LingeringBlur, seconds: float, *boxes: tuple[float, float, float, float]) -> list[list[float]]:
    result = make_result(None, boxes, [0.1] * len(boxes), seconds=seconds)
    return lingering.also(result).tolist()


def test_a_lost_face_stays_hidden_for_a_moment() -> None:
    lingering = LingeringBlur()
    assert seen(lingering, 0.0) == []
    assert seen(lingering, 0.04, (10, 10, 30, 30)) == []
    assert seen(lingering, 0.08) == [[10, 10, 30, 30]]
    assert seen(lingering, 0.04 + LINGER_SECONDS) == [[10, 10, 30, 30]]
    assert seen(lingering, 0.08 + LINGER_SECONDS) == []


def test_a_face_that_is_still_found_leaves_no_trail() -> None:
    lingering = LingeringBlur()
    seen(lingering, 0.0, (10, 10, 30, 30))
    assert seen(lingering, 0.04, (12, 10, 32, 30)) == []
    assert seen(lingering, 0.08, (14, 10, 34, 30), (60, 10, 80, 30)) == []
    assert seen(lingering, 0.12, (16, 10, 36, 30)) == [[60, 10, 80, 30]]


def test_a_place_is_told_once_however_often_it_was_seen() -> None:
    lingering = LingeringBlur()
    for i in range(10):
        seen(lingering, i * 0.04, (10 + i, 10, 30 + i, 30))
    assert seen(lingering, 0.4) == [[19, 10, 39, 30]]


def test_times_that_go_back_forget_what_was() -> None:
    lingering = LingeringBlur()
    seen(lingering, 100.0, (10, 10, 30, 30))
    assert seen(lingering, 3.0) == []
