"""Crops for the classifier: outcomes by their shares, background without faces, and nothing but the seed decides."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from crowdmask.labels.records import Label, LabelledPicture, LabelSet
from crowdmask.settings import AnalysisSettings
from crowdmask.training.classifier_crops import ClassifierCrops, SpoilRules
from crowdmask.training.pictures import PictureStore
from crowdmask.verdicts import Outcome

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
