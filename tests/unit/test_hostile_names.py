"""Names that are commands to a terminal or formulas to a spreadsheet, too long names, links, and two runs at once."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path

import pytest

from crowdmask.cli.main import main, printable
from crowdmask.errors import OutputError, SettingsError
from crowdmask.jobs.batch.running import FINISHED
from crowdmask.jobs.destinations import Destinations
from crowdmask.jobs.manifest.packing import PackedFile
from crowdmask.jobs.naming import name_outputs
from crowdmask.media.capture_time import CaptureClock
from crowdmask.media.parts import ensure_writable, open_alone, part_of, write_whole
from crowdmask.media.video_writer import VideoWriter
from crowdmask.nets.fetch import offline
from crowdmask.records import SourceKind, VideoInfo
from crowdmask.results.columns import Column, Kind, no_formula
from crowdmask.results.csv_part import CsvPart
from tests.factories import make_frame
from tests.unit.jobs.batch.cctv import batch, clip, still


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("a\x1b[2Jb.jpg", "a\\x1b[2Jb.jpg"),
        ("a\rb\x07.jpg", "a\\x0db\\x07.jpg"),
        ("a\x9b31mb.jpg", "a\\x9b31mb.jpg"),
        ("größe 映画.mp4", "größe 映画.mp4"),
        ("rtsp://u:secret@cam/1: no answer", "rtsp://u:***@cam/1: no answer"),
    ],
)
def test_a_terminal_obeys_no_name(name: str, seen: str) -> None:
    assert printable(name) == seen


def test_the_traceback_of_a_stream_holds_no_password() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "crowdmask", "analyze", "rtsp://user:sec/ret@127.0.0.1:9/x?token=hidden1", "-v"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode != 0
    assert "127.0.0.1:9" in ran.stderr
    assert "sec/ret" not in ran.stderr and "hidden1" not in ran.stderr


@pytest.mark.parametrize("name", ["=1+2.jpg", '=HYPERLINK("x").jpg', "+1.jpg", "-1.jpg", "@a.jpg"])
def test_a_spreadsheet_computes_no_name(name: str) -> None:
    column: Column[str] = Column("source", Kind.TEXT, "where it is from", lambda row: row)
    assert column.text(name) == f"'{name}"
    assert column.exact(name) == name
    assert no_formula(f"cam/{name}") == f"cam/{name}"


def test_no_cell_of_a_run_or_of_its_statistics_is_a_formula(tmp_path: Path) -> None:
    night = tmp_path / "night"
    for camera in ("=cmd", "+cam", "-1", "@x"):
        for name in ('=HYPERLINK("http:x").png', "=1+2.png"):
            still(night / camera / name, 3)
    clip(night / "=cmd" / "=v.mp4")
    outcome = batch(night, tmp_path / "run", detections="detections.csv")
    assert outcome.ending == FINISHED and outcome.totals.done == 9
    table = tmp_path / "stats.csv"
    with pytest.raises(SystemExit) as left:
        main(["stats", str(tmp_path / "run"), "--by", "camera", "--out", str(table)])
    assert not left.value.code
    tables = [*(tmp_path / "run").rglob("*.csv"), table]
    assert {"frames.csv", "detections.csv", "=v.mp4.csv", "stats.csv"} <= {path.name for path in tables}
    cells = {cell for path in tables for row in csv.reader(path.open(newline="")) for cell in row}
    assert {"'=cmd", "'-1", "'=cmd/=1+2.png"} <= cells
    for cell in cells:
        assert not cell.startswith(("=", "+", "@")) and (not cell.startswith("-") or float(cell) <= 0), cell


def test_numbers_below_zero_stay_numbers() -> None:
    column: Column[float] = Column("x1", Kind.NUMBER, "left", lambda row: row, places=1)
    assert column.text(-3.0) == "-3.0"


@pytest.mark.parametrize("letter", ["x", "ü", "映"])
def test_a_name_of_250_bytes_has_room_for_every_ending(letter: str, tmp_path: Path) -> None:
    names = [letter * (246 // len(letter.encode()) - 1) + end + ".mp4" for end in ("a", "b")]
    sources = []
    for name in names:
        (tmp_path / name).write_bytes(b"x")
        sources.append(str(tmp_path / name))
    named = name_outputs(sources, Destinations(), annotated=True, followed=True)
    assert len({outputs.annotated for outputs in named}) == 2
    for outputs in named:
        for path in outputs.paths:
            (path.parent / (path.name + ".whole.part")).write_bytes(b"")
            assert ".crowdmask." in path.name


def a_video(path: Path) -> None:
    info = VideoInfo("in.mp4", SourceKind.VIDEO, 96, 64, Fraction(25))
    with VideoWriter(path, info) as video:
        video.write(make_frame(0, 0.0))


def a_packed_file(path: Path) -> None:
    with PackedFile(path) as file:
        file.add(b"1")


def test_a_part_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    for write in (
        ensure_writable,
        lambda path: write_whole(path, b"new"),
        lambda path: CsvPart(path, ["a"]).__enter__().close(),
        a_video,
        a_packed_file,
    ):
        victim.write_text("precious")
        part_of(tmp_path / "out").unlink(missing_ok=True)
        part_of(tmp_path / "out").symlink_to(victim)
        (tmp_path / "out").unlink(missing_ok=True)
        write(tmp_path / "out")
        assert victim.read_text() == "precious"


def test_the_same_result_twice_at_once_is_refused(tmp_path: Path) -> None:
    with CsvPart(tmp_path / "out.csv", ["a"]) as first:
        first.row(["1"])
        with pytest.raises(OutputError, match=r"out\.csv: another run is writing it"):
            open_alone(part_of(tmp_path / "out.csv"))
    with (tmp_path / "out.csv").open() as file:
        assert list(csv.reader(file)) == [["a"], ["1"]]


@pytest.mark.parametrize("word", ["maybe", "2", "nope"])
def test_a_word_that_is_neither_yes_nor_no_is_refused(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWDMASK_OFFLINE", word)
    with pytest.raises(SettingsError, match="CROWDMASK_OFFLINE is"):
        offline()


@pytest.mark.parametrize("key", ["com.apple.quicktime.creationdate", "creation_time"])
@pytest.mark.parametrize("date", ["9999-12-31T23:59:59+00:00", "9999-12-31T23:59:59-11:00", "2446-05-10T22:38:55Z"])
def test_years_beyond_belief_are_no_time(date: str, key: str, tmp_path: Path) -> None:
    import av

    path = tmp_path / "in.mov"
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as out:
        out.metadata[key] = date
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 48
        out.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(stream.encode(None))
    found = CaptureClock.of("Pacific/Kiritimati").read(path)
    assert found.origin in ("", "file")
    assert json.dumps(str(found.instant))
    assert found.instant is None or found.instant.year == datetime.now(timezone.utc).year
