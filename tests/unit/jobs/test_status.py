"""A batch's status: its phase, what is left, at what pace, and for how long; told while another process writes."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path

import pytest

from crowdmask.errors import SourceError
from crowdmask.jobs import status as status_module
from crowdmask.jobs.forecast import Progress
from crowdmask.jobs.manifest.claims import RunLock
from crowdmask.jobs.manifest.database import META_PERIODS, META_PROGRESS, META_ROOT, Manifest
from crowdmask.jobs.manifest.entries import Entry, Identity, Kind, State
from crowdmask.jobs.status import Failure, Phase, Rate, Watcher
from crowdmask.records import Counts


def entry(source: str, state: State, kind: Kind = Kind.PICTURE, size: int = 10, **more: object) -> Entry:
    return Entry(source, f"/in/{source}", kind, Identity(size, 1), state, **more)  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Six pictures and a video, half of it done in two sessions."""
    folder = tmp_path / "night"
    folder.mkdir()
    with Manifest(folder / "manifest.sqlite") as manifest:
        manifest.put_meta(META_ROOT, "/cctv")
        manifest.put(
            [
                entry("1.jpg", State.DONE, frames=1, frames_with_faces=1, counts=Counts(3, 1, 0)),
                entry("2.jpg", State.DONE, frames=1),
                entry("3.jpg", State.FAILED, error="torn: save it anew", attempts=3),
                entry("4.jpg", State.WAITING),
                entry("5.jpg", State.WAITING),
                entry("6.jpg", State.UNSETTLED),
                entry("a.mp4", State.DONE, Kind.VIDEO, 1000, frames=50, counts=Counts(0, 2, 1), wall_s=20.0),
                entry("b/", State.FAILED, Kind.FOLDER, 0, error="b: no permission"),
            ]
        )
        number = manifest.begin_session(1, "one")
        manifest.put_session(number, active_s=20.0, listed=False, done=1, failed=0, frames=50, ending="disk low")
        number = manifest.begin_session(2, "one")
        manifest.put_session(number, active_s=4.0, listed=True, done=2, failed=2, frames=2)
    return folder


def test_tells_what_is_done_failed_and_left_by_kind(run: Path) -> None:
    status = Watcher(run).look()
    assert (status.totals.done, status.totals.failed, status.totals.left, status.totals.unsettled) == (3, 2, 3, 1)
    assert status.inputs(Kind.PICTURE, State.DONE) == 2 and status.inputs(Kind.VIDEO, State.DONE) == 1
    assert status.failures == (Failure("3.jpg", "torn: save it anew", 3), Failure("b/", "b: no permission", 0))
    assert status.root == "/cctv" and status.sessions == 2 and status.active_s == 24.0
    assert status.overall == Rate(5 / 24, 52 / 24) and status.recent == Rate(1.0, 0.5)
    assert 0 < status.free_bytes <= status.disk_bytes


def test_as_dict_is_json_and_adds_up(run: Path) -> None:
    told = json.loads(json.dumps(Watcher(run).look().as_dict()))
    assert told["inputs"] == {"found": 8, "all_found": True, "done": 3, "failed": 2, "left": 3, "unsettled": 1}
    assert sum(sum(states.values()) for states in told["by_kind"].values()) == 8
    assert told["counts"] == {
        "frames": 52, "frames_with_faces": 1, "faces": 7, "masked": 3, "unmasked": 3, "incorrect": 0, "unknown": 1
    }  # fmt: skip
    assert told["state"] == "broken off" and told["process"] is None


def test_aggregate_only_mode_tells_no_faces(run: Path) -> None:
    with Manifest(run / "manifest.sqlite") as manifest:
        manifest.put_meta(META_PERIODS, "{}")
    assert Watcher(run).look().as_dict()["counts"] == {"frames": 52}


@pytest.mark.parametrize(("ending", "phase"), [("finished", Phase.FINISHED), ("the disk is full", Phase.STOPPED)])
def test_phase_of_an_ended_run(run: Path, ending: str, phase: Phase) -> None:
    with Manifest(run / "manifest.sqlite") as manifest:
        manifest.put_session(2, active_s=4.0, listed=True, done=2, failed=2, frames=2, ending=ending)
    status = Watcher(run).look()
    assert (status.phase, status.ending) == (phase, ending)


def test_a_killed_run_is_broken_off_and_one_whose_lock_is_held_runs(run: Path) -> None:
    assert Watcher(run).look().phase is Phase.BROKEN_OFF
    with RunLock(run):
        status = Watcher(run).look()
    assert status.phase is Phase.RUNNING and status.holder is not None and status.holder.pid > 0
    assert Watcher(run).look().phase is Phase.BROKEN_OFF


def test_reads_beside_a_writer_in_the_midst_of_a_transaction(run: Path) -> None:
    with Manifest(run / "manifest.sqlite"):
        other = sqlite3.connect(run / "manifest.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE results SET state = 'done'")
        found: list[int] = []
        looking = threading.Thread(target=lambda: found.append(Watcher(run).look().totals.done))
        looking.start()
        looking.join(5.0)
        assert found == [3], "the reader waited, or saw what was not committed"
        other.execute("COMMIT")
        other.close()
    assert Watcher(run).look().totals.done == 8


def test_looking_holds_up_no_writer(run: Path) -> None:
    with Manifest(run / "manifest.sqlite") as writer, Manifest.reading(run / "manifest.sqlite") as reader:
        failed = reader.in_order(State.FAILED)
        next(failed)
        writer.put([entry("4.jpg", State.DONE, frames=1)])
        assert reader.totals().done == 4


def test_the_recent_rate_is_that_of_the_last_minute_of_watching(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(status_module.time, "monotonic", lambda: now[0])
    watcher = Watcher(run)
    with RunLock(run), Manifest(run / "manifest.sqlite") as manifest:
        watcher.look()
        for seconds, done in ((10.0, 12), (40.0, 42), (75.0, 142)):
            now[0] = 100.0 + seconds
            manifest.put_session(2, active_s=4.0 + seconds, listed=True, done=done, failed=2, frames=done)
            status = watcher.look()
        assert status.recent == Rate((142 - 12) / 65.0, (142 - 12) / 65.0)


def test_the_time_left_is_what_the_session_said_last(run: Path) -> None:
    assert Watcher(run).look().left_s is None  # a run of an older version
    with Manifest(run / "manifest.sqlite") as manifest:
        manifest.put_meta(META_PROGRESS, json.dumps(Progress(share=0.25, left_s=90.0).as_dict()))
    status = Watcher(run).look()
    assert (status.share, status.left_s) == (0.25, 90.0)
    assert {"share": 0.25, "left_s": 90.0}.items() <= status.as_dict().items()


def test_nothing_is_left_of_a_run_in_which_all_is_done(run: Path) -> None:
    with Manifest(run / "manifest.sqlite") as manifest:
        manifest.put([entry(f"{n}.jpg", State.DONE, frames=1) for n in (4, 5, 6)])
    assert (Watcher(run).look().share, Watcher(run).look().left_s) == (1.0, 0.0)


def test_no_run_and_a_damaged_one_are_told_with_a_remedy(tmp_path: Path, run: Path) -> None:
    with pytest.raises(SourceError, match="no batch was started"):
        Watcher(tmp_path / "elsewhere").look()
    manifest = run / "manifest.sqlite"
    manifest.write_bytes(b"no database at all" * 500)
    with pytest.raises(SourceError, match=r"manifest\.sqlite.*damaged.*start the batch's command again"):
        Watcher(run).look()
