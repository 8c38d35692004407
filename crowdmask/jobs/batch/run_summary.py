"""RUN/summary.json: how a run was made, what it counted and what it left out; its keys are told in run_folder.py."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from crowdmask.errors import SettingsError
from crowdmask.jobs.batch.entries import IN_ONE_PIECE, Entry, State, readable
from crowdmask.jobs.batch.manifest import META_STARTED, META_ZONE, Manifest
from crowdmask.jobs.batch.run_energy import energy_of
from crowdmask.jobs.batch.units import Plan
from crowdmask.media.camera_names import camera_warning
from crowdmask.results.frames_csv import FRAMES
from crowdmask.results.people import PeopleStats
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.summary import WeightsUsed, compliance_of, counts_of, versions
from crowdmask.results.zone_stats import ZoneStats
from crowdmask.tracking.zones_file import read_zones
from crowdmask.words import MONTHS, plural

MOST_LISTED, MOST_EXAMPLES = 10_000, 3
UNTIMED, FAR_MONTHS = -1, 12


@dataclasses.dataclass
class WhatWasSeen:
    """Hears of every done input while the frames file is made."""

    inputs: int = 0
    with_camera: int = 0
    in_one_piece: list[str] = dataclasses.field(default_factory=list)  # the first of the videos that cannot be cut
    timed_by: Counter[str] = dataclasses.field(default_factory=Counter)
    timed_in: dict[tuple[str, int], _Some] = dataclasses.field(default_factory=dict)  # by what, and in which month
    gaps: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    cameras: set[str] = dataclasses.field(default_factory=set)
    no_faces: int = 0
    people: PeopleStats = dataclasses.field(default_factory=PeopleStats)
    zones: ZoneStats = dataclasses.field(default_factory=ZoneStats)

    def add(self, entry: Entry) -> None:
        self.inputs += 1
        self.with_camera += bool(entry.camera)
        self.cameras.add(entry.camera)
        self.no_faces += entry.no_faces
        if IN_ONE_PIECE in entry.note and len(self.in_one_piece) < MOST_LISTED:
            self.in_one_piece.append(f"{entry.source}: {entry.note}")
        self.timed_by[entry.captured_from or "nothing"] += 1
        at = entry.captured_at
        month = UNTIMED if at is None else 12 * at.year + at.month - 1
        self.timed_in.setdefault((entry.captured_from, month), _Some()).add(entry.source)
        for gap in entry.gaps:
            if len(self.gaps) < MOST_LISTED:
                self.gaps.append({"source": entry.source, **dataclasses.asdict(gap)})

    def time_warnings(self) -> list[dict[str, Any]]:
        """Where times are not to be relied on: read from the file's own, missing, or far from most others'."""
        months = {month for _, month in self.timed_in if month != UNTIMED}
        usual = self._middle_month()
        kinds = {
            "file": [key for key in self.timed_in if key[0] == "file"],
            "none": [key for key in self.timed_in if key[1] == UNTIMED],
            "far_apart": [key for key in self.timed_in if key[1] != UNTIMED and abs(key[1] - usual) > FAR_MONTHS],
        }
        reach = f"{_month_words(min(months, default=0))} to {_month_words(max(months, default=0))}"
        texts = {
            "file": "timed by the file's own date, which a copy may have changed",
            "none": "nothing says when they were taken",
            "far_apart": f"more than a year from most others (times reach from {reach})",
        }
        warnings = []
        for kind, keys in kinds.items():
            oddest_first = sorted(keys, key=lambda key: -abs(key[1] - usual))
            number = sum(self.timed_in[key].inputs for key in keys)
            examples = [source for key in oddest_first for source in self.timed_in[key].examples][:MOST_EXAMPLES]
            if number:
                more = ", …" if number > len(examples) else ""
                text = f"{texts[kind]}: {number:,} of {plural(self.inputs, 'input')} ({', '.join(examples)}{more})"
                warnings.append({"kind": kind, "inputs": number, "of": self.inputs, "examples": examples, "text": text})
        return warnings

    def _middle_month(self) -> int:
        timed = sorted((month, some.inputs) for (_, month), some in self.timed_in.items() if month != UNTIMED)
        left = sum(inputs for _, inputs in timed) / 2
        for month, inputs in timed:
            left -= inputs
            if left <= 0:
                return month
        return 0


@dataclasses.dataclass
class _Some:
    """How many inputs, and the first of them."""

    inputs: int = 0
    examples: list[str] = dataclasses.field(default_factory=list)

    def add(self, source: str) -> None:
        self.inputs += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(readable(source))


def _month_words(month: int) -> str:
    return f"{MONTHS[month % 12]} {month // 12}"


def run_summary(
    plan: Plan,
    manifest: Manifest,
    stats: ComplianceStats,
    seen: WhatWasSeen,
    *,
    weights: Sequence[WeightsUsed],
    ending: str,
    finished_at: str,
) -> dict[str, Any]:
    totals = manifest.totals()
    only_videos = totals.done == totals.videos_done
    failures = [
        {"source": entry.source, "reason": entry.error, "attempts": entry.attempts}
        for entry, _ in zip(manifest.in_order(State.FAILED), range(MOST_LISTED), strict=False)
    ]
    return {
        "schema_version": 2,
        "schemas": {"frames_csv": FRAMES.version},
        "input_root": str(plan.root),
        "timezone": manifest.meta(META_ZONE) or "",
        "started_at": manifest.meta(META_STARTED) or "",
        "finished_at": finished_at,
        "state": ending,
        "inputs": {
            "done": totals.done,
            "failed": totals.failed,
            "left": totals.left,
            "videos_done": totals.videos_done,
        },
        "people": seen.people.as_dict() if plan.analysis.follow else None,
        **(seen.zones.as_dict() if plan.analysis.zones is not None else {}),
        "counts": counts_of(stats),
        "no_faces": seen.no_faces,
        "compliance": compliance_of(stats, seen.people.counts if only_videos and plan.analysis.follow else None),
        "peak": None if stats.peak is None else stats.peak.as_dict(),
        "worst_moments": [moment.as_dict() for moment in stats.worst_moments],
        "captured_from": dict(sorted(seen.timed_by.items())),
        "times": {"warnings": seen.time_warnings()},
        "settings": settings_of(plan),
        "weights": [dataclasses.asdict(used) for used in weights],
        "versions": versions(),
        "sessions": [dataclasses.asdict(session) for session in manifest.sessions()],
        "energy": energy_of(manifest),
        "failures": failures,
        "gaps": seen.gaps,
        "notes": _notes(plan, seen, totals.failed, totals.left),
    }


def settings_of(plan: Plan) -> dict[str, Any]:
    return {
        "analysis": plan.analysis.as_dict(),
        "runtime": plan.runtime.as_dict(),
        "output": plan.output.as_dict(),
        "batch": plan.batch.as_dict(),
        "time_and_place": plan.place.as_dict(),
        "digest": plan.settings_digest,
    }


def _notes(plan: Plan, seen: WhatWasSeen, failed: int, left: int) -> list[str]:
    notes = []
    warning = camera_warning(plan.place.camera_pattern, seen.with_camera, seen.inputs)
    if warning is not None and seen.inputs:
        notes.append(warning)
    notes += [warning["text"] for warning in seen.time_warnings()]
    if plan.analysis.zones is not None and seen.inputs:
        with suppress(SettingsError):  # a run that is joined elsewhere has its names, and needs the file no more
            notes += read_zones(Path(plan.analysis.zones)).remarks(seen.cameras)
    if seen.in_one_piece:
        what = "a video" if len(seen.in_one_piece) == 1 else f"{len(seen.in_one_piece)} videos"
        notes.append(f"{what} could not be cut into segments ({seen.in_one_piece[0]})")
    if failed > MOST_LISTED:
        notes.append(f"{failed - MOST_LISTED} more failures are in the manifest only")
    if left:
        notes.append(f"the run ended early: {left} of the inputs that were found are not analysed")
    return notes
