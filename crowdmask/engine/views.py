"""Chooses at which sizes a picture is looked at for faces: the detector's own range of face sizes is limited."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from crowdmask.settings import AnalysisSettings

STRIDE = 32  # the network halves its picture five times


@dataclass(frozen=True)
class View:
    """A part of the picture brought to a size; it answers for faces of `smallest` to `largest` pixels there."""

    left: int
    top: int
    right: int
    bottom: int
    scale: float
    smallest: float
    largest: float
    within_xyxy: tuple[float, float, float, float] = (-math.inf, -math.inf, math.inf, math.inf)  # there; others are cut

    @property
    def size_wh(self) -> tuple[int, int]:
        return (
            max(1, round((self.right - self.left) * self.scale)),
            max(1, round((self.bottom - self.top) * self.scale)),
        )

    @property
    def canvas_wh(self) -> tuple[int, int]:
        """The next size that the network can take; there are few of them, so that nothing is compiled twice."""
        width, height = (-(-side // STRIDE) * STRIDE for side in self.size_wh)
        return width, height


@dataclass(frozen=True)
class Pass:
    """A look at the whole picture at a part of the full detection size."""

    share: float
    smallest: float
    largest: float


TILE_OVERLAP = 0.15  # of a tile's side
# Measured on held-out photographs against one, two and four passes and other limits: see weights/README.md.
PASSES = (Pass(1.0, 0.0, 200.0), Pass(0.5, 8.0, 200.0), Pass(0.25, 20.0, float("inf")))


def views_of(picture_wh: tuple[int, int], settings: AnalysisSettings) -> list[View]:
    """The tiles if asked for, then the whole picture at the detection size, then smaller for its large faces."""
    width, height = picture_wh
    full = min(settings.detection_size / max(width, height), settings.detection_upscale)
    tiles = _tiles(picture_wh, settings) if settings.tiles > 1 and full < 1.0 else []  # a smaller one loses nothing
    return tiles + [View(0, 0, width, height, full * p.share, p.smallest, p.largest) for p in PASSES]


PLACE = 5.0  # face sizes that are looked at about a place, two of them on either side of the face, or more
LEAST_SIDE = 192  # pixels of such a view
CUT = 3.0  # pixels of it: a face so near to its side goes on beyond it


def view_at(box_xyxy: Sequence[float], picture_wh: tuple[int, int], whole: Sequence[View]) -> View:
    """A part of the picture about a face that is expected at a place, at the largest scale at which it is small enough.

    `whole` are the views that the picture would be looked at in.

    It is as large as the smallest view of the whole, so that the network is compiled for no further size. One such
    view finds there what a whole look finds, measured on the sample clips; a second one of half the scale changed as
    much for the worse as for the better.
    """
    x1, y1, x2, y2 = box_xyxy
    size = math.sqrt(max(0.0, x2 - x1) * max(0.0, y2 - y1))
    side_w, side_h = (max(LEAST_SIDE, side) for side in whole[-1].canvas_wh)
    scale = max((view.scale for view in whole if size * view.scale * PLACE <= min(side_w, side_h)), default=None)
    if scale is None:  # it fills the picture
        return whole[-1]
    (width, height), x, y = picture_wh, (x1 + x2) / 2, (y1 + y2) / 2
    left, right = _around(x, side_w / scale, width)
    top, bottom = _around(y, side_h / scale, height)
    within = (
        CUT if left > 0 else -math.inf,
        CUT if top > 0 else -math.inf,
        (right - left) * scale - CUT if right < width else math.inf,
        (bottom - top) * scale - CUT if bottom < height else math.inf,
    )
    return View(left, top, right, bottom, scale, 0.0, math.inf, within)


def _around(centre: float, side: float, length: int) -> tuple[int, int]:
    """A span of that side about the centre, moved into the picture; all of a picture that is smaller."""
    whole = max(1, min(length, int(side)))
    low = min(max(0, round(centre - whole / 2)), length - whole)
    return low, low + whole


def _tiles(picture_wh: tuple[int, int], settings: AnalysisSettings) -> list[View]:
    """Overlapping tiles, each at the detection size; a face that a tile cuts is whole in the next or the whole view."""
    width, height = picture_wh
    side = max(width, height) / settings.tiles
    columns, rows = max(1, round(width / side)), max(1, round(height / side))
    overlap = side * TILE_OVERLAP
    views = []
    for row in range(rows):
        for column in range(columns):
            left, right = _span(column, columns, width, overlap)
            top, bottom = _span(row, rows, height, overlap)
            scale = min(settings.detection_size / max(right - left, bottom - top), settings.detection_upscale)
            largest = min(PASSES[0].largest, overlap * scale)
            views.append(View(left, top, right, bottom, scale, PASSES[0].smallest, largest))
    return views


def _span(index: int, count: int, length: int, overlap: float) -> tuple[int, int]:
    low, high = index * length / count, (index + 1) * length / count
    return max(0, round(low - overlap / 2)), min(length, round(high + overlap / 2))
