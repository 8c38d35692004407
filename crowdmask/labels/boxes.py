"""From a label file's raw boxes to a `LabelledPicture`: names looked up, boxes checked, faults named by path."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crowdmask.errors import SourceError
from crowdmask.geometry import areas, clip, empty_boxes
from crowdmask.labels.records import Label, LabelledPicture, LeftOut, Problem
from crowdmask.labels.table import LabelTable

OVERHANG = 2.0  # pixels: annotation tools round outwards, so less than this beyond the edge is no fault


@dataclass(frozen=True)
class RawBox:
    """One box as a label file has it: pixels xyxy, the class in the file's words, and whether it is to be ignored."""

    xyxy: tuple[float, float, float, float]
    class_name: str
    ignore: bool = False


def labelled(
    picture: Path, size_wh: tuple[int, int] | None, raw: Sequence[RawBox], table: LabelTable, label_file: Path
) -> tuple[LabelledPicture, list[Problem]]:
    """The picture with every usable box; a box of an unknown class becomes a region to ignore."""
    problems = []
    labels = []
    unknown: Counter[str] = Counter()
    for box in raw:
        label = Label.IGNORE if box.ignore else table.get(box.class_name)
        if label is None:
            unknown[box.class_name] += 1
            label = Label.IGNORE
        labels.append(label)
    for name, count in unknown.items():
        reason = (
            f"class {name!r} is not known: {count} {'box counts' if count == 1 else 'boxes count'} for nothing; "
            f"say what it is with --label {shlex.quote(name)}=masked|unmasked|ignore"
        )
        problems.append(Problem(label_file, reason, LeftOut.BOX, count))
    result = LabelledPicture(
        picture,
        size_wh,
        np.array([box.xyxy for box in raw], np.float32).reshape(-1, 4) if raw else empty_boxes(),
        np.array(labels, np.int8),
        tuple(box.class_name for box in raw),
    )
    return _checked(result, problems, label_file)


def unreadable(picture: Path, error: SourceError) -> Problem:
    """The picture left out because it cannot be read; its path is said once."""
    return Problem(picture, f"the picture cannot be read: {str(error).removeprefix(f'{picture} ')}")


def within(picture: LabelledPicture, size_wh: tuple[int, int]) -> tuple[LabelledPicture, list[Problem]]:
    """The picture's boxes held against the size it turned out to have when it was opened."""
    problems: list[Problem] = []
    if picture.size_wh is not None and picture.size_wh != size_wh:
        told = "x".join(map(str, picture.size_wh))
        reason = f"the label file says {told}, the picture has {size_wh[0]}x{size_wh[1]}: its boxes may be misplaced"
        problems.append(Problem(picture.path, reason, LeftOut.NOTHING))
    return _checked(replace(picture, size_wh=size_wh), problems, picture.path)


def _checked(picture: LabelledPicture, problems: list[Problem], named: Path) -> tuple[LabelledPicture, list[Problem]]:
    """Without boxes that have no area or lie outside; one that overhangs is cut at the edge."""
    boxes = picture.boxes
    limit = picture.size_wh or (np.inf, np.inf)
    cut = clip(boxes, limit)
    finite = np.asarray(np.isfinite(boxes).all(axis=1))
    solid = np.asarray(finite & (areas(boxes) > 0))
    inside = np.asarray(areas(np.where(solid[:, None], cut, 0.0).astype(np.float32)) > 0)
    for i in np.flatnonzero(~inside):
        where = ", ".join(f"{v:g}" for v in boxes[i])
        fault = "lies outside its picture" if solid[i] else "has no area" if finite[i] else "is not a number"
        problems.append(Problem(named, f"the box ({where}) {fault}", LeftOut.BOX))
    far = np.abs(np.where(solid[:, None], boxes - cut, 0.0)).max(axis=1, initial=0.0) > OVERHANG
    over = inside & far & picture.faces
    if over.any():
        reason = f"boxes that reach beyond the picture's edge were cut there: {int(over.sum())}"
        problems.append(Problem(named, reason, LeftOut.NOTHING))
    return replace(picture, boxes=cut).take(inside), problems
