"""Which counts of a period are told, and that what is left out cannot be computed from what is not."""

from __future__ import annotations

import csv
from datetime import datetime, timezone
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from crowdmask.records import Counts
from crowdmask.results.aggregate import UNTIMED, Cell, Periods, Sums, Told, told, told_together, write_aggregate
from crowdmask.results.report.data import gather
from crowdmask.results.report.page import page
from crowdmask.results.timeline.buckets import Width
from crowdmask.results.timeline.period_rows import read_rows
from crowdmask.results.timeline.statistics_columns import STATISTICS

PARIS = ZoneInfo("Europe/Paris")


def sums(masked: int, unmasked: int, unknown: int, frames: int = 7) -> Sums:
    return Sums(frames, Counts(masked, unmasked, unknown))


@pytest.mark.parametrize(
    ("counted", "shown"),
    [
        (sums(0, 0, 0), Told(7, 0, (0, 0, 0))),
        (sums(50, 10, 0), Told(7, 60, (50, 10, 0))),
        (sums(50, 9, 0), Told(7, 59, None)),
        (sums(50, 10, 1), Told(7, 61, None)),
        (sums(3, 4, 0), Told(7, None, None)),
        (sums(0, 9, 0), Told(7, None, None)),
        (sums(5, 5, 0), Told(7, 10, None)),
    ],
)
def test_small_counts_are_left_out_with_all_that_gives_them_away(counted: Sums, shown: Told) -> None:
    assert told(counted, 10) == shown


def test_a_least_count_of_one_leaves_out_nothing() -> None:
    assert told(sums(1, 0, 2), 1) == Told(7, 3, (1, 0, 2))


@pytest.mark.parametrize("min_count", [2, 3, 5, 10])
def test_no_count_that_is_left_out_can_be_computed_from_what_is_told(min_count: int) -> None:
    """Somebody who knows the rule looks for all numbers that would be told alike: no part is the same in all."""
    alike: dict[Told, list[tuple[int, int, int]]] = {}
    for parts in product(range(2 * min_count + 2), repeat=3):
        alike.setdefault(told(sums(*parts), min_count), []).append(parts)
    for shown, possible in alike.items():
        if shown.parts is None and (shown.faces is None or shown.faces <= 2 * min_count + 1):
            for part in range(3):
                assert len({parts[part] for parts in possible}) > 1, (shown, possible)


def test_faces_of_few_people_are_left_out_with_them() -> None:
    few = {"": sums(500, 40, 0), "people": sums(50, 1, 0)}
    shown = told_together(few, 10)
    assert shown["people"].parts is shown[""].parts is None and shown[""].faces == 540
    assert told_together({"": sums(500, 4, 0), "people": sums(50, 0, 0)}, 10)["people"].parts == (50, 0, 0)
    assert told_together({"": sums(500, 40, 0)}, 10, cut={"people"})[""].parts is None


@pytest.mark.parametrize(("whole", "of"), [("people", "zone hall"), ("", "faces hall")])
def test_the_rest_of_a_camera_outside_of_a_zone_is_never_small(whole: str, of: str) -> None:
    """Whoever subtracts what is told of a zone from what is told of its camera gets no small number."""
    for masked, unmasked in product(range(0, 41, 4), repeat=2):
        shown = told_together({whole: sums(40, 20, 0), of: sums(masked, min(unmasked, 20), 0)}, 10)
        zone, camera = shown[of], shown[whole]
        assert camera.parts == (40, 20, 0) and camera.faces == 60
        if zone.parts is not None:
            rests = [a - b for a, b in zip(camera.parts, zone.parts, strict=True)]
            assert not any(0 < count < 10 for count in (*rests, *zone.parts))
        if zone.faces is not None:
            assert not 0 < camera.faces - zone.faces < 10 and not 0 < zone.faces < 10


def test_people_and_zones_have_their_columns_and_small_ones_none(tmp_path: Path) -> None:
    cell = Periods(Width.parse("20m"), PARIS).cell("cam", datetime(2026, 11, 20, 22, 0, tzinfo=timezone.utc))
    counted = {
        cell: sums(300, 100, 0, frames=50),
        cell.people: sums(30, 10, 0, frames=50),
        cell.people_in("hall"): sums(20, 0, 0, frames=50),
        cell.faces_in("hall"): sums(200, 0, 0, frames=50),
        cell.people_in("desk"): sums(30, 3, 0, frames=50),
        cell.across("door", "in"): sums(12, 0, 0, frames=50),
        cell.across("door", "out"): sums(2, 0, 0, frames=50),
    }
    shown = told_together({one.of: s for one, s in counted.items()}, 10)
    assert write_aggregate(tmp_path / "a.csv", [(one, shown[one.of]) for one in counted], PARIS) == 1
    (row,) = csv.DictReader((tmp_path / "a.csv").open(newline=""))
    lead = [row[name] for name in ("people", "people_masked", "compliance", "weighted_by")]
    assert lead == ["40", "30", "0.75", "people"]
    assert row["compliance_low"] == row["people_compliance_low"] == "0.59806"  # Wilson's of 30 in 40
    assert (row["zone_hall_people"], row["zone_hall_compliance"], row["zone_hall_faces"]) == ("20", "1.0", "200")
    assert row["zone_desk_people"] == "", "seven elsewhere"
    assert row["zone_desk_people_masked"] == row["zone_desk_compliance"] == ""
    assert (row["line_door_in"], row["line_door_in_masked"]) == ("12", "12")
    assert row["line_door_out"] == row["line_door_out_masked"] == ""
    never = ("most_at_once", "people_incorrect", "incorrect", "zone_hall_dwell_s", "zone_hall_longest_s")
    assert all(row[name] == "" for name in never)


def test_the_report_leads_with_people_and_leaves_out_what_is_not_told(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    cells = []
    for hour, masked in ((20, 20), (21, 30)):
        at = datetime(2026, 11, 20, hour, 0, tzinfo=timezone.utc)
        cell = Periods(Width.parse("1h"), PARIS).cell("cam", at)
        counted = {
            cell: sums(300, 100, 0, frames=50),
            cell.people: sums(masked, 20, 0, frames=50),
            cell.people_in("hall"): sums(10, 10 if hour == 20 else 2, 0, frames=50),
            cell.faces_in("hall"): sums(200, 0, 0, frames=50),
            cell.across("door", "in"): sums(12, 0, 0, frames=50),
            cell.across("door", "out"): sums(0, 0, 0, frames=50),
        }
        shown = told_together({one.of: s for one, s in counted.items()}, 10)
        cells += [(one, shown[one.of]) for one in counted]
    write_aggregate(run / "aggregate.csv", cells, PARIS)
    report = gather([run], zone_name="Europe/Paris")
    data = report.data
    assert (
        data.weighted_by == "people" and data.totals.people == Counts(50, 40) and data.totals.counts == Counts(600, 200)
    )
    places = data.as_dict()
    assert places["zones"]["names"] == ["hall"] and places["zones"]["cells"]["people_masked"] == [10]
    assert places["lines"]["cells"]["in_masked"] == [12, 12]
    text = page(report, None)
    assert "1 time a zone or a line had too few people in a period" in text and "By zone" in text
    assert "the rate counts faces frame by frame" not in text


def test_periods_are_cut_by_the_local_clock_and_across_its_change() -> None:
    periods = Periods(Width.parse("20m"), PARIS)
    cell = periods.cell("cam", datetime(2026, 11, 20, 22, 15, 59, tzinfo=timezone.utc))
    assert (cell.stop - cell.start, cell.start % 20) == (20, 0)
    assert periods.cell("cam", datetime(2026, 11, 20, 22, 0, tzinfo=timezone.utc)) == cell
    assert periods.cell("cam", datetime(2026, 11, 20, 22, 0, tzinfo=timezone.utc), seconds=1200.0).start == cell.stop
    twice = {periods.cell("", datetime(2026, 10, 25, hour, 5, tzinfo=timezone.utc)) for hour in (0, 1)}
    assert len(twice) == 2, "the hour that comes twice is two"
    assert periods.cell("cam", None) == Cell(UNTIMED, UNTIMED, "cam")


def test_the_file_has_the_columns_of_stats_and_tells_no_frame(tmp_path: Path) -> None:
    path = tmp_path / "aggregate.csv"
    at = datetime(2026, 11, 20, 22, 0, tzinfo=timezone.utc)
    cell = Periods(Width.parse("20m"), PARIS).cell("cam 1", at)
    cells = [
        (Cell(UNTIMED, UNTIMED, "cam 1"), told(sums(12, 12, 0), 10)),
        (Cell(cell.stop, cell.stop + 20, "cam 1"), told(sums(50, 9, 0), 10)),
        (cell, told(sums(30, 10, 0, frames=20), 10)),
        (Cell(cell.start, cell.stop, "b"), told(sums(1, 0, 0), 10)),
    ]
    assert write_aggregate(path, cells, PARIS) == 2
    rows = list(csv.DictReader(path.open(newline="")))
    assert tuple(rows[0]) == STATISTICS.names
    assert [(row["bucket_start"], row["camera"]) for row in rows] == [
        ("2026-11-20T23:00:00+01:00", "b"),
        ("2026-11-20T23:00:00+01:00", "cam 1"),
        ("2026-11-20T23:20:00+01:00", "cam 1"),
        ("", "cam 1"),
    ]
    small, full, part, untimed = rows
    assert full["compliance"] == "0.75" and full["mean_unmasked_per_frame"] == "0.5" and full["faces"] == "40"
    assert part["faces"] == "59" and untimed["faces"] == "24"
    for name in ("masked", "unmasked", "unknown", "compliance", "compliance_low", "mean_unmasked_per_frame"):
        assert part[name] == small[name] == "", name
    assert small["faces"] == "" and small["frames"] == "7"
    for row in rows:
        assert row["source"] == row["peak_unmasked"] == row["frames_with_faces"] == row["gap_s"] == ""


def test_a_camera_named_like_a_formula_is_none_in_a_spreadsheet(tmp_path: Path) -> None:
    path, name = tmp_path / "aggregate.csv", '=HYPERLINK("http://example.org")'
    write_aggregate(path, [(Cell(UNTIMED, UNTIMED, name), told(sums(12, 12, 0), 10))], PARIS)
    (row,) = csv.DictReader(path.open(newline=""))
    assert row["camera"] == f"'{name}"
    assert [read["camera"] for read in read_rows(path)] == [name]


def test_no_cells_leave_a_header(tmp_path: Path) -> None:
    assert write_aggregate(tmp_path / "aggregate.csv", [], PARIS) == 0
    assert (tmp_path / "aggregate.csv").read_text() == ",".join(STATISTICS.names) + "\n"


def test_masks_wrongly_worn_are_among_the_unmasked_and_nobody_is_lost() -> None:
    some = Sums(1, Counts(20, 30, 40, incorrect := 15))
    assert some.parts == (20, 30 + incorrect, 40) and sum(some.parts) == some.counts.faces
    shown = told(some, 10)
    assert shown.parts is not None and sum(shown.parts) == shown.faces
