"""The second detector's anchors and readings, worked out by hand; its network is tested next door."""

from __future__ import annotations

import numpy as np
import pytest

from crowdmask.engine.retinaface_resnet50 import OneAnswerPerAnchor, ResNet50Anchors, load_resnet50
from crowdmask.errors import WeightsError
from crowdmask.settings import AnalysisSettings, RuntimeSettings

ANCHORS = ResNet50Anchors()


def test_every_cell_of_every_level_has_two_squares() -> None:
    boxes = ANCHORS.boxes_cxcywh((96, 64))
    assert boxes.shape == (2 * (12 * 8 + 6 * 4 + 3 * 2), 4)
    assert not boxes.flags.writeable
    assert ANCHORS.per_cell == 2


@pytest.mark.parametrize(
    ("place", "box"),
    [  # the place in a 96 x 64 picture's list, fine to coarse, of the cell in column 2 and row 1; (x, y, side, side)
        ((1 * 12 + 2) * 2, (24, 16, 32, 32)),
        ((1 * 12 + 2) * 2 + 1, (24, 16, 16, 16)),
        (192 + (1 * 6 + 2) * 2, (40, 24, 128, 128)),
        (192 + (1 * 6 + 2) * 2 + 1, (40, 24, 64, 64)),
        (240 + (1 * 3 + 2) * 2, (72, 40, 512, 512)),
        (240 + (1 * 3 + 2) * 2 + 1, (72, 40, 256, 256)),
    ],
)
def test_the_squares_lie_8_px_into_their_cells(place: int, box: tuple[float, ...]) -> None:
    assert tuple(ANCHORS.boxes_cxcywh((96, 64))[place]) == box


def test_offsets_move_by_the_squares_side_and_grow_by_powers_of_e() -> None:
    square = np.array([[24, 32, 32, 32]], np.float32)
    offsets = np.array([[0.25, -0.5, np.log(2), np.log(0.5)]], np.float32)
    np.testing.assert_allclose(ANCHORS.decode_boxes(offsets, square), [[32 - 32, 16 - 8, 32 + 32, 16 + 8]], rtol=1e-6)
    points = ANCHORS.decode_landmarks(np.arange(10, dtype=np.float32)[None] / 8, square)
    np.testing.assert_allclose(points[0], [[24, 36], [32, 44], [40, 52], [48, 60], [56, 68]])


def test_the_networks_nine_answers_become_one_list_in_the_anchors_order() -> None:
    """A model whose answers are its cells' numbers, on a picture of 64 x 32: 2 + 8 + 32 cells."""
    shown: list[np.ndarray] = []

    def model(rgb: np.ndarray, training: bool) -> list[np.ndarray]:
        shown.append(rgb)
        outputs = []
        for level, stride in enumerate((32, 16, 8)):
            cells = (1, 32 // stride, 64 // stride)
            number = np.arange(np.prod(cells), dtype=np.float32).reshape(*cells, 1) + 1000 * level
            face = np.concatenate([np.full((*cells, 1), 0.25), np.full((*cells, 1), 0.75)], axis=-1)
            outputs += [
                np.concatenate([1 - face, face], axis=-1).astype(np.float32),
                (number * 10 + np.arange(8)).astype(np.float32),
                (number * 100 + np.arange(20)).astype(np.float32),
            ]
        return outputs

    picture = np.zeros((1, 32, 64, 3), np.float32)
    picture[..., 0] = 200  # blue
    outputs = {name: value.numpy() for name, value in OneAnswerPerAnchor(model)(picture, training=False).items()}
    assert shown[0][0, 0, 0].tolist() == [0, 0, 200]
    assert {name: value.shape for name, value in outputs.items()} == {
        "face": (1, 84),
        "box": (1, 84, 4),
        "landmarks": (1, 84, 10),
    }
    np.testing.assert_allclose(outputs["face"][0, :2], [np.log(1 / 3), np.log(3)], rtol=1e-6)
    assert len(ANCHORS.boxes_cxcywh((64, 32))) == 84
    first_of_each_level = [0, 64, 80]
    assert outputs["box"][0, first_of_each_level, 0].tolist() == [20000, 10000, 0]
    assert outputs["box"][0, 2 * 9 + 1].tolist() == [20094, 20095, 20096, 20097]  # cell 9, its second square
    assert outputs["landmarks"][0, 64 + 2 * 5 + 1, [0, 9]].tolist() == [100510, 100519]


def test_certainty_does_not_overflow() -> None:
    def model(rgb: np.ndarray, training: bool) -> list[np.ndarray]:
        certain = np.array([[[[0, 1, 1, 0]]]], np.float32)
        return [certain, np.zeros((1, 1, 1, 8), np.float32), np.zeros((1, 1, 1, 20), np.float32)] * 3

    face = OneAnswerPerAnchor(model)(np.zeros((1, 8, 8, 3), np.float32), training=False)["face"].numpy()
    assert face[0, :2].tolist() == [np.inf, -np.inf]


def test_without_its_weights_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("CROWDMASK_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="crowdmask weights fetch retinaface-resnet50"):
        load_resnet50(AnalysisSettings(), RuntimeSettings())
