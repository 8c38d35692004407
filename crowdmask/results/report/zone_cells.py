"""What the report's tables of zones and lines are computed from: sums by camera, bucket, and zone or line.

Like the other cells they are added up by the page, so that a choice of cameras or of a time acts on them. Only those in
which something happened are handed over, and one for each zone or line that a camera has at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crowdmask.results.timeline.people_rows import PEOPLE_WORDS
from crowdmask.results.timeline.zone_columns import WAYS
from crowdmask.results.zone_stats import Ways, ZoneStats, ZoneSums
from crowdmask.verdicts import WORDS

ZONE_FIELDS = (*PEOPLE_WORDS, *WORDS, "visits", "dwell_ms", "longest_ms")
LINE_FIELDS = tuple(f"{way}_{word}" for way in WAYS for word in WORDS)


@dataclass
class _Columns:
    """One entry for each camera, bucket and place."""

    fields: Sequence[str]
    camera: list[int] = field(default_factory=list)
    bucket: list[int] = field(default_factory=list)
    place: list[int] = field(default_factory=list)
    numbers: dict[str, list[int]] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    seen: set[tuple[int, int]] = field(default_factory=set)

    def add(self, camera: int, bucket: int, name: str, numbers: Sequence[int]) -> None:
        place = self.names.setdefault(name, len(self.names))
        if not any(numbers) and (camera, place) in self.seen:
            return
        self.seen.add((camera, place))
        self.camera.append(camera)
        self.bucket.append(bucket)
        self.place.append(place)
        for column, number in zip(self.fields, numbers, strict=True):
            self.numbers.setdefault(column, []).append(number)

    def as_dict(self) -> dict[str, Any]:
        cells = {"camera": self.camera, "bucket": self.bucket, "place": self.place, **self.numbers}
        return {"names": list(self.names), "cells": cells}


@dataclass
class ZoneCells:
    """Of all zones, and of all lines."""

    zones: _Columns = field(default_factory=lambda: _Columns(ZONE_FIELDS))
    lines: _Columns = field(default_factory=lambda: _Columns(LINE_FIELDS))

    def add(self, camera: int, bucket: int, places: ZoneStats | None) -> None:
        if places is None:
            return
        for name, sums in places.zones.items():
            self.zones.add(camera, bucket, name, _of_zone(sums))
        for name, ways in places.lines.items():
            self.lines.add(camera, bucket, name, _of_line(ways))

    def as_dict(self) -> Mapping[str, Any]:
        return {"zones": self.zones.as_dict(), "lines": self.lines.as_dict()}


def _of_zone(sums: ZoneSums) -> list[int]:
    times = round(sums.dwell_s * 1000), round(sums.longest_s * 1000)
    return [*sums.people.in_order, *sums.faces.in_order, sums.visits, *times]


def _of_line(ways: Ways) -> list[int]:
    return [count for way in WAYS for count in ways[way].in_order]
