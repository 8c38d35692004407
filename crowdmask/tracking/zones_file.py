"""Reads `zones.toml`: which polygons and lines are watched in which cameras' pictures. One line for each mistake."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any

from crowdmask.errors import SettingsError
from crowdmask.tracking.zones import FEET_BELOW, Line, Zone, ZoneNames, Zones

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LEAST_AREA = 1e-5  # parts of the frame: 20 pixels of a 1080p picture
LEAST_LENGTH = 1e-3
NAME = re.compile(r"[\w][\w .-]*")
HIGHEST_FEET = 50.0


@dataclass(frozen=True)
class CameraZones:
    """The zones of the cameras whose names match a pattern such as `hall*`."""

    pattern: str
    zones: Zones

    def matches(self, camera: str) -> bool:
        return fnmatchcase(camera.casefold(), self.pattern.casefold())


@dataclass(frozen=True)
class ZonesFile:
    path: Path
    cameras: tuple[CameraZones, ...]

    def of(self, camera: str) -> Zones | None:
        """The zones of a camera: those of the first pattern that matches."""
        for one in self.cameras:
            if one.matches(camera):
                return one.zones
        return None

    @property
    def names(self) -> ZoneNames:
        """Of all zones and of all lines, in the order of the file, each once: the columns of tables."""
        zones = dict.fromkeys(zone.name for camera in self.cameras for zone in camera.zones.zones)
        lines = dict.fromkeys(line.name for camera in self.cameras for line in camera.zones.lines)
        return ZoneNames(tuple(zones), tuple(lines))

    def check_used(self, cameras: Iterable[str]) -> None:
        """A SettingsError where no camera there is has any zones."""
        known = sorted(set(cameras))
        if not any(self.of(camera) for camera in known):
            patterns = _some(repr(one.pattern) for one in self.cameras)
            raise SettingsError(f"{self.path}: no camera matches {patterns}: the cameras are {_some(known) or 'none'}")

    def remarks(self, cameras: Iterable[str]) -> list[str]:
        """One line for all patterns that match none of the cameras, and one for all cameras without zones."""
        known = sorted(set(cameras))
        unused = [one.pattern for one in self.cameras if not any(one.matches(camera) for camera in known)]
        without = [camera or "(no camera)" for camera in known if self.of(camera) is None]
        found = [f"{self.path}: no camera matches {_some(map(repr, unused))}"] if unused else []
        return found + ([f"{self.path} has no zones for the cameras {_some(without)}"] if without else [])


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:5]) + (", …" if len(listed) > 5 else "")


def read_zones(path: Path) -> ZonesFile:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
    try:
        return ZonesFile(path, _cameras(data))
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def _cameras(data: Mapping[str, Any]) -> tuple[CameraZones, ...]:
    _only(data, ("feet_below", "camera", "zone", "line"), "the file")
    feet = _feet(data.get("feet_below", FEET_BELOW), "the file")
    cameras: list[CameraZones] = []
    for number, entry in enumerate(_tables(data, "camera"), 1):
        where = f"camera {number}"
        _only(entry, ("pattern", "feet_below", "zone", "line"), where)
        pattern = entry.get("pattern")
        if not isinstance(pattern, str) or not pattern:
            raise SettingsError(f'{where} has no pattern: give the cameras it is for, such as pattern = "hall*"')
        if any(one.pattern.casefold() == pattern.casefold() for one in cameras):
            raise SettingsError(f"the pattern {pattern!r} stands there twice: join the two cameras")
        mine = _feet(entry.get("feet_below", feet), f"camera {pattern!r}")
        cameras.append(CameraZones(pattern, _zones(entry, mine, f"camera {pattern!r}")))
    if "zone" in data or "line" in data:  # without a camera: for all that no pattern matches
        if any(one.pattern == "*" for one in cameras):
            raise SettingsError("zones outside of a camera and a camera with the pattern '*' are for the same pictures")
        cameras.append(CameraZones("*", _zones(data, feet, "the file")))
    _check_spelling(cameras)
    if not cameras:
        raise SettingsError("it has no zones: add [[zone]] with a name and a polygon, or [[line]]")
    return tuple(cameras)


def _check_spelling(cameras: Sequence[CameraZones]) -> None:
    """Names are columns of tables, and there upper and lower case are the same to many programs."""
    for kind in ("zone", "line"):
        known: dict[str, str] = {}
        for one in cameras:
            for thing in one.zones.zones if kind == "zone" else one.zones.lines:
                before = known.setdefault(thing.name.casefold(), thing.name)
                if before != thing.name:
                    raise SettingsError(f"the {kind} names {before!r} and {thing.name!r} differ in case only: use one")


def _zones(entry: Mapping[str, Any], feet: float, where: str) -> Zones:
    zones = tuple(_zone(one, where) for one in _tables(entry, "zone"))
    lines = tuple(_line(one, where) for one in _tables(entry, "line"))
    names = [zone.name for zone in zones] + [line.name for line in lines]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"{where} has the name {name!r} twice: each zone and line needs its own")
    if not names:
        raise SettingsError(f"{where} has neither a zone nor a line")
    return Zones(zones, lines, feet)


def _zone(entry: Mapping[str, Any], where: str) -> Zone:
    name = _name(entry, "zone", where)
    what = f"zone {name!r}"
    _only(entry, ("name", "polygon"), what)
    corners = entry.get("polygon")
    if not isinstance(corners, list) or len(corners) < 3:
        raise SettingsError(
            f"{what} needs a polygon of three corners or more, such as [[0.1, 0.5], [0.5, 0.5], [0.3, 1]]"
        )
    polygon = tuple(_point(corner, what) for corner in corners)
    if len(polygon) > 3 and polygon[0] == polygon[-1]:
        polygon = polygon[:-1]  # written closed, as GeoJSON does
    if _crosses_itself(polygon):
        raise SettingsError(f"the polygon of {what} crosses itself: give its corners in the order round its edge")
    if abs(_area(polygon)) < LEAST_AREA:
        raise SettingsError(f"the polygon of {what} has no area")
    return Zone(name, polygon)


def _line(entry: Mapping[str, Any], where: str) -> Line:
    name = _name(entry, "line", where)
    what = f"line {name!r}"
    _only(entry, ("name", "from", "to"), what)
    if "from" not in entry or "to" not in entry:
        raise SettingsError(f"{what} needs both ends, such as from = [0.2, 0.8] and to = [0.7, 0.8]")
    start, end = _point(entry["from"], what), _point(entry["to"], what)
    if abs(start[0] - end[0]) + abs(start[1] - end[1]) < LEAST_LENGTH:
        raise SettingsError(f"{what} has no length: its ends are the same point")
    return Line(name, start, end)


def _tables(entry: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    tables = entry.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise SettingsError(f"{key} must be written as [[{key}]], once for each")
    return tables


def _only(entry: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    for key in entry:
        if key not in known:
            raise SettingsError(f"{what} has {key!r}, which is unknown there: it may have {', '.join(known)}")


def _name(entry: Mapping[str, Any], kind: str, where: str) -> str:
    name = entry.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise SettingsError(
            f"a {kind} of {where} has the name {name!r}: give it a name of letters, digits, blanks, dots and hyphens"
        )
    return name


def _feet(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= HIGHEST_FEET:
        raise SettingsError(f"feet_below of {where} is {value!r}: it must be 0 to {HIGHEST_FEET:g} heights of a face")
    return float(value)


def _point(value: Any, what: str) -> tuple[float, float]:
    numbers = (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in value)
    )
    if not numbers:
        raise SettingsError(f"{what} has the point {value!r}: a point is [x, y]")
    x, y = float(value[0]), float(value[1])
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise SettingsError(
            f"{what} has the point [{x:g}, {y:g}], outside of the picture: x and y are parts of it, 0 to 1"
        )
    return x, y


def _area(polygon: Sequence[tuple[float, float]]) -> float:
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in _edges(polygon)) / 2.0


def _edges(polygon: Sequence[tuple[float, float]]) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    return list(pairwise((*polygon, polygon[0])))


def _crosses_itself(polygon: Sequence[tuple[float, float]]) -> bool:
    edges = _edges(polygon)
    for i, (a, b) in enumerate(edges):
        for j in range(i + 1, len(edges)):
            if j == i + 1 or (i == 0 and j == len(edges) - 1):
                continue  # neighbours share a corner
            if _meet(a, b, *edges[j]):
                return True
    return False


def _meet(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float], d: tuple[float, float]) -> bool:
    """Whether two stretches have a point in common."""

    def turn(p: tuple[float, float], q: tuple[float, float], r: tuple[float, float]) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    def between(p: tuple[float, float], q: tuple[float, float], r: tuple[float, float]) -> bool:
        return min(p[0], q[0]) <= r[0] <= max(p[0], q[0]) and min(p[1], q[1]) <= r[1] <= max(p[1], q[1])

    t1, t2, t3, t4 = turn(c, d, a), turn(c, d, b), turn(a, b, c), turn(a, b, d)
    if t1 * t2 < 0 and t3 * t4 < 0:
        return True
    touching = ((t1, c, d, a), (t2, c, d, b), (t3, a, b, c), (t4, a, b, d))
    return any(t == 0 and between(p, q, r) for t, p, q, r in touching)
