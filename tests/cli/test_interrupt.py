"""Ctrl-C: the files are finished, hold what came before, and say so; twice ends at once."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import pytest

from crowdmask.jobs.networks import Pair
from crowdmask.settings import AnalysisSettings, RuntimeSettings
from tests.cli.conftest import Crowdmask
from tests.factories import FakeClassifier, FakeDetector, write_clip

SLOW = """
import sys, time
from crowdmask.cli.main import main
from crowdmask.jobs.networks import Pair
from tests.factories import FakeClassifier, FakeDetector
class Slow(FakeDetector):
    def detect(self, images):
        time.sleep({pause})
        return super().detect(images)
main(sys.argv[1:], networks=lambda analysis, runtime: Pair(Slow(), FakeClassifier()))
"""


def rows(path: str) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


class Interrupted(FakeDetector):
    """Is interrupted instead of its fourth window."""

    def detect(self, images: Sequence[Any]) -> list[Any]:
        if len(self.calls) == 3:
            raise KeyboardInterrupt
        return super().detect(images)


def interrupted_networks(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    return Pair(Interrupted(), FakeClassifier())


def assert_whole_up_to(frames: int, name: str = "a") -> None:
    assert [int(row["frame"]) for row in rows(f"{name}.crowdmask.csv")] == list(range(frames))
    with av.open(f"{name}.crowdmask.mp4") as video:
        assert sum(1 for _ in video.decode(video=0)) == frames
    told = json.loads(Path(f"{name}.crowdmask.json").read_text())
    assert told["state"] == "interrupted" and told["counts"]["frames"] == frames
    assert told["until_s"] == pytest.approx((frames - 1) / 25)
    assert not list(Path().glob("*.part"))


def test_what_came_before_is_whole_and_said(crowdmask: Crowdmask) -> None:
    write_clip("a.mp4", frames=30, audio="aac")
    write_clip("b.mp4", frames=5)
    ran = crowdmask("analyze", "a.mp4", "b.mp4", "--window", 4, "--detections", "f.csv", networks=interrupted_networks)
    assert ran.code == 130
    assert_whole_up_to(12)
    assert len(rows("f.csv")) == sum(i % 3 + 1 for i in range(12))
    assert not Path("b.crowdmask.csv").exists()
    assert "interrupted" in ran.out and "12 frames" in ran.out


def test_one_input_says_up_to_where(crowdmask: Crowdmask) -> None:
    write_clip("a.mp4", frames=30)
    ran = crowdmask("analyze", "a.mp4", "--window", 4, networks=interrupted_networks)
    assert ran.code == 130 and "interrupted at 00:00:00.4" in " ".join(ran.out.split())


def test_before_the_first_frame_nothing_is_left(crowdmask: Crowdmask) -> None:
    def loading(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
        raise KeyboardInterrupt

    write_clip("a.mp4", frames=3)
    ran = crowdmask("analyze", "a.mp4", networks=loading)
    assert ran.code == 130 and os.listdir() == ["a.mp4"]
    assert "nothing was written" in ran.out


def started(pause: float, *args: str) -> subprocess.Popen[str]:
    """The command in a process of its own, with a detector that takes its time, at work on its first rows."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW.format(pause=pause), "analyze", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    part = Path("a.crowdmask.csv.part")
    give_up = time.monotonic() + 120
    while not (part.exists() and part.read_text().count("\n") > 1):
        assert process.poll() is None and time.monotonic() < give_up, process.communicate()
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_real_signal(number: signal.Signals) -> None:
    write_clip("a.mp4", frames=300)
    process = started(0.1, "a.mp4", "--window", "1")
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err.strip() == "crowdmask: finishing the files; a second Ctrl-C aborts at once"
    assert_whole_up_to(len(rows("a.crowdmask.csv")))
    assert 0 < len(rows("a.crowdmask.csv")) < 300 and "interrupted" in out


def test_a_second_signal_ends_at_once() -> None:
    write_clip("a.mp4", frames=300)
    process = started(0.05, "a.mp4", "--window", "1", "--no-video")
    process.send_signal(signal.SIGSTOP)  # so that both signals are there before the first is handled
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == "crowdmask: aborted"
    assert rows("a.crowdmask.csv.part")  # what was written down stays where it was
