"""Purge deletes what can show a person and is old enough, keeps counts, and touches nothing that is not the run's."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import numpy as np
import pytest

from crowdmask.errors import SettingsError, SourceError
from crowdmask.results.detections import DetectionsFile
from crowdmask.results.purge import carry_out
from crowdmask.results.purge_plan import kind_of, parse_age, plan, runs_in
from crowdmask.results.report.moments import PICTURE_MARK
from crowdmask.results.run_folder import people_purged
from tests.factories import make_result, of
from tests.unit.results.frames_csvs import Row, Somebody, write_frames, write_persons, write_run

NOW = datetime(2026, 12, 31, tzinfo=timezone.utc)
OLD, YOUNG = "2026-11-20T20:00:00+00:00", "2026-12-30T20:00:00+00:00"


def put(path: Path, modified: str = YOUNG, data: bytes = b"picture") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    seconds = datetime.fromisoformat(modified).timestamp()
    os.utime(path, (seconds, seconds))
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two stills and a video: one still and the video recorded long ago, all analysed yesterday."""
    rows = [
        Row(OLD, 1, source="north/old.jpg"),
        Row(YOUNG, 1, source="north/young.jpg"),
        Row(OLD, 1, source="south/old.mkv"),
        Row("", 1, source="timeless.jpg"),
    ]
    return write_run(tmp_path / "run", rows)


def purge(run: Path, older_than: str = "30d") -> list[str]:
    found = plan(run, older_than, NOW)
    assert carry_out(found) == []
    return [deletion.path for deletion in found.deletions]


def files(run: Path) -> set[str]:
    return {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file() or path.is_symlink()}


def test_an_empty_run_has_nothing_to_delete_and_its_log_says_so(run: Path) -> None:
    assert purge(run) == []
    (line,) = (run / "purge.log").read_text().splitlines()
    assert json.loads(line)["deleted"] == 0


def test_a_folder_that_is_no_run_is_left_alone(tmp_path: Path) -> None:
    still = put(tmp_path / "annotated" / "a.jpg", OLD)
    with pytest.raises(SourceError, match="no run folder"):
        plan(tmp_path, "0d", NOW)
    with pytest.raises(SourceError, match="no such folder"):
        plan(tmp_path / "missing", "0d", NOW)
    assert still.is_file()


@pytest.mark.parametrize(
    ("text", "age"), [("12h", timedelta(hours=12)), ("0d", timedelta(0)), ("4W", timedelta(weeks=4))]
)
def test_ages(text: str, age: timedelta) -> None:
    assert parse_age(text) == age


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5d", "1mo", "soon"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(SettingsError, match="older-than"):
        parse_age(text)


def test_age_counts_from_the_recording_or_the_file_whichever_is_earlier(run: Path) -> None:
    gone = [
        "annotated/north/old.jpg",  # recorded long ago, analysed yesterday
        "annotated/south/old.mkv.mp4",
        "annotated/south/old.mp4",  # of old.mkv, whatever named it so
        "parts/south/old.mkv.faces",
        "annotated/south/old.crowdmask.mp4",
        "north/old.crowdmask.jpg",
    ]
    kept = ["annotated/north/young.jpg", "annotated/timeless.jpg"]
    kept.append("parts/north/young.jpg.faces")
    for place in gone + kept:
        put(run / place)
    put(run / "annotated/north/nobody_knows.jpg", OLD)
    assert purge(run) == sorted([*gone, "annotated/north/nobody_knows.jpg"])
    assert files(run) == {*kept, "frames.csv", "purge.log"}
    assert not (run / "annotated/south").exists()


def test_a_source_of_the_same_stem_does_not_make_another_older(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run", [Row(OLD, 1, source="a.mkv"), Row(YOUNG, 1, source="a"), Row(OLD, 1, source="/x/b.jpg")]
    )
    for place in ("annotated/a.crowdmask.mp4", "annotated/a.mkv.mp4", "annotated/x/b.jpg"):
        put(run / place)
    assert purge(run) == ["annotated/a.mkv.mp4", "annotated/x/b.jpg"]


def test_runs_put_aside_are_runs_of_their_own(run: Path) -> None:
    aside = write_run(run / "before-1", [Row(OLD, 1, source="north/young.jpg")])
    put(aside / "annotated/north/young.jpg")
    put(run / "annotated/north/young.jpg")
    (run / "before-2").symlink_to(aside)
    (run / "before-3").mkdir()
    assert runs_in(run) == [run, aside]
    assert [plan(folder, "30d", NOW).deletions != [] for folder in runs_in(run)] == [False, True]


def test_a_camera_whose_clock_runs_ahead_keeps_nothing_for_ever(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [Row("2035-01-01T00:00:00+00:00", 1, source="a.jpg")])
    put(run / "annotated/a.jpg", OLD)
    assert purge(run) == ["annotated/a.jpg"]


def test_counts_stay(run: Path) -> None:
    kept = [
        "annotated/south/old.crowdmask.csv",
        "annotated/south/old.crowdmask.json",
        "compliance.csv",
        "manifest.sqlite",
    ]
    kept += ["summary.json", "log/run.log", "south/old.crowdmask.csv.part"]
    for place in kept:
        put(run / place, OLD, b"{}")
    assert purge(run, "0d") == []
    assert set(kept) <= files(run)


def test_files_in_the_making_go_by_their_own_time(run: Path) -> None:
    put(run / "annotated/north/old.jpg.part", YOUNG)
    put(run / "detections.parquet.part", YOUNG)
    put(run / "annotated/north/left_behind.mp4.part", OLD)
    assert purge(run) == ["annotated/north/left_behind.mp4.part"]


def test_no_link_is_followed_and_none_removed(run: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "a.jpg", OLD)
    (run / "annotated").mkdir()
    (run / "annotated" / "folder").symlink_to(outside.parent)
    (run / "annotated" / "old.jpg").symlink_to(outside)
    (run / "parts").symlink_to(outside.parent)
    found = plan(run, "0d", NOW)
    assert found.deletions == []
    assert sorted(place for place, reason in found.left if "link" in reason) == [
        "annotated/folder",
        "annotated/old.jpg",
        "parts",
    ]
    carry_out(found)
    assert outside.is_file() and (run / "annotated" / "old.jpg").is_symlink()


def test_a_folder_that_becomes_a_link_in_the_meantime_is_not_followed(run: Path, tmp_path: Path) -> None:
    put(run / "annotated/north/old.jpg", OLD)
    outside = put(tmp_path / "outside" / "north" / "old.jpg", OLD)
    found = plan(run, "30d", NOW)
    (run / "annotated").rename(tmp_path / "moved")
    (run / "annotated").symlink_to(tmp_path / "outside")
    ((deletion, _),) = carry_out(found)
    assert deletion.path == "annotated/north/old.jpg" and outside.is_file()
    assert "failed" in json.loads((run / "purge.log").read_text().splitlines()[0])


def test_inputs_inside_of_the_run_are_never_deleted(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [Row(OLD, 1, source="annotated/a.jpg"), Row(OLD, 1, source="in/b.crowdmask.jpg")])
    (run / "summary.json").write_text(json.dumps({"input_root": str(run)}))
    inputs = [put(run / "annotated/a.jpg", OLD), put(run / "in/b.crowdmask.jpg", OLD)]
    found = plan(run, "0d", NOW)
    assert found.deletions == [] and [reason for _, reason in found.left] == ["it is an input"] * 2
    carry_out(found)
    assert all(path.is_file() for path in inputs)


def test_a_run_reached_by_a_link_is_purged(run: Path, tmp_path: Path) -> None:
    put(run / "annotated/north/old.jpg")
    (tmp_path / "link").symlink_to(run)
    assert purge(tmp_path / "link") == ["annotated/north/old.jpg"]


def test_without_frames_the_files_own_times_count_and_that_is_said(run: Path) -> None:
    (run / "frames.csv").write_text("damaged\n")
    put(run / "annotated/north/old.jpg", YOUNG)
    put(run / "annotated/north/older.jpg", OLD)
    found = plan(run, "30d", NOW)
    assert [deletion.path for deletion in found.deletions] == ["annotated/north/older.jpg"]
    assert "files' own times count" in found.notes[0]


def detections(run: Path, suffix: str, sources: list[str]) -> Path:
    path = run / f"detections{suffix}"
    with DetectionsFile(path) as sink:
        for source in sources:
            result = make_result(boxes=[(i, 2, i + 9, 12) for i in (1, 20, 40)], unmasked_prob=(0.1, 0.9, np.nan))
            sink.write(of(source, result))
    return put(path, YOUNG, path.read_bytes())


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_of_old_sources_leave_the_detections(run: Path) -> None:
    path = detections(run, ".csv", ["north/old.jpg", "north/young.jpg", "timeless.jpg"])
    before = [row for row in read_csv(path) if row["source"] != "north/old.jpg"]
    assert purge(run) == ["detections.csv"]
    assert read_csv(path) == before and len(before) == 6
    assert purge(run) == []
    log = [json.loads(line) for line in (run / "purge.log").read_text().splitlines()]
    assert (log[0]["kind"], log[0]["rows"]) == ("detections", 3)


def test_rows_leave_parquet_and_its_kinds_and_words_stay(run: Path) -> None:
    path = detections(run, ".parquet", ["north/old.jpg", "north/young.jpg"])
    whole = f"SELECT * FROM read_parquet('{path}')"
    kept = duckdb.sql(f"{whole} WHERE source <> 'north/old.jpg'").fetchall()
    kinds = [str(kind) for kind in duckdb.sql(whole).types]
    assert purge(run) == ["detections.parquet"]
    assert duckdb.sql(whole).fetchall() == kept and len(kept) == 3
    assert [str(kind) for kind in duckdb.sql(whole).types] == kinds
    words = dict(duckdb.sql(f"SELECT decode(key), decode(value) FROM parquet_kv_metadata('{path}')").fetchall())
    assert words["crowdmask.schema"] == "detections"


def test_detections_that_are_all_old_go_as_a_file_and_unreadable_ones_are_told(run: Path) -> None:
    path = detections(run, ".csv", ["north/old.jpg", "south/old.mkv"])
    assert purge(run) == ["detections.csv"] and not path.exists()
    put(run / "detections.parquet", YOUNG, b"damaged")
    found = plan(run, "30d", NOW)
    assert found.left[0][0] == "detections.parquet" and "by hand" in found.left[0][1]


def test_pictures_leave_a_report_and_the_rest_of_it_stays(run: Path, tmp_path: Path) -> None:
    def picture(taken: str) -> str:
        return f'<img {PICTURE_MARK}="{taken}" src="data:image/jpeg;base64,AAAA" alt="3 unmasked" loading="lazy">'

    text = f"<html>caf\u00e9 {picture(OLD)} figures {picture(YOUNG)} more {picture('')}</html>\r\n"
    report = put(run / "report.html", YOUNG, text.encode())
    other = put(run / "page.html", OLD, b"<html>no picture of ours</html>")
    assert purge(run) == ["report.html"]
    left = report.read_bytes().decode()
    assert left.count("<img") == 2 and picture(OLD) not in left and "picture deleted" in left
    assert "caf\u00e9" in left and left.endswith("</html>\r\n")
    assert report.stat().st_mtime == datetime.fromisoformat(YOUNG).timestamp()  # or the others would grow younger
    assert other.read_bytes() == b"<html>no picture of ours</html>"


def test_a_report_outside_of_the_run_is_named_and_left(run: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "report.html", OLD)
    inside = put(run / "report.html", OLD)
    notes = [{"report": str(path), "pictures": 3} for path in (outside, inside, tmp_path / "gone.html")]
    (run / "reports.jsonl").write_text("\n".join(map(json.dumps, notes)) + "\nrubbish\n")
    found = plan(run, "0d", NOW)
    assert [place for place, _ in found.left] == [str(outside)]
    carry_out(found)
    assert outside.is_file()


def test_what_cannot_be_deleted_is_told_and_the_rest_goes(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        put(run / "annotated" / name, OLD)
    found = plan(run, "30d", NOW)
    monkeypatch.setattr(os, "unlink", refusing(os.unlink, "b.jpg"))
    ((deletion, reason),) = carry_out(found)
    assert deletion.path == "annotated/b.jpg" and "not permitted" in reason
    assert {path.name for path in (run / "annotated").iterdir()} == {"b.jpg"}


def refusing(unlink: Callable[..., None], name: str) -> Callable[..., None]:
    def refuse(path: str, **kwargs: int) -> None:
        if path == name:
            raise PermissionError(1, "Operation not permitted", path)
        unlink(path, **kwargs)

    return refuse


def test_the_log_is_never_written_through_a_link(run: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "precious.txt", OLD, b"precious")
    (run / "purge.log").symlink_to(outside)
    with pytest.raises(OSError, match=r"purge\.log"):
        carry_out(plan(run, "0d", NOW))
    assert outside.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("frames.csv", None),
        ("annotated/a.csv", None),
        ("annotated/a.json.part", None),
        ("annotated/a.mp4", "annotated"),
        ("videos/a.mp4.csv", None),
        ("parts/a.mp4.faces", "detections"),
        ("manifest.damaged-1.sqlite", "detections"),
        ("manifest.damaged-1.sqlite-wal", "detections"),
        ("manifest.sqlite-wal", None),
        ("a.mp4", None),
        ("sub/a.crowdmask.WEBP", "annotated"),
        ("sub/a.crowdmask.csv", None),
        ("detections.csv", "detections"),
        ("sub/detections.csv", None),
        ("report.html", "pictures"),
        ("persons.csv", "people"),
        ("persons.parquet.part.part", "people"),
        ("videos/north/a.mp4.persons.csv", "people"),
        ("videos/north/a.mp4.persons.csv.part", "people"),
        ("sub/persons.csv", None),
    ],
)
def test_what_shows_a_person_goes_by_its_place(place: str, kind: str | None) -> None:
    assert kind_of(place) == kind


def test_the_frames_of_a_video_called_persons_are_no_table_of_people(run: Path) -> None:
    frames = write_frames(run / "videos" / "old.persons.csv", [Row(OLD, 1, source="old.persons")])
    (run / "videos" / "north").mkdir()
    killed = write_persons(run / "videos" / "north" / "killed.mp4.persons.csv", [Somebody(0.0)], of_run=False)
    for path in (frames, killed):
        put(path, OLD, path.read_bytes())
    found = plan(run, "30d", NOW, people=True)
    assert [deletion.path for deletion in found.deletions] == ["videos/north/killed.mp4.persons.csv"]
    assert found.deletions[0].people_of == ("north/killed.mp4",)
    assert plan(run, "30d", NOW).deletions == []


def test_people_of_sources_outside_of_the_input_root_and_with_odd_names(tmp_path: Path) -> None:
    """The time of the recording counts for them too; their files lie in a tree of their own, or have a mark before."""
    sources = {"/far/off.mp4": "@/far/off.mp4", "=odd.mp4": "=odd.mp4", "@home/a.mp4": "@@home/a.mp4"}
    run = write_run(tmp_path / "run", [Row(OLD, 1, source=source, frame=n) for source in sources for n in (0, 1)])
    people = [Somebody(0.0, source=source, at=OLD) for source in sources]
    put(run / "persons.csv", YOUNG, write_persons(run / "persons.csv", people).read_bytes())
    for one in people:
        own = run / "videos" / f"{sources[one.source]}.persons.csv"
        own.parent.mkdir(parents=True, exist_ok=True)
        put(own, YOUNG, write_persons(own, [one], of_run=False).read_bytes())
    assert carry_out(plan(run, "30d", NOW, people=True)) == []
    assert not list(run.rglob("*persons.csv")) and sorted(people_purged(run / "frames.csv")) == sorted(sources)


def test_an_older_table_of_its_own_takes_a_sources_rows_with_it(run: Path) -> None:
    """Nothing says when it was recorded; its own table is from November, the run's was written anew yesterday."""
    people = [Somebody(0.0, source="timeless.jpg"), Somebody(0.0, source="north/young.jpg")]
    put(run / "persons.csv", YOUNG, write_persons(run / "persons.csv", people).read_bytes())
    own = run / "videos" / "timeless.jpg.persons.csv"
    own.parent.mkdir()
    put(own, OLD, write_persons(own, people[:1], of_run=False).read_bytes())
    assert carry_out(plan(run, "30d", NOW, people=True)) == []
    assert [row["source"] for row in read_csv(run / "persons.csv")] == ["north/young.jpg"] and not own.exists()


def test_numbers_are_as_they_were(run: Path) -> None:
    frames = (run / "frames.csv").read_bytes()
    put(run / "annotated/north/old.jpg", data=np.zeros(9).tobytes())
    purge(run, "0d")
    assert (run / "frames.csv").read_bytes() == frames
