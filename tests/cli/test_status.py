"""`crowdmask status` in words and as JSON, once and again, of runs that work, have ended, or are not there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from crowdmask.jobs.forecast import Progress
from crowdmask.jobs.manifest.database import META_PROGRESS, Manifest
from crowdmask.jobs.manifest.entries import Entry, Identity, Kind, State
from crowdmask.records import Counts
from tests.cli.conftest import Crowdmask


@pytest.fixture
def run(here: Path) -> Path:
    folder = here / "night"
    folder.mkdir()
    done = Entry("1.jpg", "/1.jpg", Kind.PICTURE, Identity(1, 1), State.DONE, frames=1, counts=Counts(3, 1, 0))
    failed = [
        Entry(f"x{i}.jpg", f"/x{i}.jpg", Kind.PICTURE, Identity(1, 1), State.FAILED, 3, error="torn: save it anew")
        for i in range(25)
    ]
    waiting = [Entry(f"{i}.jpg", f"/{i}.jpg", Kind.PICTURE, Identity(1, 1)) for i in range(2, 6)]
    with Manifest(folder / "manifest.sqlite") as manifest:
        manifest.put([done, *failed, *waiting])
        manifest.put_meta(META_PROGRESS, json.dumps(Progress(share=0.2, left_s=360.0).as_dict()))
        number = manifest.begin_session(1, "one")
        manifest.put_session(number, active_s=90.0, listed=True, done=1, failed=25, frames=1, ending="interrupted")
    return folder


def test_in_words(crowdmask: Crowdmask, run: Path) -> None:
    ran = crowdmask("status", run)
    assert ran.code == 0 and ran.err == ""
    lines = {line.split()[0]: line for line in ran.out.splitlines()[1:]}
    assert "stopped (interrupted): start the same command again" in lines["state"]
    assert "30 inputs" in lines["found"]
    assert "1 (3.3 %): 1 picture" in lines["done"]
    assert "4: 4 pictures" in lines["left"]
    assert "about 6 min" in lines["time"]
    assert "4 faces in them: 3 masked, 1 unmasked, 0 unknown" in lines["frames"]
    assert "75.0 % of 4 judged faces wore a mask so far, frame by frame" in lines["compliance"]
    assert ran.out.count("torn: save it anew (tried 3 times)") == 20 and "and 5 more: -v lists them all" in ran.out
    assert crowdmask("status", run, "-v").out.count("torn: save it anew") == 25


def test_as_json(crowdmask: Crowdmask, run: Path) -> None:
    told = json.loads(crowdmask("status", run, "--json").out)
    assert told["inputs"]["left"] == 4 and told["left_s"] == 360.0 and len(told["failures"]) == 25
    assert told["ending"] == "interrupted"


def test_watching_ends_with_the_run(crowdmask: Crowdmask, run: Path) -> None:
    holding = "from pathlib import Path; from crowdmask.jobs.manifest.claims import RunLock\n"
    holding += f"with RunLock(Path({str(run)!r})):\n    print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        watching = subprocess.Popen(
            [sys.executable, "-m", "crowdmask", "status", str(run), "--json", "--watch", "0.2"], stdout=subprocess.PIPE
        )
        assert watching.stdout is not None
        first = json.loads(watching.stdout.readline())
        assert first["state"] == "running" and first["process"]["pid"] == process.pid
        process.communicate(b"\n")
    rest = watching.communicate(timeout=60)[0].splitlines()
    assert watching.returncode == 0
    assert json.loads(rest[-1])["state"] == "stopped"


def test_no_run_is_one_line(crowdmask: Crowdmask, here: Path) -> None:
    ran = crowdmask("status", here / "nowhere")
    assert ran.code == 1 and len(ran.lines) == 1 and "no batch was started there" in ran.err
