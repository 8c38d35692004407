"""Draws zones and lines into a picture: faintly over a video, or plainly to check what a file of zones means."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.results.lettering import line_height, plate
from crowdmask.tracking.zones import Line, Zone, Zones
from crowdmask.verdicts import Bgr

Image = NDArray[np.uint8]
Points = NDArray[np.int32]

# told apart also by who does not see red and green: blue, yellow, violet, white
COLOURS: tuple[Bgr, ...] = ((214, 132, 40), (64, 208, 240), (200, 92, 178), (235, 235, 235))
LINE_COLOUR: Bgr = (64, 208, 240)
INK: Bgr = (24, 24, 24)


def draw_zones(picture_bgr: Image, zones: Zones, *, faint: bool = False) -> Image:
    """A copy with the zones tinted and outlined and the lines with the arrow of who walks `in`; names unless faint."""
    out: Image = picture_bgr.copy()
    height, width = out.shape[:2]
    stroke = max(1, round(height / 540))
    tint = 0.10 if faint else 0.28
    for number, zone in enumerate(zones.zones):
        colour = COLOURS[number % len(COLOURS)]
        corners = pixels(zone.polygon, (width, height))
        filled = out.copy()
        cv2.fillPoly(filled, [corners], colour, cv2.LINE_AA)
        out = np.asarray(cv2.addWeighted(filled, tint, out, 1 - tint, 0), np.uint8)
        cv2.polylines(out, [corners], True, colour, stroke if faint else 2 * stroke, cv2.LINE_AA)
    for line in zones.lines:
        _draw_line(out, line, stroke if faint else 2 * stroke)
    if not faint:
        _name_all(out, zones)
    return out


def pixels(points: tuple[tuple[float, float], ...], size_wh: tuple[int, int]) -> Points:
    limit = np.array(size_wh) - 1
    whole: Points = np.rint(np.array(points) * limit).astype(np.int32)
    return whole


def _draw_line(out: Image, line: Line, stroke: int) -> None:
    height, width = out.shape[:2]
    start, end = pixels((line.start, line.end), (width, height)).astype(np.float64)
    along = (end - start) / max(1.0, float(np.hypot(*(end - start))))
    middle, tip = (start + end) / 2, (start + end) / 2 + np.array([-along[1], along[0]]) * height / 14
    cv2.line(out, _at(start), _at(end), LINE_COLOUR, stroke, cv2.LINE_AA)
    cv2.arrowedLine(out, _at(middle), _at(tip), LINE_COLOUR, stroke, cv2.LINE_AA, tipLength=0.35)


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
