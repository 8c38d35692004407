from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.records import Counts, FrameResult
from crowdmask.results.annotate import annotate
from crowdmask.results.anonymise import (
    CELLS,
    LINGER_SECONDS,
    LingeringBlur,
    LookingAhead,
    blur_faces,
    blurred_place,
    looking_ahead,
)
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


def test_an_ellipse_over_the_whole_head_is_hidden_and_the_rest_stays() -> None:
    """A box of 50 by 50: half as wide again, six tenths higher, and a little further up than down."""
    image = noise(300, 300)
    before = image.copy()
    blur_faces(image, make_faces([(100, 100, 150, 150)]).boxes)
    touched = (image != before).any(axis=2)
    rows, columns = np.nonzero(touched)
    assert 87 <= columns.min() <= 90 and 160 <= columns.max() < 163 and 82 <= rows.min() <= 85 and rows.max() < 163
    assert touched[100:150, 100:150].mean() > 0.99  # all of the box, corners too
    for corner in (touched[82:88, 87:93], touched[82:88, 157:163], touched[157:163, 87:93]):
        assert not corner.any()  # it is no rectangle
    assert blurred_place(np.array([100, 100, 150, 150], np.float32), (300, 300)) == (87, 82, 163, 163)


def test_the_rim_is_soft_and_nothing_of_the_box_shines_through() -> None:
    flat = np.zeros((200, 200, 3), np.uint8)
    flat[100:150, 100:150] = np.indices((50, 50)).sum(axis=0)[..., None] % 2 * 255
    blur_faces(flat, make_faces([(100, 100, 150, 150)]).boxes)
    inside = flat[102:148, 102:148, 0].astype(int)
    assert np.abs(np.diff(inside, axis=1)).max() < 40 and np.abs(np.diff(inside, axis=0)).max() < 40


def followed(seconds: float, *people: tuple[int, float]) -> FrameResult:
    boxes = [(x, 10.0, x + 20, 30.0) for _, x in people]
    result = make_result(None, boxes, [0.1] * len(boxes), seconds=seconds)
    return result.with_columns(person=np.array([number for number, _ in people], np.int32))


def test_somebody_is_hidden_before_being_found() -> None:
    """Person 2 is found at 0.8 s, and hidden from half a second before on where it is found first."""
    results = [followed(i / 10, (1, 0.0), *(((2, 50.0 + i),) if i >= 8 else ())) for i in range(12)]
    ahead = LookingAhead(0.5)
    found = [pair for result in results for pair in ahead.take(result)] + list(ahead.finish())
    assert [result.frame.seconds for result, _ in found] == [i / 10 for i in range(12)]
    assert [boxes[:, 0].tolist() for _, boxes in found] == [[]] * 3 + [[58.0]] * 5 + [[]] * 4


def test_looking_ahead_goes_on_into_the_segment_after() -> None:
    results = [followed(i / 10, (1, 0.0), *(((2, 50.0),) if i >= 8 else ())) for i in range(12)]
    parts = [list(looking_ahead(results[:7], results[7:])), list(looking_ahead(results[7:], []))]
    ahead = LookingAhead()
    whole = [pair for result in results for pair in ahead.take(result)] + list(ahead.finish())
    for (one, mine), (other, theirs) in zip(parts[0] + parts[1], whole, strict=True):
        assert one is other and np.array_equal(mine, theirs)


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
