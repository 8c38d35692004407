"""Purge reaches what a batch keeps in its manifest and in runs put aside, and waits for a batch that is at work."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from crowdmask.errors import OutputError
from crowdmask.jobs.manifest.claims import RunLock
from crowdmask.jobs.manifest.database import META_STARTED, Manifest
from crowdmask.jobs.manifest.entries import Entry, Identity, Kind, State
from crowdmask.jobs.purging import plan_all, purge_all
from crowdmask.records import Counts
from tests.unit.results.frames_csvs import Row, write_run

NOW = datetime(2026, 12, 31, tzinfo=timezone.utc)
OLD, YOUNG = (datetime(2026, *day, tzinfo=timezone.utc) for day in ((11, 20), (12, 30)))
SECRET = b"where faces are " * 500


def done(source: str, captured_at: datetime | None) -> Entry:
    return Entry(
        source, f"/in/{source}", Kind.PICTURE, Identity(1, 2), State.DONE,
        captured_at=captured_at, frames=1, frames_with_faces=1, counts=Counts(1, 2, 0),
    )  # fmt: skip


def run_with_manifest(folder: Path, started: datetime = YOUNG) -> Path:
    """An old picture, a young one and one without a time, each with its detections in the manifest."""
    run = write_run(folder, [Row(OLD.isoformat(), 1, source="old.jpg"), Row(YOUNG.isoformat(), 1, source="young.jpg")])
    with Manifest(run / "manifest.sqlite") as manifest:
        manifest.put_meta(META_STARTED, started.isoformat())
        entries = [done("old.jpg", OLD), done("young.jpg", YOUNG), done("timeless.jpg", None), done("empty.jpg", OLD)]
        manifest.put(entries, dict.fromkeys(("old.jpg", "young.jpg", "timeless.jpg"), SECRET))
    return run


def left_in(run: Path) -> set[str]:
    with Manifest.reading(run / "manifest.sqlite") as manifest:
        sources = ("old.jpg", "young.jpg", "timeless.jpg")
        assert manifest.totals().counts == Counts(4, 8, 0)
        return {source for source in sources if manifest.faces_of(source)}


def test_a_run_without_a_manifest_is_purged(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [])
    assert purge_all(plan_all(run, "30d", NOW)) == []


def test_old_detections_leave_the_manifest_and_its_file_and_the_counts_stay(tmp_path: Path) -> None:
    run = run_with_manifest(tmp_path / "run")
    plans = plan_all(run, "30d", NOW)
    assert left_in(run) == {"old.jpg", "young.jpg", "timeless.jpg"}
    assert purge_all(plans) == []
    assert left_in(run) == {"young.jpg", "timeless.jpg"}
    line = json.loads((run / "purge.log").read_text().splitlines()[0])
    assert (line["path"], line["rows"], "bytes" in line) == ("manifest.sqlite", 1, False)
    assert purge_all(plan_all(run, "0d", NOW)) == [] and left_in(run) == set()
    assert not any(SECRET[:64] in path.read_bytes() for path in run.glob("manifest.sqlite*"))


def test_a_picture_without_a_time_is_as_old_as_its_run(tmp_path: Path) -> None:
    run = run_with_manifest(tmp_path / "run", started=OLD)
    assert purge_all(plan_all(run, "30d", NOW)) == [] and left_in(run) == set()


def test_a_run_put_aside_is_purged_with_it_and_keeps_its_own_log(tmp_path: Path) -> None:
    run = run_with_manifest(tmp_path / "run")
    aside = run_with_manifest(run / "before-1")
    assert purge_all(plan_all(run, "30d", NOW)) == []
    assert left_in(aside) == {"young.jpg", "timeless.jpg"} and (aside / "purge.log").is_file()


def test_a_batch_at_work_is_not_disturbed(tmp_path: Path) -> None:
    run = run_with_manifest(tmp_path / "run")
    plans = plan_all(run, "30d", NOW)
    with RunLock(run), pytest.raises(OutputError, match="at work"):
        purge_all(plans)
    assert left_in(run) == {"old.jpg", "young.jpg", "timeless.jpg"}


def test_a_damaged_manifest_is_told(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [])
    (run / "manifest.sqlite").write_bytes(b"damaged" * 999)
    (found,) = plan_all(run, "0d", NOW)
    assert found.left[0][0] == "manifest.sqlite" and found.deletions == []
