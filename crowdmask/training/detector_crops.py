"""Cuts training crops for the detector: a face drawn at random, brought to a random size, at a random place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from crowdmask.geometry import FloatArray, areas, clip, empty_boxes, face_sizes
from crowdmask.labels.records import Label, LabelledPicture, LabelSet
from crowdmask.training import degrade
from crowdmask.training.pictures import PictureStore
from crowdmask.training.settings import DetectorCropSettings

GREY = (104, 117, 123)


@dataclass(frozen=True)
class DetectorCrop:
    image: NDArray[np.uint8]  # (side, side, 3) BGR
    faces: FloatArray
    ignored: FloatArray


class DetectorCrops:
    """An endless, seeded supply of crops; sets are drawn from equally often unless `weights` says otherwise."""

    def __init__(
        self,
        sets: Sequence[LabelSet],
        store: PictureStore,
        rules: DetectorCropSettings,
        weights: Sequence[float] | None = None,
    ) -> None:
        self._sets = [[p for p in s.pictures if p.faces.any()] for s in sets]
        self._empty = [p for s in sets for p in s.pictures if not p.faces.any()]
        shares = np.ones(len(sets)) if weights is None else np.asarray(weights, float)
        self._shares = shares / shares.sum()
        self._store, self._rules = store, rules

    def draw(self, rng: Generator) -> DetectorCrop:
        rules = self._rules
        largest = np.log(rules.largest)
        crop = self._filled(rng, rules.side, np.exp(rng.uniform(np.log(rules.smallest), largest)))
        image = degrade.recolour(crop.image, rng) if rng.random() < 0.8 else crop.image
        if rng.random() < rules.degraded_share:
            image = self._degrade(image, crop.faces, rng)
        return DetectorCrop(image, crop.faces, crop.ignored)

    def _degrade(self, image: NDArray[np.uint8], faces: FloatArray, rng: Generator) -> NDArray[np.uint8]:
        kind = rng.integers(4)
        if kind == 0:
            return degrade.soften(image, rng)
        if kind == 1:
            return degrade.compress(image, rng)
        if kind == 2:
            return degrade.add_noise(image, rng)
        # no face is left with less than seven pixels
        room = float(face_sizes(faces).min(initial=64.0)) / 7.0
        return degrade.coarsen(image, rng.uniform(1.2, min(4.0, room)), rng) if room > 1.3 else image

    def _filled(self, rng: Generator, side: int, target: float) -> DetectorCrop:
        """A crop with a face of about `target` pixels; where the picture shrinks to a stamp for it, four crops of
        half the side, so that little of the crop is empty grey."""
        picture, centre, size = self._drawn(rng)
        scale = min(target / size, self._rules.most_upscale)
        longest = max(self._store[picture.path].shape[:2]) * scale
        if longest < 0.75 * side and side > self._rules.side // 8:
            return self._quartered(rng, side // 2, target)
        spread = max(0.0, side - 0.5 * size * scale) / 2 if size * scale < 2 * side else 0.25 * side
        origin = centre - (side / 2 + rng.uniform(-spread, spread, 2)) / scale
        return self._cut(picture, origin, scale, side, rng)

    def _quartered(self, rng: Generator, half: int, target: float) -> DetectorCrop:
        image = np.empty((2 * half, 2 * half, 3), np.uint8)
        faces, ignored = [], []
        for x, y in ((0, 0), (half, 0), (0, half), (half, half)):
            piece = self._filled(rng, half, target * np.exp(rng.uniform(-0.4, 0.4)))
            image[y : y + half, x : x + half] = piece.image
            offset = np.array([x, y, x, y], np.float32)
            faces.append(piece.faces + offset)
            ignored.append(piece.ignored + offset)
        return DetectorCrop(image, np.concatenate(faces), np.concatenate(ignored))

    def _drawn(self, rng: Generator) -> tuple[LabelledPicture, NDArray[np.float64], float]:
        """A picture, the centre of one of its faces and that face's size."""
        pictures = self._sets[rng.choice(len(self._sets), p=self._shares)]
        if rng.random() < self._rules.background_share:
            pictures = pictures + self._empty
            picture = pictures[rng.integers(len(pictures))]
            # at about the scales of faces, so that the network sees what lies about it as the runtime shows it
            return picture, rng.random(2) * self._store[picture.path].shape[1::-1], np.exp(rng.uniform(2.0, 4.5))
        picture = pictures[rng.integers(len(pictures))]
        faces = np.flatnonzero(picture.faces)
        box = picture.boxes[faces[rng.integers(len(faces))]]
        return picture, (box[:2] + box[2:]).astype(np.float64) / 2, max(1.0, float(face_sizes(box[None])[0]))

    def _cut(
        self, picture: LabelledPicture, origin: NDArray[np.float64], scale: float, side: int, rng: Generator
    ) -> DetectorCrop:
        source = self._store[picture.path]
        stretch = np.array([scale * np.exp(rng.uniform(-0.08, 0.08)), scale])
        # the window stays inside the picture, or the picture inside the window
        room = np.array(source.shape[1::-1]) - side / stretch
        origin = np.clip(origin, np.minimum(room, 0), np.maximum(room, 0))
        flipped = rng.random() < 0.5
        image = _window(source, origin, stretch, side, rng)
        boxes = (picture.boxes - np.tile(origin, 2)) * np.tile(stretch, 2)
        if flipped:
            image = np.ascontiguousarray(image[:, ::-1])
            boxes = np.stack([side - boxes[:, 2], boxes[:, 1], side - boxes[:, 0], boxes[:, 3]], axis=1)
        boxes = boxes.astype(np.float32)
        inside = clip(boxes, (side, side))
        visible = areas(inside) / np.maximum(areas(boxes), 1e-6)
        faces = (picture.labels != Label.IGNORE) & (visible >= 0.5) & (face_sizes(inside) >= self._rules.least_labelled)
        seen = (visible > 0.02) & (areas(inside) > 0)
        return DetectorCrop(
            image,
            inside[faces] if faces.any() else empty_boxes(),
            inside[seen & ~faces] if (seen & ~faces).any() else empty_boxes(),
        )


def _window(
    source: NDArray[np.uint8], origin: NDArray[np.float64], stretch: NDArray[np.float64], side: int, rng: Generator
) -> NDArray[np.uint8]:
    """The window of `side` pixels that starts at `origin` of the source, scaled; grey where the picture ends."""
    height, width = source.shape[:2]
    low = np.maximum(np.floor(origin), 0).astype(int)
    high = np.minimum(np.ceil(origin + side / stretch), (width, height)).astype(int)
    if np.any(high - low < 1):
        return np.full((side, side, 3), GREY, np.uint8)
    piece = source[low[1] : high[1], low[0] : high[0]]
    shift = (low - origin) * stretch
    if stretch.max() < 0.6:
        # warping skips pixels when it shrinks; averaging first keeps small faces whole
        size_wh = np.maximum(1, np.round((high - low) * stretch)).astype(int)
        piece = np.asarray(
            cv2.resize(piece, (int(size_wh[0]), int(size_wh[1])), interpolation=cv2.INTER_AREA), np.uint8
        )
        stretch = np.ones(2)
    shift = shift + (stretch - 1) / 2  # boxes are measured from the pixels' edges, warping from their middles
    matrix = np.array([[stretch[0], 0, shift[0]], [0, stretch[1], shift[1]]])
    how = cv2.INTER_CUBIC if rng.random() < 0.3 else cv2.INTER_LINEAR
    return np.asarray(cv2.warpAffine(piece, matrix, (side, side), flags=how, borderValue=GREY), np.uint8)
