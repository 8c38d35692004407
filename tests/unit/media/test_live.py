"""Streams from a server in this process: dropped frames are counted, outages are gaps, no wait is needlessly long."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import pytest

from crowdmask.cli.main import main
from crowdmask.errors import SourceError
from crowdmask.media import live
from crowdmask.media.ahead import ahead
from crowdmask.media.live_source import LiveSource
from crowdmask.media.sources import open_source
from crowdmask.records import SourceKind
from crowdmask.settings import AnalysisSettings
from tests.cli.conftest import fake_networks
from tests.factories import make_image, read_index, write_clip

SIZE = (96, 64)
Send = Callable[[Callable[[bytes], object], int], None]  # how to write, and how many came before


@contextmanager
def served(send: Send, kind: str) -> Iterator[str]:
    """An address whose every connection gets what `send` writes, without a length, as live streams come."""
    connections: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            connections.append(1)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            try:
                send(self.wfile.write, len(connections) - 1)
            except OSError:
                return  # the reader has left

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads = True
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}/live"
        httpd.shutdown()


MOTION = "multipart/x-mixed-replace; boundary=frame"


def pictures(indexes: range, rate: float) -> Send:
    def send(write: Callable[[bytes], object], before: int) -> None:
        for index in indexes:
            jpeg = cv2.imencode(".jpg", make_image(index, SIZE))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
            write(head + jpeg + b"\r\n")
            time.sleep(1 / rate)

    return send


def test_pictures_end_to_end_have_the_times_at_which_they_arrive() -> None:
    with (
        served(pictures(range(60), 10), MOTION) as address,
        LiveSource(address, AnalysisSettings(every_frame=True)) as s,
    ):
        frames = list(s)
    # the first few come at once, while the stream is looked at; the rest a tenth of a second apart, not a 25th
    late = [f for f in frames if f.index >= 30]
    assert len(late) == 30
    assert (late[-1].seconds - late[0].seconds) == pytest.approx(2.9, abs=0.6)
    assert all(b.seconds > a.seconds for a, b in itertools.pairwise(frames))


def test_who_is_slow_gets_the_newest_and_a_count() -> None:
    with served(pictures(range(80), 40), MOTION) as address, LiveSource(address, AnalysisSettings(duration_s=1.5)) as s:
        began, frames = time.monotonic(), []
        for frame in s:
            frames.append((frame, time.monotonic() - began))
            time.sleep(0.2)
        notes = s.notes
    assert s.info.kind is SourceKind.STREAM
    assert len(frames) < 20
    skipped = sum(b.index - a.index - 1 for (a, _), (b, _) in itertools.pairwise(frames))
    assert skipped > 10
    assert any("passed over" in note for note in notes)
    assert all(read_index(f.image) == f.index for f, _ in frames)
    assert all(at - frame.seconds < 0.6 for frame, at in frames)  # it never falls behind
    stream = frames[0][0].stream
    assert stream.timed_by == "arrival" and stream.starts_at is not None


@pytest.mark.parametrize("chosen", [{"every": "500ms"}, {"fps": 2.0}])
def test_of_a_stream_too_a_frame_is_taken_every_so_often(chosen: dict[str, Any]) -> None:
    """20 pictures a second for 3 s: one for each half second, and those that nobody asked for are not passed over."""
    with (
        served(pictures(range(60), 20), MOTION) as address,
        LiveSource(address, AnalysisSettings(every_frame=True, **chosen)) as s,
    ):
        frames = list(s)
        notes = s.notes
    halves = [int(frame.seconds / 0.5 + 1e-6) for frame in frames]
    assert len(set(halves)) == len(halves) and halves == sorted(halves)
    assert halves[0] == 0 and 5 <= len(frames) <= 8
    assert all(read_index(frame.image) == frame.index for frame in frames)
    assert not any("passed over" in note for note in notes)


def test_on_request_every_frame_waits_in_line() -> None:
    settings = AnalysisSettings(every_frame=True)
    with served(pictures(range(40), 80), MOTION) as address, LiveSource(address, settings) as s:
        frames = []
        for frame in s:
            frames.append(frame.index)
            time.sleep(0.03)
    assert frames == list(range(40))


def test_an_outage_is_a_gap_and_times_go_on_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_PAUSES_S", (0.3,))

    def send(write: Callable[[bytes], object], before: int) -> None:
        if before == 1:
            return  # the camera starts up again and gives nothing yet
        pictures(range(before * 100, before * 100 + 20 if before == 0 else 1000), 25)(write, before)

    with served(send, MOTION) as address, LiveSource(address, AnalysisSettings(duration_s=3.0, every_frame=True)) as s:
        frames = list(s)
        gaps, early = s.gaps, s.ended_early
    after = [f for f in frames if read_index(f.image) >= 200]
    assert after and len(frames) - len(after) == 20
    (gap,) = [g for g in gaps if "away" in g.reason]
    assert gap.after_frame == 19
    assert after[0].seconds - (gap.seconds or 0) > 0.25
    assert not early
    assert frames[-1].seconds < 3.0


@pytest.fixture(scope="module")
def transport_stream(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("live") / "in.ts"
    return Path(write_clip(path, SIZE, 75, gop=10, options={"bf": "0"})).read_bytes()


def test_a_stream_that_dies_for_good_is_not_whole(
    transport_stream: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(live, "_PAUSES_S", (0.3,))

    def send(write: Callable[[bytes], object], before: int) -> None:
        if before == 0:
            write(transport_stream)

    with served(send, "video/mp2t") as address, pytest.raises(SystemExit) as left:
        main(
            ["analyze", address, "--duration", "5", "--out", "out.mp4", "--every-frame"],
            networks=fake_networks,
        )
    assert left.value.code == 3
    summary = json.loads(Path("out.json").read_text())
    assert summary["state"] == "ended early"
    assert summary["counts"]["frames"] == 75
    assert any("before the time asked for" in gap["reason"] for gap in summary["not_analysed"]["gaps"])
    assert "ended early" in capfd.readouterr().out


def test_a_sender_that_hangs_up_without_an_end_is_said(transport_stream: bytes) -> None:
    """Nothing tells such an end from a camera that lost its power: no length was said, and no end mark came."""

    def send(write: Callable[[bytes], object], before: int) -> None:
        write(transport_stream)

    with served(send, "video/mp2t") as address, LiveSource(address, AnalysisSettings(every_frame=True)) as source:
        frames = list(source)
    assert [read_index(f.image) for f in frames] == list(range(75))
    assert [f.seconds for f in frames] == pytest.approx([k / 25 for k in range(75)], abs=0.002)
    (gap,) = source.gaps
    assert gap.reason.startswith("the stream broke off") and gap.after_frame == 74
    assert source.ended_early


def test_a_silent_stream_is_left_at_once(transport_stream: bytes) -> None:
    def send(write: Callable[[bytes], object], before: int) -> None:
        write(transport_stream)
        time.sleep(30)

    with served(send, "video/mp2t") as address:
        with LiveSource(address, AnalysisSettings(every_frame=True)) as source:
            began = time.monotonic()
            with ahead(source, 4, source.break_off) as frames:
                for _ in range(10):
                    next(frames)
        assert time.monotonic() - began < 5


def test_no_stream_there_is_said_in_the_words_of_an_address() -> None:
    with pytest.raises(SourceError, match=r"http://127\.0\.0\.1:9/live"):
        open_source("http://127.0.0.1:9/live", AnalysisSettings())
