"""Purges a run folder and the runs put aside in it: what results/purge_plan.py finds, and what the manifests keep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from crowdmask.errors import SourceError
from crowdmask.jobs.batch.entries import State
from crowdmask.jobs.batch.manifest import META_STARTED, Manifest
from crowdmask.jobs.batch.run_lock import RunLock
from crowdmask.results.purge import carry_out
from crowdmask.results.purge_plan import Deletion, Plan, plan, runs_in
from crowdmask.results.run_folder import RunFolder


def plan_all(path: Path, older_than: str, now: datetime | None = None) -> list[Plan]:
    """What would be deleted of the run and of each run put aside in it; nothing is changed."""
    plans = [plan(run, older_than, now) for run in runs_in(path)]
    for found in plans:
        _look_at_manifest(found)
    return plans


def purge_all(plans: Sequence[Plan]) -> list[tuple[Deletion, str]]:
    """Delete it; what could not be deleted comes back with the reason. OutputError where a batch is at work there."""
    failed = []
    with RunLock(plans[0].run.path):
        for found in plans:
            failed += carry_out(found, lambda sources, run=found.run: _forget(run, sources))  # type: ignore[misc]
    return failed


def _look_at_manifest(found: Plan) -> None:
    """The detections of pictures, which a batch keeps until all are put together; videos' lie in parts/."""
    file = found.run.manifest
    if not file.is_file() or file.is_symlink():
        return
    try:
        with Manifest.reading(file) as manifest:
            told = manifest.meta(META_STARTED)
            written = datetime.fromtimestamp(file.stat().st_mtime, timezone.utc)
            started = datetime.fromisoformat(told) if told else written
            old = {}
            for entry in manifest.in_order(State.DONE):
                since = min(entry.captured_at or started, started)
                if since < found.before and manifest.faces_of(entry.source) is not None:
                    old[entry.source] = since
    except (SourceError, ValueError) as error:
        found.left.append((file.name, f"its detections, if it holds any, cannot be read ({error})"))
        return
    if old:
        size = file.stat().st_size
        found.deletions.append(Deletion(file.name, "manifest", size, min(old.values()), tuple(old), len(old)))


def _forget(run: RunFolder, sources: Sequence[str]) -> None:
    with Manifest(run.manifest) as manifest:
        manifest.forget_faces(sources)
