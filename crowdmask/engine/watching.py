"""A stage that says where people stand and what they cross: columns by zone and line, and each person's visits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.following import Concluded, Person
from crowdmask.records import LINE, ZONE, FrameResult
from crowdmask.settings import AnalysisSettings
from crowdmask.tracking.zones import ZoneNames, Zones, ZoneWatch, standing, within_zones
from crowdmask.tracking.zones_file import ZonesFile, read_zones


def zones_file(settings: AnalysisSettings) -> ZonesFile | None:
    """What the settings ask to watch; a SettingsError where the file is none."""
    return None if settings.zones is None else read_zones(Path(settings.zones))


def zone_names(settings: AnalysisSettings) -> ZoneNames:
    file = zones_file(settings)
    return ZoneNames() if file is None else file.names


class Watching:
    """For one stream and the zones of its camera. Where faces are not followed, it says where they stand, no more."""

    def __init__(self, zones: Zones) -> None:
        self._zones = zones
        self._watch: ZoneWatch | None = None

    def take(self, concluded: Concluded) -> Iterable[Concluded]:
        if isinstance(concluded, FrameResult):
            return [self._watched(concluded)]
        if isinstance(concluded, Person) and self._watch is not None:
            return [replace(concluded, trace=self._watch.take(concluded.appearance.person))]
        return [concluded]

    def finish(self) -> Iterable[Concluded]:
        return []

    def _watched(self, result: FrameResult) -> FrameResult:
        frame, boxes, zones = result.frame, result.faces.boxes, self._zones
        persons = result.columns.get("person")
        crossed = np.zeros((len(boxes), 0), np.int8)
        if persons is None:
            within = within_zones(zones, standing(boxes, frame.size_wh, zones.feet_below))
        else:
            if self._watch is None:
                self._watch = ZoneWatch(zones, frame.size_wh)
            within, crossed = self._watch.frame(frame.seconds, np.asarray(persons, np.int64), boxes)
        columns: dict[str, NDArray[np.generic]] = {
            f"{ZONE}{zone.name}": within[:, k] for k, zone in enumerate(zones.zones)
        }
        if persons is not None:
            columns |= {f"{LINE}{line.name}": crossed[:, k] for k, line in enumerate(zones.lines)}
        return result.with_columns(**columns)
