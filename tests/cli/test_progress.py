"""The bar: counts and names on a terminal, nothing elsewhere."""

from __future__ import annotations

import fcntl
import logging
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from crowdmask.cli.closing import clock
from crowdmask.cli.progress import logging_to_stderr
from crowdmask.words import percent, plural
from tests.factories import make_image, write_clip

COMMAND = """
import sys
from crowdmask.cli.main import main
from tests.cli.conftest import fake_networks
main(sys.argv[1:], networks=fake_networks)
"""


def on_a_terminal(*args: str) -> str:
    """What the command writes to a stderr that is a terminal."""
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 140, 0, 0))
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


def test_a_terminal_sees_frames_and_counts() -> None:
    write_clip("crowd at the station.mp4", frames=12, size_wh=(192, 128))
    written = on_a_terminal("crowd at the station.mp4", "none.mp4")
    assert "[1/2] crowd at the station.mp4" in written and "/12" in written
    assert "crowdmask: none.mp4 does not exist" in written


def test_many_pictures_have_one_bar() -> None:
    import cv2

    for i in range(4):
        cv2.imwrite(f"{i}.png", make_image(i, (192, 128)))
    written = on_a_terminal(*[f"{i}.png" for i in range(4)])
    assert "pictures" in written and "/4" in written and "[1/4]" not in written


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
