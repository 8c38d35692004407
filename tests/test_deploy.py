"""What the timer and cron start: which days it takes, in which order, and what it ends with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

NIGHT = Path(__file__).parents[1] / "deploy" / "crowdmask-night"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd and cron are Linux's")


def day(back: int) -> str:
    return (date.today() - timedelta(days=back)).isoformat()


class Site:
    """Recordings of some days, and in place of crowdmask a script that writes down its call and ends as it is to."""

    def __init__(self, folder: Path, days: list[int], body: str = "exit 0") -> None:
        self.folder = folder
        for back in days:
            (folder / "cctv" / day(back)).mkdir(parents=True)
        fake = folder / "bin" / "crowdmask"
        fake.parent.mkdir()
        fake.write_text(f'#!/bin/sh\necho "$CROWDMASK_OFFLINE $*" >> "{folder}/calls"\n{body}\n')
        fake.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{fake.parent}:{os.environ['PATH']}",
            "CAMERAS": str(folder / "cctv"),
            "RUNS": str(folder / "runs"),
        }

    def begin(self, *more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["/bin/sh", str(NIGHT), *more], env=self.environment, start_new_session=True)

    @property
    def days_asked_for(self) -> list[str]:
        calls = (self.folder / "calls").read_text().splitlines() if (self.folder / "calls").exists() else []
        return [call.split()[2].rpartition("/")[2] for call in calls]


def test_the_oldest_day_comes_first_and_a_day_without_recordings_is_passed_over(tmp_path: Path) -> None:
    site = Site(tmp_path, [1, 3, 4, 0])
    assert site.begin("--quiet").wait() == 0
    assert site.days_asked_for == [day(3), day(1)]
    first = (tmp_path / "calls").read_text().splitlines()[0]
    places = f"{tmp_path}/cctv/{day(3)} --out-dir {tmp_path}/runs/{day(3)}"
    assert first == f"1 analyze {places} --workers 2 --quiet"


@pytest.mark.parametrize(
    ("code", "ends_with", "days"),
    [(3, 3, [3, 2, 1]), (1, 1, [3, 2, 1]), (2, 2, [3, 2, 1]), (4, 4, [3]), (130, 130, [3])],
)
def test_what_one_day_ends_with(tmp_path: Path, code: int, ends_with: int, days: list[int]) -> None:
    """Only a full disk and a request to end leave the other days for later; a failure is not hidden by what follows."""
    site = Site(tmp_path, [1, 2, 3], f'case "$*" in *{day(3)}*) exit {code};; *{day(2)}*) exit 3;; esac')
    assert site.begin().wait() == ends_with
    assert site.days_asked_for == [day(back) for back in days]


def test_asked_to_end_it_waits_for_the_files_and_begins_no_other_day(tmp_path: Path) -> None:
    ending = f'trap \'sleep 0.5; echo whole > "{tmp_path}/ended"; exit 130\' TERM\ntouch "{tmp_path}/at-work"\n'
    site = Site(tmp_path, [1, 2], ending + "while :; do sleep 0.1; done")
    night = site.begin()
    end = time.monotonic() + 60
    while not (tmp_path / "at-work").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    os.killpg(night.pid, signal.SIGTERM)  # as systemd does: to all of the service
    assert night.wait(60) == 130
    assert (tmp_path / "ended").read_text() == "whole\n"
    assert site.days_asked_for == [day(2)]
