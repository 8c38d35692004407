"""What a label file comes to, whatever its format: pictures with their labelled faces, and what had to be left out."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crowdmask.errors import DatasetError
from crowdmask.geometry import FloatArray, iou

MOST_NAMES = 8  # class names listed in an error
STRUCK_IOU = 0.9  # of a region to ignore with a label's own box


class Label(IntEnum):
    """MASKED, UNMASKED and INCORRECT agree with `records.Verdict`; IGNORE is neither a face nor background; NO_FACE is
    known to be background, which only training asks for."""

    MASKED = 0
    UNMASKED = 1
    IGNORE = 2
    INCORRECT = 3
    NO_FACE = 4

    @property
    def word(self) -> str:
        return self.name.lower()


class LeftOut(str, Enum):
    """What a problem cost: the whole picture, one box or some, or nothing."""

    PICTURE = "picture"
    BOX = "box"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Problem:
    path: Path
    reason: str
    left_out: LeftOut = LeftOut.PICTURE
    number: int = 1  # of boxes, where it is boxes that are left out

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def left_out(problems: Iterable[Problem]) -> str:
    """What problems cost, in words; empty where that was nothing."""
    cost: Counter[LeftOut] = Counter()
    for problem in problems:
        cost[problem.left_out] += problem.number
    words = ((LeftOut.PICTURE, "picture", "pictures"), (LeftOut.BOX, "box", "boxes"))
    return " and ".join(f"{cost[kind]:,} {one if cost[kind] == 1 else many}" for kind, one, many in words if cost[kind])


@dataclass(frozen=True)
class LabelledPicture:
    """One picture and its boxes (n, 4) xyxy in half-open pixels; `class_names` are the label file's own words."""

    path: Path
    size_wh: tuple[int, int] | None  # as the label file says; None where it does not
    boxes: FloatArray
    labels: NDArray[np.int8]  # values of Label, (n,)
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.boxes)
        if self.boxes.shape != (n, 4) or self.labels.shape != (n,) or len(self.class_names) != n:
            raise ValueError(
                f"{self.path}: boxes {self.boxes.shape}, labels {self.labels.shape} "
                f"and {len(self.class_names)} class names do not belong together"
            )

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def faces(self) -> NDArray[np.bool_]:
        """Which boxes are faces to be found, (n,)."""
        return np.asarray((self.labels != Label.IGNORE) & (self.labels != Label.NO_FACE))

    def folded(self) -> LabelledPicture:
        """With every wrongly worn mask labelled unmasked, as which it counts."""
        labels = np.where(self.labels == Label.INCORRECT, Label.UNMASKED, self.labels).astype(np.int8)
        return replace(self, labels=labels)

    def take(self, indices: NDArray[np.intp] | NDArray[np.bool_]) -> LabelledPicture:
        names = tuple(np.asarray(self.class_names, object)[indices].tolist())
        return replace(self, boxes=self.boxes[indices], labels=self.labels[indices], class_names=names)

    def with_ignored(self, boxes_xyxy: FloatArray) -> LabelledPicture:
        """The same picture with further regions that count for nothing; a region drawn over a label's own box takes
        that label out: this is how a reviewer strikes a label that is plainly wrong."""
        n = len(boxes_xyxy)
        struck = (iou(self.boxes, boxes_xyxy) >= STRUCK_IOU).any(axis=1)
        return replace(
            self,
            boxes=np.concatenate([self.boxes, boxes_xyxy]).astype(np.float32),
            labels=np.concatenate(
                [np.where(struck, np.int8(Label.IGNORE), self.labels), np.full(n, Label.IGNORE, np.int8)]
            ).astype(np.int8),
            class_names=self.class_names + ("ignore",) * n,
        )


@dataclass(frozen=True)
class LabelSet:
    """The usable pictures of a folder in natural order, and every problem met on the way."""

    root: Path
    pictures: tuple[LabelledPicture, ...]
    problems: tuple[Problem, ...]

    def count(self, label: Label) -> int:
        return sum(int(np.count_nonzero(p.labels == label)) for p in self.pictures)

    def require_known_names(self) -> None:
        """Refuses a set of which no box has a class name that is known: there is nothing to judge or to learn."""
        if any(bool(picture.faces.any()) for picture in self.pictures):
            return
        found = Counter(name for picture in self.pictures for name in picture.class_names)
        if not found:
            raise DatasetError(f"{self.root}: its labels hold no box at all: give a folder with labelled faces")
        names = [name for name, _ in found.most_common(MOST_NAMES)]
        listed = ", ".join(f"{name!r} ({found[name]:,})" for name in names)
        more = f" and {len(found) - len(names)} more" if len(found) > len(names) else ""
        raise DatasetError(
            f"{self.root}: none of its {found.total():,} boxes is labelled masked or unmasked; the names found are "
            f"{listed}{more}: say what they mean, as with --label {shlex.quote(names[0])}=unmasked"
        )

    def left_out(self) -> str:
        """How much was left out, in words; empty where nothing was."""
        cost = left_out(self.problems)
        return f"{self.root}: left out {cost}" if cost else ""

    @property
    def names(self) -> tuple[str, ...]:
        """What lists call each picture: its name without suffix, with its folders where two are alike."""
        short = [p.name for p in self.pictures]
        if len(set(short)) == len(short):
            return tuple(short)
        return tuple(self._inner_name(p.path) for p in self.pictures)

    def _inner_name(self, path: Path) -> str:
        inner = path.relative_to(self.root) if path.is_relative_to(self.root) else path
        return inner.with_suffix("").as_posix()

    def only(self, names: Iterable[str]) -> LabelSet:
        """The pictures with these names, with or without their folders; a name that the folder lacks is an error."""
        wanted = set(names)
        known = {name for p in self.pictures for name in (p.name, self._inner_name(p.path))}
        missing = sorted(wanted - known - {p.path.stem for p in self.problems}, key=natural)
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise DatasetError(
                f"{self.root}: no labelled picture is named {', '.join(missing[:3])}{more}: "
                "does the list belong to this folder?"
            )
        return self._chosen(wanted, True)

    def without(self, names: Iterable[str]) -> LabelSet:
        """The pictures that do not have these names."""
        return self._chosen(set(names), False)

    def _chosen(self, names: set[str], kept: bool) -> LabelSet:
        pictures = tuple(p for p in self.pictures if (not names.isdisjoint((p.name, self._inner_name(p.path)))) == kept)
        return LabelSet(self.root, pictures, tuple(p for p in self.problems if (p.path.stem in names) == kept))

    def require_both_classes(self) -> None:
        """Refuses a set that shows only one of masked and unmasked faces: nothing can be learned from it."""
        for label, other in ((Label.MASKED, Label.UNMASKED), (Label.UNMASKED, Label.MASKED)):
            if not self.count(label) and self.count(other):
                raise DatasetError(
                    f"{self.root}: no {label.word} face among {self.count(other)} {other.word} ones: "
                    "add pictures that show both, or map a class name with --label NAME=" + label.word
                )


@dataclass(frozen=True)
class LabelledCrop:
    path: Path
    label: Label
    class_name: str


@dataclass(frozen=True)
class CropSet:
    """Face crops sorted into a folder per class."""

    root: Path
    crops: tuple[LabelledCrop, ...]
    problems: tuple[Problem, ...]

    def count(self, label: Label) -> int:
        return sum(c.label == label for c in self.crops)


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorting key under which 2.jpg comes before 10.jpg."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(p), p) if i % 2 else (1, 0, p.casefold()) for i, p in enumerate(parts) if p)
