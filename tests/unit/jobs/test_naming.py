"""Where results go: beside the input, never onto one another, never onto an input."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crowdmask.errors import SettingsError
from crowdmask.jobs.destinations import Destinations
from crowdmask.jobs.naming import is_own_output, kind_of, name_outputs
from crowdmask.records import SourceKind


def names(sources: list[str], annotated: bool = True, followed: bool = False, **where: str) -> list[list[str]]:
    outputs = name_outputs(sources, Destinations(**where), annotated=annotated, followed=followed)
    return [[path.as_posix() for path in o.paths] for o in outputs]


def test_no_sources_no_names() -> None:
    assert names([]) == []


def test_people_of_whatever_has_more_than_one_frame(tmp_path: Path) -> None:
    (still := tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(8))
    video, picture = names(["a.mp4", str(still)], followed=True)
    assert video[-1] == "a.crowdmask.persons.csv"
    assert not any("persons" in path for path in picture)
    assert is_own_output("a.crowdmask.persons.csv") and is_own_output("a.crowdmask.persons.csv.part")


def test_beside_the_input() -> None:
    assert names(["a/b.mkv"]) == [["a/b.crowdmask.mp4", "a/b.crowdmask.csv", "a/b.crowdmask.json"]]


@pytest.mark.parametrize(
    ("picture", "annotated"),
    [("a.jpg", "a.crowdmask.jpg"), ("a.PNG", "a.crowdmask.png"), ("a.b.tiff", "a.b.crowdmask.tiff")],
)
def test_pictures_keep_their_format(picture: str, annotated: str) -> None:
    assert names([picture])[0][0] == annotated


def test_numbers_only() -> None:
    assert names(["a.mp4"], annotated=False) == [["a.crowdmask.csv", "a.crowdmask.json"]]


def test_out_names_all_three() -> None:
    assert names(["a.mkv"], out="x/best.mp4") == [["x/best.mp4", "x/best.csv", "x/best.json"]]


@pytest.mark.parametrize("out", ["x/best", "x/best.csv", "x/best.mp4"])
def test_out_without_a_video_names_the_numbers(out: str) -> None:
    assert names(["a.mkv"], annotated=False, out=out) == [["x/best.csv", "x/best.json"]]


def test_out_keeps_dots_in_a_name_without_a_suffix() -> None:
    assert names(["a.mkv"], annotated=False, out="2026.11.20")[0][0] == "2026.11.20.csv"


@pytest.mark.parametrize(
    ("source", "out"), [("a.mp4", "b.avi"), ("a.mp4", "b"), ("a.jpg", "b.mp4"), ("a.mp4", "b.jpg")]
)
def test_out_must_be_of_a_kind_that_is_written(source: str, out: str) -> None:
    with pytest.raises(SettingsError, match=f"{out}: the annotated"):
        names([source], out=out)


def test_out_is_for_one_input_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="2 inputs: use --out-dir"):
        names(["a.mp4", "b.mp4"], out="c.mp4")
    with pytest.raises(SettingsError, match="use --out-dir"):
        names(["a.mp4"], out=str(tmp_path))


@pytest.mark.parametrize(
    "given", [{"out": "s3://b/a.mp4"}, {"out_dir": "gs://b/x"}, {"detections": "az://k:x@b/f.csv"}]
)
def test_results_do_not_go_to_an_address(given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"names an address \(\w+://…\), and results are written"):
        Destinations(**given)


def test_out_and_out_dir_contradict() -> None:
    with pytest.raises(SettingsError, match="contradict"):
        Destinations(out="a.mp4", out_dir="b")


def test_detections_have_two_formats() -> None:
    with pytest.raises(SettingsError, match=r"name it \.csv or \.parquet"):
        Destinations(detections="faces.xlsx")


def test_same_stem_in_one_folder_takes_the_whole_name() -> None:
    got = [n[1] for n in names(["v/a.mp4", "v/a.avi", "v/b.mp4"])]
    assert got == ["v/a.mp4.crowdmask.csv", "v/a.avi.crowdmask.csv", "v/b.crowdmask.csv"]


def test_same_name_from_two_folders_mirrors_the_folders() -> None:
    got = [n[1] for n in names(["n/cam1/a.mp4", "n/cam2/a.mp4", "n/cam2/b.mp4"], out_dir="o")]
    assert got == ["o/cam1/a.crowdmask.csv", "o/cam2/a.crowdmask.csv", "o/b.crowdmask.csv"]


def test_a_name_made_longer_does_not_meet_another() -> None:
    got = [n[1] for n in names(["a.mp4", "a.avi", "a.mp4.mov"], out_dir="o")]
    assert len(set(got)) == 3


def test_names_that_differ_in_case_only_meet_on_many_disks() -> None:
    got = [n[1].lower() for n in names(["x/A.mp4", "y/a.mp4"], out_dir="o")]
    assert len(set(got)) == 2


def test_every_order_gives_each_input_the_same_name() -> None:
    sources = ["c1/a.mp4", "c2/a.mp4", "c2/a.avi"]
    forth = dict(zip(sources, names(sources, out_dir="o"), strict=True))
    back = dict(zip(sources[::-1], names(sources[::-1], out_dir="o"), strict=True))
    assert forth == back


def test_cameras_and_streams() -> None:
    assert names(["0"])[0][0] == "camera-0.crowdmask.mp4"
    assert names(["rtsp://me:secret@10.0.0.1:554/live/1?key=2"])[0][0] == "10.0.0.1-554-live-1.crowdmask.mp4"
    assert names(["http://host/"], out_dir="o")[0][0] == "o/host.crowdmask.mp4"


def test_two_streams_of_one_name_are_refused() -> None:
    with pytest.raises(SettingsError, match="analyse them in two calls"):
        names(["http://host/a?1", "http://host/a?2"])


@pytest.mark.parametrize(
    "name", ["a.crowdmask.mp4", "A.CROWDMASK.CSV", "a.mp4.crowdmask.jpg", "x/a.crowdmask.csv.part"]
)
def test_own_outputs_are_known(name: str) -> None:
    assert is_own_output(name)


@pytest.mark.parametrize(
    "name", ["crowdmask.mp4", "a.crowdmasked.mp4", "a.crowdmask.mp4/b.mp4", "my.crowdmask.d/b.mp4"]
)
def test_other_files_are_not_taken_for_own(name: str) -> None:
    assert not is_own_output(name)


def test_a_file_named_like_a_camera_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert kind_of("0") is SourceKind.STREAM
    Path("0").touch()
    assert kind_of("0") is SourceKind.VIDEO
    assert os.listdir() == ["0"]
