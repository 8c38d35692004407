"""Draws a FrameResult for people to look at: boxes, verdicts, probabilities and a panel, on a copy of the frame.

The rules, which the README repeats:

- A box's line lies outside the face it marks, so that even a face of ten pixels stays visible.
- The number is the probability of the word beside it. An unknown face that was asked about shows the probability
  of unmasked in brackets; one that was too small to ask about shows no number.
- A label is at most 1.6 times as wide as its face. Where that is too little for the words it shrinks to half its
  size, then to the number alone, and then it is left out: in a dense crowd small faces have their box only.
- A label never covers another face, another label or the panel, and never leaves the frame. It stands above its
  face, or else below, or else, where it hides no more than a fifth of it, inside. Unmasked faces choose first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask import geometry
from crowdmask.geometry import FloatArray
from crowdmask.records import Counts, FrameResult, Verdict
from crowdmask.results import panel
from crowdmask.results.anonymise import blur_faces
from crowdmask.results.boxes import Rectangle, draw_box, line_width, reach
from crowdmask.results.lettering import SMALLEST_CAPITALS, plate, plate_wh
from crowdmask.results.palette import PALETTES, Palette, ink_on
from crowdmask.settings import OutputSettings

Image = NDArray[np.uint8]
Size = tuple[int, int]  # width, height

WIDEST_LABEL = 1.6  # of its face's width
MOST_HIDDEN = 0.2  # of a face, by its own label


def annotate(
    result: FrameResult,
    totals: Counts,
    settings: OutputSettings,
    *,
    running: bool = True,
    also_blur: FloatArray | None = None,
) -> Image:
    """A copy of the frame, (h, w, 3) BGR, with everything drawn; `totals` are the counts so far, this frame's included.

    `running` tells a video's rate so far from a single picture's. `also_blur` (n, 4) are further places to hide when
    faces are blurred, such as those where a face just was.
    """
    image: Image = result.frame.image.copy()
    if settings.blur:
        hidden = result.faces.boxes if also_blur is None else np.concatenate([result.faces.boxes, also_blur])
        blur_faces(image, hidden)
    palette = PALETTES[settings.palette]
    capitals = capitals_for(result.frame.size_wh)
    taken: list[Rectangle] = []
    faces = _visible_faces(result)
    for face in reversed(faces):
        draw_box(image, face.box, face.verdict, palette.of(face.verdict), line_width(image.shape, face.box))
    if settings.panel:
        taken += panel.draw(image, result.counts, totals, palette, capitals, running=running)
    _draw_labels(image, faces, palette, capitals, taken)
    return image


def capitals_for(size_wh: tuple[int, int]) -> int:
    """Height of the capitals for a frame: the same share of the picture at any size, as long as it can be read."""
    return max(SMALLEST_CAPITALS, min(48, round(min(size_wh) * 0.0125)))


@dataclass(frozen=True)
class _Face:
    box: Rectangle
    verdict: Verdict
    unmasked_prob: float

    @property
    def rank(self) -> tuple[bool, int]:
        x1, y1, x2, y2 = self.box
        return self.verdict is not Verdict.UNMASKED, -(x2 - x1) * (y2 - y1)


def _visible_faces(result: FrameResult) -> list[_Face]:
    """Faces with whole pixels in the frame, in the order in which they choose a place for their label."""
    clipped = geometry.clip(result.faces.boxes, result.frame.size_wh)
    corners = np.rint(clipped).astype(int).tolist()
    faces = [
        _Face((x1, y1, x2, y2), Verdict(verdict), prob)
        for (x1, y1, x2, y2), verdict, prob in zip(
            corners, result.verdicts.tolist(), result.unmasked_prob.tolist(), strict=True
        )
        if x2 > x1 and y2 > y1
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
        number = f"({percent(unmasked_prob)})"
    else:
        number = percent(unmasked_prob if verdict is Verdict.UNMASKED else 1.0 - unmasked_prob)
    return f"{verdict.word} {number}", number


def _draw_labels(image: Image, faces: list[_Face], palette: Palette, capitals: int, taken: list[Rectangle]) -> None:
    size_wh = image.shape[1], image.shape[0]
    obstacles = np.zeros((2 * len(faces) + len(taken), 4), np.int32)
    obstacles[: len(faces)] = [face.box for face in faces] or np.zeros((0, 4))
    obstacles[len(faces) : len(faces) + len(taken)] = taken or np.zeros((0, 4))
    used = len(faces) + len(taken)
    smallest = max(SMALLEST_CAPITALS, capitals // 2)
    for i, face in enumerate(faces):
        colour = palette.of(face.verdict)
        gap = reach(face.verdict, line_width(image.shape, face.box))
        for text, size in _labels(face, capitals, smallest):
            spots = _spots(face.box, plate_wh(text, size), gap, size_wh)
            place = _first_free(spots, obstacles[:used], own=i)
            if place is not None:
                x1, y1, x2, y2 = place
                image[y1:y2, x1:x2] = plate(text, size, ink_on(colour), colour)
                obstacles[used] = place
                used += 1
                break


def _labels(face: _Face, capitals: int, smallest: int) -> Iterator[tuple[str, int]]:
    """What a face's label could say and in which size, best first, none wider than it may be."""
    widest = WIDEST_LABEL * (face.box[2] - face.box[0])
    if widest < 2 * smallest:
        return
    middle = (capitals + smallest) // 2
    words, number = wordings(face.verdict, face.unmasked_prob)
    for text, sizes in ((words, (capitals, middle, smallest)), (number, (middle, smallest))):
        for size in dict.fromkeys(sizes) if text else ():
            if plate_wh(text, size)[0] <= widest:
                yield text, size


def _spots(box: Rectangle, label_wh: Size, gap: int, frame_wh: Size) -> list[Rectangle]:
    """Places in the frame for a label: above the box, below it, or inside; flush left or right."""
    x1, y1, x2, y2 = box
    wide, high = label_wh
    width, height = frame_wh
    if wide > width or high > height:
        return []
    lefts = [min(max(edge, 0), width - wide) for edge in (x1 - gap, x2 + gap - wide)]
    tops = [top for top in (y1 - gap - high, y2 + gap) if 0 <= top <= height - high]
    spots = [(left, top, left + wide, top + high) for top in tops for left in lefts]
    if wide <= x2 - x1 and wide * high <= MOST_HIDDEN * (x2 - x1) * (y2 - y1):
        spots += [(x1, y1, x1 + wide, y1 + high), (x1, y2 - high, x1 + wide, y2)]
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
