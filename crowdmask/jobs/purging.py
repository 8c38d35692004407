"""Purges a run folder and the runs put aside in it, or the results of one input.

What goes of their files results/purge_plan.py finds; what the manifests keep is looked at here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from crowdmask.errors import SettingsError, SourceError
from crowdmask.jobs.drawing import read_summary, run_of, summary_of
from crowdmask.jobs.manifest.claims import RunLock
from crowdmask.jobs.manifest.database import META_STARTED, DamagedManifestError, Manifest
from crowdmask.jobs.manifest.entries import State
from crowdmask.jobs.manifest.salvage import PUT_ASIDE
from crowdmask.results.purge import carry_out
from crowdmask.results.purge_plan import Deletion, Plan, plan, plan_of_one, runs_in
from crowdmask.results.run_folder import RunFolder


def plan_all(path: Path, older_than: str, now: datetime | None = None, *, people: bool = False) -> list[Plan]:
    """What would be deleted of the run and of each run put aside in it, or of one input's results.

    With `people` the tables of people too. Nothing is changed.
    """
    if path.is_file():
        return [_plan_of_one(path, older_than, now, people=people)]
    plans = [plan(run, older_than, now, people=people) for run in runs_in(path)]
    for found in plans:
        _look_at_manifest(found)
    return plans


def purge_all(plans: Sequence[Plan]) -> list[tuple[Deletion, str]]:
    """Delete it; what could not be deleted comes back with the reason. OutputError where a batch is at work there."""
    if plans[0].frames is not None:
        return carry_out(plans[0])
    failed = []
    with RunLock(plans[0].run.path):
        for found in plans:
            mine = carry_out(found, lambda sources, run=found.run: _forget(run, sources))  # type: ignore[misc]
            failed += mine
            gone = {deletion.path for deletion in found.deletions} - {deletion.path for deletion, _ in mine}
            if found.run.manifest.is_file() and not found.run.manifest.is_symlink():
                with Manifest(found.run.manifest) as manifest:
                    manifest.put_purged(sorted(gone))
    return failed


def _plan_of_one(result: Path, older_than: str, now: datetime | None, *, people: bool) -> Plan:
    """Of an input that was analysed by itself: what its summary names as written, where it lies beside it."""
    summary = summary_of(result)
    if run_of(summary) is not None:
        raise SettingsError(f"{result}: it belongs to a batch: give the run folder, whose manifest has to know")
    told = read_summary(summary)
    source = told.get("source")
    path = str(source.get("path", "")) if isinstance(source, dict) else ""
    outputs = told.get("outputs")
    if not path or not isinstance(outputs, dict):
        raise SourceError(f"{summary}: it does not say what was written: delete by hand what is to go")
    return plan_of_one(summary, path, {str(k): str(v) for k, v in outputs.items()}, older_than, now, people=people)


def _look_at_manifest(found: Plan) -> None:
    """The detections of pictures, which a batch keeps until all are put together; videos' lie in parts/."""
    file = found.run.manifest
    if not file.is_file() or file.is_symlink():
        return
    try:
        _brought_up_to_date(found.run)
        with Manifest.reading(file) as manifest:
            _leave_what_is_not_its_own(found, manifest)
            told = manifest.meta(META_STARTED)
            written = datetime.fromtimestamp(file.stat().st_mtime, timezone.utc)
            started = datetime.fromisoformat(told) if told else written
            old = {}
            for entry in manifest.in_order(State.DONE):
                since = min(entry.captured_at or started, started)
                if since < found.before and manifest.faces_of(entry.source):
                    old[entry.source] = since
    except (SourceError, ValueError) as error:
        found.left.append((file.name, f"its detections, if it holds any, cannot be read ({error})"))
        return
    if old:
        size = file.stat().st_size
        found.deletions.append(Deletion(file.name, "manifest", size, min(old.values()), tuple(old), len(old)))


def _brought_up_to_date(run: RunFolder) -> None:
    """An older version's manifest does not say in so many words what the run wrote."""
    try:
        Manifest.reading(run.manifest).close()
    except DamagedManifestError:
        raise
    except SourceError:
        with RunLock(run.path), Manifest(run.manifest):
            pass


def _leave_what_is_not_its_own(found: Plan, manifest: Manifest) -> None:
    """Of files that look like a run's own only those go that this run wrote, by its manifest."""
    mine = []
    for deletion in found.deletions:
        if deletion.kind in ("annotated", "detections", "people") and not _is_own(manifest, deletion.path):
            found.left.append((deletion.path, "this run did not write it"))
        else:
            mine.append(deletion)
    found.deletions[:] = mine


def _is_own(manifest: Manifest, path: str) -> bool:
    names = (path, path.removesuffix(".part"), path.removesuffix(".whole.part"))
    return bool(manifest.written(names)) or PUT_ASIDE.fullmatch(path) is not None


def _forget(run: RunFolder, sources: Sequence[str]) -> None:
    with Manifest(run.manifest) as manifest:
        manifest.forget_faces(sources)
