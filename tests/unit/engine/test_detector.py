"""The detector around a network that answers what the test wrote: decoding, sizes, merging of views."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.engine.detector import RetinaFaceDetector
from crowdmask.errors import WeightsError
from crowdmask.nets.anchors import AnchorGrid
from crowdmask.nets.facts import Facts
from crowdmask.settings import AnalysisSettings

GRID = AnchorGrid()


class BrightSquares:
    """Answers a face of the anchor's own box wherever a white square is centred on an anchor of about its size."""

    facts = Facts(("box", "face", "landmarks"), anchors=GRID)

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        self.shapes.append(pictures.shape)
        n, height, width, _ = pictures.shape
        anchors = GRID.boxes_cxcywh((width, height))
        face = np.full((n, len(anchors)), -9.0, np.float32)
        box = np.zeros((n, len(anchors), 4), np.float32)
        for i, picture in enumerate(pictures):
            ys, xs = np.nonzero(picture[..., 0] > 128)
            if len(xs):
                found = np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]], np.float32)
                centre, side = (found[0, :2] + found[0, 2:]) / 2, found[0, 2] - found[0, 0]
                distance = np.abs(anchors[:, :2] - centre).sum(axis=1) + 50 * np.abs(np.log(anchors[:, 2] / side))
                best = int(distance.argmin())
                face[i, best] = 3.0
                box[i, best] = GRID.encode_boxes(found, anchors[best : best + 1])[0]
        return {"face": face, "box": box, "landmarks": np.zeros((n, len(anchors), 10), np.float32)}


def picture(size_wh: tuple[int, int], square: tuple[int, int, int, int] | None) -> NDArray[np.uint8]:
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    if square:
        x1, y1, x2, y2 = square
        image[y1:y2, x1:x2] = 255
    return image


def detect(*images: NDArray[np.uint8], **settings: float) -> list:  # type: ignore[type-arg]
    detector = RetinaFaceDetector(BrightSquares(), GRID, AnalysisSettings(**settings))  # type: ignore[arg-type]
    return detector.detect(list(images))


def test_no_pictures_and_no_faces() -> None:
    assert detect() == []
    (faces,) = detect(picture((64, 48), None))
    assert len(faces) == 0
    assert faces.landmarks.shape == (0, 5, 2)


@pytest.mark.parametrize(
    ("size_wh", "square"),
    [((1280, 720), (400, 300, 440, 340)), ((3840, 2160), (1200, 900, 1320, 1020)), ((320, 240), (100, 80, 120, 100))],
)
def test_boxes_come_back_in_the_pictures_own_pixels(
    size_wh: tuple[int, int], square: tuple[int, int, int, int]
) -> None:
    (faces,) = detect(picture(size_wh, square))
    assert len(faces) == 1
    assert faces.boxes[0] == pytest.approx(square, abs=0.02 * size_wh[0] / 10)
    assert faces.scores[0] == pytest.approx(1 / (1 + np.exp(-3.0)))


def test_a_face_seen_in_several_views_is_one_face() -> None:
    (faces,) = detect(picture((640, 480), (200, 100, 300, 200)))
    assert len(faces) == 1


def test_a_face_as_large_as_the_picture_is_found() -> None:
    (faces,) = detect(picture((800, 800), (20, 20, 780, 780)))
    assert len(faces) == 1
    assert faces.boxes[0] == pytest.approx((20, 20, 780, 780), abs=8)


def test_confidence_is_a_floor() -> None:
    image = picture((320, 240), (100, 80, 120, 100))
    assert len(detect(image, confidence=0.94)[0]) == 1
    assert len(detect(image, confidence=0.96, follow=False)[0]) == 0


def test_following_gets_weaker_finds_after_those_that_are_shown_and_these_stay_as_they_are() -> None:
    image = picture((640, 480), (200, 100, 300, 200))
    (alone,) = detect(image, follow=False, confidence=0.9)
    (with_weak,) = detect(image, follow=True, confidence=0.9, weak_confidence=0.05)
    shown = with_weak.take(with_weak.scores >= 0.9)
    assert np.array_equal(shown.boxes, alone.boxes) and np.array_equal(shown.scores, alone.scores)
    (weak,) = detect(image, follow=True, confidence=0.96)
    assert len(weak) == 1 and weak.scores[0] < 0.96


def test_a_set_of_pictures_gives_what_each_gives_alone() -> None:
    images = [picture((320, 240), (100, 80, 120 + 4 * i, 100 + 4 * i)) for i in range(5)] + [picture((64, 64), None)]
    together = detect(*images)
    for image, faces in zip(images, together, strict=True):
        (alone,) = detect(image)
        assert np.array_equal(alone.boxes, faces.boxes)
    assert [len(f) for f in together] == [1, 1, 1, 1, 1, 0]


def test_tiles_find_what_is_too_small_in_the_whole() -> None:
    (faces,) = detect(picture((3840, 2160), (1913, 1073, 1925, 1085)), tiles=3)
    assert len(faces) == 1
    assert faces.boxes[0] == pytest.approx((1913, 1073, 1925, 1085), abs=3)


def test_pictures_go_through_the_network_one_by_one() -> None:
    """So that the shape of a pass, which may move the last digits, depends on the picture alone."""
    network = BrightSquares()
    RetinaFaceDetector(network, GRID, AnalysisSettings()).detect([picture((640, 480), None)] * 3)
    assert len(network.shapes) == 9
    assert {shape[0] for shape in network.shapes} == {1}
    assert len(set(network.shapes)) == 3


@pytest.mark.parametrize("output", ["face", "box", "landmarks"])
def test_weights_that_give_no_numbers_are_named(output: str) -> None:
    class Broken(BrightSquares):
        def __call__(self, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
            answers = super().__call__(pictures)
            answers[output][:] = np.nan
            return answers

    detector = RetinaFaceDetector(Broken(), GRID, AnalysisSettings(), origin="detector.npz")
    with pytest.raises(WeightsError, match=r"detector\.npz: its weights give no numbers"):
        detector.detect([picture((320, 240), (100, 80, 120, 100))])


def test_what_lies_beside_the_picture_on_its_canvas_is_black() -> None:
    seen = []

    class Sees(BrightSquares):
        def __call__(self, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
            seen.append(pictures.copy())
            return super().__call__(pictures)

    detector = RetinaFaceDetector(Sees(), GRID, AnalysisSettings())
    for width in (640, 650, 640):  # canvases of one size, which are taken again
        detector.detect([np.full((360, width, 3), 255, np.uint8)])
    assert len({canvas.shape for canvas in seen}) == 3
    for canvas in seen:
        column, row = canvas[0, :, 0, 0], canvas[0, 0, :, 0]
        width, height = int((row == 255).sum()), int((column == 255).sum())
        assert (canvas[0, :height, :width] == 255).all()
        assert not canvas[0, height:].any() and not canvas[0, :, width:].any()
        assert canvas.shape[2] - width < 32 and canvas.shape[1] - height < 32


def at(image: NDArray[np.uint8], *places: tuple[float, float, float, float]) -> tuple[list, list]:  # type: ignore[type-arg]
    network = BrightSquares()
    detector = RetinaFaceDetector(network, GRID, AnalysisSettings())
    (faces,) = detector.detect_at([image], [np.array(places, np.float32).reshape(-1, 4)])
    return faces.boxes.tolist(), network.shapes


@pytest.mark.parametrize("centre", [(960, 540), (20, 30), (1900, 1060), (1000, 1070)])
def test_a_face_at_a_place_is_found_in_one_small_view(centre: tuple[int, int]) -> None:
    x, y = centre
    square = (max(0, x - 24), max(0, y - 24), min(1920, x + 24), min(1080, y + 24))
    boxes, shapes = at(picture((1920, 1080), square), tuple(float(e) + 10 for e in square))  # type: ignore[arg-type]
    # 48 pixels are 32 at the detection size, whose fivefold fits into the smallest view of the whole, 320 x 192
    assert shapes == [(1, 192, 320, 3)]
    assert len(boxes) == 1 and boxes[0] == pytest.approx(square, abs=3)


def test_a_face_elsewhere_or_cut_by_the_views_side_is_left() -> None:
    place = (936.0, 516.0, 984.0, 564.0)
    assert at(picture((1920, 1080), (200, 500, 248, 548)), place)[0] == []
    # the view is 480 pixels wide about 960, from 720 on
    assert at(picture((1920, 1080), (696, 516, 744, 564)), place)[0] == []
    assert len(at(picture((1920, 1080), (756, 516, 804, 564)), place)[0]) == 1


def test_a_face_that_fills_the_picture_is_looked_for_in_the_smallest_view_of_the_whole() -> None:
    _, shapes = at(picture((1920, 1080), None), (400.0, 100.0, 1300.0, 1000.0))
    assert shapes == [(1, 192, 320, 3)]


def test_many_places_are_a_whole_look() -> None:
    places = [(x, y, x + 48.0, y + 48.0) for x in range(0, 1900, 150) for y in (100.0, 500.0)]
    _, shapes = at(picture((1920, 1080), None), *places)
    assert shapes == [(1, 736, 1280, 3), (1, 384, 640, 3), (1, 192, 320, 3)]


def test_no_place_no_face() -> None:
    assert at(picture((1920, 1080), (200, 500, 248, 548))) == ([], [])
