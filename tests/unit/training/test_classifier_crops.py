"""Crops for the classifier: outcomes by their shares, background without faces, and nothing but the seed decides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.labels.records import Label, LabelledPicture, LabelSet
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings
from crowdmask.training.classifier_crops import ClassifierCrops, SpoilRules
from crowdmask.training.landmarks import landmarks_of
from crowdmask.training.pictures import PictureStore
from crowdmask.verdicts import Outcome
from tests.factories import make_faces

COLOURS = {Label.MASKED: (250, 0, 0), Label.UNMASKED: (0, 250, 0), Label.INCORRECT: (0, 0, 250)}
UNSPOILED = SpoilRules(**dict.fromkeys(SpoilRules.__dataclass_fields__, 0.0))


@pytest.fixture
def faces(tmp_path: Path) -> LabelSet:
    """A grey picture with a square of its own colour for each outcome."""
    image = np.full((300, 400, 3), 128, np.uint8)
    boxes, labels = [], []
    for i, (label, colour) in enumerate(COLOURS.items()):
        x = 20 + 130 * i
        image[30:70, x : x + 40] = colour
        boxes.append([x, 30, x + 40, 70])
        labels.append(label)
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), image)
    picture = LabelledPicture(path, None, np.array(boxes, np.float32), np.array(labels, np.int8), ("",) * 3)
    return LabelSet(tmp_path, (picture,), ())


def supply(faces: LabelSet, **more: object) -> ClassifierCrops:
    return ClassifierCrops([faces], PictureStore(), AnalysisSettings(), 32, rules=UNSPOILED, **more)  # type: ignore[arg-type]


def test_each_outcome_is_cut_from_its_own_faces(faces: LabelSet) -> None:
    crops, outcomes = supply(faces).draw_batch(np.random.default_rng(0), 200)
    assert crops.shape == (200, 32, 32, 3) and crops.dtype == np.uint8
    middles = crops[:, 16, 16].astype(int)
    for channel, outcome in enumerate((Outcome.MASKED, Outcome.UNMASKED, Outcome.INCORRECT)):
        of_outcome = middles[outcomes == outcome]
        assert len(of_outcome) and (of_outcome.argmax(axis=1) == channel).all()


def test_shares_are_kept(faces: LabelSet) -> None:
    _, outcomes = supply(faces, outcome_shares=(0.5, 0.25, 0.0, 0.25)).draw_batch(np.random.default_rng(0), 2000)
    assert np.bincount(outcomes, minlength=4) / 2000 == pytest.approx([0.5, 0.25, 0, 0.25], abs=0.04)


def test_background_shows_next_to_nothing_of_a_face(faces: LabelSet) -> None:
    crops, outcomes = supply(faces).draw_batch(np.random.default_rng(1), 300)
    background = crops[outcomes == Outcome.NO_FACE]
    assert len(background) > 20
    coloured = (np.ptp(background.astype(int), axis=3) > 40).mean(axis=(1, 2))
    assert coloured.max() < 0.35 and np.median(coloured) < 0.02


def test_two_classes_never_see_background(faces: LabelSet) -> None:
    crops = supply(faces, no_face=False)
    assert Outcome.NO_FACE not in crops.draw_batch(np.random.default_rng(2), 300)[1]
    assert sorted(crops.clean()[1]) == [Outcome.MASKED, Outcome.UNMASKED, Outcome.INCORRECT]


def test_the_seed_alone_decides(faces: LabelSet) -> None:
    spoiled = [ClassifierCrops([faces], PictureStore(), AnalysisSettings(), 32) for _ in range(2)]
    one, other = (s.draw_batch(np.random.default_rng((3, 1)), 24) for s in spoiled)
    assert np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])


def points_of(box: np.ndarray) -> np.ndarray:
    """Eyes, nose and mouth of a face seen from the front."""
    at = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.55], [0.36, 0.75], [0.64, 0.75]], np.float32)
    return np.asarray(box[:2] + at * (box[2:] - box[:2]), np.float32)


def test_masks_are_drawn_on_bare_faces_whose_landmarks_are_known(faces: LabelSet) -> None:
    (picture,) = faces.pictures
    points = np.full((3, 5, 2), np.nan, np.float32)
    points[1] = points_of(picture.boxes[1])  # the bare one, which is green
    rules = SpoilRules(**{**UNSPOILED.__dict__, "mask_drawn": 0.5, "mask_drawn_wrongly": 1.0})
    supply = ClassifierCrops(
        [faces], PictureStore(), AnalysisSettings(), 32, rules=rules, landmarks=[{picture.path: points}]
    )
    crops, outcomes = supply.draw_batch(np.random.default_rng(0), 300)
    # brows, which no mask covers, show whose face it was; the middle of the mouth shows the cloth
    brows = crops[:, 9, 16].astype(int).argmax(axis=1)
    drawn = brows == 1
    assert drawn[outcomes == Outcome.UNMASKED].all() and drawn[outcomes == Outcome.INCORRECT].all()
    assert 0.3 < drawn[outcomes == Outcome.MASKED].mean() < 0.7
    mouths = crops[:, 21, 16].astype(int)
    bare = np.abs(mouths - (0, 250, 0)).max(axis=1) < 30
    assert bare[outcomes == Outcome.UNMASKED].all()
    # some cloths are like skin
    assert bare[(outcomes == Outcome.MASKED) & drawn].mean() < 0.4


class FindsAll:
    """Finds every second labelled face, a pixel beside where it is."""

    def __init__(self, boxes: np.ndarray) -> None:
        self.boxes = boxes

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        return [make_faces((self.boxes + 1)[::2]) for _ in images]


def test_landmarks_come_from_the_finds_that_fit(faces: LabelSet) -> None:
    (picture,) = faces.pictures
    (known,) = landmarks_of([faces], PictureStore(), FindsAll(picture.boxes))
    points = known[picture.path]
    assert points.shape == (3, 5, 2)
    assert np.isnan(points[1]).all() and not np.isnan(points[[0, 2]]).any()
    assert points[0, :, 0].min() > picture.boxes[0, 0] and points[0, :, 0].max() < picture.boxes[0, 2]
