"""Makes sure that a run folder is in aggregate-only mode from its first moment to its last, and closes such a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from crowdmask.errors import SettingsError
from crowdmask.jobs.batch.entries import State
from crowdmask.jobs.batch.journal import Journal
from crowdmask.jobs.batch.manifest import META_PERIODS, Manifest
from crowdmask.jobs.batch.period_sums import PeriodSums
from crowdmask.jobs.batch.run_summary import WhatWasSeen, run_summary
from crowdmask.jobs.batch.units import Plan
from crowdmask.media.time_zones import zone_named
from crowdmask.results.aggregate import write_aggregate
from crowdmask.results.run_folder import RunFolder
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.summary import WeightsUsed, write_summary
from crowdmask.results.timeline.buckets import Width
from crowdmask.settings import AggregateSettings
from crowdmask.words import plural

LEAST_MINUTES = 20  # of the decree of 2021
COUNTS = "faces, people, zones"  # what is counted; sums of another kind are of no use
_TELLS_FACES = (
    *("counts", "compliance", "people", "zones", "lines", "no_faces"),
    *("peak", "worst_moments", "captured_from", "gaps"),
)


def check_settings(plan: Plan) -> None:
    """Refuse what would keep more than counts by period."""
    if plan.aggregate.aggregate is None:
        return
    Width.parse(plan.aggregate.aggregate)
    kept = {
        "--detections keeps every face's box": plan.detections is not None,
        f"--annotate {plan.batch.annotate} keeps pictures": plan.batch.annotate not in (None, "none"),
        "--video keeps pictures": plan.output.video,
    }
    for what, asked in kept.items():
        if asked:
            raise SettingsError(f"--aggregate keeps counts by period and nothing else, but {what}: give one of them")


def period_sums(plan: Plan, manifest: Manifest, run: RunFolder, journal: Journal) -> PeriodSums | None:
    """The sums of a run in aggregate-only mode, None in any other; refuses a folder that holds another kind."""
    before, every = manifest.meta(META_PERIODS), plan.aggregate.aggregate
    if every is None:
        if before is not None:
            raise SettingsError(
                f"{run.path} holds a run that keeps counts by period only: give --aggregate again, or another --out-dir"
            )
        return None
    Width.parse(every)
    mode = {**plan.aggregate.as_dict(), "counts": COUNTS, "settings": plan.settings_digest, "place": plan.place_digest}
    told, totals = json.dumps(mode, sort_keys=True), manifest.totals()
    kept = (run.frames, run.videos, run.annotated)
    if before is None and (totals.counts.faces or any(path.exists() for path in kept)):
        raise SettingsError(
            f"{run.path} holds a run that kept more than counts by period: give --aggregate another --out-dir, and "
            "delete this one if it is not to be kept"
        )
    sums = PeriodSums(manifest, plan.aggregate.min_count)
    damaged = before is not None and (manifest.drop_broken() > 0 or not sums.are_whole)
    if damaged or (before != told and (before is not None or totals.done)):
        why = "the settings have changed"
        if damaged or before is None:
            why = "what was counted is damaged, or lost with the manifest"
        journal.tell(f"{why}: all inputs are counted anew, for sums cannot be taken apart")
        manifest.forget_all("period_sums")
        run.aggregate.unlink(missing_ok=True)
    manifest.put_meta(META_PERIODS, told)
    return sums


def join(parts: Sequence[Manifest], manifest: Manifest) -> PeriodSums:
    """The sums of several runs of one mode, in the manifest that joins them; what one leaves out stays left out."""
    mode = parts[0].meta(META_PERIODS) or "{}"
    manifest.put_meta(META_PERIODS, mode)
    sums = PeriodSums(manifest, settings_told(mode).min_count)
    for part in parts:
        sums.take_in(part)
    return sums


def settings_told(mode: str | None) -> AggregateSettings:
    """The settings as META_PERIODS keeps them."""
    told = json.loads(mode or "{}")
    return AggregateSettings(told["aggregate"], told["min_count"]) if told else AggregateSettings()


def close(
    plan: Plan,
    manifest: Manifest,
    sums: PeriodSums,
    weights: list[WeightsUsed],
    ending: str,
    *,
    finished: bool,
    seen: WhatWasSeen,
) -> dict[str, Any]:
    """Write the run's files; its summary. Counts are told only of a run that is finished: two versions tell more."""
    run = RunFolder(plan.run)
    summary = run_summary(
        plan,
        manifest,
        ComplianceStats(),
        seen,
        weights=weights,
        ending=ending,
        finished_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    for key in _TELLS_FACES:
        summary.pop(key, None)
    summary["aggregate"] = plan.aggregate.as_dict()
    summary["failures"] = [
        {"source": entry.source, "reason": entry.error, "attempts": entry.attempts}
        for entry in manifest.in_order(State.FAILED)
    ]
    notes = list(summary["notes"])
    if finished:
        left_out = write_aggregate(run.aggregate, sums.cells(), zone_named(summary["timezone"]))
        if left_out:
            rows = plural(left_out, "row")
            notes.append(f"of {rows} some counts are left out: one of each is below {plan.aggregate.min_count}")
    else:
        notes.append("the counts are written when the run is finished")
    if plan.aggregate.aggregate and Width.parse(plan.aggregate.aggregate).minutes < LEAST_MINUTES:
        notes.append(f"a period of {plan.aggregate.aggregate} is shorter than the 20 minutes of the decree of 2021")
    summary["notes"] = notes
    write_summary(run.summary, summary)
    return summary
