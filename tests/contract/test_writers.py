"""What every writer of the media room keeps to: a name stands for a whole file, and a failure names path and remedy."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from crowdmask.errors import OutputError
from crowdmask.media.parts import part_of, write_whole
from crowdmask.media.pictures import read_picture, write_picture
from crowdmask.media.sources import open_source
from crowdmask.media.video_writer import VideoWriter
from crowdmask.records import SourceKind, VideoInfo
from crowdmask.settings import AnalysisSettings
from tests.factories import make_frames, make_image, read_index

SIZE = (96, 64)
INFO = VideoInfo("in.mp4", SourceKind.VIDEO, *SIZE, rate=Fraction(25), time_base=Fraction(1, 25))


def video(path: Path) -> None:
    with VideoWriter(path, INFO, preset="ultrafast") as writer:
        for frame in make_frames(6, SIZE):
            writer.write(frame)


def is_video(path: Path) -> bool:
    with open_source(str(path), AnalysisSettings()) as source:
        return [read_index(f.image) for f in source] == list(range(6))


def picture(path: Path) -> None:
    write_picture(path, make_image(5, SIZE))


def is_picture(path: Path) -> bool:
    return read_index(read_picture(path)) == 5


WRITERS: dict[str, tuple[Callable[[Path], object], Callable[[Path], bool]]] = {
    "out.mp4": (video, is_video),
    "out.png": (picture, is_picture),
    "out.jpg": (picture, is_picture),
    "out.json": (lambda path: write_whole(path, b"{}"), lambda path: path.read_bytes() == b"{}"),
}


@pytest.fixture(params=WRITERS)
def case(request: pytest.FixtureRequest) -> tuple[str, Callable[[Path], object], Callable[[Path], bool]]:
    return (request.param, *WRITERS[request.param])


Case = tuple[str, Callable[[Path], object], Callable[[Path], bool]]


def test_a_whole_file_and_nothing_else(case: Case, tmp_path: Path) -> None:
    name, write, good = case
    write(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert good(tmp_path / name)


def test_an_older_file_and_an_older_part_are_replaced(case: Case, tmp_path: Path) -> None:
    name, write, good = case
    (tmp_path / name).write_bytes(b"older")
    part_of(tmp_path / name).write_bytes(b"left by a crash" * 10_000)
    write(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert good(tmp_path / name)


def test_names_with_spaces_and_beyond_ascii(case: Case, tmp_path: Path) -> None:
    name, write, good = case
    path = tmp_path / "ein Ordner" / f"größe 映画 %d {name}"
    path.parent.mkdir()
    write(path)
    assert good(path)


def test_a_folder_that_is_not_there(case: Case, tmp_path: Path) -> None:
    name, write, _ = case
    with pytest.raises(OutputError, match="create it first") as caught:
        write(tmp_path / "nowhere" / name)
    assert str(tmp_path / "nowhere" / name) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way(case: Case, tmp_path: Path) -> None:
    name, write, _ = case
    (tmp_path / name).mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        write(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_place_where_nobody_may_write(case: Case) -> None:
    name, write, _ = case
    with pytest.raises(OutputError, match="/proc/"):
        write(Path("/proc") / name)
