"""What the report shows, on hand-made numbers: figures over time, by camera and by hour, moments and their pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest

from crowdmask.errors import SettingsError, SourceError
from crowdmask.records import Counts
from crowdmask.results.detections import DetectionsFile
from crowdmask.results.report.cells import UNTIMED
from crowdmask.results.report.data import gather, spans_a_week, summaries
from crowdmask.results.report.inputs import Input
from crowdmask.results.report.moments import PICTURES_BYTES, Moment, pictures_of
from crowdmask.results.run_folder import RunFolder
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
    data = gather([write_run(tmp_path, [])]).data
    assert (data.totals.frames, data.sources, data.buckets, data.cameras, data.moments) == (0, 0, (), (), ())


def test_the_cells_of_a_small_run(tmp_path: Path) -> None:
    rows = [
        at(0, masked=3, unmasked=1),
        at(30, masked=1, unmasked=2, unknown=1),
        at(61, unmasked=4, camera="s"),
        Row("", 5, 0, 0, "n", "untimed.jpg"),
    ]
    data = gather([write_run(tmp_path, rows)], every="30m").data
    assert (data.mode, data.totals.counts, data.sources, data.cameras) == ("clock", Counts(9, 7, 1), 4, ("n", "s"))
    assert [bucket.local for bucket in data.buckets] == [f"2026-11-20T{t}" for t in ("20:00", "20:30", "21:00")]
    found = {
        (data.cameras[camera], bucket): (frames, masked, unmasked)
        for camera, bucket, frames, masked, unmasked in zip(
            *(
                data.cells.as_dict(with_people=False)[name]
                for name in ("camera", "bucket", "frames", "masked", "unmasked")
            ),
            strict=True,
        )
        if frames
    }
    assert found == {("n", 0): (1, 3, 1), ("n", 1): (1, 1, 2), ("s", 2): (1, 0, 4), ("n", UNTIMED): (1, 5, 0)}


def test_the_cells_stay_few_whatever_the_run(tmp_path: Path) -> None:
    """200 cameras through 52 weeks, a still a week: fewer cells than the page is to hold, and hours kept beside."""
    times = [(60 * 24 * 7 * week + camera, f"c{camera}") for week in range(52) for camera in range(200)]
    rows = [at(minute, masked=60, unmasked=9, camera=camera) for minute, camera in times]
    data = gather([write_run(tmp_path, rows)], every="1h").data
    assert data.asked_width == "1h" and data.width == "1d"
    assert len(data.cells.camera) <= 150_000 and data.cells.sum("masked") == 52 * 200 * 60
    assert data.hours.sum("masked") == data.cells.sum("masked") and spans_a_week(data)


def test_a_video_finds_its_json_and_goes_by_its_own_seconds(tmp_path: Path) -> None:
    path = tmp_path / "v.crowdmask.csv"
    lines = [f"{i},{i / 10},{3},{1 + (i >= 50)},{2 - (i >= 50)},0,0" for i in range(100)]
    path.write_text("frame,time_s,faces,masked,unmasked,unknown,compliance\n" + "\n".join(lines) + "\n")
    gaps = {"gaps": [{"after_frame": 3, "seconds": 0.3, "reason": "damaged"}]}
    path.with_suffix(".json").write_text(json.dumps({"source": {"path": "in/v.mp4"}, "not_analysed": gaps}))
    report = gather([path])
    data = report.data
    assert (data.mode, data.cameras, data.width, len(data.buckets)) == ("seconds", ("v.mp4",), "1 s", 10)
    assert [bucket.words for bucket in data.buckets][:2] == ["0:00 to 0:01", "0:01 to 0:02"]
    assert data.cells.sum("masked") == 150 and data.cells.sum("recorded_ms") == 10_000
    assert data.cells.numbers["for_ms"] == [1000] * 5 + [2000] * 5
    assert summaries(report)["gaps"] == [{"source": "in/v.mp4", "after_frame": 3, "seconds": 0.3, "reason": "damaged"}]


def test_names_never_collide(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "v.crowdmask.csv").write_text(
            "frame,time_s,faces,masked,unmasked,unknown,compliance\n0,0.0,1,1,0,0,1\n"
        )
    data = gather([tmp_path / folder / "v.crowdmask.csv" for folder in ("a", "b")]).data
    assert data.cameras == ("a/v.crowdmask.csv", "b/v.crowdmask.csv")
    with pytest.raises(SettingsError, match="named twice"):
        gather([tmp_path / "a" / "v.crowdmask.csv"] * 2)


def test_an_aggregate_only_run_is_a_report_without_what_was_suppressed(tmp_path: Path) -> None:
    (tmp_path / "aggregate.csv").write_text(
        "bucket_start,bucket_end,camera,source,frames,faces,masked,unmasked,unknown\n"
        "2026-11-20T20:00:00+01:00,2026-11-20T20:20:00+01:00,n,,20,100,60,30,10\n"
        "2026-11-20T20:20:00+01:00,2026-11-20T20:40:00+01:00,n,,20,70,,,\n"
    )
    data = gather([tmp_path]).data
    assert (data.mode, data.weighted_by, data.left_out, data.totals.frames) == ("periods", "frames", 1, 40)
    hidden = replace(data, totals=replace(data.totals, followed_frames=40))  # people there were, and all were left out
    assert (hidden.has_people, hidden.weighted_by, hidden.as_dict()["followed"]) == (False, "frames", False)
    shown = replace(hidden, totals=replace(hidden.totals, people=Counts(12, 10)))
    assert (shown.has_people, shown.weighted_by) == (True, "people")
    assert data.cells.numbers["masked"] == [60] and data.overall is None and len(data.buckets) == 2
    (tmp_path / "aggregate.csv").write_text("camera\nn\n")
    with pytest.raises(SourceError, match="aggregate"):
        gather([tmp_path])


def test_two_nights_have_buckets_of_one_width(tmp_path: Path) -> None:
    runs = []
    for name, days in (("a", 0), ("b", 1)):
        runs.append(write_run(tmp_path / name, [at(days * 1440 + m, masked=2, unmasked=1) for m in range(240)]))
    report = gather(runs[:1], against=runs[1:])
    assert report.against is not None and report.against_name == "b"
    assert report.against.width == report.data.width and len(report.against.buckets) == len(report.data.buckets)
    video = tmp_path / "v.crowdmask.csv"
    video.write_text("frame,time_s,faces,masked,unmasked,unknown,compliance\n0,0.0,1,1,0,0,1\n")
    with pytest.raises(SourceError, match="beside"):
        gather(runs[:1], against=[video])


def test_gaps_have_their_times(tmp_path: Path) -> None:
    minutes = [m for m in range(60) if not 20 < m < 40]
    (gap,) = gather([write_run(tmp_path, [at(m, masked=1) for m in minutes])]).data.gaps
    assert (gap.camera, f"{gap.since:%H:%M}", f"{gap.upto:%H:%M}", gap.seconds) == ("n", "20:20", "20:40", 1200.0)


def test_moments_are_the_worst_and_a_minute_apart(tmp_path: Path) -> None:
    rows = [
        at(0, unmasked=5),
        at(0.5, unmasked=6),  # half a minute later at the same camera: one moment
        at(0.5, unmasked=4, camera="s"),
        at(10, unmasked=5, masked=1),
        at(20, masked=9),
        *(Row("", 0, n, 0, "", "v.mp4", frame=n, seconds=20.0 * n) for n in range(8)),
    ]
    data = gather([write_run(tmp_path, rows)], moments=5).data
    assert [(m.source, m.counts.unmasked) for m in data.moments] == [
        ("v.mp4", 7),
        ("n/0.5.jpg", 6),  # and not n/0, half a minute before
        ("n/10.jpg", 5),
        ("s/0.5.jpg", 4),
        ("v.mp4", 2),  # and not the one with 5, forty seconds before the first
    ]


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


def as_input(folder: Path, root: Path) -> Input:
    return Input(folder, folder / "frames.csv", folder.name, "", {"input_root": str(root)})


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
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    one = [as_input(run.path, tmp_path / "in")]
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
    found = pictures_of(one, [known, unknown, partly, missing])
    assert set(found) == {known, unknown, partly} and all(picture.hidden for picture in found.values())
    assert detail(found[known].jpeg, 28, 52) < 8 and detail(found[known].jpeg, 104, 136) > 60
    for picture in (found[unknown], found[partly]):  # a face that has no box could be anywhere
        assert detail(picture.jpeg, 28, 52) < 8 and detail(picture.jpeg, 104, 136) < 8
    shown = pictures_of(one, [known, unknown], show_faces=True)
    assert all(detail(picture.jpeg, 28, 52) > 60 and not picture.hidden for picture in shown.values())


def test_pictures_come_from_videos_and_annotated_copies(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    one = [as_input(run.path, tmp_path / "in")]
    (tmp_path / "in" / "n").mkdir(parents=True)
    write_clip(tmp_path / "in" / "n" / "v.mp4")
    annotated = run.annotated / "n" / "a.jp2.jpg"
    annotated.parent.mkdir(parents=True)
    cv2.imwrite(str(annotated), face_picture())
    moments = [moment("n/v.mp4", seconds=0.48, frame=12), moment("n/a.jp2")]
    assert set(pictures_of(one, moments)) == set(moments)


def test_damaged_pictures_and_detections_cost_only_the_picture(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [at(0, unmasked=1, name="a.jpg")])
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff damaged")
    (run / "detections.parquet").write_bytes(b"damaged")
    (run / "summary.json").write_text(json.dumps({"input_root": str(tmp_path)}))
    report = gather([run])
    assert len(report.data.moments) == 1
    assert pictures_of(report.inputs, report.data.moments) == {}


def test_pictures_get_smaller_until_a_night_of_them_is_light(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (1080, 1920, 3), np.uint8)
    moments = [moment(f"{i}.png") for i in range(12)]
    for one in moments:
        cv2.imwrite(str(tmp_path / one.source), noise)
    found = pictures_of([as_input(tmp_path, tmp_path)], moments, show_faces=True)
    assert len(found) == 12 and sum(len(picture.jpeg) for picture in found.values()) <= PICTURES_BYTES
    sizes = {cv2.imdecode(np.frombuffer(p.jpeg, np.uint8), 1).shape[1] for p in found.values()}
    assert sizes == {560}
