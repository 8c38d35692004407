"""RUN/summary.json: how a run was made, what it counted and what it left out; its keys are told in run_folder.py."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from crowdmask.jobs.batch.entries import IN_ONE_PIECE, Entry, State
from crowdmask.jobs.batch.manifest import META_STARTED, META_ZONE, Manifest
from crowdmask.jobs.batch.units import Plan
from crowdmask.media.camera_names import camera_warning
from crowdmask.results.frames_csv import FRAMES
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.summary import WeightsUsed, compliance_of, counts_of, versions

MOST_LISTED = 10_000


@dataclasses.dataclass
class WhatWasSeen:
    """Hears of every done input while the frames file is made."""

    inputs: int = 0
    with_camera: int = 0
    in_one_piece: list[str] = dataclasses.field(default_factory=list)  # the first of the videos that cannot be cut
    timed_by: Counter[str] = dataclasses.field(default_factory=Counter)
    gaps: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def add(self, entry: Entry) -> None:
        self.inputs += 1
        self.with_camera += bool(entry.camera)
        if IN_ONE_PIECE in entry.note and len(self.in_one_piece) < MOST_LISTED:
            self.in_one_piece.append(f"{entry.source}: {entry.note}")
        self.timed_by[entry.captured_from or "nothing"] += 1
        for gap in entry.gaps:
            if len(self.gaps) < MOST_LISTED:
                self.gaps.append({"source": entry.source, **dataclasses.asdict(gap)})


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
    failures = [
        {"source": entry.source, "reason": entry.error, "attempts": entry.attempts}
        for entry, _ in zip(manifest.in_order(State.FAILED), range(MOST_LISTED), strict=False)
    ]
    return {
        "schema_version": 1,
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
        "counts": counts_of(stats),
        "compliance": compliance_of(stats),
        "peak": None if stats.peak is None else stats.peak.as_dict(),
        "worst_moments": [moment.as_dict() for moment in stats.worst_moments],
        "captured_from": dict(sorted(seen.timed_by.items())),
        "settings": settings_of(plan),
        "weights": [dataclasses.asdict(used) for used in weights],
        "versions": versions(),
        "sessions": [dataclasses.asdict(session) for session in manifest.sessions()],
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
    if untimed := seen.timed_by["nothing"]:
        notes.append(f"of {untimed} of the {seen.inputs} inputs nothing tells when they were taken")
    if seen.in_one_piece:
        what = "a video" if len(seen.in_one_piece) == 1 else f"{len(seen.in_one_piece)} videos"
        notes.append(f"{what} could not be cut into segments ({seen.in_one_piece[0]})")
    if failed > MOST_LISTED:
        notes.append(f"{failed - MOST_LISTED} more failures are in the manifest only")
    if left:
        notes.append(f"the run ended early: {left} of the inputs that were found are not analysed")
    return notes
