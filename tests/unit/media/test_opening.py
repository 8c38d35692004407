"""Paths, addresses and cameras are told apart, and bad input gives one line with the path and the remedy."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest

from crowdmask.errors import SourceError
from crowdmask.media.opening import is_address, is_camera, local_path, shown
from crowdmask.media.pictures import is_picture
from crowdmask.media.sources import open_source
from crowdmask.settings import AnalysisSettings
from tests.factories import write_clip


@pytest.mark.parametrize(
    ("source", "camera", "address"),
    [
        ("0", True, False),
        ("12", True, False),
        ("rtsp://host/1", False, True),
        ("http://host/a.mp4", False, True),
        ("file:///a/b.mp4", False, False),
        ("a.mp4", False, False),
        ("C:\\a.mp4", False, False),
        ("a:b.mp4", False, False),
        ("", False, False),
    ],
)
def test_what_a_source_is(source: str, camera: bool, address: bool) -> None:
    assert (is_camera(source), is_address(source)) == (camera, address)


def test_a_file_named_like_a_camera_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_camera("7")
    Path("7").write_text("x")
    assert not is_camera("7")


def test_nobody_hears_ffmpegs_messages_in_python() -> None:
    """With a level set, a decoder's thread waits for the interpreter, and whoever frees the decoder for that thread."""
    assert av.logging.get_level() is None


def test_file_addresses_are_paths() -> None:
    assert local_path("file:///a%20b/%C3%BC.mp4") == Path("/a b/ü.mp4")


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("rtsp://user:secret@cam.example:554/s?a=1", "rtsp://user:***@cam.example:554/s?a=1"),
        ("rtsp://cam.example/s", "rtsp://cam.example/s"),
        ("rtsp://user@cam.example/s", "rtsp://user@cam.example/s"),
        ("C:/user:secret@x.mp4", "C:/user:secret@x.mp4"),
        ("rtsp://user:se/cr?e#t@cam.example/s", "rtsp://user:***@cam.example/s"),
        ("rtsp://user:se@cr:et@cam.example/s", "rtsp://user:***@cam.example/s"),
        ("rtsp://cam.example/s?user=a&password=secret&channel=1", "rtsp://cam.example/s?user=a&password=***&channel=1"),
        (
            "rtsp://cam.example/user=admin&password=secret&channel=1",
            "rtsp://cam.example/user=admin&password=***&channel=1",
        ),
        ("http://cam.example/mjpg?pwd=secret", "http://cam.example/mjpg?pwd=***"),
        ("http://cam.example/mjpg?Access_Token=secret&fps=5", "http://cam.example/mjpg?Access_Token=***&fps=5"),
        ("http://cam.example/monkey=business", "http://cam.example/monkey=business"),
    ],
)
def test_passwords_are_not_shown(source: str, wanted: str) -> None:
    assert shown(source) == wanted


def complaint(path: str) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(path, AnalysisSettings())
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_bad_files(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video\n" * 200)
    (tmp_path / "notes.txt").write_text("FFmpeg would show this as a film\n" * 200)
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "zeros.mkv").write_bytes(bytes(5000))
    for name, words in {
        "missing.mp4": "does not exist: check",
        ".": "is a folder",
        "empty.mp4": "is empty: copy or record it again",
        "text.mp4": "is a text",
        "notes.txt": "is a text",
        "noise.mp4": "is no video or picture that can be read, or it is damaged",
        "zeros.mkv": "is no video or picture that can be read, or it is damaged",
    }.items():
        path = tmp_path / name
        message = complaint(str(path))
        assert str(path) in message
        assert words in message


def test_a_video_cut_off_before_its_index(clip: Path, tmp_path: Path) -> None:
    data = clip.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    assert "cut.mp4 has no index" in complaint(str(tmp_path / "cut.mp4"))


def test_sound_without_pictures(tmp_path: Path) -> None:
    path = tmp_path / "sound.m4a"
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 48000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert "has no video stream" in complaint(str(path))


def test_a_stream_that_is_not_there_and_a_camera_that_is_not_there() -> None:
    message = complaint("http://user:secret@127.0.0.1:9/x.mp4")
    assert "127.0.0.1:9/x.mp4" in message
    assert "secret" not in message
    assert "check the address" in message
    assert "camera 97 (/dev/video97)" in complaint("97")


@pytest.mark.parametrize("address", ["s3://bucket/night/a.mp4", "GS://bucket/a.mp4", "abfss://night@store/a.mp4"])
def test_an_object_store_is_refused_with_what_to_do(address: str) -> None:
    assert "object store, which is not read: copy it to this machine, or mount the store" in complaint(address)


@pytest.mark.parametrize(
    "name", ["ein Film.mp4", "映画.mp4", "a:b?c#d%20e.mp4", "-i.mp4", "frame%03d.mp4", "'\"$x.mp4"]
)
def test_odd_names(name: str, clip: Path, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(clip.read_bytes())
    with open_source(str(path), AnalysisSettings(duration_s=0.1)) as source:
        assert [f.index for f in source] == [0, 1, 2]


def test_a_name_that_is_not_unicode(clip: Path, tmp_path: Path) -> None:
    path = bytes(tmp_path) + b"/\xff\xfe.mp4"
    with open(path, "wb") as file:
        file.write(clip.read_bytes())
    with open_source(os.fsdecode(path), AnalysisSettings(duration_s=0.1)) as source:
        assert [f.index for f in source] == [0, 1, 2]


def test_a_video_named_like_a_picture_is_a_video(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=3)
    Path(path).rename(tmp_path / "clip.jpg")
    with open_source(str(tmp_path / "clip.jpg"), AnalysisSettings()) as source:
        assert len(list(source)) == 3


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "is no file but a pipe" in complaint(str(tmp_path / "pipe.jpg"))
    assert not is_picture(tmp_path / "pipe.jpg")


def test_a_targa_is_not_called_a_text(tmp_path: Path) -> None:
    head = bytes([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 8, 0, 24, 0x20])
    (tmp_path / "in.tga").write_bytes(head + bytes(range(192)))
    message = complaint(str(tmp_path / "in.tga"))
    assert "text" not in message and "in.tga" in message
