"""Draws zones and lines: plainly, to check what a file of zones means, or as a faint layer over what was analysed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import Rectangle
from crowdmask.results.lettering import line_height, plate
from crowdmask.tracking.zones import Line, Zone, Zones
from crowdmask.verdicts import Bgr

Image = NDArray[np.uint8]
Points = NDArray[np.int32]

# told apart also by who does not see red and green: blue, yellow, violet, white
COLOURS: tuple[Bgr, ...] = ((214, 132, 40), (64, 208, 240), (200, 92, 178), (235, 235, 235))
LINE_COLOUR: Bgr = (64, 208, 240)
INK: Bgr = (24, 24, 24)
TINT = 0.28
FAINT = 0.6  # of full cover
CELL = 64  # pixels; smaller ones hold less beside the outlines, larger ones are fewer


def draw_zones(picture_bgr: Image, zones: Zones) -> Image:
    """A copy with the zones tinted and outlined, the lines with the arrow of who walks `in`, and their names."""
    out: Image = picture_bgr.copy()
    height, width = out.shape[:2]
    stroke = 2 * _stroke(height)
    for number, zone in enumerate(zones.zones):
        colour = COLOURS[number % len(COLOURS)]
        corners = pixels(zone.polygon, (width, height))
        filled = out.copy()
        cv2.fillPoly(filled, [corners], colour, cv2.LINE_AA)
        out = np.asarray(cv2.addWeighted(filled, TINT, out, 1 - TINT, 0), np.uint8)
        cv2.polylines(out, [corners], True, colour, stroke, cv2.LINE_AA)
    for line in zones.lines:
        _draw_line(out, line, LINE_COLOUR, stroke)
    _name_all(out, zones)
    return out


def _stroke(height: int) -> int:
    return max(1, round(height / 540))


@dataclass(frozen=True)
class FaintLayer:
    """The outlines of one camera's zones and lines over every frame: the few pixels that change, and how."""

    places: tuple[Rectangle, ...]  # what holds them all, cut up so that it holds little else
    pixels: NDArray[np.intp]  # (m,) numbers in the picture, row by row
    kept: NDArray[np.float32]  # (m, 1) what is left of the picture there
    added: NDArray[np.float32]  # (m, 3)

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, zones: Zones, size_wh: tuple[int, int]) -> FaintLayer:
        ink, cover = _outlines(zones, size_wh)
        where = np.flatnonzero(cover)
        share = cover.reshape(-1)[where, None].astype(np.float32) / 255.0 * FAINT
        return cls(_cells(cover), where, 1.0 - share, share * ink.reshape(-1, 3)[where])

    def draw(self, image: Image) -> None:
        """Draw it in place."""
        flat = image.reshape(-1, 3)
        flat[self.pixels] = np.rint(flat[self.pixels] * self.kept + self.added).astype(np.uint8)


def _outlines(zones: Zones, size_wh: tuple[int, int]) -> tuple[Image, Image]:
    """The colour of each pixel, and how far it is covered."""
    width, height = size_wh
    ink, cover = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    stroke = _stroke(height)
    for number, zone in enumerate(zones.zones):
        corners = pixels(zone.polygon, size_wh)
        # a bolder stroke of colour below, so that a pixel half covered has the whole colour
        cv2.polylines(ink, [corners], True, COLOURS[number % len(COLOURS)], stroke + 2)
        cv2.polylines(cover, [corners], True, 255, stroke, cv2.LINE_AA)
    for line in zones.lines:
        _draw_line(ink, line, LINE_COLOUR, stroke + 2)
        _draw_line(cover, line, 255, stroke)
    return ink, cover


def _cells(cover: Image) -> tuple[Rectangle, ...]:
    """Rectangles about all that is covered, none of which reaches beyond its cell of a grid."""
    found = []
    for top in range(0, cover.shape[0], CELL):
        for left in range(0, cover.shape[1], CELL):
            x, y, width, height = cv2.boundingRect(cover[top : top + CELL, left : left + CELL])
            if width:
                found.append((left + x, top + y, left + x + width, top + y + height))
    return tuple(found)


def pixels(points: tuple[tuple[float, float], ...], size_wh: tuple[int, int]) -> Points:
    limit = np.array(size_wh) - 1
    whole: Points = np.rint(np.array(points) * limit).astype(np.int32)
    return whole


def _draw_line(out: Image, line: Line, colour: Bgr | int, stroke: int) -> None:
    height, width = out.shape[:2]
    start, end = pixels((line.start, line.end), (width, height)).astype(np.float64)
    along = (end - start) / max(1.0, float(np.hypot(*(end - start))))
    middle, tip = (start + end) / 2, (start + end) / 2 + np.array([-along[1], along[0]]) * height / 14
    cv2.line(out, _at(start), _at(end), colour, stroke, cv2.LINE_AA)
    cv2.arrowedLine(out, _at(middle), _at(tip), colour, stroke, cv2.LINE_AA, tipLength=0.35)


def _at(point: NDArray[np.float64]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _name_all(out: Image, zones: Zones) -> None:
    height, width = out.shape[:2]
    capitals = max(8, height // 54)
    for number, zone in enumerate(zones.zones):
        _name(out, zone.name, _middle(zone, (width, height)), capitals, COLOURS[number % len(COLOURS)])
    for line in zones.lines:
        start = pixels((line.start,), (width, height))[0]
        _name(out, f"{line.name} in", (int(start[0]), int(start[1])), capitals, LINE_COLOUR)


def _middle(zone: Zone, size_wh: tuple[int, int]) -> tuple[int, int]:
    corners = pixels(zone.polygon, size_wh)
    moments = cv2.moments(corners)
    if not moments["m00"]:
        return int(corners[0, 0]), int(corners[0, 1])
    return round(moments["m10"] / moments["m00"]), round(moments["m01"] / moments["m00"])


def _name(out: Image, name: str, at: tuple[int, int], capitals: int, paper: Bgr) -> None:
    height, width = out.shape[:2]
    image = plate(name, capitals, INK, paper)[:height, :width]
    tall, wide = image.shape[:2]
    left = min(max(0, at[0] - wide // 2), width - wide)
    top = min(max(0, at[1] - line_height(capitals) // 2), height - tall)
    out[top : top + tall, left : left + wide] = image
