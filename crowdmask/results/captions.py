"""Decides what is written beside each face and where, for `annotate`, which tells the rules."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask import geometry
from crowdmask.geometry import Rectangle
from crowdmask.records import FrameResult, Verdict
from crowdmask.results.boxes import line_width, reach
from crowdmask.results.lettering import SMALLEST_CAPITALS, plate_wh
from crowdmask.verdicts import Share

Size = tuple[int, int]  # width, height

WIDEST_LABEL = 1.6  # of its face's width


@dataclass(frozen=True)
class JudgedFace:
    """A face in whole pixels, cut to the frame."""

    box: Rectangle
    verdict: Verdict
    unmasked_prob: float
    person: int | None = None  # its number, where that is to be shown

    @property
    def rank(self) -> tuple[bool, int]:
        """Faces that count against the compliance first, then the larger ones."""
        x1, y1, x2, y2 = self.box
        return self.verdict.row.share is not Share.AGAINST, -(x2 - x1) * (y2 - y1)


@dataclass(frozen=True)
class Label:
    text: str
    capitals: int
    place: Rectangle
    verdict: Verdict


def visible_faces(result: FrameResult, *, with_numbers: bool = False) -> list[JudgedFace]:
    """Faces with whole pixels in the frame, in the order in which they choose a place for their label.

    Who is behind another face has no box: it would stand on the other one. It is blurred all the same.
    """
    clipped = geometry.clip(result.faces.boxes, result.frame.size_wh)
    # rounded as written first: a box that is drawn anew from the detections falls on the same pixels
    corners = np.rint(np.round(clipped, 2)).astype(int).tolist()
    probability = result.columns.get("steady_prob", result.unmasked_prob)
    person = result.columns.get("person")
    behind = result.columns.get("behind", np.zeros(len(corners), bool))
    numbers = [None] * len(corners) if person is None or not with_numbers else person.tolist()
    faces = [
        JudgedFace((x1, y1, x2, y2), Verdict(verdict), prob, number)
        for (x1, y1, x2, y2), verdict, prob, number, is_behind in zip(
            corners, result.verdicts.tolist(), probability.tolist(), numbers, behind.tolist(), strict=True
        )
        if x2 > x1 and y2 > y1 and not is_behind
    ]
    return sorted(faces, key=lambda face: face.rank)


def percent(probability: float) -> str:
    """Whole percent; a network is never certain, so neither 0 nor 100."""
    return f"{min(99, max(1, round(100 * probability)))}%"


def wordings(verdict: Verdict, unmasked_prob: float) -> tuple[str, str]:
    """What a label says, in full and in short; the short one is empty where there is no number."""
    if math.isnan(unmasked_prob):
        return verdict.word, ""
    if verdict is Verdict.UNKNOWN:
        return f"{verdict.word} (unmasked {percent(unmasked_prob)})", "?"
    number = percent(unmasked_prob if verdict.row.share is Share.AGAINST else 1.0 - unmasked_prob)
    return f"{verdict.word} {number}", number


def place_labels(faces: Sequence[JudgedFace], frame_wh: Size, capitals: int, taken: Sequence[Rectangle]) -> list[Label]:
    """At most one label for each face, free of all other faces, of each other, and of what is `taken`."""
    fixed = [face.box for face in faces] + list(taken)
    obstacles = np.zeros((len(fixed) + len(faces), 4), np.int32)
    obstacles[: len(fixed)] = np.reshape(fixed, (-1, 4))
    used = len(fixed)
    labels: list[Label] = []
    for i, face in enumerate(faces):
        gap = reach(face.verdict, line_width(frame_wh, face.box))
        for text, size in _texts(face, capitals):
            spots = _spots(face.box, plate_wh(text, size), gap, frame_wh)
            place = _first_free(spots, obstacles[:used], own=i)
            if place is not None:
                labels.append(Label(text, size, place, face.verdict))
                obstacles[used] = place
                used += 1
                break
    return labels


def _texts(face: JudgedFace, capitals: int) -> Iterator[tuple[str, int]]:
    """What a face's label could say and in which size, best first, none wider than it may be."""
    smallest = max(SMALLEST_CAPITALS, capitals // 2)
    widest = WIDEST_LABEL * (face.box[2] - face.box[0])
    if widest < 2 * smallest:
        return
    middle = (capitals + smallest) // 2
    words, number = wordings(face.verdict, face.unmasked_prob)
    if face.person is not None:
        words, number = f"{face.person} {words}", str(face.person)
    for text, sizes in ((words, (capitals, middle, smallest)), (number, (middle, smallest))):
        for size in dict.fromkeys(sizes) if text else ():
            if plate_wh(text, size)[0] <= widest:
                yield text, size


def _spots(box: Rectangle, label_wh: Size, gap: int, frame_wh: Size) -> list[Rectangle]:
    """Places in the frame for a label: above the box, below it, flush left or right, or beside it."""
    x1, y1, x2, y2 = box
    wide, high = label_wh
    width, height = frame_wh
    if wide > width or high > height:
        return []
    lefts = [min(max(edge, 0), width - wide) for edge in (x1 - gap, x2 + gap - wide)]
    tops = [top for top in (y1 - gap - high, y2 + gap) if 0 <= top <= height - high]
    spots = [(left, top, left + wide, top + high) for top in tops for left in lefts]
    for left in (x2 + gap, x1 - gap - wide):
        if 0 <= left <= width - wide:
            top = min(max(y1, 0), height - high)
            spots.append((left, top, left + wide, top + high))
    return spots


def _first_free(spots: list[Rectangle], obstacles: NDArray[np.int32], own: int) -> Rectangle | None:
    """The first spot that touches none of the obstacles but a face's own box."""
    if not spots:
        return None
    left, top, right, bottom = np.asarray(spots, np.int32).T[:, :, None]
    x1, y1, x2, y2 = obstacles.T
    hits = (x1 < right) & (x2 > left) & (y1 < bottom) & (y2 > top)
    hits[:, own] = False
    free = np.flatnonzero(~hits.any(axis=1))
    return spots[free[0]] if len(free) else None
