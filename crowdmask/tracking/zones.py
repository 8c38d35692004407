"""Where people stand and what they walk across: named polygons and directed lines, in parts of the frame.

A person stands where the feet are taken to be: the bottom centre of the face box, moved down by a multiple of the box's
height. It knows boxes, numbers and seconds only; the file that zones are written in is zones_file.py's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import FloatArray
from crowdmask.tracking.observations import Floats

FEET_BELOW = 6.0  # heights of a face from the chin to the floor, of people who stand upright
LEFT_AFTER_S = 1.0  # whoever is out of a zone for less than this has not left it: boxes tremble at its edge
IN, OUT = "in", "out"  # ways across a line
CLEAR_OF_LINE = 0.35  # face heights to either side of a line within which nobody has crossed it yet, likewise


@dataclass(frozen=True)
class Zone:
    name: str
    polygon: tuple[tuple[float, float], ...]  # parts of the frame's width and height


@dataclass(frozen=True)
class Line:
    """Directed: seen along it, from its start to its end, people cross it `in` from left to right, and `out` back."""

    name: str
    start: tuple[float, float]
    end: tuple[float, float]


@dataclass(frozen=True)
class Zones:
    """What is watched in the pictures of one camera."""

    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()
    feet_below: float = FEET_BELOW


@dataclass(frozen=True)
class ZoneNames:
    """What tables have columns for: all zones and lines of a file, each once."""

    zones: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.zones or self.lines)


@dataclass(frozen=True)
class Visit:
    """A person's stay in a zone; a stay is over when somebody is out of it for `LEFT_AFTER_S`."""

    zone: str
    first_s: float
    last_s: float


@dataclass(frozen=True)
class Crossing:
    line: str
    way: str  # IN or OUT
    seconds: float


@dataclass
class Trace:
    """Where one person was: the visits in the order in which they began, the crossings as they happened."""

    visits: list[Visit] = field(default_factory=list)
    crossings: list[Crossing] = field(default_factory=list)

    def dwell_s(self, zone: str) -> float:
        return sum(v.last_s - v.first_s for v in self.visits if v.zone == zone)


def standing(boxes_xyxy: FloatArray, size_wh: tuple[float, float], feet_below: float) -> Floats:
    """Where people stand (n, 2), in parts of the frame; at its lower edge where their feet are below it."""
    boxes = np.asarray(boxes_xyxy, np.float64)
    y = boxes[:, 3] + feet_below * (boxes[:, 3] - boxes[:, 1])
    feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2.0 / size_wh[0], y / size_wh[1]], axis=1)
    feet[:, 1] = np.minimum(feet[:, 1], 1.0 - 1e-9)
    return feet


def within_zones(zones: Zones, feet: Floats) -> NDArray[np.bool_]:
    """In which zones people stand whose feet are there, (n, zones)."""
    within = np.zeros((len(feet), len(zones.zones)), bool)
    for column, zone in enumerate(zones.zones):
        within[:, column] = inside(zone.polygon, feet)
    return within


def inside(polygon: Sequence[tuple[float, float]], points: Floats) -> NDArray[np.bool_]:
    """Which points (n, 2) lie in a polygon: those from which a ray crosses its edges an odd number of times."""
    corners = np.asarray(polygon, np.float64)
    x, y = points[:, None, 0], points[:, None, 1]
    x1, y1 = corners.T
    x2, y2 = np.roll(corners, -1, axis=0).T
    spans = (y1 > y) != (y2 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = (x2 - x1) * (y - y1) / (y2 - y1) + x1
    result: NDArray[np.bool_] = np.count_nonzero(spans & (x < at), axis=1) % 2 == 1
    return result


def beside(line: Line, points: Floats, aspect: float) -> tuple[Floats, Floats]:
    """How far to the right of a line points (n, 2) are, in parts of the frame's height, and how far along it (0..1)."""
    stretch = np.array([aspect, 1.0])
    start, way = np.array(line.start) * stretch, (np.array(line.end) - np.array(line.start)) * stretch
    off = points * stretch - start
    length = float(np.hypot(*way))
    right = (way[0] * off[:, 1] - way[1] * off[:, 0]) / length  # y goes down, so this is to the right
    along = off @ way / length**2
    return right, along


@dataclass
class _Side:
    """The side of a line on which somebody surely was last, and how far along the line that was."""

    right: float
    along: float


class ZoneWatch:
    """For one stream: give it the people of every frame in order."""

    def __init__(self, zones: Zones, size_wh: tuple[float, float]) -> None:
        self._zones, self._size_wh = zones, size_wh
        self._traces: dict[int, Trace] = {}
        self._sides: dict[tuple[int, str], _Side] = {}

    def frame(
        self, seconds: float, persons: NDArray[np.integer], boxes_xyxy: FloatArray
    ) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
        """In which zones each one is, (n, zones), and which lines they crossed just now, (n, lines): 1 in, -1 out."""
        feet = standing(boxes_xyxy, self._size_wh, self._zones.feet_below)
        heights = np.asarray(boxes_xyxy[:, 3] - boxes_xyxy[:, 1], np.float64) / self._size_wh[1]
        within = within_zones(self._zones, feet)
        for column, zone in enumerate(self._zones.zones):
            for who in persons[within[:, column]].tolist():
                self._stay(who, zone.name, seconds)
        crossed = np.zeros((len(persons), len(self._zones.lines)), np.int8)
        for column, line in enumerate(self._zones.lines):
            for row, way in self._walk(line, seconds, persons, feet, CLEAR_OF_LINE * heights):
                crossed[row, column] = 1 if way == IN else -1
        return within, crossed

    def take(self, person: int) -> Trace:
        """Where somebody was who is gone now; it is forgotten here."""
        for line in self._zones.lines:
            self._sides.pop((person, line.name), None)
        return self._traces.pop(person, Trace())

    def _stay(self, who: int, zone: str, seconds: float) -> None:
        visits = self._traces.setdefault(who, Trace()).visits
        for at in reversed(range(len(visits))):
            if visits[at].zone == zone:
                if seconds - visits[at].last_s < LEFT_AFTER_S:
                    visits[at] = Visit(zone, visits[at].first_s, seconds)
                    return
                break
        visits.append(Visit(zone, seconds, seconds))

    def _walk(
        self, line: Line, seconds: float, persons: NDArray[np.integer], feet: Floats, clear: Floats
    ) -> Iterator[tuple[int, str]]:
        """Rows of those who have crossed it, and which way."""
        right, along = beside(line, feet, self._size_wh[0] / self._size_wh[1])
        for k in np.flatnonzero(np.abs(right) > clear).tolist():
            who = int(persons[k])
            now, before = _Side(float(right[k]), float(along[k])), self._sides.get((who, line.name))
            self._sides[who, line.name] = now
            if before is None or (before.right > 0) == (now.right > 0):
                continue
            share = before.right / (before.right - now.right)
            if 0.0 <= before.along + share * (now.along - before.along) <= 1.0:  # not past one of its ends
                way = IN if now.right > 0 else OUT
                self._traces.setdefault(who, Trace()).crossings.append(Crossing(line.name, way, seconds))
                yield k, way
