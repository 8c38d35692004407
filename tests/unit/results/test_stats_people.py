"""People in the statistics, worked out by hand: where each is counted, the rate and its interval, and what mixes."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdmask.errors import SettingsError, SourceError
from crowdmask.results.report.data import gather
from crowdmask.results.statistics import wilson_interval
from crowdmask.results.timeline.buckets import Width
from crowdmask.results.timeline.frames_table import FramesTable
from crowdmask.results.timeline.precision import precision_of
from crowdmask.results.timeline.statistics_columns import STATISTICS
from crowdmask.results.timeline.statistics_rows import StatisticsRow, statistics_rows, with_totals
from crowdmask.results.timeline.widths import fitting_width
from crowdmask.verdicts import Counts, Verdict
from tests.unit.results.frames_csvs import Row, Somebody, write_frames, write_persons

UTC = ZoneInfo("UTC")
EIGHT = datetime(2026, 11, 20, 20, tzinfo=timezone.utc)
M, U, W, X = Verdict.MASKED, Verdict.UNMASKED, Verdict.INCORRECT, Verdict.UNKNOWN


def video(source: str, seconds: int, camera: str = "gate", masked: int = 1) -> list[Row]:
    return [
        Row((EIGHT + timedelta(seconds=s)).isoformat(), masked, 0, 0, camera, source, s, float(s))
        for s in range(seconds)
    ]


def person(first_s: float, verdict: Verdict = M, source: str = "gate/a.mp4", camera: str = "gate") -> Somebody:
    return Somebody(first_s, verdict, source, camera, EIGHT.isoformat())


def rows_of(path: Path | list[Path], every: str = "1m", by: str = "camera") -> list[StatisticsRow]:
    with FramesTable(path if isinstance(path, list) else [path], by_source=by == "source", threads=1) as table:
        precision = precision_of(table)
        return list(with_totals(statistics_rows(table, Width.parse(every), UTC, by, precision=precision), precision))


def test_each_person_counts_once_in_the_bucket_in_which_it_begins(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames.csv", video("gate/a.mp4", 180))
    write_persons(tmp_path / "persons.csv", [person(0, M), person(59, U), person(60, M), person(61, W), person(130, X)])
    first, second, third, total = rows_of(frames)
    assert [row.appearances for row in (first, second, third)] == [Counts(1, 1), Counts(1, 0, 0, 1), Counts(0, 0, 1)]
    assert total.appearances == Counts(2, 1, 1, 1) and total.weighted_by == "people"
    assert total.compliance == 0.5 and total.interval == wilson_interval(2, 4)
    assert total.time_compliance == 1.0  # in every frame there is one masked face and nobody else
    assert third.compliance is None and third.interval is None
    shown = STATISTICS.values(total)
    assert [shown[f"people_{word}"] for word in ("masked", "unmasked", "incorrect", "unknown")] == [2, 1, 1, 1]
    assert shown["people"] == 5 and shown["effective_judged"] == 4 and shown["most_at_once"] == 1


def test_stills_beside_a_video_have_no_people_and_their_rate_is_by_time(tmp_path: Path) -> None:
    stills = [Row((EIGHT + timedelta(minutes=m)).isoformat(), 1, 1, 0, "hall", f"hall/{m}.jpg") for m in range(3)]
    frames = write_frames(tmp_path / "frames.csv", [*video("gate/a.mp4", 180), *stills])
    write_persons(tmp_path / "persons.csv", [person(0, U), person(5, U)])
    gate, hall, *_, total = rows_of(frames, "1d")
    assert gate.weighted_by == "people" and gate.compliance == 0.0 and gate.people == Counts(0, 2)
    assert hall.weighted_by == "time" and hall.compliance == 0.5 and hall.people is None
    assert STATISTICS.values(hall)["people"] is None and STATISTICS.values(hall)["people_compliance"] is None
    assert total.weighted_by == "time" and total.people == Counts(0, 2)  # people are those of the video
    shown = STATISTICS.values(total)
    assert shown["people_compliance"] == 0.0 and shown["compliance"] == round(2 / 3, 6)


def test_without_a_table_of_people_nothing_changes(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames.csv", video("gate/a.mp4", 60))
    (row,) = rows_of(frames)
    assert row.weighted_by == "time" and row.people is None


def test_a_followed_video_without_people_has_none_of_them(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames.csv", video("gate/a.mp4", 60, masked=0))
    write_persons(tmp_path / "persons.csv", [])
    (row,) = rows_of(frames)
    assert row.people == Counts() and row.compliance is None and STATISTICS.values(row)["people"] == 0


def test_single_videos_are_matched_with_their_own_people(tmp_path: Path) -> None:
    """Two videos without times, each with its table beside it: rows by file, and a total."""
    for name, verdict in (("a", M), ("b", U)):
        header = "frame,time_s,faces,masked,unmasked,unknown,compliance,incorrect\n"
        text = header + "".join(f"{i},{i / 10:.6f},1,1,0,0,1.0,0\n" for i in range(30))
        (tmp_path / f"{name}.crowdmask.csv").write_text(text)
        people = [Somebody(0.5, verdict, f"{name}.mp4"), Somebody(1.5, verdict, f"{name}.mp4")]
        write_persons(tmp_path / f"{name}.crowdmask.persons.csv", people, of_run=False)
    a, b, total = rows_of([tmp_path / "a.crowdmask.csv", tmp_path / "b.crowdmask.csv"])
    assert (a.people, b.people, total.people) == (Counts(2), Counts(0, 2), Counts(2, 2))
    assert a.source == "a.crowdmask.csv" and total.compliance == 0.5


def test_runs_together_keep_their_people_apart(tmp_path: Path) -> None:
    for name, verdict in (("one", M), ("two", U)):
        write_frames(tmp_path / name / "frames.csv", video("gate/a.mp4", 60))
        write_persons(tmp_path / name / "persons.csv", [person(3, verdict)])
    (row,) = rows_of([tmp_path / "one" / "frames.csv", tmp_path / "two" / "frames.csv"])
    assert row.people == Counts(1, 1) and row.frames == 120
    by_source = rows_of([tmp_path / "one" / "frames.csv", tmp_path / "two" / "frames.csv"], by="source")
    assert [(row.source, row.people) for row in by_source[:2]] == [
        ("one/gate/a.mp4", Counts(1)),
        ("two/gate/a.mp4", Counts(0, 1)),
    ]


def test_a_time_that_was_rounded_up_stays_with_its_frame(tmp_path: Path) -> None:
    """The last frame is at 59.9996 s; the person's time is written as 60.000, a minute in which there is no frame."""
    rows = [Row((EIGHT + timedelta(seconds=s)).isoformat(), 1, 0, 0, "gate", "gate/a.mp4", i, s)
            for i, s in enumerate((0.0, 59.9996))]  # fmt: skip
    frames = write_frames(tmp_path / "frames.csv", rows)
    write_persons(tmp_path / "persons.csv", [person(59.9996)])
    (row,) = rows_of(frames)
    assert row.people == Counts(1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("source,person\n", "'first_s' is missing"),
        ("source,first_s,verdict\ngate/a.mp4,x,masked\n", "persons.csv"),
        ("source,first_s,verdict\ngate/a.mp4,1.0,happy\n", "a time or a verdict"),
        ("source,first_s,verdict\nelsewhere.mp4,1.0,masked\n", "in no frame"),
    ],
)
def test_damage_names_the_table_of_people(tmp_path: Path, text: str, reason: str) -> None:
    frames = write_frames(tmp_path / "frames.csv", video("gate/a.mp4", 60))
    (tmp_path / "persons.csv").write_text(text)
    with pytest.raises(SourceError, match=r"persons\.csv.*analyse the input again") as refused:
        rows_of(frames)
    assert reason in str(refused.value)


def test_the_default_bucket_holds_enough_people_who_were_judged(tmp_path: Path) -> None:
    """One person a minute: 50 of them take an hour, however many frames each is in."""
    frames = write_frames(tmp_path / "frames.csv", video("gate/a.mp4", 4 * 3600, masked=9))
    write_persons(tmp_path / "persons.csv", [person(60 * m) for m in range(240)])
    with FramesTable([frames], threads=1) as table:
        assert fitting_width(table).text == "1h"


def test_names_that_look_like_formulas_are_matched_and_come_out_as_they_are(tmp_path: Path) -> None:
    name, camera = "=1+2.mp4", "'=gate"
    frames = write_frames(tmp_path / "frames.csv", video(name, 60, camera))
    assert "'=1+2.mp4" in frames.read_text() and "''=gate" in frames.read_text()
    write_persons(tmp_path / "persons.csv", [person(3, U, name, camera)])
    (row,) = rows_of(frames, by="source")
    assert (row.source, row.camera, row.people) == (name, camera, Counts(0, 1))


@settings(max_examples=15, deadline=None)
@given(
    people=st.lists(st.tuples(st.integers(0, 599), st.sampled_from([M, U, W, X]), st.booleans()), max_size=30),
    every=st.sampled_from(["1m", "5m", "20m", "1h"]),
)
def test_buckets_add_up_to_the_table_of_people(
    tmp_path_factory: pytest.TempPathFactory, people: list[tuple[int, Verdict, bool]], every: str
) -> None:
    folder = tmp_path_factory.mktemp("run")
    frames = write_frames(folder / "frames.csv", [*video("a.mp4", 600, "a"), *video("b.mp4", 600, "b")])
    somebody = [person(s, v, "b.mp4" if b else "a.mp4", "b" if b else "a") for s, v, b in people]
    write_persons(folder / "persons.csv", somebody)
    rows = [row for row in rows_of(frames, every, "none") if row.camera != "total"]
    found = sum((row.appearances for row in rows), Counts())
    assert found == Counts(*(sum(v is verdict for _, v, _ in people) for verdict in Verdict))


@pytest.mark.parametrize("apart", [False, True])
def test_masks_wrongly_worn_are_in_the_rate_as_the_analysis_had_them(tmp_path: Path, apart: bool) -> None:
    frames = write_frames(tmp_path / "frames.csv", video("gate/a.mp4", 60))
    write_persons(tmp_path / "persons.csv", [person(0, M), person(1, U), person(2, W), person(3, W)])
    said = {"settings": {"analysis": {"incorrect": "separate" if apart else "unmasked"}}}
    (tmp_path / "summary.json").write_text(json.dumps(said))
    (row,) = rows_of(frames)
    assert row.people == Counts(1, 1, 0, 2) and STATISTICS.values(row)["people_incorrect"] == 2
    assert row.compliance == (0.5 if apart else 0.25) and row.interval == wilson_interval(1, 2 if apart else 4)
    data = gather([tmp_path]).data.as_dict()
    assert data["shares"] == ["for", "against", "neither" if apart else "against", "neither"]


def test_runs_that_count_masks_wrongly_worn_otherwise_are_not_added_up(tmp_path: Path) -> None:
    for name in ("unmasked", "separate"):
        write_frames(tmp_path / name / "frames.csv", video("gate/a.mp4", 60))
        said = {"settings": {"analysis": {"incorrect": name}}}
        (tmp_path / name / "summary.json").write_text(json.dumps(said))
    with pytest.raises(SettingsError, match=r"sets masks wrongly worn apart and .* does not"):
        rows_of([tmp_path / "unmasked" / "frames.csv", tmp_path / "separate" / "frames.csv"])
