"""Zones and lines in the statistics: who counts in which bucket, what is empty, and that everything adds up."""

from __future__ import annotations

import csv
import io
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crowdmask.errors import SourceError
from crowdmask.results.timeline.buckets import Width
from crowdmask.results.timeline.frames_table import FramesTable
from crowdmask.results.timeline.precision import precision_of
from crowdmask.results.timeline.statistics_columns import STATISTICS, statistics_table
from crowdmask.results.timeline.statistics_files import write_csv, write_workbook
from crowdmask.results.timeline.statistics_rows import StatisticsRow, statistics_rows, with_totals
from crowdmask.results.timeline.statistics_table import write_markdown, write_table
from crowdmask.results.zone_stats import ZoneStats
from crowdmask.tracking.zones import Crossing, Trace, Visit, ZoneNames
from crowdmask.verdicts import Counts, Verdict
from tests.unit.results.frames_csvs import Row, Somebody, write_frames, write_persons

UTC = ZoneInfo("UTC")
EIGHT = datetime(2026, 11, 20, 20, tzinfo=timezone.utc)
NAMES = ZoneNames(("hall", "desk 1"), ("door",))
M, U, W, X = Verdict.MASKED, Verdict.UNMASKED, Verdict.INCORRECT, Verdict.UNKNOWN


def video(seconds: int, *, camera: str = "gate", source: str = "gate/a.mp4", watched: bool = True) -> list[Row]:
    """A frame a second, with a masked face that stands in the hall."""
    zones = {"hall": Counts(1), "desk 1": Counts()} if watched else {}
    lines = {"door": {"in": 0, "out": 0}} if watched else {}
    return [
        Row((EIGHT + timedelta(seconds=s)).isoformat(), 1, 0, 0, camera, source, s, float(s), zones, lines)
        for s in range(seconds)
    ]


def person(first_s: float, verdict: Verdict, trace: Trace | None = None, source: str = "gate/a.mp4") -> Somebody:
    return Somebody(first_s, verdict, source, source.split("/", maxsplit=1)[0], EIGHT.isoformat(), trace=trace)


PEOPLE = [
    # twice in the hall, 10 s and 20 s, and at the desk from the next minute on
    person(5, M, Trace([Visit("hall", 10, 20), Visit("hall", 50, 70), Visit("desk 1", 75, 80)])),
    person(40, U, Trace([Visit("hall", 45, 50.5)], [Crossing("door", "in", 52), Crossing("door", "out", 61)])),
    person(61, W, Trace([Visit("desk 1", 61, 61)], [Crossing("door", "in", 100)])),
    person(90, X, Trace()),
]


def rows_of(*paths: Path, every: str = "1m", by: str = "camera") -> tuple[list[StatisticsRow], ZoneNames]:
    with FramesTable(list(paths), by_source=by == "source", threads=1) as table:
        precision = precision_of(table)
        rows = with_totals(statistics_rows(table, Width.parse(every), UTC, by, precision=precision), precision)
        return list(rows), table.zones.names


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    others = video(120, camera="lift", source="lift/b.mp4", watched=False)
    write_persons(tmp_path / "persons.csv", [*PEOPLE, person(3, M, source="lift/b.mp4")])
    return write_frames(tmp_path / "frames.csv", [*video(120), *others], NAMES)


def test_people_count_where_and_when_they_first_come_into_a_zone(frames: Path) -> None:
    rows, names = rows_of(frames)
    assert names == NAMES
    first, lift, second, *_ = rows
    assert (first.camera, lift.camera) == ("gate", "lift")
    assert first.places is not None and second.places is not None
    hall, desk = first.places.zones["hall"], second.places.zones["desk 1"]
    assert (hall.people, hall.visits, hall.dwell_s, hall.longest_s) == (Counts(1, 1), 3, 35.5, 30.0)
    assert hall.faces == Counts(60)
    assert (desk.people, desk.visits, desk.dwell_s, desk.longest_s) == (Counts(1, 0, 0, 1), 2, 5.0, 5.0)
    assert first.places.zones["desk 1"].people == second.places.zones["hall"].people == Counts()
    assert first.places.lines["door"] == {"in": Counts(0, 1), "out": Counts()}
    assert second.places.lines["door"] == {"in": Counts(0, 0, 0, 1), "out": Counts(0, 1)}
    assert lift.places is None  # which is not the same as nobody
    total = rows[-1]
    assert total.camera == "total" and total.places is not None
    assert total.places.zones["hall"].people == Counts(1, 1) and total.places.zones["hall"].faces == Counts(120)
    assert total.places.zones["hall"].longest_s == 30.0


def test_every_format_has_them(frames: Path, tmp_path: Path) -> None:
    rows, names = rows_of(frames, every="1d")
    table = statistics_table(names)
    assert table.names[: len(STATISTICS.names)] == STATISTICS.names
    text = io.StringIO()
    write_csv(rows, text, table)
    gate, lift, *_ = csv.DictReader(io.StringIO(text.getvalue()))
    assert (gate["zone_hall_people"], gate["zone_hall_people_masked"], gate["zone_hall_compliance"]) == (
        "2",
        "1",
        "0.5",
    )
    assert (gate["zone_hall_visits"], gate["zone_hall_dwell_s"], gate["zone_hall_faces"]) == ("3", "17.75", "120")
    assert (gate["zone_desk 1_people_incorrect"], gate["zone_desk 1_dwell_s"]) == ("1", "2.5")
    assert (gate["line_door_in"], gate["line_door_in_unmasked"], gate["line_door_out_masked"]) == ("2", "1", "0")
    assert all(lift[name] == "" for name in table.names if name.startswith(("zone_", "line_")))
    for write in (write_table, write_markdown):
        text = io.StringIO()
        write(rows, text, table)
        assert "hall" in text.getvalue() and "18 s" in text.getvalue() and "door" in text.getvalue()
    text = io.StringIO()
    write_table(rows, text, table)
    assert all(len(line) <= 80 for line in text.getvalue().splitlines())
    write_workbook(rows, tmp_path / "s.xlsx", table)
    import openpyxl

    sheet = openpyxl.load_workbook(tmp_path / "s.xlsx")["statistics"]
    heads = [cell.value for cell in sheet[1]]
    assert sheet.cell(2, 1 + heads.index("zone_hall_compliance")).number_format == "0.0 %"


def test_stills_and_videos_without_following_have_faces_by_zone_and_no_people(tmp_path: Path) -> None:
    rows, names = rows_of(write_frames(tmp_path / "frames.csv", video(30), NAMES))
    values = statistics_table(names).values(rows[0])
    assert values["zone_hall_faces"] == values["zone_hall_masked"] == 30
    assert values["zone_hall_people"] is values["zone_hall_dwell_s"] is values["line_door_in"] is None


def test_a_file_with_zones_beside_one_without(frames: Path, tmp_path: Path) -> None:
    other = write_frames(tmp_path / "other" / "frames.csv", video(30))
    rows, names = rows_of(other, frames, every="1d")
    assert names == NAMES and rows[0].camera == "gate" and rows[0].frames == 150
    assert rows[0].places is not None and rows[0].places.zones["hall"].faces == Counts(120)


def test_without_zones_there_are_no_more_columns(tmp_path: Path) -> None:
    rows, names = rows_of(write_frames(tmp_path / "frames.csv", [replace(row, zones={}, lines={}) for row in video(5)]))
    assert statistics_table(names) is STATISTICS and rows[0].places is None


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("frames.csv", ",1,1,0,0,0,0,", ",1,2,0,0,0,0,", "'zone_hall_faces': '1' is not the sum of 2"),
        ("frames.csv", ",1,1,0,0,0,0,", ",1,x,0,0,0,0,", "'zone_hall_faces'"),
        ("persons.csv", "hall@10.000-20.000", "hall@10.000", "table of people"),
        ("persons.csv", "door in@52.000", "door in", "table of people"),
    ],
)
def test_what_is_damaged_is_named(file: str, old: str, new: str, says: str, frames: Path) -> None:
    path = frames.with_name(file)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SourceError, match=says):
        rows_of(frames)


@st.composite
def crowds(draw: st.DrawFn) -> list[Somebody]:
    found = []
    for _ in range(draw(st.integers(0, 6))):
        times = sorted(draw(st.lists(st.integers(0, 299), min_size=2, max_size=8, unique=True)))
        visits = [
            Visit(draw(st.sampled_from(NAMES.zones)), since, upto)
            for since, upto in zip(times[::2], times[1::2], strict=False)
        ]
        crossings = [Crossing("door", draw(st.sampled_from(("in", "out"))), t) for t in times if draw(st.booleans())]
        found.append(person(times[0], draw(st.sampled_from(Verdict)), Trace(visits, crossings)))
    return found


@given(crowds(), st.sampled_from(("1m", "2m", "1h")), st.sampled_from(("camera", "source", "none")))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_buckets_add_up_to_what_the_people_did(people: list[Somebody], every: str, by: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_persons(Path(folder, "persons.csv"), people)
        rows, _ = rows_of(write_frames(Path(folder, "frames.csv"), video(300), NAMES), every=every, by=by)
    whole = ZoneStats()  # as the summary of the run has them
    for somebody in people:
        whole.write_person(somebody.as_person)
    buckets = [row for row in rows if row.camera != "total"]
    for zone in NAMES.zones:
        found = [row.places.zones[zone] for row in buckets if row.places is not None]
        wanted = whole.zones.get(zone)
        assert sum(sums.people.faces for sums in found) == (wanted.people.faces if wanted else 0)
        assert sum((sums.people for sums in found), Counts()) == (wanted.people if wanted else Counts())
        assert sum(sums.visits for sums in found) == (wanted.visits if wanted else 0)
        assert sum(sums.dwell_s for sums in found) == pytest.approx(wanted.dwell_s if wanted else 0)
    for way in ("in", "out"):
        counted = sum((row.places.lines["door"][way] for row in buckets if row.places is not None), Counts())
        assert counted == (whole.lines["door"][way] if "door" in whole.lines else Counts())
    assert sum((row.appearances for row in buckets), Counts()) == sum((p.as_person.counts for p in people), Counts())
