"""Statistics of aggregate-only runs, worked out by hand: what adds up, what stays left out, what cannot be divided."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdmask.errors import SettingsError, SourceError
from crowdmask.records import Counts
from crowdmask.results.aggregate import UNTIMED, Cell, Sums, Told, told_together, write_aggregate
from crowdmask.results.statistics import wilson_interval
from crowdmask.results.timeline.buckets import Width, minute_of
from crowdmask.results.timeline.period_rows import (
    aggregate_files,
    kept_periods,
    left_out_of,
    period_statistics,
)
from crowdmask.results.timeline.statistics_columns import statistics_table
from crowdmask.results.timeline.statistics_table import write_table
from crowdmask.tracking.zones import IN, OUT

UTC, PARIS = ZoneInfo("UTC"), ZoneInfo("Europe/Paris")
EIGHT = minute_of(datetime(2026, 11, 20, 20, tzinfo=timezone.utc))


def cell(period: int, camera: str = "gate", minutes: int = 20) -> Cell:
    return Cell(EIGHT + period * minutes, EIGHT + (period + 1) * minutes, camera)


def full(masked: int, unmasked: int, unknown: int = 0, frames: int = 100) -> Told:
    return Told(frames, masked + unmasked + unknown, (masked, unmasked, unknown))


def run(folder: Path, cells: Mapping[Cell, Told], width: str = "20m") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_aggregate(folder / "aggregate.csv", cells.items(), UTC)
    (folder / "summary.json").write_text(json.dumps({"aggregate": {"aggregate": width}, "timezone": "UTC"}))
    return folder


def rows(*runs: Path, every: str | None = None, zone: ZoneInfo = UTC, **options: Any) -> list[dict[str, Any]]:
    kept = kept_periods(aggregate_files(runs))
    table = statistics_table(kept.zones)
    width = Width.parse(every) if every else None
    return [table.values(row) for row in period_statistics(kept, width, zone, **{"empty": False, **options})]


def followed(at: Cell, faces: Told, people: Told) -> dict[Cell, Told]:
    return {at: faces, at.people: people}


def test_without_a_width_the_rows_are_those_of_the_file(tmp_path: Path) -> None:
    cells = {
        **followed(cell(0), full(500, 100), full(50, 10)),
        **followed(cell(1), Told(100, 70, None), Told(100, None, None)),
        **followed(cell(0, "hall"), full(0, 0), full(0, 0)),
        **{cell(3, "hall"): full(40, 30), Cell(UNTIMED, UNTIMED, "hall"): full(20, 20)},
    }
    made = run(tmp_path / "run", cells)
    with (made / "aggregate.csv").open(newline="") as file:
        expected = list(csv.DictReader(file))
    assert [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in rows(made)
    ] == expected


def test_wider_buckets_are_sums_with_a_rate_and_an_interval_of_their_own(tmp_path: Path) -> None:
    cells = followed(cell(0), full(500, 100), full(50, 10)) | followed(cell(1), full(300, 300, 20), full(30, 30, 12))
    (row,) = rows(run(tmp_path, cells), every="1h")
    assert (row["bucket_start"], row["bucket_end"]) == ("2026-11-20T20:00:00+00:00", "2026-11-20T21:00:00+00:00")
    assert (row["frames"], row["faces"], row["masked"], row["unmasked"], row["unknown"]) == (200, 1220, 800, 400, 20)
    assert (row["people"], row["people_masked"], row["people_unmasked"], row["people_unknown"]) == (132, 80, 40, 12)
    low, high = wilson_interval(80, 120) or (0, 0)
    assert row["weighted_by"] == "people" and row["compliance"] == round(80 / 120, 6) and row["effective_judged"] == 120
    assert (row["compliance_low"], row["compliance_high"]) == (round(low, 6), round(high, 6))
    assert row["mean_unmasked_per_frame"] == 2.0 and row["frame_compliance"] == round(800 / 1200, 6)
    for never_kept in (
        "frames_with_faces",
        "peak_unmasked",
        "gap_s",
        "most_at_once",
        "incorrect",
        "coverage",
        "source",
    ):
        assert row[never_kept] is None, never_kept


def test_a_sum_over_what_was_left_out_is_left_out_and_so_is_its_rate(tmp_path: Path) -> None:
    cells = followed(cell(0), full(500, 100), full(50, 10)) | followed(
        cell(1), Told(100, 70, None), Told(100, None, None)
    )
    (row,) = rows(run(tmp_path, cells), every="1h")
    assert (row["frames"], row["faces"]) == (200, 670)
    for name in ("masked", "unmasked", "unknown", "people", "people_masked", "people_unmasked", "people_unknown"):
        assert row[name] is None, name
    for name in ("compliance", "compliance_low", "effective_judged", "frame_compliance", "people_compliance"):
        assert row[name] is None, name
    kept = kept_periods(aggregate_files([tmp_path]))
    found = list(period_statistics(kept, Width.parse("1h"), UTC, totals=True))
    assert left_out_of(found) == 1
    out = StringIO()
    write_table(period_statistics(kept, None, UTC, totals=True), out)
    assert [line.split()[3:] for line in out.getvalue().splitlines()[1:]] == [
        ["people", "50", "10", "0", "83.3%", "72-91"],
        ["people", "–", "–", "–"],
        ["people", "–", "–", "–"],
    ]


def test_zones_and_lines_add_up_and_stay_left_out(tmp_path: Path) -> None:
    def one(period: int, of: Told) -> dict[Cell, Told]:
        at = cell(period)
        cells = followed(at, full(500, 100), full(50, 40))
        return cells | {at.people_in("hall"): of, at.faces_in("hall"): full(200, 50), at.across("door", IN): of,
                        at.across("door", OUT): full(10, 0)}  # fmt: skip

    whole = one(0, full(20, 10)) | one(1, full(30, 20))
    (row,) = rows(run(tmp_path / "whole", whole), every="1h")
    assert (row["zone_hall_people"], row["zone_hall_people_masked"], row["zone_hall_compliance"]) == (80, 50, 0.625)
    assert (row["zone_hall_faces"], row["zone_hall_unmasked"]) == (500, 100)
    assert (row["line_door_in"], row["line_door_in_unmasked"], row["line_door_out"]) == (80, 30, 20)
    assert row["zone_hall_visits"] is row["zone_hall_dwell_s"] is None  # they were never kept
    (row,) = rows(run(tmp_path / "cut", one(0, full(20, 10)) | one(1, Told(100, None, None))), every="1h")
    for name in ("zone_hall_people", "zone_hall_people_masked", "zone_hall_compliance", "line_door_in"):
        assert row[name] is None, name
    assert (row["people"], row["zone_hall_faces"], row["line_door_out_masked"]) == (180, 500, 20)
    kept = kept_periods(aggregate_files([tmp_path / "cut"]))
    out = StringIO()
    write_table(period_statistics(kept, None, UTC), out)
    assert ["hall", "gate", "–", "–", "–", "–"] in [line.split() for line in out.getvalue().splitlines()]
    assert [line.split()[2:] for line in out.getvalue().splitlines() if line.startswith("door")] == [
        ["in", "–", "–", "–", "–"],
        ["out", "20", "0", "0", "0", "100.0%"],
    ]


def test_what_cannot_be_divided_is_refused_in_one_line(tmp_path: Path) -> None:
    made = run(tmp_path, {cell(n): full(20, 20) for n in range(6)})
    with pytest.raises(SettingsError, match=r"every is '10m'.*20:00 to 20:20.*give 20m or a multiple"):
        rows(made, every="10m")
    with pytest.raises(SettingsError, match=r"every is '30m'.*20:20 to 20:40"):
        rows(made, every="30m")
    with pytest.raises(SettingsError, match=r"from is 2026-11-20 20:30, within the period from 2026-11-20 20:20"):
        rows(made, begin=datetime(2026, 11, 20, 20, 30, tzinfo=timezone.utc))
    some = rows(made, begin=datetime(2026, 11, 20, 20, 20, tzinfo=timezone.utc), every="40m")
    assert [(row["bucket_start"][11:16], row["masked"]) for row in some] == [
        ("20:00", 20),
        ("20:40", 40),
        ("21:20", 40),
    ]
    days = rows(made, every="1d", zone=PARIS)
    assert [row["bucket_start"] for row in days] == ["2026-11-20T00:00:00+01:00"] and days[0]["masked"] == 120


def test_buckets_without_frames_have_a_row_and_totals_follow(tmp_path: Path) -> None:
    made = run(tmp_path, {cell(0): full(20, 20), cell(3): full(30, 10), cell(3, "hall"): full(1, 1)})
    found = rows(made, empty=True, totals=True)
    assert [(row["camera"], row["frames"], row["masked"]) for row in found] == [
        *(("gate", 100, 20), ("hall", 0, 0), ("gate", 0, 0), ("hall", 0, 0), ("gate", 0, 0), ("hall", 0, 0)),
        *(("gate", 100, 30), ("hall", 100, 1), ("gate", 200, 50), ("hall", 100, 1), ("total", 300, 51)),
    ]
    assert found[-1]["bucket_start"].startswith("2026-11-20T20:00") and found[-1]["bucket_end"][11:16] == "21:20"
    together = rows(made, by_camera=False)
    assert [(row["camera"], row["frames"]) for row in together] == [("", 100), ("", 200)]


def test_runs_add_up_and_one_that_keeps_more_is_no_part_of_them(tmp_path: Path) -> None:
    one, two = (run(tmp_path / name, {cell(0): full(20, 20)}) for name in ("one", "two"))
    assert [row["masked"] for row in rows(one, two / "aggregate.csv")] == [40]
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "frames.csv").write_text("")
    with pytest.raises(SettingsError, match="count it by itself"):
        rows(one, tmp_path / "more")
    with pytest.raises(SettingsError, match="named twice"):
        rows(one, one)
    (two / "aggregate.csv").write_text("camera,masked,frames,bucket_start\nn,1,x,\n")
    with pytest.raises(SourceError, match="cannot be read as an aggregate"):
        rows(two)


@st.composite
def counted(draw: st.DrawFn) -> dict[tuple[int, str], dict[str, Sums]]:
    number = st.integers(0, 25)
    found = {}
    for period in range(draw(st.integers(1, 5))):
        for camera in draw(st.sets(st.sampled_from(["a", "b"]), min_size=1)):
            kinds = ["", "people", "zone hall", "faces hall", "line door in", "line door out"]
            found[period, camera] = {kind: Sums(9, Counts(*draw(st.tuples(number, number, number)))) for kind in kinds}
    return found


@settings(max_examples=60, deadline=None)
@given(counted(), st.integers(1, 12))
def test_a_number_is_the_sum_of_all_or_left_out(
    tmp_path_factory: pytest.TempPathFactory, found: dict[tuple[int, str], dict[str, Sums]], min_count: int
) -> None:
    """Whatever is told of an hour is the true sum; it is left out just where it was in one of the periods."""
    told = {key: told_together(kinds, min_count) for key, kinds in found.items()}
    cells = {Cell(cell(p).start, cell(p).stop, camera, of): shown
             for (p, camera), kinds in told.items() for of, shown in kinds.items()}  # fmt: skip
    made = run(tmp_path_factory.mktemp("drawn"), cells)
    names = {
        "": ("faces", ""),
        "people": ("people", "people_"),
        "zone hall": ("zone_hall_people", "zone_hall_people_"),
        "faces hall": ("zone_hall_faces", "zone_hall_"),
        "line door in": ("line_door_in", "line_door_in_"),
    }
    for row in rows(made, every="1h"):
        hour = (minute_of(datetime.fromisoformat(row["bucket_start"])) - EIGHT) // 20
        mine = [key for key in found if key[1] == row["camera"] and hour <= key[0] < hour + 3]
        for of, (total, before) in names.items():
            known = all(told[key][of].parts is not None for key in mine)
            for at, word in enumerate(("masked", "unmasked", "unknown")):
                true = sum(found[key][of].parts[at] for key in mine)
                assert row[before + word] == (true if known else None), (of, word)
            whole = all(told[key][of].faces is not None for key in mine)
            assert row[total] == (sum(found[key][of].counts.faces for key in mine) if whole else None)
