"""Tells of each input which camera it is from and when it was taken, as the settings say."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from crowdmask.jobs.batch.entries import Entry
from crowdmask.jobs.batch.units import Plan
from crowdmask.media.camera_names import camera_reader
from crowdmask.media.capture_time import CaptureClock


class Placing:
    """The same for every input of a run, on any thread."""

    def __init__(self, plan: Plan) -> None:
        self._clock = CaptureClock.of(plan.place.timezone, plan.place.time_format)
        self._camera = camera_reader(plan.place.camera_pattern, plan.root.name)
        self._digest = plan.place_digest

    @property
    def zone(self) -> ZoneInfo:
        return self._clock.zone

    def place(self, entry: Entry) -> Entry:
        taken = self._clock.read(entry.path)
        return replace(
            entry,
            camera=self._camera(entry.source),
            captured_at=taken.instant,
            captured_from=taken.origin,
            note=taken.note,
            placed=self._digest,
        )
