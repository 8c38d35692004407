"""When a still or video was taken: every source of the time, their order, the zone's doubtful hours, and refusals."""

from __future__ import annotations

import os
import struct
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import av
import cv2
import numpy as np
import pytest

from crowdmask.errors import SettingsError
from crowdmask.media.camera_names import camera_reader, camera_warning
from crowdmask.media.capture_time import CaptureClock, creation_time
from crowdmask.media.name_times import NameTime, name_time
from crowdmask.media.time_formats import time_format
from crowdmask.media.time_zones import clock_change, first_instant, instant_of, machine_zone_name, zone_named

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 12, 1, tzinfo=timezone.utc)
UTC = timezone.utc


def exif_block(original: str = "", offset: str = "", fraction: str = "") -> bytes:
    """A little-endian TIFF block whose EXIF directory holds the given tags."""
    tags = [
        (tag, text.encode() + b"\0") for tag, text in ((0x9003, original), (0x9011, offset), (0x9291, fraction)) if text
    ]
    first, entries, data = 8 + 2 + 12 + 4, b"", b""
    start = first + 2 + 12 * len(tags) + 4
    for tag, text in tags:
        place = text.ljust(4, b"\0") if len(text) <= 4 else struct.pack("<I", start + len(data))
        data += text if len(text) > 4 else b""
        entries += struct.pack("<HHI", tag, 2, len(text)) + place
    head = b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHII", 0x8769, 4, 1, first) + bytes(4)
    return head + struct.pack("<H", len(tags)) + entries + bytes(4) + data


def write_still(path: Path, block: bytes = b"", modified: str = "2020-06-01T12:00:00+00:00") -> Path:
    """A small still with an EXIF block in its own format's place, and the given file time."""
    whole = cv2.imencode(path.suffix, np.full((8, 8, 3), 90, np.uint8))[1].tobytes()
    if block and path.suffix == ".jpg":
        part = b"Exif\0\0" + block
        whole = whole[:2] + b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part + whole[2:]
    elif block and path.suffix == ".webp":
        chunk = b"EXIF" + struct.pack("<I", len(block)) + block + bytes(len(block) % 2)
        whole = b"RIFF" + struct.pack("<I", len(whole) - 8 + len(chunk)) + whole[8:] + chunk
    path.write_bytes(whole)
    return touch(path, modified)


def touch(path: Path, modified: str) -> Path:
    seconds = datetime.fromisoformat(modified).timestamp()
    os.utime(path, (seconds, seconds))
    return path


def write_video(path: Path, tags: dict[str, str], seconds: int = 2) -> Path:
    with av.open(str(path), "w") as container:
        container.metadata.update(tags)
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        for _ in range(5 * seconds):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="bgr24")))
        container.mux(stream.encode())
    return path


def iso(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat() if moment else ""


def test_an_empty_file_and_a_missing_one_have_only_the_file_time_or_none(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jpg"
    empty.touch()
    touch(empty, "2026-11-20T10:00:00+00:00")
    clock = CaptureClock(PARIS)
    assert clock.read(empty, NOW).origin == "file"
    missing = clock.read(tmp_path / "missing.jpg", NOW)
    assert (missing.instant, missing.origin) == (None, "")


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_exif_comes_first_and_its_offset_and_fraction_count(tmp_path: Path, suffix: str) -> None:
    block = exif_block("2026:11:20 23:15:01", "-05:00", "48")
    still = write_still(tmp_path / f"IMG_20250101_000000{suffix}", block)
    found = CaptureClock(PARIS).read(still, NOW)
    assert (iso(found.instant), found.origin) == ("2026-11-21T04:15:01.480000+00:00", "exif")


def test_exif_without_an_offset_is_local_time(tmp_path: Path) -> None:
    still = write_still(tmp_path / "a.jpg", exif_block("2026:07:20 23:15:01"))
    assert iso(CaptureClock(PARIS).read(still, NOW).instant) == "2026-07-20T21:15:01+00:00"


@pytest.mark.parametrize(
    "original", ["", "0000:00:00 00:00:00", "    :  :     :  :  ", "1980:01:01 00:00:00", "rubbish"]
)
def test_exif_of_a_clock_never_set_gives_way_to_the_name(tmp_path: Path, original: str) -> None:
    still = write_still(tmp_path / "IMG_20261120_231501.jpg", exif_block(original))
    found = CaptureClock(PARIS).read(still, NOW)
    assert (iso(found.instant), found.origin) == ("2026-11-20T22:15:01+00:00", "name")


def test_damaged_exif_is_no_exif(tmp_path: Path) -> None:
    block = exif_block("2026:11:20 23:15:01")
    for cut in range(4, len(block), 7):
        broken = block[:cut] + b"\xff" * (len(block) - cut)
        still = write_still(tmp_path / f"{cut}.jpg", broken)
        assert CaptureClock(PARIS).read(still, NOW).origin in ("exif", "file")


def test_a_container_tells_its_creation_time(tmp_path: Path) -> None:
    video = write_video(tmp_path / "20250101_000000.mp4", {"creation_time": "2026-11-20T22:15:01.000000Z"})
    found = CaptureClock(PARIS).read(video, NOW)
    assert (iso(found.instant), found.origin) == ("2026-11-20T22:15:01+00:00", "container")
    by_name = CaptureClock(PARIS, order=("name", "file")).read(video, NOW)
    assert (iso(by_name.instant), by_name.origin) == ("2024-12-31T23:00:00+00:00", "name")


def test_apples_date_has_an_offset_and_wins() -> None:
    tags = {
        "creation_time": "2026-11-20T22:20:00.000000Z",
        "com.apple.quicktime.creationdate": "2026-11-20T23:15:01+0100",
    }
    assert iso(creation_time(tags)) == "2026-11-20T22:15:01+00:00"


@pytest.mark.parametrize(
    "word", ["1904-01-01T00:00:00.000000Z", "1970-01-01T00:00:00Z", "yesterday", "2026-13-01T00:00:00Z"]
)
def test_a_container_whose_clock_was_never_set_says_nothing(word: str) -> None:
    assert creation_time({"creation_time": word}) is None


def test_the_files_time_of_a_video_is_its_end(tmp_path: Path) -> None:
    video = touch(write_video(tmp_path / "clip.mp4", {}, seconds=4), "2026-11-20T22:00:04+00:00")
    found = CaptureClock(PARIS).read(video, NOW)
    assert (iso(found.instant), found.origin) == ("2026-11-20T22:00:00+00:00", "file")


def test_a_file_from_the_future_or_before_cameras_has_no_time(tmp_path: Path) -> None:
    for modified in ("2027-01-01T00:00:00+00:00", "1970-01-01T00:00:01+00:00"):
        assert CaptureClock(PARIS).read(write_still(tmp_path / "a.jpg", modified=modified), NOW).instant is None


def test_a_day_in_the_name_needs_a_file_time_of_that_day(tmp_path: Path) -> None:
    still = tmp_path / "IMG-20261120-WA0012.jpg"
    agreed = CaptureClock(PARIS).read(write_still(still, modified="2026-11-20T22:30:00+00:00"), NOW)
    assert (iso(agreed.instant), agreed.origin) == ("2026-11-20T22:30:00+00:00", "file")
    other = CaptureClock(PARIS).read(write_still(still, modified="2026-11-20T23:30:00+00:00"), NOW)  # the 21st in Paris
    assert other.instant is None and "2026-11-20" in other.note


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("20261120_231501.jpg", "2026-11-20 23:15:01"),
        ("IMG_20261120_231501.jpg", "2026-11-20 23:15:01"),
        ("20261120231501.jpg", "2026-11-20 23:15:01"),
        ("2026-11-20T23-15-01.mp4", "2026-11-20 23:15:01"),
        ("cam1 2026-11-20 23.15.01.png", "2026-11-20 23:15:01"),
        ("2026_11_20_23_15_01.jpg", "2026-11-20 23:15:01"),
        ("2026-11-20_23-15.mp4", "2026-11-20 23:15:00"),
        ("192.168.1.64_01_20261120231501123_TIMING.jpg", "2026-11-20 23:15:01.123000"),
        ("NVR_ch1_main_20261120231501_20261120232000.mp4", "2026-11-20 23:15:01"),
        ("RLC-410_00_20261120231501.jpg", "2026-11-20 23:15:01"),
        ("RecM02_20261120_231501_231616_6D28808_1A468F9.mp4", "2026-11-20 23:15:01"),
        ("RecS02_DST20260701_120000_120015_0_A71D2.mp4", "2026-07-01 12:00:00"),
        ("image2026-11-20_23-15-01-12.jpg", "2026-11-20 23:15:01"),
        ("20261120_231501_7F4C_ACCC8E123456.mkv", "2026-11-20 23:15:01"),
        ("WhatsApp Video 2026-11-20 at 23.15.01.mp4", "2026-11-20 23:15:01"),
        ("Screenshot 2026-11-20 at 11.15.01 PM.png", "2026-11-20 23:15:01"),
        ("Screenshot 2026-11-20 at 12.15.01 AM.png", "2026-11-20 00:15:01"),
        ("PXL_20261120_221501480.jpg", "2026-11-20 22:15:01.480000+00:00"),
        ("20261120T221501Z.jpg", "2026-11-20 22:15:01+00:00"),
        ("2026-11-20T23-15-01+0100.jpg", "2026-11-20 23:15:01+01:00"),
        ("2026-11-20/001/jpg/23.15.01[M][0@0][0].jpg", "2026-11-20 23:15:01"),
        ("2026/11/20/cam1/23-15-01.jpg", "2026-11-20 23:15:01"),
        ("20261120/cam1/23-15-01-00.mp4", "2026-11-20 23:15:01"),
        ("snapshot_1763676901.jpg", "2025-11-20 22:15:01+00:00"),
        ("cam1-1763676901123.jpg", "2025-11-20 22:15:01.123000+00:00"),
    ],
)
def test_names_of_common_cameras_are_read(name: str, expected: str) -> None:
    found = name_time(name, NOW)
    assert str(found.time) == expected, found


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a.jpg",
        "frame_000123.jpg",
        "20-11-2026_23-15-01.jpg",  # day first or month first
        "11-05-2026 23.15.01.jpg",
        "27-11-20_23-15-01.jpg",  # a two-digit year that is still to come
        "31-11-20_23-15-01.jpg",
        "13-13-2026, 11.15.01 PM.mp4",
        "2026-11-20/001/jpg/25/05/13[M].jpg",
        "001/jpg/22/05/13[M].jpg",
        "20112026_231501.jpg",
        "202611202315.jpg",  # twelve digits
        "20261320_231501.jpg",  # month 13
        "20261120_241501.jpg",
        "20261120_2315.jpg",  # a time or a counter
        "20261120_231501234567.jpg",
        "9920261120231501.jpg",
        "2026-11-20 at 13.15.01 PM.png",
        "1899-11-20_23-15-01.jpg",
        "2195212901.jpg",  # Unix time, but of 2039
        "cam/23-15-01.jpg",  # a time without a day
        "2026-11-20/2026-11-21/23-15-01.jpg",  # under two days
    ],
)
def test_names_that_say_nothing_or_could_say_two_things_are_not_read(name: str) -> None:
    assert name_time(name, NOW).time is None


def test_a_refusal_says_why() -> None:
    assert "two-digit year" in name_time("1711202315.jpg", NOW).refused
    assert "2026-11-20 23:15:01" in name_time("a_20261120231501_20261120221501.mp4", NOW).refused
    assert "offset or a counter" in name_time("2026-11-20T23-15-01-0500.jpg", NOW).refused


def test_a_day_alone_is_only_a_day() -> None:
    assert name_time("VID-20261120-WA0012.mp4", NOW) == NameTime(day=date(2026, 11, 20))


def test_an_ambiguous_name_is_noted_and_the_files_time_taken(tmp_path: Path) -> None:
    found = CaptureClock(PARIS).read(write_still(tmp_path / "1711202315.jpg"), NOW)
    assert found.origin == "file" and "--time-format" in found.note


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("%d-%m-%Y_%H-%M-%S", "cam1_20-11-2026_23-15-01.jpg", "2026-11-20 23:15:01"),
        ("%y%m%d%H%M", "1711202315.jpg", "2017-11-20 23:15:00"),
        ("unix", "cam_1711202315.jpg", "2024-03-23 13:58:35+00:00"),
        ("unixms", "cam_1711202315480.jpg", "2024-03-23 13:58:35.480000+00:00"),
        ("%Y-%m-%d/%H/%M.%S", "2026-11-20/23/15.01.mp4", "2026-11-20 23:15:01"),
        ("%Y%m%d-%I%M%S%p%z", "x20261120-111501PM+0100y.jpg", "2026-11-20 23:15:01+01:00"),
        ("%d%b%Y %H%M", "20Nov2026 2315.jpg", "2026-11-20 23:15:00"),
        ("%Y%m%d_%H%M%S", "99202611200_231501 20261120_231501.jpg", "2026-11-20 23:15:01"),
        ("%Y%m%d_%H%M", "20261320_0000.jpg", "None"),
        ("%Y%m%d_%H%M", "", "None"),
    ],
)
def test_a_format_finds_the_time_anywhere_in_the_name(text: str, name: str, expected: str) -> None:
    assert str(time_format(text).find(name)) == expected


@pytest.mark.parametrize("text", ["", "%H%M%S", "%Y%m%d", "%Y%m%d %I%M", "%Y%m%d_%Q%H", "%Y%m%d%H%"])
def test_a_format_that_cannot_tell_a_time_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="time_format"):
        time_format(text)


def test_a_format_takes_the_place_of_the_known_patterns(tmp_path: Path) -> None:
    still = write_still(tmp_path / "20-11-2026_23-15-01_20250101_000000.jpg")
    found = CaptureClock.of("Europe/Paris", "%d-%m-%Y_%H-%M-%S").read(still, NOW)
    assert (iso(found.instant), found.origin) == ("2026-11-20T22:15:01+00:00", "name")


def test_the_repeated_hour_goes_by_the_files_time_else_by_the_first_pass() -> None:
    naive = datetime(2026, 10, 25, 2, 30)
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert instant_of(naive, PARIS) == first
    assert instant_of(naive, PARIS, second + timedelta(minutes=5)) == second
    assert instant_of(naive, PARIS, first - timedelta(minutes=5)) == first
    assert instant_of(naive, PARIS, second + timedelta(days=3)) == first


def test_a_skipped_time_is_read_as_by_a_clock_nobody_put_forward() -> None:
    assert instant_of(datetime(2026, 3, 29, 2, 30), PARIS) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert first_instant(datetime(2026, 3, 29, 2, 30), PARIS) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_a_clock_change_is_found_to_the_minute() -> None:
    before, after = datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)
    assert clock_change(before, after, PARIS) == datetime(2026, 10, 25, 1, tzinfo=UTC)


def test_zones_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert zone_named("Europe/Paris").key == "Europe/Paris"
    with pytest.raises(SettingsError, match="did you mean Europe/Paris"):
        zone_named("Europe/Pariss")
    with pytest.raises(SettingsError, match="IANA"):
        zone_named("../../etc/passwd")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert machine_zone_name() == "Asia/Tokyo"


def test_captured_at_is_iso_with_the_zones_offset() -> None:
    start = datetime(2026, 10, 25, 0, 59, 59, 900_000, tzinfo=UTC)
    clock = CaptureClock(PARIS)
    assert clock.captured_at(start) == "2026-10-25T02:59:59.900+02:00"
    assert clock.captured_at(start, 0.1) == "2026-10-25T02:00:00.000+01:00"


def test_an_unknown_origin_is_refused() -> None:
    with pytest.raises(SettingsError, match="exif, container, name, file"):
        CaptureClock.of(order=("exif", "guess"))


@pytest.mark.parametrize(
    ("source", "root", "camera"),
    [
        ("a.jpg", "", ""),
        ("a.jpg", "night", "night"),
        ("a.jpg", "2026-11-20", ""),
        ("cam1/a.jpg", "2026-11-20", "cam1"),
        ("north/cam1/2026-11-20/a.jpg", "in", "cam1"),
        ("north/cam1/2026/11/20/23/a.jpg", "in", "cam1"),
        ("cam1/20261120/23/a.jpg", "in", "cam1"),
        ("cam1/01/a.jpg", "in", "01"),
        ("cam1/2026/a.jpg", "in", "2026"),
    ],
)
def test_the_camera_is_the_folder_that_is_no_date(source: str, root: str, camera: str) -> None:
    assert camera_reader(root_name=root)(source) == camera


def test_the_camera_by_a_pattern() -> None:
    camera = camera_reader(r"_(?P<camera>ch\d+)_")
    assert camera("night/NVR_ch12_main.mp4") == "ch12"
    assert camera("night/other.mp4") == ""
    for wrong in ("(", "ch\\d+", "(?P<cam>x)"):
        with pytest.raises(SettingsError, match="camera_pattern"):
            camera_reader(wrong)


def test_a_pattern_that_matches_nothing_is_told() -> None:
    assert camera_warning(None, 0, 5) is None
    assert camera_warning("x", 5, 5) is None
    assert "none of the 5" in (camera_warning("x", 0, 5) or "")
    assert "2 of the 5" in (camera_warning("x", 3, 5) or "")


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("2026-11-20/001/jpg/22/05/13[M][0@0][0].jpg", "2026-11-20T22:05:13"),
        ("cam/2026/11/20/jpg/00/59/00.jpg", "2026-11-20T00:59:00"),
        ("20.11.2026_23-15-01.jpg", "2026-11-20T23:15:01"),
        ("Tor 01.02.2026 23.15.01.mp4", "2026-02-01T23:15:01"),
        ("Gate 11-20-2026, 11.15.01 PM GMT+1.mp4", "2026-11-20T23:15:01+01:00"),
        ("G4 Bullet 2-8-2026, 12.05.09am.mp4", "2026-02-08T00:05:09"),
        ("Gate 11-20-2026, 11.15.01 PM - 11-20-2026, 11.20.00 PM.mp4", "2026-11-20T23:15:01"),
        ("cam1_261120_231501.jpg", "2026-11-20T23:15:01"),
        ("26-11-20 23-15-01.jpg", "2026-11-20T23:15:01"),
    ],
)
def test_names_of_further_makers(name: str, time: str) -> None:
    found = name_time(name, NOW)
    assert found.time is not None and found.time.isoformat() == time
