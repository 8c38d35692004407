"""What every sink keeps to: the name belongs to whole files, `.part` to all others, and frames are never written to."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from crowdmask.engine.protocols import Sink
from crowdmask.errors import OutputError
from crowdmask.records import FrameResult, SourceKind, VideoInfo
from crowdmask.results.annotated import AnnotatedPicture, AnnotatedVideo
from crowdmask.results.detections import DetectionsFile
from crowdmask.results.frames_csv import FramesCsv
from crowdmask.settings import OutputSettings
from tests.factories import make_frame, make_result

SIZE = (96, 64)
INFO = VideoInfo("a.mp4", SourceKind.VIDEO, *SIZE, Fraction(25), Fraction(1, 12800))
FAST = OutputSettings(preset="ultrafast", blur=True)


SINKS: dict[str, Callable[[Path], Sink]] = {
    "frames.csv": FramesCsv,
    "faces.csv": DetectionsFile,
    "faces.parquet": DetectionsFile,
    "video.mp4": lambda path: AnnotatedVideo(path, INFO, FAST),
    "picture.png": lambda path: AnnotatedPicture(path, FAST),
}
GROWING = [name for name in SINKS if name != "picture.png"]  # a picture is whole with its one frame


def result(index: int = 0) -> FrameResult:
    made = make_result(make_frame(index, index / 25, SIZE), [(10, 10, 40, 40)], [0.8])
    made.frame.image.flags.writeable = False
    return made


@pytest.mark.parametrize("name", SINKS)
def test_left_without_an_error_the_file_has_its_name(name: str, tmp_path: Path) -> None:
    with SINKS[name](tmp_path / name) as sink:
        sink.write(result())
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize("name", GROWING)
def test_until_then_an_older_file_keeps_the_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("older")
    with SINKS[name](tmp_path / name) as sink:
        for i in range(3):
            sink.write(result(i))
        assert (tmp_path / name).read_text() == "older"
    assert (tmp_path / name).read_bytes() != b"older"


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("name", GROWING)
def test_left_with_an_error_the_part_stays_and_the_error_goes_on(
    name: str, kind: type[BaseException], tmp_path: Path
) -> None:
    (tmp_path / name).write_text("older")
    with pytest.raises(kind, match="half-way"), SINKS[name](tmp_path / name) as sink:
        sink.write(result())
        raise kind("half-way")
    assert sorted(os.listdir(tmp_path)) == sorted([name, f"{name}.part"])
    assert (tmp_path / name).read_text() == "older"
    assert (tmp_path / f"{name}.part").stat().st_size > 0


@pytest.mark.parametrize("name", SINKS)
def test_making_one_touches_nothing(name: str, tmp_path: Path) -> None:
    SINKS[name](tmp_path / name)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", SINKS)
def test_a_folder_that_is_not_there_is_an_output_error_with_the_path(name: str, tmp_path: Path) -> None:
    path = tmp_path / "no-such" / name
    with pytest.raises(OutputError, match="no-such"), SINKS[name](path) as sink:
        sink.write(result())


@pytest.mark.parametrize("name", GROWING)
def test_nothing_is_written_outside_of_the_context(name: str, tmp_path: Path) -> None:
    sink: Any = SINKS[name](tmp_path / name)
    with pytest.raises(ValueError, match="not open"):
        sink.write(result())
    entered: AbstractContextManager[Sink] = sink
    with entered:
        sink.write(result())
    with pytest.raises(ValueError, match="not open"):
        sink.write(result())


@pytest.mark.parametrize("name", SINKS)
def test_paths_with_spaces_and_other_letters(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "Gare de l'Été 駅 100%"
    folder.mkdir()
    with SINKS[name](folder / f"vidéo 1 {name}") as sink:
        sink.write(result())
    assert os.listdir(folder) == [f"vidéo 1 {name}"]
