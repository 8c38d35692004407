"""Where results go: a row for every frame, or counts by period and nothing else; two stores behind one interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from crowdmask.jobs.batch import periods
from crowdmask.jobs.batch.assembly import (
    DamagedResultError,
    WhatWasSeen,
    people_of,
    run_summary,
    write_detections,
    write_frames,
    write_persons,
)
from crowdmask.jobs.batch.counting import LooksInMemory
from crowdmask.jobs.batch.journal import Journal
from crowdmask.jobs.batch.periods import PeriodSums
from crowdmask.jobs.batch.planner import back_to_waiting
from crowdmask.jobs.batch.units import Plan, Worked
from crowdmask.jobs.manifest.database import Manifest
from crowdmask.jobs.manifest.entries import Entry, State
from crowdmask.results.persons import write_persons_parquet
from crowdmask.results.run_folder import RunFolder
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.summary import WeightsUsed, write_summary

if TYPE_CHECKING:
    from crowdmask.results.headline import Headline


@dataclass(frozen=True)
class Closed:
    """What a run's files say."""

    stats: ComplianceStats
    summary: dict[str, Any]
    headline: Headline | None = None  # None where no face was judged, or only counts by period are kept


class Store(Protocol):
    """Takes what comes of units, each in one transaction, and makes the run's files of it."""

    @property
    def tells_faces(self) -> bool:
        """Whether counts of faces may be told while the batch works."""
        ...

    def put(self, worked: Sequence[Worked]) -> None: ...
    def segments_of(self, video: Entry) -> tuple[list[Entry], Path]:
        """What is kept of a video under way, and where its files are."""
        ...

    def finish(self) -> None:
        """All is done: write down what was held back."""
        ...

    def close(self, weights: Sequence[WeightsUsed], ending: str, *, finished: bool, leads: bool = True) -> Closed:
        """Write the run's files out of what is done, however the work ended; with `leads` its headline is counted."""
        ...


def open_store(plan: Plan, manifest: Manifest, zone: ZoneInfo, journal: Journal) -> Store:
    """The store that the settings ask for; refuses a folder that holds a run of the other kind."""
    sums = periods.period_sums(plan, manifest, RunFolder(plan.run), journal)
    return FrameStore(plan, manifest, zone, journal) if sums is None else PeriodStore(plan, manifest, sums)


class FrameStore:
    """Keeps each result; frames.csv and the detections are made of them in the inputs' natural order."""

    tells_faces = True

    def __init__(self, plan: Plan, manifest: Manifest, zone: ZoneInfo, journal: Journal) -> None:
        self._plan, self._manifest, self._zone, self._journal = plan, manifest, zone, journal

    def put(self, worked: Sequence[Worked]) -> None:
        faces = {one.entry.source: one.faces for one in worked if one.faces is not None}
        self._manifest.put((one.entry for one in worked if not one.spans), faces)

    def segments_of(self, video: Entry) -> tuple[list[Entry], Path]:
        return self._manifest.segments_of(video.source), self._plan.run

    def finish(self) -> None:
        """Nothing is held back."""

    def close(self, weights: Sequence[WeightsUsed], ending: str, *, finished: bool, leads: bool = True) -> Closed:
        plan, manifest, run = self._plan, self._manifest, RunFolder(self._plan.run)
        stats, seen = self._write_tables()
        found = headline_of(plan, stats, self._zone) if leads else None
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        summary = run_summary(plan, manifest, stats, seen, weights=weights, ending=ending, finished_at=now, found=found)
        write_summary(run.summary, summary)
        return Closed(stats, summary, found)

    def _write_tables(self) -> tuple[ComplianceStats, WhatWasSeen]:
        """frames.csv and the detections; what cannot be trusted any more is left out, and waits for the next start."""
        plan, manifest, run = self._plan, self._manifest, RunFolder(self._plan.run)
        while True:
            seen = WhatWasSeen()
            try:
                stats = write_frames(run, manifest, self._zone, seen.add)
                if plan.analysis.follow:
                    write_persons(run, manifest, run.persons, self._zone)
                seen.people, seen.zones = people_of(run, manifest)
                if plan.detections is not None:
                    write_detections(run, manifest, plan.detections)
                    if plan.analysis.follow and plan.detections.suffix.lower() == ".parquet":
                        write_persons_parquet(run.persons, of_run=True)
                return stats, seen
            except DamagedResultError as error:
                self._journal.tell(f"{error}: start the same command again, which does it anew")
                manifest.put([back_to_waiting(error.entry)])


def headline_of(plan: Plan, stats: ComplianceStats, zone: ZoneInfo) -> Headline | None:
    """Of the run's frames.csv, which was just written and whose summary is not there yet."""
    if not stats.judged:
        return None
    from crowdmask.results.headline import headline

    frames, separate = RunFolder(plan.run).frames, plan.analysis.sets_apart
    return headline(frames, zone, separate=separate, threads=plan.runtime.threads)


class PeriodStore:
    """Keeps sums by period; what it lets on the disk, and when, stands in periods.py."""

    tells_faces = False

    def __init__(self, plan: Plan, manifest: Manifest, sums: PeriodSums) -> None:
        self._plan, self._manifest, self._sums = plan, manifest, sums
        self._seen = WhatWasSeen()  # of this session only: nothing of an input's time is kept
        self._memory = LooksInMemory(plan.run)
        sums.written = self._memory.forget
        if manifest.is_new:
            self._memory.clear()

    def put(self, worked: Sequence[Worked]) -> None:
        """What is seen of segments stays in memory until their video is in the sums."""
        ends: list[Worked] = []
        for one in worked:
            if one.entry.segment:
                self._memory.add(one.entry)
            elif not one.spans:
                ends.append(one)
                if one.entry.state is State.DONE:
                    self._seen.add(one.entry)
                else:
                    self._memory.forget(one.entry.source)
        self._sums.put(ends)

    def segments_of(self, video: Entry) -> tuple[list[Entry], Path]:
        return self._memory.kept(video), self._memory.folder

    def finish(self) -> None:
        self._sums.finish()
        self._memory.clear()

    def close(self, weights: Sequence[WeightsUsed], ending: str, *, finished: bool, leads: bool = True) -> Closed:
        summary = periods.close(
            self._plan, self._manifest, self._sums, list(weights), ending, finished=finished, seen=self._seen
        )
        return Closed(ComplianceStats(), summary)
