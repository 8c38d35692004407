"""The panel that `annotate` puts where no face is: the frame's counts, the legend too, and the rate so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import Rectangle
from crowdmask.results.boxes import draw_box
from crowdmask.results.lettering import coverage, line_height
from crowdmask.results.palette import Palette
from crowdmask.verdicts import VERDICTS, Counts, Verdict

Image = NDArray[np.uint8]

DARKEN = 0.35  # what is left of the picture beneath
LARGEST = 0.5  # of the frame, either way; where the panel needs more it is left out


@dataclass(frozen=True)
class Row:
    """One line: the verdict whose swatch begins it, its word and its number."""

    verdict: Verdict | None
    left: int
    words: str
    figures: str
    capitals: int

    @property
    def word(self) -> Image:
        return coverage(self.words, self.capitals)

    @property
    def number(self) -> Image:
        return coverage(self.figures, self.capitals)


@dataclass(frozen=True)
class Panel:
    """A panel that has its place and its text, ready to be drawn."""

    place: Rectangle
    capitals: int
    rows: tuple[Row, ...]
    spot: int = 0  # which of the places it may have

    def swatch(self, row: Row, top: int) -> Rectangle:
        """The little box that begins a row whose line begins there."""
        x, y = self.place[0] + self.capitals, top + (line_height(self.capitals) - self.capitals) // 2
        return x, y, x + self.capitals, y + self.capitals


Text = tuple["Verdict | None", str, str]


def texts(counts: Counts, totals: Counts, people: int | None, *, running: bool) -> list[Text]:
    """The lines of the panel: verdict, words and figures; `people` are those so far, where faces are followed."""
    return [
        *(
            (row.verdict, row.word, str(counts[row.verdict]))
            for row in VERDICTS
            if row.said_when_none or totals[row.verdict]
        ),
        *([] if people is None else [(None, "people so far", f"{people:,}")]),
        (None, "compliance so far" if running else "compliance", rate_text(totals)),
    ]


def lay_out(
    frame_wh: tuple[int, int], lines: Sequence[Text], capitals: int, faces: Sequence[Rectangle] = (), spot: int = 0
) -> Panel | None:
    """The panel where no face is, at `spot` if it can be; None where the frame has no room for it."""
    pad, line = capitals, line_height(capitals)
    rows = tuple(
        Row(verdict, 0 if verdict is None else 2 * capitals, word, number, capitals) for verdict, word, number in lines
    )
    # room for the widest numbers there can reasonably be, so that the panel keeps its size through a video
    room = coverage("100.0%", capitals).shape[1]
    widths = [row.left + row.word.shape[1] + capitals + max(room, row.number.shape[1]) for row in rows]
    wide, high = max(widths) + 2 * pad, len(rows) * line + 2 * (pad // 2)
    if wide + pad > LARGEST * frame_wh[0] or high + pad > LARGEST * frame_wh[1]:
        return None
    spots = _spots(frame_wh, (wide, high), pad // 2)
    for at in (spot, *(other for other in range(len(spots)) if other != spot)):
        x, y = spots[at]
        place = x, y, x + wide, y + high
        if not any(_touch(place, face) for face in faces):
            return Panel(place, capitals, rows, at)
    return None


def _touch(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _spots(frame_wh: tuple[int, int], size_wh: tuple[int, int], edge: int) -> list[tuple[int, int]]:
    """Where a panel may have its top left corner: in the corners of the frame, then at the middle of its edges."""
    left, top = edge, edge
    right, bottom = frame_wh[0] - size_wh[0] - edge, frame_wh[1] - size_wh[1] - edge
    across, down = (left + right) // 2, (top + bottom) // 2
    corners = [(left, top), (right, top), (left, bottom), (right, bottom)]
    return [*corners, (across, top), (across, bottom), (left, down), (right, down)]


def draw(image: Image, panel: Panel, palette: Palette) -> None:
    """Draw a panel in place; nothing beside its place is touched."""
    (x, y, right, bottom), capitals = panel.place, panel.capitals
    pad, line = capitals, line_height(capitals)
    region = image[y:bottom, x:right]
    cv2.convertScaleAbs(region, dst=region, alpha=DARKEN)
    top = y + pad // 2
    for row in panel.rows:
        if row.verdict is not None:
            draw_box(image, panel.swatch(row, top), row.verdict, palette.of(row.verdict), max(1, capitals // 9))
        _ink(image, row.word, x + pad + row.left, top)
        _ink(image, row.number, right - pad - row.number.shape[1], top)
        top += line


def rate_text(totals: Counts) -> str:
    """One decimal, cut and not rounded up: 100.0% means that nobody was unmasked."""
    if totals.compliance is None:
        return "n/a"
    per_mille = totals.supporting * 1000 // totals.judged
    return f"{per_mille / 10:.1f}%"


def _ink(image: Image, text: Image, x: int, y: int) -> None:
    region = image[y : y + text.shape[0], x : x + text.shape[1]]
    np.maximum(region, text[..., None], out=region)
