"""The second detector without its network: decoding to known boxes, scales, order and batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.engine.retinaface_resnet50 import PIXELS_AT_ONCE, RetinaFaceResNet50, decode
from crowdmask.errors import WeightsError
from crowdmask.settings import AnalysisSettings

STRIDES = (32, 16, 8)
Outputs = list[NDArray[np.float32]]


def silent(size_wh: tuple[int, int], n: int = 1) -> Outputs:
    """Outputs for `n` pictures in which every anchor says: no face."""
    outputs = []
    for stride in STRIDES:
        cells = (n, -(-size_wh[1] // stride), -(-size_wh[0] // stride))
        score = np.zeros((*cells, 4), np.float32)
        score[..., :2] = 1
        outputs += [score, np.zeros((*cells, 8), np.float32), np.zeros((*cells, 20), np.float32)]
    return outputs


Anchor = tuple[int, int, int, int]  # level, row and column of the cell, which of its two squares


def say(outputs: Outputs, anchor: Anchor, score: float, *offsets: float, row: int = 0) -> None:
    """One face at an anchor, its box given by four offsets."""
    level, y, x, square = anchor
    outputs[3 * level][row, y, x, 2 + square] = score
    outputs[3 * level + 1][row, y, x, 4 * square : 4 * square + 4] = offsets or (0, 0, 0, 0)


class Scripted:
    """A network that says what it is told, and remembers the shapes it was given."""

    def __init__(self, *faces: tuple[Any, ...]) -> None:
        self.faces = faces
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, images: NDArray[np.uint8]) -> Outputs:
        self.shapes.append(images.shape)
        outputs = silent((images.shape[2], images.shape[1]), len(images))
        for row in range(len(images)):
            for anchor, score, *offsets in self.faces:
                say(outputs, anchor, score, *offsets, row=row)
        return outputs


def picture(width: int, height: int, value: int = 0) -> NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


def settings(**changes: float) -> AnalysisSettings:
    return AnalysisSettings(detector="retinaface-resnet50", **{"detection_size": 160, **changes})  # type: ignore[arg-type]


def first(outputs: Outputs) -> Outputs:
    return [output[0] for output in outputs]


def test_no_face_is_none() -> None:
    boxes, scores, landmarks = decode(first(silent((64, 64))), 0.5)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)
    assert landmarks.shape == (0, 5, 2)


@pytest.mark.parametrize(
    ("level", "square", "box"),
    [  # at the cell (x=2, y=1) without offsets: the square itself, centred 8 px into the cell
        (2, 0, (24 - 16, 16 - 16, 24 + 16, 16 + 16)),
        (2, 1, (24 - 8, 16 - 8, 24 + 8, 16 + 8)),
        (1, 0, (40 - 64, 24 - 64, 40 + 64, 24 + 64)),
        (1, 1, (40 - 32, 24 - 32, 40 + 32, 24 + 32)),
        (0, 0, (72 - 256, 40 - 256, 72 + 256, 40 + 256)),
        (0, 1, (72 - 128, 40 - 128, 72 + 128, 40 + 128)),
    ],
)
def test_every_square_lies_where_the_network_learned_it(level: int, square: int, box: tuple[float, ...]) -> None:
    outputs = silent((96, 64))
    say(outputs, (level, 1, 2, square), 0.9)
    boxes, scores, landmarks = decode(first(outputs), 0.5)
    np.testing.assert_allclose(boxes, [box])
    np.testing.assert_allclose(scores, [0.9])
    np.testing.assert_allclose(landmarks[0], np.tile([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], (5, 1)))


def test_offsets_move_by_the_squares_side_and_grow_by_powers_of_e() -> None:
    outputs = silent((64, 64))
    say(outputs, (2, 3, 2, 0), 0.9, 0.25, -0.5, np.log(2), np.log(0.5))  # 32 px about (24, 32)
    outputs[8][0, 3, 2, 0:10] = np.arange(10) / 8  # landmarks of square 0: (0, 1/8), (2/8, 3/8), ...
    boxes, _, landmarks = decode(first(outputs), 0.5)
    np.testing.assert_allclose(boxes, [[32 - 32, 16 - 8, 32 + 32, 16 + 8]], rtol=1e-6)
    np.testing.assert_allclose(landmarks[0], [[24, 36], [32, 44], [40, 52], [48, 60], [56, 68]])


def test_the_score_bar_is_met_by_equality_and_no_face_columns_do_not_count() -> None:
    outputs = silent((64, 64))
    say(outputs, (2, 0, 0, 0), 0.5)
    say(outputs, (2, 5, 5, 1), 0.499)
    assert decode(first(outputs), 0.5)[1].tolist() == [0.5]


def test_boxes_come_back_in_the_pictures_own_pixels() -> None:
    network = Scripted(((2, 4, 4, 0), 0.9))  # 32 px about (40, 40)
    (faces,) = RetinaFaceResNet50(settings(), network).detect([picture(320, 240)])
    assert network.shapes == [(1, 120, 160, 3)]
    np.testing.assert_allclose(faces.boxes, [[48, 48, 112, 112]])
    np.testing.assert_allclose(faces.landmarks[0], np.full((5, 2), 80.0))


def test_a_small_picture_is_enlarged_no_further_than_allowed() -> None:
    network = Scripted()
    detector = RetinaFaceResNet50(settings(detection_size=640, detection_upscale=2.0), network)
    detector.detect([picture(100, 50), picture(800, 8), picture(1, 1)])
    assert network.shapes == [(1, 100, 200, 3), (1, 6, 640, 3), (1, 2, 2, 3)]


def test_boxes_are_cut_to_the_picture_and_those_outside_are_dropped() -> None:
    network = Scripted(((2, 0, 0, 0), 0.9), ((2, 5, 5, 0), 0.8, 9.0, 9.0, 0.0, 0.0))
    (faces,) = RetinaFaceResNet50(settings(), network).detect([picture(160, 120)])
    np.testing.assert_allclose(faces.boxes, [[0, 0, 24, 24]])


def test_two_finds_of_one_face_become_the_better_one_and_the_best_comes_first() -> None:
    network = Scripted(((2, 4, 4, 0), 0.8), ((2, 4, 5, 0), 0.9), ((2, 10, 10, 1), 0.7), ((2, 1, 17, 1), 0.95))
    (faces,) = RetinaFaceResNet50(settings(), network).detect([picture(160, 120)])
    np.testing.assert_allclose(faces.scores, [0.95, 0.9, 0.7])


def test_pictures_of_one_size_go_together_and_come_back_in_order() -> None:
    class BySize(Scripted):
        def __call__(self, images: NDArray[np.uint8]) -> Outputs:
            self.shapes.append(images.shape)
            outputs = silent((images.shape[2], images.shape[1]), len(images))
            for row, image in enumerate(images):  # the picture's grey value says at which cell its face is
                say(outputs, (2, 2, int(image[0, 0, 0]), 1), 0.9, row=row)
            return outputs

    network = BySize()
    wide, tall = (160, 120), (120, 160)
    images = [picture(*wide, 3), picture(*tall, 4), picture(*wide, 5), picture(*wide, 6), picture(*tall, 7)]
    found = RetinaFaceResNet50(settings(), network).detect(images)
    assert sorted(network.shapes) == [(2, 160, 120, 3), (3, 120, 160, 3)]
    assert [faces.boxes[0].tolist() for faces in found] == [[8 * x, 16, 8 * x + 16, 32] for x in (3, 4, 5, 6, 7)]


def test_a_window_of_large_pictures_is_split_to_bound_memory() -> None:
    network = Scripted(((2, 0, 0, 0), 0.9))
    size = 800
    images = [picture(size, size)] * 7
    found = RetinaFaceResNet50(settings(detection_size=size), network).detect(images)
    assert [len(faces) for faces in found] == [1] * 7
    assert sum(shape[0] for shape in network.shapes) == 7
    assert max(shape[0] for shape in network.shapes) == PIXELS_AT_ONCE // size**2 == 3


def test_nothing_to_look_at() -> None:
    network = Scripted()
    assert RetinaFaceResNet50(settings(), network).detect([]) == []
    assert network.shapes == []


def test_without_its_weights_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("CROWDMASK_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="crowdmask weights fetch retinaface-resnet50"):
        RetinaFaceResNet50(settings())
