"""The bar: counts and names on a terminal, nothing elsewhere."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from crowdmask.cli.closing import clock
from crowdmask.cli.progress import logging_to_stderr
from crowdmask.words import percent, plural
from tests.factories import write_clip
from tests.schemas import assert_fits

COMMAND = """
import sys
from crowdmask.cli.main import main
from tests.cli.conftest import fake_networks
main(sys.argv[1:], networks=fake_networks)
"""


def on_a_terminal(*args: str, columns: int = 140) -> str:
    """What the command writes to a stderr that is a terminal."""
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "analyze", *args], stdout=subprocess.DEVNULL, stderr=writing
    )
    os.close(writing)
    written = b""
    while True:
        try:
            some = os.read(reading, 4096)
        except OSError:  # Linux's way to say that the other side is closed
            break
        if not some:
            break
        written += some
    os.close(reading)
    process.wait(timeout=60)
    return written.decode()


def test_a_terminal_sees_frames_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "COMMAND", SLOW)
    write_clip("crowd at the station.mp4", frames=12, size_wh=(192, 128))
    written = on_a_terminal("crowd at the station.mp4", "none.mp4")
    assert "[1/2] crowd at the station.mp4" in written
    assert "\rcrowdmask: starting …\r" in f"\r{written}"
    assert "crowdmask: none.mp4 does not exist" in written


SLOW = """
import sys, time
from crowdmask.cli import progress
from crowdmask.cli.main import main
from crowdmask.jobs.networks import Pair
from tests.factories import FakeClassifier, FakeDetector

class Slow(FakeDetector):
    def detect(self, images):
        time.sleep(0.05 * len(images))
        return super().detect(images)

def slow(analysis, runtime):
    time.sleep(0.6)
    return Pair(Slow(), FakeClassifier())

progress.JSON_S = 0.1
if "lines" in sys.argv:
    progress.LINE_S = 0.1
main(sys.argv[1:], networks=slow)
"""


def test_sixty_columns_are_enough_for_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "COMMAND", SLOW)
    write_clip("crowd at the station.mp4", frames=60, size_wh=(192, 128))
    for args in (["crowd at the station.mp4"], ["."]):
        written = on_a_terminal(*args, "--out-dir", "run", "--overwrite", columns=60)
        bars = [line for line in re.split(r"[\r\n]", written) if "%" in line and "█" in line]
        assert bars and all(len(line.replace("\x1b[A", "")) <= 60 for line in bars), bars
        assert any(re.search(r"\d+%.*█.* left, \d+/\d+ (frames|inputs)", line) for line in bars), bars
        assert "loading the networks for 1 input" in written


def without_a_terminal(*args: str) -> str:
    command = [sys.executable, "-c", SLOW, "analyze", *args]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def test_a_log_gets_lines_and_a_short_call_leaves_none() -> None:
    write_clip("a.mp4", frames=90)
    written = without_a_terminal("a.mp4", "--progress", "lines").splitlines()
    assert "crowdmask: loading the networks for 1 input" in written
    assert any(re.match(r"crowdmask: \d+ % done, .* left, \d+/90 frames, .* frames/s, ", line) for line in written)
    assert without_a_terminal("a.mp4", "--overwrite") == ""


@pytest.mark.parametrize("batch", [False, True])
def test_json_is_as_its_schema_says_and_goes_on(batch: bool) -> None:
    Path("in").mkdir()
    write_clip("in/a.mp4" if batch else "a.mp4", frames=40)
    args = ["in", "--out-dir", "run", "--timezone", "UTC"] if batch else ["a.mp4"]
    lines = without_a_terminal(*args, "--progress", "json").splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    for one in told:
        assert_fits("progress", one)
    assert told[-1]["phase"] == "ended" and told[-1]["inputs"]["done"] == 1 and told[-1]["frames"] == 40
    shares = [one["share"] for one in told if one["share"] is not None]
    assert shares == sorted(shares) and len(set(shares)) > 3
    assert {"loading", "working"} <= {one["phase"] for one in told}


def test_quiet_is_quiet_on_a_terminal_too() -> None:
    write_clip("a.mp4", frames=3)
    assert on_a_terminal("a.mp4", "-q") == ""


def test_what_the_rooms_log_is_one_line_each(capfd: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("crowdmask.anything")
    with logging_to_stderr(logging.WARNING):
        log.warning("a.mp4: odd")
        log.info("unheard")
    assert capfd.readouterr().err == "crowdmask: a.mp4: odd\n"
    assert log.parent is not None and not logging.getLogger("crowdmask").handlers


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "00:00:00.0"),
        (61.25, "00:01:01.2"),
        (3600 * 25 + 1, "25:00:01.0"),
        (59.97, "00:01:00.0"),
        (3599.96, "01:00:00.0"),
    ],
)
def test_times_are_shown_as_clocks(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_words() -> None:
    assert (percent(None), percent(2 / 3)) == ("–", "66.7 %")
    assert (plural(1, "frame"), plural(1234, "face")) == ("1 frame", "1,234 faces")
