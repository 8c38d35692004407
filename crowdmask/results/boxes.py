"""Boxes around faces, for `annotate` and its panel: a verdict's colour and line style, with dark edges all round."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import Rectangle
from crowdmask.results.palette import BLACK
from crowdmask.verdicts import Bgr, Line, Verdict

Image = NDArray[np.uint8]
CORNERS, DASHES = (Line.CORNERED, Line.BROKEN), (Line.DASHED, Line.BROKEN)


def line_width(frame_wh: tuple[int, int], box: Rectangle) -> int:
    """Pixels: the same share of any frame, but thin about small faces."""
    for_frame = round(min(frame_wh) / 400)
    for_face = round(min(box[2] - box[0], box[3] - box[1]) / 14)
    return max(1, min(for_frame, for_face))


def reach(verdict: Verdict, line: int) -> int:
    """Pixels from a box to the outermost that `draw_box` paints about it."""
    return line * (2 if verdict.row.line in CORNERS else 1) + edge_width(line)


def draw_box(image: Image, box: Rectangle, verdict: Verdict, colour: Bgr, line: int) -> None:
    """Draw outside of the box as far as the frame allows; the box must lie in the frame."""
    bars = box_bars(box, verdict, line, (image.shape[1], image.shape[0]))
    edge = edge_width(line)
    for x1, y1, x2, y2 in bars:
        cv2.rectangle(image, (x1 - edge, y1 - edge), (x2 - 1 + edge, y2 - 1 + edge), BLACK, cv2.FILLED)
    for x1, y1, x2, y2 in bars:
        cv2.rectangle(image, (x1, y1), (x2 - 1, y2 - 1), colour, cv2.FILLED)


def box_bars(box: Rectangle, verdict: Verdict, line: int, frame_wh: tuple[int, int]) -> list[Rectangle]:
    """The bars of a box in its verdict's style, without their dark edges."""
    style = verdict.row.line
    frame = _grown(box, line, frame_wh)
    bars = _dashes(frame, line) if style in DASHES else _sides(frame, line)
    if style in CORNERS:
        bars += _corners(_grown(frame, line, frame_wh), 2 * line)
    return bars


def edge_width(line: int) -> int:
    return max(1, line // 2)


def _grown(box: Rectangle, by: int, frame_wh: tuple[int, int]) -> Rectangle:
    x1, y1, x2, y2 = box
    return max(0, x1 - by), max(0, y1 - by), min(frame_wh[0], x2 + by), min(frame_wh[1], y2 + by)


def _sides(box: Rectangle, line: int) -> list[Rectangle]:
    x1, y1, x2, y2 = box
    return [(x1, y1, x2, y1 + line), (x1, y2 - line, x2, y2), (x1, y1, x1 + line, y2), (x2 - line, y1, x2, y2)]


def _corners(box: Rectangle, line: int) -> list[Rectangle]:
    x1, y1, x2, y2 = box
    across, down = (max(line + 1, round(0.25 * side)) for side in (x2 - x1, y2 - y1))
    return [
        bar
        for left, right, near_x in ((x1, x1 + across, x1), (x2 - across, x2, x2 - line))
        for top, bottom, near_y in ((y1, y1 + down, y1), (y2 - down, y2, y2 - line))
        for bar in ((left, near_y, right, near_y + line), (near_x, top, near_x + line, bottom))
    ]


def _dashes(box: Rectangle, line: int) -> list[Rectangle]:
    x1, y1, x2, y2 = box
    across, down = _strokes(x1, x2, line), _strokes(y1, y2, line)
    return [
        *((a, y, b, y + line) for a, b in across for y in (y1, y2 - line)),
        *((x, a, x + line, b) for a, b in down for x in (x1, x2 - line)),
    ]


def _strokes(start: int, stop: int, line: int) -> list[tuple[int, int]]:
    """Strokes and gaps of about equal length, a stroke at both ends so that corners are closed."""
    length = stop - start
    pieces = 2 * max(1, round(length / (10 * line + 6))) + 1
    ends = [start + round(length * k / pieces) for k in range(pieces + 1)]
    return [(ends[k], ends[k + 1]) for k in range(0, pieces, 2)]
