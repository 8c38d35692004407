"""Cuts training crops for the classifier with the runtime's own function, then spoils them as cameras and people do."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from crowdmask.engine.crops import cut_crops
from crowdmask.errors import DatasetError
from crowdmask.geometry import FloatArray, face_sizes
from crowdmask.labels.records import CropSet, Label, LabelSet
from crowdmask.settings import AnalysisSettings
from crowdmask.training import degrade, occlude
from crowdmask.training.augment import vary
from crowdmask.training.pictures import Image, PictureStore
from crowdmask.training.settings import AugmentSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpoilRules:
    """How often what happens to a crop."""

    jitter: float = 0.07  # place and size of the box, standard deviations in parts of the face
    turned: float = 0.5
    recoloured: float = 0.8
    coarsened: float = 0.5
    coarsest: float = 9.0  # pixels of a face that is shrunk as far as any
    coarsest_rare: float = 28.0  # how a mask is worn cannot be seen in fewer: it would be a false lesson
    softened: float = 0.15
    compressed: float = 0.2
    noisy: float = 0.12
    brow_covered: float = 0.12
    hand_over_mouth: float = 0.08


@dataclass(frozen=True)
class _Face:
    """A face in a picture, or (box None) a picture that is itself a crop."""

    picture: int
    box: FloatArray | None
    label: int
    rare: bool = False


class ClassifierCrops:
    """An endless, seeded supply of crops, classes drawn equally often, sets by `weights`."""

    def __init__(
        self,
        sets: Sequence[LabelSet | CropSet],
        store: PictureStore,
        settings: AnalysisSettings,
        size: int,
        *,
        rules: SpoilRules | None = None,
        weights: Sequence[float] | None = None,
        rare_names: Sequence[str] = (),
        rare_share: float = 0.15,
        augment: AugmentSettings | None = None,
        most_per_class: int = 0,
    ) -> None:
        self._store, self._settings, self._size = store, settings, size
        self._rules = rules or SpoilRules()
        self._augment = augment if augment is not None and augment.augment == "plain" else None
        self.unreadable: set[Path] = set()
        self._paths: list[Path] = []
        self._pools: list[dict[Label, list[_Face]]] = []
        self._rare: list[list[_Face]] = []
        for each in sets:
            pools: dict[Label, list[_Face]] = {Label.MASKED: [], Label.UNMASKED: []}
            rare: list[_Face] = []
            for face, name in _faces_of(each, self._paths):
                kept = replace(face, rare=name in rare_names)
                pools[Label(face.label)].append(kept)
                if kept.rare:
                    rare.append(kept)
            self._pools.append({label: _some(faces, most_per_class) for label, faces in pools.items()})
            self._rare.append(rare)
        shares = np.ones(len(sets)) if weights is None else np.asarray(weights, float)
        self._shares = shares / shares.sum()
        self._rare_share = rare_share

    def require_both_classes(self) -> None:
        """Refuses what nothing can be learned from: a class that is empty in every set."""
        for label in (Label.MASKED, Label.UNMASKED):
            if not any(pools[label] for pools in self._pools):
                raise DatasetError(
                    f"there is no {label.word} face to train on: add pictures that show some, or say with "
                    f"--label NAME={label.word} which class they are"
                )

    def draw(self, rng: Generator) -> tuple[Image, int]:
        """A spoiled crop (size, size, 3) BGR and its label."""
        wanted = Label(int(rng.integers(2)))
        place = int(rng.choice(len(self._pools), p=self._shares))
        pool = self._pools[place][wanted]
        if wanted == Label.UNMASKED and self._rare[place] and rng.random() < self._rare_share:
            pool = self._rare[place]
        if not pool:
            return self.draw(rng)
        face = pool[int(rng.integers(len(pool)))]
        try:
            if self._augment is not None:
                return vary(self._whole_cut(face)[0], self._augment, rng), face.label
            return self._spoil(self._cut(face, rng), face, rng), face.label
        except DatasetError:
            self._leave_out(face)
            return self.draw(rng)

    def clean(self) -> tuple[NDArray[np.uint8], NDArray[np.int8], FloatArray]:
        """Every face once, unspoiled: crops (n, size, size, 3), labels (n,), face sizes (n,; 0 for ready crops)."""
        crops, labels, sizes = [], [], []
        for pools in self._pools:
            for faces in pools.values():
                for face in faces:
                    try:
                        crop, size = self._whole_cut(face)
                    except DatasetError:
                        self._leave_out(face)
                        continue
                    crops.append(crop)
                    labels.append(face.label)
                    sizes.append(size)
        if not crops:
            raise DatasetError("none of the pictures to validate on can be read: give other ones")
        return np.stack(crops), np.array(labels, np.int8), np.array(sizes, np.float32)

    @property
    def files(self) -> list[Path]:
        """Every picture that has a face to draw, once."""
        used = {face.picture for pools in self._pools for faces in pools.values() for face in faces}
        return [self._paths[i] for i in sorted(used)]

    def _leave_out(self, face: _Face) -> None:
        """A picture that is none: said once, and another one drawn."""
        path = self._paths[face.picture]
        if path not in self.unreadable:
            self.unreadable.add(path)
            log.warning("%s: the picture cannot be decoded and is left out", path)
        if len(self.unreadable) == len(self._paths):
            raise DatasetError(f"{path}: none of {len(self._paths)} pictures can be decoded: give other ones")

    def _whole_cut(self, face: _Face) -> tuple[Image, float]:
        """The runtime's own cut and the face's size; 0 for a crop that was ready."""
        image = self._store[self._paths[face.picture]]
        box = _whole(image) if face.box is None else face.box[None]
        settings = _uncropped(self._settings) if face.box is None else self._settings
        size = 0.0 if face.box is None else float(face_sizes(box)[0])
        return np.asarray(cut_crops(image, box, settings, self._size)[0], np.uint8), size

    def _cut(self, face: _Face, rng: Generator) -> Image:
        """The runtime's cut with the box moved, grown and its margin changed a little."""
        image = self._store[self._paths[face.picture]]
        if face.box is None:
            box, settings = _whole(image), _uncropped(self._settings)
            box = box + rng.normal(0, 0.06, (1, 4)).astype(np.float32) * min(image.shape[:2])
        else:
            side = np.maximum(face.box[2:] - face.box[:2], 1.0)
            centre = (face.box[:2] + face.box[2:]) / 2 + rng.normal(0, self._rules.jitter * 0.7, 2) * side
            half = side * np.exp(rng.normal(0, self._rules.jitter, 2)) / 2
            box = np.concatenate([centre - half, centre + half])[None].astype(np.float32)
            margin = max(0.0, self._settings.crop_margin + rng.uniform(-0.15, 0.25))
            settings = replace(self._settings, crop_margin=margin)
        return np.asarray(cut_crops(image, box, settings, self._size)[0], np.uint8)

    def _spoil(self, crop: Image, face: _Face, rng: Generator) -> Image:
        rules = self._rules
        if rng.random() < 0.5:
            crop = np.ascontiguousarray(crop[:, ::-1])
        if rng.random() < rules.brow_covered:
            crop = occlude.cover_brow(crop, rng)
        if face.label == Label.UNMASKED and rng.random() < rules.hand_over_mouth:
            crop = occlude.hand_over_mouth(crop, rng)
        if rng.random() < rules.turned:
            crop = _turn(crop, rng)
        if rng.random() < rules.recoloured:
            crop = degrade.recolour(crop, rng)
        if rng.random() < rules.softened:
            crop = degrade.soften(crop, rng)
        if rng.random() < rules.coarsened:
            # the face fills about three quarters of its crop
            coarsest = rules.coarsest_rare if face.rare else rules.coarsest
            size = np.exp(rng.uniform(np.log(coarsest), np.log(self._size)))
            crop = degrade.coarsen(crop, max(1.0, 0.75 * self._size / size), rng)
        if rng.random() < rules.noisy:
            crop = degrade.add_noise(crop, rng)
        if rng.random() < rules.compressed:
            crop = degrade.compress(crop, rng)
        return crop


def _faces_of(each: LabelSet | CropSet, paths: list[Path]) -> Iterator[tuple[_Face, str]]:
    """Every face with its class name; its picture's path is added to `paths`."""
    if isinstance(each, CropSet):
        for crop in each.crops:
            yield _Face(len(paths), None, int(crop.label)), crop.class_name
            paths.append(crop.path)
        return
    for picture in each.pictures:
        for i in np.flatnonzero(picture.faces):
            yield _Face(len(paths), picture.boxes[i], int(picture.labels[i])), picture.class_names[i]
        paths.append(picture.path)


def _some(faces: list[_Face], most: int) -> list[_Face]:
    """At most so many of them, spread over all; 0 is all."""
    if not most or len(faces) <= most:
        return faces
    return [faces[i * len(faces) // most] for i in range(most)]


def _whole(image: Image) -> FloatArray:
    return np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32)


def _uncropped(settings: AnalysisSettings) -> AnalysisSettings:
    """Ready-made crops carry their margin already."""
    return replace(settings, crop_margin=0.0, undersized_margin=0.0)


def _turn(crop: Image, rng: Generator) -> Image:
    """A tilted head, a little nearer or further."""
    side = crop.shape[0]
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), rng.normal(0, 12), np.exp(rng.uniform(-0.1, 0.15)))
    shear = np.eye(3)
    shear[0, 1] = rng.normal(0, 0.05)
    matrix = matrix @ shear
    return np.asarray(cv2.warpAffine(crop, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101), np.uint8)
