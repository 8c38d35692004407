"""A camera's RTSP, from a server in this process: MJPEG over RTP, interleaved on the connection; and its sudden end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction

import av
import pytest

from crowdmask.media import live
from crowdmask.media.ahead import ahead
from crowdmask.media.live_source import LiveSource
from crowdmask.settings import AnalysisSettings
from tests.factories import make_image, read_index

SIZE, RATE = (96, 64), 25
SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 26\r\na=rtpmap:26 JPEG/90000\r\na=control:track0\r\n"
)


def rtp_packets(frames: int) -> list[tuple[float, bytes]]:
    """The RTP packets of so many frames, each with the time at which it is due."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(0.2)
        found = []
        with av.open(f"rtp://127.0.0.1:{receiver.getsockname()[1]}", "w", format="rtp") as out:
            stream = out.add_stream("mjpeg", rate=RATE, options={"huffman": "default", "qmin": "2", "qmax": "2"})
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuvj420p"
            for index in range(frames):
                frame = av.VideoFrame.from_ndarray(make_image(index, SIZE), format="bgr24").reformat(format="yuvj420p")
                frame.pts, frame.time_base = index, Fraction(1, RATE)
                out.mux(stream.encode(frame))
                with suppress(TimeoutError):
                    while True:
                        packet = receiver.recv(65536)
                        if not 200 <= packet[1] <= 207:  # no RTCP
                            found.append((index / RATE, packet))
                        if packet[1] & 0x80 and not 200 <= packet[1] <= 207:  # the last one of the frame
                            break
        return found


class Camera:
    """Answers one client after the other; `after_s` of playing it says nothing more, or hangs up."""

    def __init__(self, packets: list[tuple[float, bytes]], *, hangs_up: bool) -> None:
        self._packets, self._hangs_up = packets, hangs_up
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"rtsp://127.0.0.1:{self._listening.getsockname()[1]}/live"
        self._open = True
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._open = False
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            connection, _ = self._listening.accept()
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        said = b""
        while self._open:
            while b"\r\n\r\n" not in said:
                some = connection.recv(4096)
                if not some:
                    return
                said += some
            request, _, said = said.partition(b"\r\n\r\n")
            lines = request.decode().split("\r\n")
            number = next(line.split(":")[1].strip() for line in lines if line.lower().startswith("cseq"))
            method = lines[0].split(" ")[0]
            more, body = {
                "OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", ""),
                "DESCRIBE": (f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n", SDP),
                "SETUP": ("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n", ""),
            }.get(method, ("Session: 1\r\n", ""))
            connection.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{more}\r\n{body}".encode())
            if method == "PLAY":
                self._play(connection)
                if self._hangs_up:
                    self.close()
                    return

    def _play(self, connection: socket.socket) -> None:
        begun = time.monotonic()
        for due_s, packet in self._packets:
            time.sleep(max(0.0, begun + due_s - time.monotonic()))
            connection.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)
        if not self._hangs_up:
            while self._open:
                time.sleep(0.05)


@contextmanager
def camera(frames: int, *, hangs_up: bool) -> Iterator[str]:
    made = Camera(rtp_packets(frames), hangs_up=hangs_up)
    try:
        yield made.address
    finally:
        made.close()


def test_a_camera_that_is_killed_is_a_gap_and_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_PAUSES_S", (0.3,))
    with camera(40, hangs_up=True) as address:
        settings = AnalysisSettings(duration_s=3.0, every_frame=True)
        begun = time.monotonic()
        with LiveSource(address, settings) as source:
            seen = [read_index(frame.image) for frame in source]
        assert time.monotonic() - begun < 60
    assert len(seen) >= 35 and seen == sorted(seen) and source.ended_early
    assert source.gaps and source.gaps[-1].after_frame is not None


def test_a_camera_that_says_nothing_more_is_left_at_once() -> None:
    with camera(40, hangs_up=False) as address:  # of fewer, whoever opens it waits for more
        with LiveSource(address, AnalysisSettings(every_frame=True)) as source:
            begun = time.monotonic()
            with ahead(source, 4, source.break_off) as frames:
                for _ in range(38):
                    next(frames)
        assert time.monotonic() - begun < 8, "the end had to wait for the camera"
