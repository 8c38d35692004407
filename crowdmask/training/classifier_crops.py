"""Cuts training crops for the classifier with the runtime's own function, then spoils them as cameras and people do."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from crowdmask.engine.crops import cut_crops
from crowdmask.errors import DatasetError
from crowdmask.geometry import FloatArray, areas, clip, crop_boxes, face_sizes, intersections
from crowdmask.labels.records import CropSet, Label, LabelledPicture, LabelSet
from crowdmask.settings import AnalysisSettings
from crowdmask.training import degrade, drawn_masks, occlude
from crowdmask.training.augment import vary
from crowdmask.training.pictures import Image, PictureStore
from crowdmask.training.settings import AugmentSettings
from crowdmask.verdicts import Outcome

log = logging.getLogger(__name__)

OUTCOME_OF = {
    Label.MASKED: Outcome.MASKED,
    Label.UNMASKED: Outcome.UNMASKED,
    Label.INCORRECT: Outcome.INCORRECT,
    Label.NO_FACE: Outcome.NO_FACE,
}
MOST_COVERED = 0.12  # of a random crop of background, by anything labelled


@dataclass(frozen=True)
class SpoilRules:
    """How often what happens to a crop."""

    jitter: float = 0.07  # place and size of the box, standard deviations in parts of the face
    turned: float = 0.4
    leaning: float = 0.15
    recoloured: float = 0.6
    tinted: float = 0.1
    darkened: float = 0.1
    overexposed: float = 0.04
    coarsened: float = 0.6
    coarsest: float = 9.0  # pixels of a face that is shrunk as far as any
    coarsest_rare: float = 24.0  # how a mask is worn cannot be seen in fewer: it would be a false lesson
    softened: float = 0.2
    defocused: float = 0.08
    interlaced: float = 0.04
    compressed: float = 0.2
    filmed: float = 0.35  # H.264, encoded and decoded for real
    noisy: float = 0.12
    brow_covered: float = 0.1
    object_before_mouth: float = 0.1
    # of faces whose landmarks are known
    mask_drawn: float = 0.15  # of the masked: a mask drawn on a bare face
    mask_drawn_wrongly: float = 0.4  # of those worn wrongly
    reclothed: float = 0.25  # of the masked: the mask in another cloth
    scarfed: float = 0.06


@dataclass(frozen=True)
class _Face:
    """A face in a picture, or (box None) a picture that is itself a crop."""

    picture: int
    box: FloatArray | None
    outcome: Outcome
    points: FloatArray | None = None  # (5, 2) in the picture, where they are known


class ClassifierCrops:
    """An endless, seeded supply of crops: outcomes by `outcome_shares`, then sets by `weights`."""

    def __init__(
        self,
        sets: Sequence[LabelSet | CropSet],
        store: PictureStore,
        settings: AnalysisSettings,
        size: int,
        *,
        rules: SpoilRules | None = None,
        weights: Sequence[float] | None = None,
        outcome_shares: Sequence[float] = (0.32, 0.3, 0.14, 0.24),
        random_background: float = 0.4,
        no_face: bool = True,
        augment: AugmentSettings | None = None,
        most_per_class: int = 0,
        landmarks: Sequence[Mapping[Path, FloatArray]] = (),
    ) -> None:
        """`landmarks`, where given, are those of each set: for a picture's boxes (n, 5, 2), NaN where not known."""
        self._store, self._settings, self._size = store, settings, size
        self._rules = rules or SpoilRules()
        self._augment = augment if augment is not None and augment.augment == "plain" else None
        self.unreadable: set[Path] = set()
        self._paths: list[Path] = []
        self._pools: list[dict[Outcome, list[_Face]]] = []
        for each, known in zip(sets, landmarks or [{}] * len(sets), strict=True):
            pools: dict[Outcome, list[_Face]] = {outcome: [] for outcome in Outcome}
            for face in _faces_of(each, self._paths, known):
                pools[face.outcome].append(face)
            self._pools.append({outcome: _some(found, most_per_class) for outcome, found in pools.items()})
        self._bare = [f for pools in self._pools for f in pools[Outcome.UNMASKED] if f.points is not None]
        self._scenes = [p for s in sets if isinstance(s, LabelSet) for p in s.pictures if p.boxes.shape[0] > 1]
        self._random_background = random_background if self._scenes else 0.0
        self._weights = np.ones(len(sets)) if weights is None else np.asarray(weights, float)
        present = np.array([any(p[o] for p in self._pools) for o in Outcome])
        present[Outcome.NO_FACE] = no_face and (present[Outcome.NO_FACE] or bool(self._scenes))
        if not no_face:
            self._pools = [{**pools, Outcome.NO_FACE: []} for pools in self._pools]
        shares = np.asarray(outcome_shares, float) * present
        self._outcome_shares = shares / max(shares.sum(), 1e-9)

    def require_both_classes(self) -> None:
        """Refuses what nothing can be learned from: a class that is empty in every set."""
        for outcome in (Outcome.MASKED, Outcome.UNMASKED):
            if not any(pools[outcome] for pools in self._pools):
                word = outcome.name.lower()
                raise DatasetError(
                    f"there is no {word} face to train on: add pictures that show some, or say with "
                    f"--label NAME={word} which class they are"
                )

    def draw_batch(self, rng: Generator, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Spoiled crops (count, size, size, 3) BGR and their outcomes (count,)."""
        drawn = [self._draw(rng) for _ in range(count)]
        crops = [crop for crop, _ in drawn]
        filmed = [i for i in range(count) if self._augment is None and rng.random() < self._rules.filmed]
        if filmed:
            for i, crop in zip(filmed, degrade.video_coded([crops[i] for i in filmed], rng), strict=True):
                crops[i] = crop
        whole = [c if c.shape[0] == self._size else degrade.enlarged(c, self._size, rng) for c in crops]
        return np.stack(whole), np.array([outcome for _, outcome in drawn], np.int32)

    def clean(self) -> tuple[NDArray[np.uint8], NDArray[np.int8], FloatArray]:
        """Every face once, unspoiled: crops (n, size, size, 3), outcomes (n,), face sizes (n,; 0 for ready crops)."""
        crops, outcomes, sizes = [], [], []
        for pools in self._pools:
            for faces in pools.values():
                for face in faces:
                    try:
                        crop, size = self._whole_cut(face)
                    except DatasetError:
                        self._leave_out(face)
                        continue
                    crops.append(crop)
                    outcomes.append(face.outcome)
                    sizes.append(size)
        if not crops:
            raise DatasetError("none of the pictures to validate on can be read: give other ones")
        return np.stack(crops), np.array(outcomes, np.int8), np.array(sizes, np.float32)

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

    def _draw(self, rng: Generator) -> tuple[Image, Outcome]:
        outcome = Outcome(int(rng.choice(len(Outcome), p=self._outcome_shares)))
        mined = any(pools[outcome] for pools in self._pools)
        if outcome is Outcome.NO_FACE and (not mined or rng.random() < self._random_background):
            return self._spoil(self._background(rng), outcome, rng), outcome
        # a set is drawn from by its weight and the root of what it holds, so that few faces are not worn out
        chances = self._weights * np.sqrt([len(p[outcome]) for p in self._pools])
        pool = self._pools[int(rng.choice(len(self._pools), p=chances / chances.sum()))][outcome]
        drawn = self._bare and rng.random() < self._drawn_share(outcome)
        face = self._bare[int(rng.integers(len(self._bare)))] if drawn else pool[int(rng.integers(len(pool)))]
        try:
            if self._augment is not None:
                return vary(self._whole_cut(face)[0], self._augment, rng), outcome
            return self._spoil(self._cut(face, outcome, rng), outcome, rng), outcome
        except DatasetError:
            self._leave_out(face)
            return self._draw(rng)

    def _drawn_share(self, outcome: Outcome) -> float:
        """How many of an outcome's crops are bare faces with a mask drawn on."""
        rules = self._rules
        return {Outcome.MASKED: rules.mask_drawn, Outcome.INCORRECT: rules.mask_drawn_wrongly}.get(outcome, 0.0)

    def _cut(self, face: _Face, outcome: Outcome, rng: Generator) -> Image:
        """The runtime's cut with the box moved, grown and its margin changed a little; cloth drawn on where landmarks
        are known."""
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
        crop = np.asarray(cut_crops(image, box, settings, self._size)[0], np.uint8)
        return crop if face.points is None else self._clothed(crop, face, outcome, _place(image, box, settings), rng)

    def _clothed(self, crop: Image, face: _Face, outcome: Outcome, place_xyxy: FloatArray, rng: Generator) -> Image:
        """The crop with a mask drawn on, a mask's cloth changed, or a scarf about the neck; no sharper than it was."""
        assert face.points is not None
        size_wh = place_xyxy[2:] - place_xyxy[:2]
        points = ((face.points - place_xyxy[:2]) * self._size / size_wh).astype(np.float32)
        before = crop
        if outcome is not face.outcome:
            crop = drawn_masks.draw_mask(crop, points, rng, worn_wrongly=outcome is Outcome.INCORRECT)
        elif outcome is Outcome.MASKED and rng.random() < self._rules.reclothed:
            crop = drawn_masks.recloth(crop, points, rng)
        if rng.random() < self._rules.scarfed:
            crop = drawn_masks.scarf(crop, points, rng)
        if crop is not before and size_wh.max() < self._size:
            small = degrade.shrunk(crop, self._size / float(size_wh.max()))
            crop = degrade.enlarged(small, self._size, rng)
        return crop

    def _background(self, rng: Generator) -> Image:
        """A piece of a labelled picture with next to nothing of a labelled face in it, often just beside or below one:
        necks, hands, ears, sleeves, bags."""
        for _ in range(20):
            picture = self._scenes[int(rng.integers(len(self._scenes)))]
            image = self._store[picture.path]
            box = _random_box(picture, (image.shape[1], image.shape[0]), rng)
            inside = clip(box[None], (image.shape[1], image.shape[0]))
            if areas(inside)[0] < 0.6 * areas(box[None])[0]:
                continue
            covered = intersections(inside, picture.boxes)[0]
            if (covered / np.minimum(areas(picture.boxes) + 1e-6, areas(inside))).max(initial=0.0) < MOST_COVERED:
                break
        return np.asarray(cut_crops(image, box[None], self._settings, self._size)[0], np.uint8)

    def _spoil(self, crop: Image, outcome: Outcome, rng: Generator) -> Image:
        rules = self._rules
        if rng.random() < 0.5:
            crop = np.ascontiguousarray(crop[:, ::-1])
        if outcome is not Outcome.NO_FACE:
            crop = self._cover(crop, outcome, rng)
        if rng.random() < rules.turned:
            crop = _turn(crop, rng)
        if rng.random() < rules.leaning:
            crop = degrade.lean(crop, rng)
        for often, change in (
            (rules.recoloured, degrade.recolour),
            (rules.tinted, degrade.tint),
            (rules.overexposed, degrade.overexpose),
            (rules.softened, degrade.soften),
            (rules.defocused, degrade.defocus),
            (rules.interlaced, degrade.interlace),
        ):
            if rng.random() < often:
                crop = change(crop, rng)
        if rng.random() < rules.coarsened:
            # the face fills about three quarters of its crop
            coarsest = rules.coarsest_rare if outcome is Outcome.INCORRECT else rules.coarsest
            size = np.exp(rng.uniform(np.log(coarsest), np.log(self._size)))
            crop = degrade.shrunk(crop, max(1.0, 0.75 * self._size / size))
        # what follows happens in the camera, at the size at which it sees the face
        for often, change in (
            (rules.darkened, degrade.darken),
            (rules.noisy, degrade.add_noise),
            (rules.compressed, degrade.compress),
        ):
            if rng.random() < often:
                crop = change(crop, rng)
        return crop

    def _cover(self, crop: Image, outcome: Outcome, rng: Generator) -> Image:
        if rng.random() < self._rules.brow_covered:
            crop = occlude.cover_brow(crop, rng)
        if outcome is Outcome.UNMASKED and rng.random() < self._rules.object_before_mouth:
            crop = occlude.before_mouth(crop, rng)
        return crop


def _place(image: Image, box: FloatArray, settings: AnalysisSettings) -> FloatArray:
    """Where in the picture the runtime cuts for this box, (4,)."""
    (place,) = crop_boxes(
        box,
        (image.shape[1], image.shape[0]),
        margin=settings.crop_margin,
        undersized_below=settings.undersized_below,
        undersized_margin=settings.undersized_margin,
    )
    return np.asarray(place, np.float32)


def _faces_of(each: LabelSet | CropSet, paths: list[Path], landmarks: Mapping[Path, FloatArray]) -> Iterator[_Face]:
    """Every face, and every find that is none; its picture's path is added to `paths`."""
    if isinstance(each, CropSet):
        for crop in each.crops:
            yield _Face(len(paths), None, OUTCOME_OF[crop.label])
            paths.append(crop.path)
        return
    for picture in each.pictures:
        known = landmarks.get(picture.path)
        for i in np.flatnonzero(picture.labels != Label.IGNORE):
            points = None if known is None or np.isnan(known[i]).any() else known[i]
            yield _Face(len(paths), picture.boxes[i], OUTCOME_OF[Label(int(picture.labels[i]))], points)
        paths.append(picture.path)


def _some(faces: list[_Face], most: int) -> list[_Face]:
    """At most so many of them, spread over all; 0 is all."""
    if not most or len(faces) <= most:
        return faces
    return [faces[i * len(faces) // most] for i in range(most)]


def _random_box(picture: LabelledPicture, size_wh: tuple[int, int], rng: Generator) -> FloatArray:
    """A square of a face's size at a random place, or within three sizes of a labelled face."""
    like = picture.boxes[int(rng.integers(len(picture.boxes)))]
    side = max(8.0, float(face_sizes(like[None])[0]) * np.exp(rng.uniform(-0.7, 0.7)))
    if rng.random() < 0.6:
        centre = (like[:2] + like[2:]) / 2 + rng.uniform(-2.5, 2.5, 2) * side + np.array([0.0, 0.8 * side])
    else:
        centre = rng.random(2) * size_wh
    return np.concatenate([centre - side / 2, centre + side / 2]).astype(np.float32)


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
