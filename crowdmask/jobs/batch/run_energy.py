"""The energy that a run took by estimate, over all sessions that asked for it: in the manifest, for its summary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from crowdmask.jobs.batch.entries import Kind, State
from crowdmask.jobs.batch.manifest import META_ENERGY, Manifest
from crowdmask.jobs.batch.own_files import summary_file_of
from crowdmask.jobs.batch.units import Plan
from crowdmask.results.summary import energy_for
from crowdmask.runs.energy import measured

_ADDED = ("watt_hours", "co2_grams", "seconds", "faces", "video_s")


@contextmanager
def estimated(plan: Plan, manifest: Manifest) -> Iterator[None]:
    """With --energy, adds what is used inside, and what came of it, to what earlier sessions used."""
    if not plan.runtime.energy:
        yield
        return
    begun = _done(plan, manifest)
    with measured(plan.runtime.country) as used:
        yield
    told = used.as_dict() | {key: value - begun[key] for key, value in _done(plan, manifest).items()}
    before = json.loads(manifest.meta(META_ENERGY) or "{}")
    told |= {key: round(told[key] + before.get(key, 0), 6) for key in _ADDED}
    manifest.put_meta(META_ENERGY, json.dumps(told))


def energy_of(manifest: Manifest) -> dict[str, Any] | None:
    """For the run's summary; None where no session asked for it."""
    text = manifest.meta(META_ENERGY)
    if text is None:
        return None
    told = json.loads(text)
    faces, hours = told.pop("faces"), told.pop("video_s") / 3600
    return energy_for(told, hours, faces)


def _done(plan: Plan, manifest: Manifest) -> dict[str, float]:
    """Faces and seconds of video that are analysed; none in aggregate-only mode, which counts by period alone."""
    if plan.aggregate.aggregate is not None:
        return {"faces": 0, "video_s": 0.0}
    seconds = 0.0
    for entry in manifest.in_order(State.DONE):
        if entry.kind is Kind.VIDEO:
            with suppress(OSError, ValueError, KeyError, TypeError):  # a summary that is damaged is made anew next time
                summary = json.loads(summary_file_of(plan.run, entry.source).read_text(encoding="utf-8"))
                seconds += max(0.0, summary["until_s"] - (plan.analysis.start_s or 0.0))
    return {"faces": manifest.totals().counts.faces, "video_s": seconds}
