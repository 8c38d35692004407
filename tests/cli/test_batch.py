"""`crowdmask analyze FOLDER`: exit codes, what is said, and kill -9 at many moments."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crowdmask.cli import analyze
from crowdmask.jobs.batch import assembly
from crowdmask.runs.energy import Energy
from tests.cli.conftest import Crowdmask
from tests.schemas import assert_fits
from tests.unit.jobs.batch.cctv import aged, night, rows, wait_for

SLOW = """
import sys, time
from crowdmask.cli.main import main
from crowdmask.jobs.networks import Pair
from tests.factories import FakeClassifier, FakeDetector
class Slow(FakeDetector):
    def detect(self, images):
        time.sleep(0.02 * len(images))
        return super().detect(images)
def networks(analysis, runtime):
    return Pair(Slow(), FakeClassifier())
if __name__ == "__main__":
    main(sys.argv[1:], networks=networks)
"""


@pytest.fixture
def folder(here: Path) -> Path:
    return night(here / "in", stills=30, frames=10)


def start(*args: object) -> subprocess.Popen[str]:
    """The command in a process of its own, and a group of its own with all its workers."""
    Path("slow.py").write_text(SLOW)
    return subprocess.Popen(
        [sys.executable, "slow.py", "analyze", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_folder_needs_a_place_for_its_results(crowdmask: Crowdmask, folder: Path) -> None:
    ran = crowdmask("analyze", "in")
    assert ran.code == 2 and "give --out-dir, such as --out-dir outputs/night" in ran.err and len(ran.lines) == 1
    ran = crowdmask("analyze", "in", "--out", "a.mp4")
    assert ran.code == 2 and "--out-dir" in ran.err


def test_a_folder_is_analysed_whole(crowdmask: Crowdmask, folder: Path) -> None:
    ran = crowdmask("analyze", "in", "--out-dir", "run", "--timezone", "UTC")
    assert ran.code == 0 and ran.err.count("\n") == 1 and "timed by the file's own date" in ran.err
    words = " ".join(ran.out.split())
    assert "31 done" in words and "40 frames" in words and "compliance" in words and "run/frames.csv" in words
    assert len(rows(Path("run/frames.csv"))) == 40
    again = crowdmask("analyze", "in", "--out-dir", "run", "--timezone", "UTC")
    assert again.code == 0 and "31 of them before" in " ".join(again.out.split())


def test_the_energy_of_a_run_adds_up_over_its_sessions(
    crowdmask: Crowdmask, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def half_a_watt_hour(country: str) -> Iterator[Energy]:
        yield Energy(country, watt_hours=0.5, co2_grams=0.2, seconds=3.0, method="a test")

    def energy(*more: str, run: str = "run") -> dict[str, Any]:
        assert crowdmask("analyze", "in", "--out-dir", run, "--timezone", "UTC", *more).code == 0
        summary: dict[str, Any] = json.loads(Path(run, "summary.json").read_text())
        faces.append(summary.get("counts", {}).get("faces", 0))
        found: dict[str, Any] = summary["energy"]
        return found

    faces: list[int] = []
    monkeypatch.setattr(assembly, "measured", half_a_watt_hour)
    monkeypatch.setattr(analyze, "require_energy", lambda country: None)
    first = energy("--energy")
    (video,) = Path("run/videos").rglob("*.json")
    hours = json.loads(video.read_text())["until_s"] / 3600
    assert (first["estimated"], first["watt_hours"], first["method"]) == (True, 0.5, "a test")
    assert first["watt_hours_per_1000_faces"] == pytest.approx(500 / faces[0], abs=1e-4)
    assert first["watt_hours_per_video_hour"] == pytest.approx(0.5 / hours, abs=1e-4)
    again = energy("--energy")  # finds nothing to do
    assert (again["watt_hours"], again["seconds"]) == (1.0, 6.0)
    assert again["watt_hours_per_1000_faces"] == pytest.approx(1000 / faces[0], abs=1e-4)
    assert energy() == again  # a session that did not ask adds nothing
    hidden = energy("--energy", "--aggregate", "30m", run="counts")
    assert hidden["watt_hours"] == 0.5
    assert hidden["watt_hours_per_1000_faces"] is hidden["watt_hours_per_video_hour"] is None
    assert energy(run="plain") is None


def test_energy_goes_with_one_machine(crowdmask: Crowdmask, folder: Path) -> None:
    ran = crowdmask("analyze", "in", "--out-dir", "run", "--energy", "--cluster", "auto")
    assert ran.code == 2 and "--energy estimates this machine alone" in ran.err and len(ran.lines) == 1


def test_json_has_the_summary_in_the_shape_of_single_inputs(crowdmask: Crowdmask, folder: Path) -> None:
    ran = crowdmask("analyze", "in", "--out-dir", "run", "--json")
    found = json.loads(ran.out)
    assert ran.code == found["exit_code"] == 0 and found["results"] == []
    assert found["run"] == {"path": str(Path("run").absolute()), **json.loads(Path("run/summary.json").read_text())}
    assert found["counts"] == found["run"]["counts"]
    assert_fits("analyze", found)


def test_the_closing_lines_name_the_moment_the_interval_the_copies_and_what_to_do_next(
    crowdmask: Crowdmask, folder: Path
) -> None:
    ran = crowdmask("analyze", "in", "--out-dir", "run", "--detections", "faces.csv")
    lines = {line.split()[0]: line.strip() for line in ran.out.splitlines()[1:]}
    assert "wore a mask, by time in view (95 % interval " in lines["compliance"]
    assert " unmasked at " in lines["worst"] and ", camera " in lines["worst"]
    assert lines["annotated"].endswith("run/annotated") and lines["detections"].endswith("run/detections.csv")
    assert lines["next"].split(maxsplit=1)[1] == "crowdmask report run"
    assert "the detections of a batch lie in its folder" in ran.err


def test_failures_are_listed_at_the_end(crowdmask: Crowdmask, folder: Path) -> None:
    Path("in/cam1/empty.jpg").touch()
    aged(Path("in/cam1/empty.jpg"))
    ran = crowdmask("analyze", "in", "--out-dir", "run", "-q")
    assert ran.code == 3 and ran.out == "" and len(ran.lines) == 1 and "empty.jpg is empty" in ran.err


def test_when_all_fail(crowdmask: Crowdmask, here: Path) -> None:
    (here / "in").mkdir()
    (here / "in" / "a.jpg").write_bytes(b"")
    ran = crowdmask("analyze", "in", "--out-dir", "run", "--settle", 0)
    assert ran.code == 1


def test_nothing_there(crowdmask: Crowdmask, here: Path) -> None:
    (here / "in").mkdir()
    ran = crowdmask("analyze", "in", "--out-dir", "run")
    assert ran.code == 1 and "no picture and no video" in ran.err and len(ran.lines) == 1


def test_patterns_lists_and_single_files(crowdmask: Crowdmask, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert crowdmask("analyze", "in/cam1/1*.png", "--out-dir", "glob").code == 0
    assert [row["source"] for row in rows(Path("glob/frames.csv"))] == [f"{n}.png" for n in range(10, 20, 2)]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"in/cam1/0.png\nin/cam2/1.png\n")))
    assert crowdmask("analyze", "-", "--out-dir", "list").code == 0
    assert [row["source"] for row in rows(Path("list/frames.csv"))] == ["in/cam1/0.png", "in/cam2/1.png"]
    assert crowdmask("analyze", "in/cam1/0.png", "--run", "--out-dir", "one").code == 0
    assert crowdmask("analyze", "in/cam1/0.png", "in/cam1/2.png", "--out-dir", "one").code == 0  # it is a run by now
    assert [row["source"] for row in rows(Path("one/frames.csv"))] == ["0.png", "2.png"]


@pytest.mark.parametrize("value", ["0/3", "4/3", "x", "1/"])
def test_a_shard_that_is_none(crowdmask: Crowdmask, folder: Path, value: str) -> None:
    ran = crowdmask("analyze", "in", "--out-dir", "run", "--shard", value)
    assert ran.code == 2 and "2/3" in ran.err


def test_a_full_disk_has_an_exit_code_of_its_own(crowdmask: Crowdmask, folder: Path) -> None:
    ran = crowdmask("analyze", "in", "--out-dir", "run", "--keep-free", 1_000_000_000)
    assert ran.code == 4 and "are free on the disk" in ran.err and "start the same command again" in ran.out


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_whole(folder: Path, number: signal.Signals, workers: int) -> None:
    process = start("in", "--out-dir", "run", "--window", 2, "--workers", workers, "--settle", 0)
    wait_for(lambda: list(Path("run").glob("annotated/**/*.png")) or process.poll() is not None)
    if number is signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "start the same command again to go on" in out
    assert 0 < len(rows(Path("run/frames.csv"))) < 40
    assert not list(Path("run").rglob("*.part"))


def killed(delay: float, *args: object) -> bool:
    """Start the command, and kill it so long after it has begun to work; whether it was still at it."""
    process = start(*args)
    wait_for(lambda: Path("run/manifest.sqlite").exists() or process.poll() is not None)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(delay)
    ended = process.poll() is not None
    process.kill()  # the parent only: its workers have to end by themselves
    process.communicate(timeout=60)
    return not ended


@pytest.mark.parametrize("workers", [1, 2])
def test_kills_at_any_moment_leave_no_trace(crowdmask: Crowdmask, folder: Path, workers: int) -> None:
    args = ["in", "--window", 3, "--detections", "detections.csv", "--timezone", "UTC"]
    assert crowdmask("analyze", *args, "--out-dir", "whole").code == 0
    moments = random.Random(3)
    kills = sum(killed(moments.uniform(0.0, 1.2), *args, "--out-dir", "run", "--workers", workers) for _ in range(4))
    assert kills >= 1
    process = start(*args, "--out-dir", "run", "--workers", workers)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    for name in ("frames.csv", "detections.csv"):
        assert Path("run", name).read_bytes() == Path("whole", name).read_bytes()
    trees = [sorted(str(p.relative_to(r)) for p in Path(r, "annotated").rglob("*.*")) for r in ("run", "whole")]
    assert trees[0] == trees[1]
    assert not list(Path("run").rglob("*.part"))


def test_status_says_the_same_while_it_works(crowdmask: Crowdmask, folder: Path) -> None:
    from crowdmask.jobs.status import Watcher

    assert crowdmask("analyze", "in", "--out-dir", "run", "--timezone", "UTC").code == 0
    assert Watcher(Path("run")).look().left_s == 0.0
