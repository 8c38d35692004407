"""Which counts of a period are told, and that what is left out cannot be computed from what is not."""

from __future__ import annotations

import csv
from datetime import datetime, timezone
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from crowdmask.records import Counts
from crowdmask.results.aggregate import UNTIMED, Cell, Periods, Sums, Told, told, write_aggregate
from crowdmask.results.timeline.buckets import Width
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


def test_no_cells_leave_a_header(tmp_path: Path) -> None:
    assert write_aggregate(tmp_path / "aggregate.csv", [], PARIS) == 0
    assert (tmp_path / "aggregate.csv").read_text() == ",".join(STATISTICS.names) + "\n"


def test_masks_wrongly_worn_are_among_the_unmasked_and_nobody_is_lost() -> None:
    some = Sums(1, Counts(20, 30, 40, incorrect := 15))
    assert some.parts == (20, 30 + incorrect, 40) and sum(some.parts) == some.counts.faces
    shown = told(some, 10)
    assert shown.parts is not None and sum(shown.parts) == shown.faces
