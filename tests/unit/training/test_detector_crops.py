"""Where the faces of a training crop lie: exactly where their boxes say, whatever it was scaled by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from crowdmask.labels.records import Label, LabelledPicture, LabelSet
from crowdmask.training.detector_crops import DetectorCrops
from crowdmask.training.pictures import PictureStore
from crowdmask.training.settings import DetectorCropSettings


@pytest.mark.parametrize("size", [10.0, 16.0, 30.0, 60.0])
def test_a_face_lies_in_the_middle_of_its_box(tmp_path: Path, size: float) -> None:
    """A square of 20 pixels, brought to half, .8, one and a half and three times that."""
    image = np.zeros((300, 400, 3), np.uint8)
    image[100:120, 200:220] = 255
    cv2.imwrite(str(tmp_path / "a.png"), image)
    picture = LabelledPicture(
        tmp_path / "a.png",
        None,
        np.array([[200, 100, 220, 120]], np.float32),
        np.array([Label.MASKED], np.int8),
        ("with_mask",),
    )
    rules = replace(
        DetectorCropSettings(),
        side=160,
        smallest=size,
        largest=size * 1.001,
        background_share=0.0,
        degraded_share=0.0,
    )
    crops = DetectorCrops([LabelSet(tmp_path, (picture,), ())], PictureStore(), rules)
    missed = []
    for seed in range(30):
        crop = crops.draw(np.random.default_rng(seed))
        if len(crop.faces) != 1:  # a stamp among four, or cut by the crop's edge
            continue
        light = crop.image.astype(float).sum(axis=2)
        x1, y1, x2, y2 = crop.faces[0]
        light[: max(0, int(y1) - 4)], light[int(y2) + 5 :] = 0, 0  # grey where the picture ends
        light[:, : max(0, int(x1) - 4)], light[:, int(x2) + 5 :] = 0, 0
        ys, xs = np.mgrid[: light.shape[0], : light.shape[1]] + 0.5
        bright = np.where(light > light.max() / 2, light, 0)
        centre = np.array([(bright * xs).sum(), (bright * ys).sum()]) / bright.sum()
        missed.append(centre - ((x1 + x2) / 2, (y1 + y2) / 2))
    assert len(missed) > 10
    assert np.abs(np.mean(missed, axis=0)).max() < 0.15
