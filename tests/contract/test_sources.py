"""What every source holds, whatever it reads: order, times, shapes, one pass, and a clean end."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from crowdmask.errors import SourceError
from crowdmask.media.sources import open_source
from crowdmask.records import SourceKind
from crowdmask.settings import AnalysisSettings
from tests.factories import make_image, read_index, write_clip

SIZE = (96, 64)
FRAMES = 20
MAKERS: dict[str, Callable[[Path], str]] = {
    "h264.mp4": partial(write_clip, size_wh=SIZE, frames=FRAMES, audio="aac"),
    "h264.mkv": partial(write_clip, size_wh=SIZE, frames=FRAMES, audio="libopus"),
    "h264.ts": partial(write_clip, size_wh=SIZE, frames=FRAMES, audio="mp2"),
    "h264 ü ☂.mov": partial(write_clip, size_wh=SIZE, frames=FRAMES, audio="pcm_s16le"),
    "hevc.mp4": partial(
        write_clip, size_wh=SIZE, frames=FRAMES, codec="libx265", options={"x265-params": "log-level=none"}
    ),
    "vp9.webm": partial(write_clip, size_wh=SIZE, frames=FRAMES, codec="libvpx-vp9", options={"deadline": "realtime"}),
    "mjpeg.avi": partial(write_clip, size_wh=SIZE, frames=FRAMES, codec="mjpeg", pix_fmt="yuvj420p"),
    "ten_bit.mp4": partial(write_clip, size_wh=SIZE, frames=FRAMES, pix_fmt="yuv420p10le"),
    "grey.mkv": partial(write_clip, size_wh=SIZE, frames=FRAMES, codec="ffv1", pix_fmt="gray"),
    "rgb.mkv": partial(write_clip, size_wh=SIZE, frames=FRAMES, codec="ffv1", pix_fmt="bgr0"),
}


class Served(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def server(clips: Path) -> Iterator[str]:
    handler = partial(Served, directory=str(clips))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()


@pytest.fixture(params=[*MAKERS, "picture", "http", "file address"])
def source(request: pytest.FixtureRequest, clips: Path) -> tuple[str, int, SourceKind]:
    """A source, how many frames it has, and its kind."""
    kind = request.param
    if kind == "picture":
        path = clips / "a picture.dat"  # told by its content
        path.write_bytes(cv2.imencode(".png", make_image(0, SIZE))[1].tobytes())
        return str(path), 1, SourceKind.PICTURE
    name = kind if kind in MAKERS else "h264.ts" if kind == "http" else "h264.mp4"
    path = clips / f"contract {name}"
    if not path.exists():
        MAKERS[name](path)
    if kind == "http":
        return f"{request.getfixturevalue('server')}/contract%20h264.ts", FRAMES, SourceKind.STREAM
    return path.as_uri() if kind == "file address" else str(path), FRAMES, SourceKind.VIDEO


def test_frames_come_whole_upright_and_in_order(source: tuple[str, int, SourceKind]) -> None:
    path, count, kind = source
    with open_source(path, AnalysisSettings()) as opened:
        info = opened.info
        frames = list(opened)
        gaps = list(opened.gaps)
    assert info.kind is kind
    assert (info.width, info.height) == SIZE
    assert [f.index for f in frames] == list(range(count))
    assert [read_index(f.image) for f in frames] == list(range(count))
    assert frames[0].seconds == 0.0
    assert all(a.seconds < b.seconds for a, b in pairwise(frames))
    for frame in frames:
        assert frame.image.shape == (SIZE[1], SIZE[0], 3)
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        assert not frame.image.flags.writeable
    assert gaps == []


def test_info_is_known_before_the_first_frame(source: tuple[str, int, SourceKind]) -> None:
    path, count, kind = source
    with open_source(path, AnalysisSettings()) as opened:
        info = opened.info
    if kind is SourceKind.VIDEO:
        assert info.rate == 25
        assert info.duration_s == pytest.approx(count / 25, abs=0.05)
        assert info.frames_expected == pytest.approx(count, abs=1)
        assert info.time_base is not None
    if kind is SourceKind.PICTURE:
        assert info.frames_expected == 1


def test_a_source_is_read_once(source: tuple[str, int, SourceKind]) -> None:
    with open_source(source[0], AnalysisSettings()) as opened:
        assert len(list(opened)) == source[1]
        assert list(opened) == []


def test_leaving_early_is_clean(source: tuple[str, int, SourceKind]) -> None:
    with open_source(source[0], AnalysisSettings(), threads=2) as opened:
        frames = iter(opened)
        next(frames)
    assert list(frames) == []


def test_any_number_of_threads_gives_the_same_pixels(source: tuple[str, int, SourceKind]) -> None:
    pictures = []
    for threads in (1, 3):
        with open_source(source[0], AnalysisSettings(), threads=threads) as opened:
            pictures.append([f.image for f in opened])
    assert len(pictures[0]) == len(pictures[1])
    assert all(np.array_equal(a, b) for a, b in zip(*pictures, strict=True))


def test_settings_only_choose(source: tuple[str, int, SourceKind]) -> None:
    path, count, kind = source
    if kind is SourceKind.PICTURE:
        chosen = AnalysisSettings(every=3, start_s=5.0)  # a picture has no parts to choose
        wanted = [0]
    else:
        chosen = AnalysisSettings(every=3, start_s=0.2, end_s=0.6)
        wanted = [i for i in range(count) if i % 3 == 0 and 5 <= i < 15]
    with open_source(path, chosen) as opened:
        frames = list(opened)
    assert [f.index for f in frames] == wanted
    assert [read_index(f.image) for f in frames] == wanted
    assert [f.seconds for f in frames] == pytest.approx([i / 25 for i in wanted], abs=0.0006)


def test_duration_ends_it(source: tuple[str, int, SourceKind]) -> None:
    path, count, _ = source
    with open_source(path, AnalysisSettings(duration_s=0.4)) as opened:
        assert [f.index for f in opened] == list(range(min(count, 10)))


def test_a_served_file_whose_index_comes_too_late_is_to_be_downloaded(server: str, clips: Path) -> None:
    """This server gives files from their beginning only; by the time the index comes, the frames have gone by."""
    data = Path(write_clip(clips / "short.mp4", size_wh=SIZE, frames=FRAMES)).read_bytes()
    index = data.index(b"moov") - 4
    padding = (400_000).to_bytes(4, "big") + b"free" + bytes(400_000 - 8)
    (clips / "late.mp4").write_bytes(data[:index] + padding + data[index:])
    with open_source(str(clips / "late.mp4"), AnalysisSettings()) as opened:
        assert len(list(opened)) == FRAMES
    with pytest.raises(SourceError, match=r"late\.mp4.*download"):
        open_source(f"{server}/late.mp4", AnalysisSettings())
