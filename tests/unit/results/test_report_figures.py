"""What the report shows, on hand-made numbers: figures over time, by camera and by hour, moments and their pictures."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest

from crowdmask.records import Counts
from crowdmask.results.detections import DetectionsFile
from crowdmask.results.report.charts import nice_ceiling, over_time
from crowdmask.results.report.figures import failures_by_reason, gather
from crowdmask.results.report.heat_map import heat_maps
from crowdmask.results.report.moments import Moment, pictures_of
from crowdmask.results.run_folder import RunFolder
from crowdmask.results.timeline.buckets import Width
from crowdmask.words import duration, natural, percent, span_words
from tests.factories import make_result, of, write_clip
from tests.unit.results.frames_csvs import Row, write_run

BOX = (20.0, 16.0, 60.0, 56.0)


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Paris")


def at(
    minutes: float, *, masked: int = 0, unmasked: int = 0, unknown: int = 0, camera: str = "n", name: str = ""
) -> Row:
    moment = datetime(2026, 11, 20, 20, tzinfo=ZoneInfo("Europe/Paris")) + timedelta(minutes=minutes)
    source = name or f"{camera}/{minutes}.jpg"
    return Row(moment.isoformat(), masked, unmasked, unknown, camera, source)


def test_an_empty_run_has_no_figures(tmp_path: Path) -> None:
    figures = gather(write_run(tmp_path, []))
    assert (figures.totals.frames, figures.sources, figures.over_time, figures.by_camera) == (0, 0, (), ())
    assert (figures.by_hour, figures.moments, figures.summary) == ({}, (), {})
    assert "nothing to show" in over_time((), (), figures.width) and "nothing to show" in heat_maps({})


def test_the_figures_of_a_small_run(tmp_path: Path) -> None:
    rows = [
        at(0, masked=3, unmasked=1),
        at(30, masked=1, unmasked=2, unknown=1),
        at(61, unmasked=4, camera="s"),
        Row("", 5, 0, 0, "n", "untimed.jpg"),
    ]
    figures = gather(write_run(tmp_path, rows))
    assert (figures.totals.counts, figures.sources, figures.width.text) == (Counts(9, 7, 1), 4, "1m")
    assert len(figures.over_time) == 62 and sum(row.frames for row in figures.over_time) == 3
    assert {c.camera: (c.frames, c.counts, c.peak_unmasked) for c in figures.by_camera} == {
        "n": (3, Counts(9, 3, 1), 2),
        "s": (1, Counts(0, 4, 0), 4),
    }
    hours = {key: (hour.frames, hour.counts) for key, hour in figures.by_hour.items()}
    assert hours == {(4, 20): (2, Counts(4, 3, 1)), (4, 21): (1, Counts(0, 4, 0))}


def test_the_repeated_hour_is_one_hour_of_the_week(tmp_path: Path) -> None:
    rows = [Row(f"2026-10-25T02:30:00+0{offset}:00", 1) for offset in (2, 1)]
    assert {key: hour.frames for key, hour in gather(write_run(tmp_path, rows)).by_hour.items()} == {(6, 2): 2}


@pytest.mark.parametrize(
    ("minutes", "every", "shown", "asked"),
    [
        (199, None, "1m", None),
        (201, None, "5m", None),
        (60 * 24 * 30, None, "6h", None),
        (600, "1h", "1h", None),
        (60 * 24 * 300, "20m", "1w", "20m"),
        (60 * 24 * 30, "12h", "12h", None),
    ],
)
def test_buckets_are_as_fine_as_can_be_seen(tmp_path: Path, minutes: int, every: str, shown: str, asked: str) -> None:
    figures = gather(write_run(tmp_path, [at(0), at(minutes)]), every=every)
    assert figures.width.text == shown
    assert (figures.asked_width and figures.asked_width.text) == asked
    assert len(figures.over_time) <= 202


def test_coverage_is_of_all_cameras(tmp_path: Path) -> None:
    rows = [at(minute, camera=camera) for camera in "ns" for minute in range(0, 180) if camera == "n" or minute < 60]
    figures = gather(write_run(tmp_path, rows), every="1h")
    assert [(of.cameras, of.without_frames) for of in figures.coverage] == [(2, 0), (2, 1), (2, 1)]
    assert figures.coverage[1].missing_s == 3600
    chart = over_time(figures.over_time, figures.coverage, figures.width)
    assert "1 of 2 cameras without frames" in chart and 'fill-opacity="0.5"' in chart


def test_moments_are_the_worst_and_a_minute_apart(tmp_path: Path) -> None:
    rows = [
        at(0, unmasked=5),
        at(0.5, unmasked=6),  # half a minute later at the same camera: one moment
        at(0.5, unmasked=4, camera="s"),
        at(10, unmasked=5, masked=1),
        at(20, masked=9),
        *(Row("", 0, n, 0, "", "v.mp4", frame=n, seconds=20.0 * n) for n in range(8)),
    ]
    figures = gather(write_run(tmp_path, rows), moments=5)
    assert [(m.source, m.counts.unmasked) for m in figures.moments] == [
        ("v.mp4", 7),
        ("n/0.5.jpg", 6),  # and not n/0, half a minute before
        ("n/10.jpg", 5),
        ("s/0.5.jpg", 4),
        ("v.mp4", 2),  # and not the one with 5, forty seconds before the first
    ]


def test_breaks_in_time_are_marked(tmp_path: Path) -> None:
    figures = gather(write_run(tmp_path, [at(0, masked=1), at(60 * 24 * 90, masked=1)]), every="1d")
    chart = over_time(figures.over_time, figures.coverage, figures.width)
    assert len(figures.over_time) == 2 and 'class="break" d="M1 ' in chart
    assert chart.count('class="line"') == 2  # no line drawn across


@pytest.mark.parametrize(
    ("most", "ceiling"),
    [(0, 2), (1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 20), (101, 150), (430, 500), (5001, 6000)],
)
def test_axes_end_at_round_numbers(most: int, ceiling: int) -> None:
    assert nice_ceiling(most) == ceiling


def test_words() -> None:
    assert [percent(rate) for rate in (None, 0.0, 0.0001, 0.5, 0.9999, 1.0)] == [
        "–",
        "0.0 %",
        "0.1 %",
        "50.0 %",
        "99.9 %",
        "100.0 %",
    ]
    assert [duration(s) for s in (0, 59.6, 61, 3600, 7260, 90_000, 86_460)] == [
        "0 s",
        "1 min",
        "1 min 1 s",
        "1 h",
        "2 h 1 min",
        "1 d 1 h",
        "1 d",
    ]
    paris = timezone(timedelta(hours=1))
    noon = datetime(2026, 11, 20, 12, tzinfo=paris)
    midnight = datetime(2026, 11, 20, tzinfo=paris)
    assert span_words(noon, noon + timedelta(minutes=20)) == "Fri 20 Nov 2026, 12:00 to 12:20"
    assert span_words(midnight, midnight + timedelta(days=1)) == "Fri 20 Nov 2026"
    assert span_words(midnight, midnight + timedelta(days=7)) == "Fri 20 Nov 2026 to Thu 26 Nov 2026"
    assert "UTC+2 to UTC+1" in span_words(
        datetime.fromisoformat("2026-10-25T00:00+02:00"), datetime.fromisoformat("2026-10-25T06:00+01:00")
    )
    assert sorted(["cam10", "cam2", "Cam1", ""], key=natural) == ["", "Cam1", "cam2", "cam10"]


def test_reasons_are_counted_without_the_names_in_them() -> None:
    failures = [{"source": f"{i}.jpg", "reason": f"{i}.jpg: is damaged"} for i in range(3)] + [
        {"source": "v.mp4", "reason": ""}
    ]
    assert failures_by_reason(failures) == [("is damaged", 3), ("no reason recorded", 1)]


def face_picture() -> np.ndarray:
    """A grey picture with a fine pattern where the face is, and another beside it."""
    image = np.full((120, 160, 3), 128, np.uint8)
    checks = np.indices((40, 40)).sum(axis=0) // 2 % 2 * 255
    image[16:56, 20:60] = checks[:, :, None]
    image[16:56, 100:140] = checks[:, :, None]
    return image


def detail(jpeg: bytes, x1: int, x2: int) -> float:
    """How much fine pattern is left in columns of the picture, rows 24 to 48."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image.shape == (120, 160)
    return float(np.abs(np.diff(image[24:48, x1:x2].astype(int), axis=1)).mean())


def moment(source: str, faces: int = 1, seconds: float = 0.0, frame: int = 0) -> Moment:
    return Moment(source, "n", frame, seconds, None, Counts(0, faces, 0))


def test_faces_are_hidden_where_the_run_knows_them_and_whole_pictures_where_it_does_not(tmp_path: Path) -> None:
    run, summary = RunFolder(tmp_path / "run"), {"input_root": str(tmp_path / "in")}
    run.path.mkdir()
    for name in ("known.png", "unknown.png", "partly.png"):
        (tmp_path / "in").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "in" / name), face_picture())
    with DetectionsFile(run.path / "detections.parquet") as sink:
        for name in ("known.png", "partly.png"):
            sink.write(of(name, make_result(boxes=[BOX], unmasked_prob=[0.9])))
    known, unknown, partly, missing = (
        moment("known.png"),
        moment("unknown.png"),
        moment("partly.png", 2),
        moment("gone.png"),
    )
    found = pictures_of(run, [known, unknown, partly, missing], summary)
    assert set(found) == {known, unknown, partly} and all(picture.hidden for picture in found.values())
    assert detail(found[known].jpeg, 28, 52) < 8 and detail(found[known].jpeg, 104, 136) > 60
    for picture in (found[unknown], found[partly]):  # a face that has no box could be anywhere
        assert detail(picture.jpeg, 28, 52) < 8 and detail(picture.jpeg, 104, 136) < 8
    shown = pictures_of(run, [known, unknown], summary, show_faces=True)
    assert all(detail(picture.jpeg, 28, 52) > 60 and not picture.hidden for picture in shown.values())


def test_pictures_come_from_thumbnails_videos_and_annotated_copies(tmp_path: Path) -> None:
    run, summary = RunFolder(tmp_path / "run"), {"input_root": str(tmp_path / "in")}
    (tmp_path / "in" / "n").mkdir(parents=True)
    write_clip(tmp_path / "in" / "n" / "v.mp4")
    annotated = run.annotated / "n" / "a.jp2.jpg"
    thumbnail = run.thumbnail_of("n/t.mkv", 7)
    for path in (annotated, thumbnail):
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), face_picture())
    moments = [moment("n/v.mp4", seconds=0.48, frame=12), moment("n/a.jp2"), moment("n/t.mkv", frame=7)]
    assert set(pictures_of(run, moments, summary)) == set(moments)


def test_damaged_pictures_and_detections_cost_only_the_picture(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [at(0, unmasked=1, name="a.jpg")])
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff damaged")
    (run / "detections.parquet").write_bytes(b"damaged")
    (run / "summary.json").write_text(json.dumps({"input_root": str(tmp_path)}))
    figures = gather(run)
    assert len(figures.moments) == 1
    assert pictures_of(RunFolder(run), figures.moments, figures.summary) == {}


def test_widths_of_the_page_are_widths_of_the_statistics() -> None:
    from crowdmask.results.report.figures import WIDTHS

    minutes = [Width.parse(text).minutes for text in WIDTHS]
    assert minutes == sorted(minutes)
