from __future__ import annotations

import csv
import errno
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdmask.errors import OutputError
from crowdmask.media import parts
from crowdmask.records import Counts, SourceKind, Stream
from crowdmask.results import csv_part
from crowdmask.results.csv_part import CsvPart, decimals
from crowdmask.results.frames_csv import FRAMES, FRAMES_OF_ONE, FrameRow, FramesCsv, row_of
from crowdmask.verdicts import Verdict
from tests.factories import make_result, of

HEADER = "frame,time_s,faces,masked,unmasked,unknown,compliance,incorrect\n"
BOX = (1, 1, 5, 5)


def test_no_frames_leave_the_header(tmp_path: Path) -> None:
    with FramesCsv(tmp_path / "a.csv"):
        pass
    assert (tmp_path / "a.csv").read_bytes() == HEADER.encode()
    assert sorted(os.listdir(tmp_path)) == ["a.csv"]


def test_rows_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with FramesCsv(path) as sink:
        sink.write(make_result(index=0, seconds=0.0))
        sink.write(make_result(boxes=[BOX] * 3, unmasked_prob=[0.1, 0.2, 0.9], index=1, seconds=1 / 30))
        sink.write(make_result(boxes=[BOX], unmasked_prob=[float("nan")], index=2, seconds=7200.5))
    assert path.read_text() == HEADER + (
        "0,0.000000,0,0,0,0,,0\n"  # nobody there: a row, and no rate
        "1,0.033333,3,2,1,0,0.6667,0\n"
        "2,7200.500000,1,0,0,1,,0\n"  # somebody there, but not judged: no rate either
    )


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [(0.0, 6, "0.000000"), (-0.0, 2, "0.00"), (-1e-9, 6, "0.000000"), (-0.5, 2, "-0.50"), (1.0, 4, "1.0000")],
)
def test_decimals(value: float, places: int, text: str) -> None:
    assert decimals(value, places) == text


def test_rows_are_on_disk_as_they_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with FramesCsv(path) as sink:
        sink.add(FrameRow(Stream(), 0, 0.0, Counts(1, 0, 0)))
        assert (tmp_path / "a.csv.part").read_text() == HEADER + "0,0.000000,1,1,0,0,1.0000,0\n"
        assert not path.exists()


def test_an_error_keeps_the_rows_in_part(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), FramesCsv(tmp_path / "a.csv") as sink:
        sink.add(FrameRow(Stream(), 0, 0.0, Counts()))
        raise RuntimeError("half-way")
    assert os.listdir(tmp_path) == ["a.csv.part"]
    assert (tmp_path / "a.csv.part").read_text() == HEADER + "0,0.000000,0,0,0,0,,0\n"


def test_a_new_run_begins_anew_over_an_old_part(tmp_path: Path) -> None:
    (tmp_path / "a.csv.part").write_text("old rows, longer than the new ones\n" * 9)
    with FramesCsv(tmp_path / "a.csv"):
        pass
    assert (tmp_path / "a.csv").read_text() == HEADER


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no-such"), FramesCsv(tmp_path / "no-such" / "a.csv"):
        pass


def test_a_full_disk_leaves_whole_rows_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write = os.write
    room = len(HEADER) + len("0,0.000000,0,0,0,0,,0\n") + 5  # the second row fits by five bytes

    def write(handle: int, data: bytes) -> int:
        nonlocal room
        if room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real_write(handle, bytes(data)[:room])
        room -= written
        return written

    monkeypatch.setattr(csv_part.os, "write", write)
    with pytest.raises(OutputError, match=r"a\.csv.*full"), FramesCsv(tmp_path / "a.csv") as sink:
        sink.add(FrameRow(Stream(), 0, 0.0, Counts()))
        sink.add(FrameRow(Stream(), 1, 0.04, Counts()))
    assert os.listdir(tmp_path) == ["a.csv.part"]
    assert (tmp_path / "a.csv.part").read_text() == HEADER + "0,0.000000,0,0,0,0,,0\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_the_systems_own_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "forget_link", lambda part: None)
    (tmp_path / "a.csv.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="full"), FramesCsv(tmp_path / "a.csv"):
        pass


def test_rows_are_forced_to_disk_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, forced = [100.0], []
    monkeypatch.setattr(csv_part.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(csv_part.os, "fsync", forced.append)
    with CsvPart(tmp_path / "a.csv", ["a"]) as part:
        part.row([1])
        assert forced == []
        now[0] += csv_part.SYNC_SECONDS + 1
        part.row([2])
        part.row([3])
        assert len(forced) == 1


def test_a_whole_run_says_the_origin_of_each_row(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    zone = timezone(timedelta(hours=1))
    begun = datetime(2026, 11, 20, 8, 0, 0, 0, zone)
    hall = Stream('hall "B", 2/a b.jpg', SourceKind.PICTURE, "hall", begun, "exif")
    with FramesCsv(path, of_run=True) as sink:
        sink.add(FrameRow(hall, 1, 0.04, Counts(1, 1, 0)))
        sink.write(of("b.mp4", make_result(index=3, seconds=0.12)))
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    origin = ["source", "camera", "captured_at", "captured_from"]
    assert list(rows[0]) == [*HEADER.strip().split(",")[:7], *origin, "incorrect"]  # what is added comes last
    assert rows[0]["source"] == 'hall "B", 2/a b.jpg'
    assert rows[0]["captured_at"] == "2026-11-20T08:00:00.040+01:00"
    assert rows[0]["captured_from"] == "exif"
    assert (rows[1]["source"], rows[1]["camera"], rows[1]["captured_at"]) == ("b.mp4", "", "")


def test_a_local_time_goes_on_evenly_when_the_clock_is_set_back() -> None:
    begun = datetime(2026, 10, 25, 2, 59, 0, tzinfo=ZoneInfo("Europe/Paris"))
    taken = Stream(starts_at=begun).taken_at(120.0)
    assert taken is not None
    assert taken.isoformat() == "2026-10-25T02:01:00+01:00"


def test_no_column_ever_moves() -> None:
    """What was first published, in the CSV of one input and in that of a run: new columns come after these."""
    first = ["frame", "time_s", "faces", "masked", "unmasked", "unknown", "compliance"]
    assert list(FRAMES_OF_ONE.names[:7]) == first
    assert list(FRAMES.names[:11]) == [*first, "source", "camera", "captured_at", "captured_from"]
    places = [FRAMES.names.index(name) for name in FRAMES_OF_ONE.names]
    assert places == sorted(places)


@given(
    st.integers(0, 10**9),
    st.floats(0, 1e6),
    st.lists(st.integers(0, 1000), min_size=len(Verdict), max_size=len(Verdict)),
)
def test_a_row_comes_back_from_its_cells(frame: int, seconds: float, numbers: list[int]) -> None:
    seconds = round(seconds, 6)
    row = FrameRow(Stream("a.mp4"), frame, seconds, Counts(*numbers))
    assert row_of(FRAMES_OF_ONE.cells(row), row.stream) == row


@pytest.mark.parametrize(
    "line",
    ["0,0.000000,3,2,1,1,0.6667,0", "0,0.000000,3,2,1,0,0.6666,0", "0,0.0,0,0,0,0,,0", "0,0,0,0", "a"],
)
def test_a_row_whose_parts_do_not_add_up_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        row_of(line.split(","), Stream())


def test_names_that_are_no_utf8_do_not_spoil_the_file(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    with FramesCsv(tmp_path / "run.csv", of_run=True) as sink:
        sink.add(FrameRow(Stream(name), 0, 0.0, Counts()))
    assert "caf\\udce9.jpg" in (tmp_path / "run.csv").read_text("utf-8")


def test_a_stream_starts_at_a_time_with_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Stream("a", starts_at=datetime(2026, 11, 20))


def test_wrongly_worn_counts_against(tmp_path: Path) -> None:
    with FramesCsv(tmp_path / "a.csv") as sink:
        sink.add(FrameRow(Stream(), 0, 0.0, Counts(3, 2, 1, 1)))
    assert (tmp_path / "a.csv").read_text() == HEADER + "0,0.000000,7,3,2,1,0.5000,1\n"
