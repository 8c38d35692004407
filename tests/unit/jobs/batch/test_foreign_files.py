"""What a run did not write itself it never changes, moves or deletes, whatever folder or name it has."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from crowdmask.errors import OutputError
from crowdmask.jobs.manifest.database import Manifest
from crowdmask.jobs.purging import plan_all, purge_all
from crowdmask.results.run_folder import RunFolder
from tests.unit.jobs.batch.cctv import aged, batch, clip, night, rows, still
from tests.unit.jobs.batch.test_running import seen_by


@pytest.mark.parametrize("name", ["frames.csv", "summary.json", "detections.csv", "frames.csv.part"])
def test_somebody_elses_file_is_refused_before_anything_is_done(tmp_path: Path, name: str) -> None:
    folder = night(tmp_path / "in", stills=2, frames=0)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("mine")
    with pytest.raises(OutputError, match=rf"{name}: it is there, and this run did not write it.*--overwrite"):
        batch(folder, tmp_path / "run", detections="detections.csv")
    assert (tmp_path / "run" / name).read_text() == "mine"


def test_a_place_that_is_taken_is_that_inputs_failure(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=4)
    for place in ("annotated/cam1/0.png", "annotated/cam10/v.mp4"):
        (tmp_path / "run" / place).parent.mkdir(parents=True)
        (tmp_path / "run" / place).write_text("mine")
    outcome = batch(folder, tmp_path / "run", annotate="all")
    assert (outcome.totals.done, outcome.totals.failed) == (3, 2)
    assert all("this run did not write it" in reason for _, reason in outcome.failures)
    for place in ("annotated/cam1/0.png", "annotated/cam10/v.mp4"):
        assert (tmp_path / "run" / place).read_text() == "mine"


@pytest.mark.parametrize("inner", ["videos", "annotated", "parts"])
def test_recordings_in_a_folder_named_as_ours_stay_where_they_are(tmp_path: Path, inner: str) -> None:
    run = tmp_path / "c2"
    films = [clip(run / inner / f"{n}.mp4") for n in range(2)]
    torn = run / inner / "torn.mp4"
    torn.write_bytes(b"no video")
    aged(torn)
    before = {path: path.read_bytes() for path in (*films, torn)}
    for resume in (True, False, False):
        outcome = batch([str(run / inner / "*.mp4")], run, resume=resume, retries=0, detections="detections.csv")
        # annotated copies of what lies in annotated/ would have the recordings' own names
        assert (outcome.totals.done, outcome.totals.failed) == ((0, 3) if inner == "annotated" else (2, 1))
    assert (run / "before-2" / "frames.csv").is_file()
    assert purge_all(plan_all(run, "0d")) == []
    assert {path: path.read_bytes() for path in before} == before


def test_starting_over_moves_what_the_run_wrote_and_nothing_else(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=2)
    batch(folder, tmp_path / "run", annotate="all")
    mine = tmp_path / "run" / "annotated" / "cam1" / "notes.txt"
    mine.write_text("mine")
    batch(folder, tmp_path / "run", annotate="all", resume=False)
    assert mine.read_text() == "mine"
    aside = RunFolder(tmp_path / "run" / "before-1")
    assert len(rows(aside.frames)) == 8 and (aside.annotated / "cam1" / "0.png").is_file()
    assert seen_by(folder, aside.path, annotate="all")[0] == [], "what was put aside is no whole run any more"


def test_without_a_manifest_the_list_in_the_log_says_what_is_ours(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=2)
    batch(folder, tmp_path / "run", annotate="all")
    (tmp_path / "run" / "manifest.sqlite").unlink()
    (tmp_path / "run" / "annotated" / "cam1" / "9.png").write_text("mine")
    still(folder / "cam1" / "9.png", 9)
    outcome = batch(folder, tmp_path / "run", annotate="all")
    assert outcome.totals.done == 3 and [source for source, _ in outcome.failures] == ["cam1/9.png"]
    shutil.rmtree(tmp_path / "run" / "log")
    (tmp_path / "run" / "manifest.sqlite").unlink()
    with pytest.raises(OutputError, match="this run did not write it"):
        batch(folder, tmp_path / "run", annotate="all")


def test_purge_leaves_what_the_run_did_not_write(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=2)
    batch(folder, tmp_path / "run", annotate="all", detections="detections.csv")
    mine = tmp_path / "run" / "annotated" / "holiday.png"
    shutil.copy(folder / "cam1" / "0.png", mine)
    plans = plan_all(tmp_path / "run", "0d")
    assert ("annotated/holiday.png", "this run did not write it") in plans[0].left
    assert purge_all(plans) == [] and mine.is_file()
    assert not (tmp_path / "run" / "annotated" / "cam1").exists()
    (tmp_path / "run" / "purge.log").unlink()
    assert seen_by(folder, tmp_path / "run", annotate="all", detections="detections.csv")[0] == []


def test_a_run_of_the_first_schema_goes_on_and_says_what_is_done_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = night(tmp_path / "in", stills=3)
    batch(folder, tmp_path / "run", detections="detections.csv")
    before = (tmp_path / "run" / "frames.csv").read_bytes()
    make_first_schema(tmp_path / "run" / "manifest.sqlite")
    outcome = batch(folder, tmp_path / "run", detections="detections.csv")
    assert "analysed by another version of crowdmask, and is analysed anew" in caplog.text
    assert outcome.tally.done == outcome.totals.done == 4 and outcome.totals.failed == 0
    assert (tmp_path / "run" / "frames.csv").read_bytes() == before


def make_first_schema(path: Path) -> None:
    """The manifest as the first version of crowdmask wrote it."""
    with Manifest(path) as manifest:
        entries = manifest.select(
            "SELECT source, sort_key, path, kind, size, mtime_ns, digest, state, attempts, error, 'old', placed, "
            "camera, captured_at, captured_from, frames, frames_with_faces, masked, unmasked, unknown, gaps, outputs, "
            "note, wall_s, place_in_queue, seal FROM results"
        )
        meta = manifest.select("SELECT key, value FROM meta WHERE key NOT IN ('results_revision', 'schema_version')")
        sessions, faces = manifest.select("SELECT * FROM sessions"), manifest.select("SELECT * FROM faces")
    os.unlink(path)
    database = sqlite3.connect(path)
    database.executescript(FIRST_SCHEMA)
    for table, found in (("inputs", entries), ("meta", meta), ("sessions", sessions), ("faces", faces)):
        marks = ", ".join("?" * len(found[0]))
        database.executemany(f"INSERT INTO {table} VALUES ({marks})", found)
    database.execute("INSERT INTO meta VALUES ('schema_version', '1')")
    database.commit()
    database.close()


FIRST_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE inputs (
    source TEXT NOT NULL UNIQUE, sort_key BLOB NOT NULL UNIQUE, path BLOB NOT NULL, kind TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, digest TEXT NOT NULL,
    state TEXT NOT NULL, attempts INTEGER NOT NULL, error TEXT NOT NULL, settings TEXT NOT NULL, placed TEXT NOT NULL,
    camera TEXT NOT NULL, captured_at TEXT, captured_from TEXT NOT NULL,
    frames INTEGER NOT NULL, frames_with_faces INTEGER NOT NULL,
    masked INTEGER NOT NULL, unmasked INTEGER NOT NULL, unknown INTEGER NOT NULL,
    gaps TEXT NOT NULL, outputs TEXT NOT NULL, note TEXT NOT NULL, wall_s REAL NOT NULL,
    place_in_queue INTEGER NOT NULL, seal INTEGER NOT NULL
);
CREATE INDEX queue ON inputs (place_in_queue) WHERE state = 'waiting';
CREATE INDEX not_done ON inputs (state, sort_key) WHERE state <> 'done';
CREATE TABLE faces (source TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY, started_at TEXT NOT NULL, pid INTEGER NOT NULL, host TEXT NOT NULL,
    active_s REAL NOT NULL DEFAULT 0, listed INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, frames INTEGER NOT NULL DEFAULT 0,
    ended_at TEXT, ending TEXT NOT NULL DEFAULT ''
);
"""
