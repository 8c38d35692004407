"""The rate over time, worked out by hand: what a frame stands for, blocks and their design effect, totals, widths."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from crowdmask.results.statistics import score_interval, wilson_interval
from crowdmask.results.timeline.buckets import Width
from crowdmask.results.timeline.frames_table import FramesTable
from crowdmask.results.timeline.precision import Blocks, design_effect, precision_of, t_quantile
from crowdmask.results.timeline.statistics_rows import TOTAL, StatisticsRow, statistics_rows, with_totals
from crowdmask.results.timeline.widths import fitting_width
from tests.unit.results.frames_csvs import Row, write_frames

UTC = ZoneInfo("UTC")
EIGHT = datetime(2026, 11, 20, 20, tzinfo=timezone.utc)


def still(minute: float, masked: int, unmasked: int, camera: str = "hall") -> Row:
    at = EIGHT + timedelta(minutes=minute)
    return Row(at.isoformat(timespec="milliseconds"), masked, unmasked, 0, camera, f"{camera}/{minute}.jpg")


def clip(minute: float, frames: int, masked: int, unmasked: int, rate: int = 25) -> list[Row]:
    begun = EIGHT + timedelta(minutes=minute)
    times = [(begun + timedelta(seconds=i / rate)).isoformat(timespec="milliseconds") for i in range(frames)]
    return [Row(at, masked, unmasked, 0, "hall", f"hall/{minute}.mp4", i, i / rate) for i, at in enumerate(times)]


def rows_of(path: Path, every: str = "1d", by: str = "camera", **options: float) -> list[StatisticsRow]:
    with FramesTable([path], threads=1, **options) as table:  # type: ignore[arg-type]
        return list(statistics_rows(table, Width.parse(every), UTC, by))


def test_three_clips_do_not_outweigh_the_stills(tmp_path: Path) -> None:
    """Three clips of four seconds among 120 stills, one a minute: the clips are 0.17 % of the time."""
    stills = [still(minute, 2, 1) for minute in range(120)]
    clips = [row for minute in (10.5, 50.5, 90.5) for row in clip(minute, 100, 0, 3)]
    (row,) = rows_of(write_frames(tmp_path / "f.csv", stills + clips))
    assert row.counts.compliance == 240 / (360 + 900)  # frame by frame: 19 %
    assert row.time is not None and row.time.recorded_s == 120 * 60 + 3 * 4
    assert row.compliance == (120 * 60 * 2) / (120 * 60 * 3 + 3 * 4 * 3)  # 66.6 %


def test_a_still_stands_until_the_next_and_before_a_gap_for_the_usual_pause(tmp_path: Path) -> None:
    """Pauses of 2, 2, 2 and 30 minutes; the usual one is 2, so the fourth and the last still stand for 2 minutes."""
    path = write_frames(tmp_path / "f.csv", [still(m, 1, 0) for m in (0, 2, 4, 6, 36)])
    (row,) = rows_of(path)
    assert row.time is not None and row.time.recorded_s == 5 * 120
    (row,) = rows_of(path, stand_s=60.0)
    assert row.time is not None and row.time.recorded_s == 5 * 60


def test_stills_of_unequal_pace_are_weighted_by_their_pause(tmp_path: Path) -> None:
    """All masked while a still comes every minute, all unmasked while one comes every two: 10 to 20 minutes."""
    path = write_frames(
        tmp_path / "f.csv", [still(m, 1, 0) for m in range(10)] + [still(m, 0, 1) for m in range(10, 32, 2)]
    )
    (row,) = rows_of(path)
    assert row.counts.compliance == 10 / 21
    # the last still stands for the median pause, which is one minute and a half between ten of 1 and ten of 2
    assert row.compliance == pytest.approx(10 / (10 + 20 + 1.5))


def test_each_camera_has_its_own_time(tmp_path: Path) -> None:
    """A camera with a still a second has as much say as one with a still a minute."""
    fast = [still(s / 60, 1, 0, "fast") for s in range(600)]
    slow = [still(m, 0, 1, "slow") for m in range(10)]
    (row,) = rows_of(write_frames(tmp_path / "f.csv", fast + slow), by="none")
    assert row.compliance == 0.5 and row.counts.compliance == 600 / 610


def test_a_video_without_a_time_is_weighted_by_its_own_seconds(tmp_path: Path) -> None:
    """Ten frames a second while all are masked, one a second while none is: ten seconds each."""
    fast = [Row("", 1, 0, 0, "", "v.mp4", i, i / 10) for i in range(100)]
    slow = [Row("", 0, 1, 0, "", "v.mp4", 100 + i, 10.0 + i) for i in range(10)]
    (row,) = rows_of(write_frames(tmp_path / "f.csv", fast + slow))
    assert row.start is None and row.time is not None
    assert row.compliance == pytest.approx(0.5, abs=0.03)
    assert row.counts.compliance == 100 / 110


def test_pictures_without_a_time_count_alike(tmp_path: Path) -> None:
    rows = [Row("", 3, 1, 0, "", f"{i}.jpg") for i in range(4)]
    found = rows_of(write_frames(tmp_path / "f.csv", rows))
    assert [row.compliance for row in found] == [0.75] * 4


def test_the_wilson_interval_of_whole_trials_is_the_score_interval() -> None:
    for masked, judged in ((0, 7), (7, 7), (3, 10), (660, 1000)):
        assert wilson_interval(masked, judged) == score_interval(masked / judged, judged)
    assert score_interval(0.5, 0) is None
    low, high = score_interval(0.5, 0.01) or (1.0, 0.0)
    assert low < 0.01 and high > 0.99


def test_the_t_quantile_is_that_of_the_tables() -> None:
    for freedom, expected in ((5, 2.570582), (9, 2.262157), (30, 2.042272), (1000, 1.962339)):
        assert t_quantile(freedom) == pytest.approx(expected, abs=1.5e-3)


def test_a_design_effect_by_hand() -> None:
    """Twelve blocks of two minutes of judged face time, six all masked and six not at all: e = ±1 around 0.

    variance = 12 / 11 * 12 * 60000² / (12 * 120000)² = 12 / 11 / 48; at rate 0.5 with 24 trials independent faces
    have 0.25 / 24, so the design effect is 12 / 11 / 48 * 96 = 24 / 11.
    """
    unit = 120_000
    blocks = Blocks(12, 6 * unit, 12 * unit, 6 * unit**2, 6 * unit**2, 12 * unit**2, 24_000_000)
    found = design_effect([blocks])
    assert found is not None and found.effect == pytest.approx(24 / 11) and found.freedom == 11
    assert found.effective(24) == pytest.approx(11 * (1.959964 / 2.200985) ** 2, rel=1e-3)


@pytest.mark.parametrize("blocks", [Blocks(9, 1, 2, 1, 1, 1, 5), Blocks(20, 4, 4, 1, 1, 1, 5), Blocks(20, 0, 4)])
def test_too_few_blocks_or_faces_all_alike_have_no_design_effect(blocks: Blocks) -> None:
    assert design_effect([blocks]) is None


def test_people_who_stay_make_the_interval_wider_than_people_who_pass(tmp_path: Path) -> None:
    """Where a person stays through a whole block, its minutes are one observation; where all pass, each is one."""
    draw = random.Random(3)
    staying = []
    for block in range(60):
        masked = draw.random() < 0.5
        staying += [still(5 * block + m, int(masked), int(not masked)) for m in range(5)]
    passing = []
    for minute in range(300):
        masked = draw.random() < 0.5
        passing.append(still(minute, int(masked), int(not masked)))
    (stay,) = [r for r in rows_of(write_frames(tmp_path / "s.csv", staying), "1mo") if r.frames]
    (gone,) = [r for r in rows_of(write_frames(tmp_path / "p.csv", passing), "1mo") if r.frames]
    assert 40 < stay.effective < 80 and 200 < gone.effective <= 300


def test_intervals_cover_the_truth_where_frames_are_not_independent(tmp_path: Path) -> None:
    """60 nights of people who stay for five minutes, at a true rate of 0.7: nearly all intervals hold it.

    Taken for independent, the frames' intervals would hold it in far fewer.
    """
    draw = random.Random(11)
    held = naive = 0
    for night in range(60):
        rows = []
        for block in range(24):
            people = [draw.random() < 0.7 for _ in range(draw.randrange(1, 6))]
            for m in range(5):
                rows.append(still(5 * block + m, sum(people), len(people) - sum(people)))
        (row,) = [r for r in rows_of(write_frames(tmp_path / f"{night}.csv", rows), "1mo") if r.frames]
        low, high = row.interval or (1.0, 0.0)
        held += low <= 0.7 <= high
        low, high = wilson_interval(row.counts.masked, row.counts.judged) or (1.0, 0.0)
        naive += low <= 0.7 <= high
    assert held >= 54 and naive < 45


def test_where_nothing_measures_it_a_block_is_one_observation(tmp_path: Path) -> None:
    path = write_frames(tmp_path / "f.csv", clip(0, 750, 3, 1))  # half a minute, 3000 faces of 750 frames
    (row,) = rows_of(path)
    assert row.effective == 1.0 and row.interval == score_interval(0.75, 1.0)
    with FramesTable([path], threads=1) as table:
        assert precision_of(table).overall is None


def test_totals_are_the_sums_of_the_rows(tmp_path: Path) -> None:
    rows = [still(m, 2, 1, "cam2") for m in range(90)] + [still(m, 1, 1, "cam10") for m in range(150)]
    with FramesTable([write_frames(tmp_path / "f.csv", rows)], threads=1) as table:
        precision = precision_of(table)
        found = list(with_totals(statistics_rows(table, Width.parse("1h"), UTC, precision=precision), precision))
    plain, (two, ten, whole) = found[:-3], found[-3:]
    assert (two.camera, ten.camera, whole.camera) == ("cam2", "cam10", TOTAL)
    assert whole.frames == 240 == sum(row.frames for row in plain)
    assert whole.counts == two.counts + ten.counts
    assert (whole.start, whole.end) == (plain[0].start, plain[-1].end)
    assert two.compliance == 2 / 3 and ten.compliance == 0.5
    assert whole.compliance == (180 + 150) / (270 + 300)
    # cam2 recorded 1.5 of 3 hours and cam10 2.5 of them, but for the minute after the last frame
    assert two.coverage == pytest.approx((89 * 60) / 10800, abs=0.01)
    assert whole.coverage == pytest.approx(((90 + 150) * 60) / 21600, abs=0.01)


def test_one_row_has_no_total(tmp_path: Path) -> None:
    with FramesTable([write_frames(tmp_path / "f.csv", [still(0, 1, 1)])], threads=1) as table:
        precision = precision_of(table)
        assert len(list(with_totals(statistics_rows(table, Width.parse("1h"), UTC), precision))) == 1


@pytest.mark.parametrize(("people", "expected"), [(60, "1m"), (12, "5m"), (3, "20m"), (1, "1h")])
def test_the_default_bucket_holds_enough_judged_people(tmp_path: Path, people: int, expected: str) -> None:
    """So many judged faces a minute through three hours: fifty of them at least in a bucket."""
    path = write_frames(tmp_path / "f.csv", [still(m, people - people // 2, people // 2) for m in range(180)])
    with FramesTable([path], threads=1) as table:
        assert fitting_width(table).text == expected


def test_a_finer_bucket_than_asked_for_is_never_taken_and_a_year_fits(tmp_path: Path) -> None:
    year = [still(m * 1440, 90, 10) for m in range(365)]
    with FramesTable([write_frames(tmp_path / "f.csv", year)], threads=1) as table:
        assert fitting_width(table).text == "1w"
    with FramesTable([write_frames(tmp_path / "g.csv", [still(m, 90, 1) for m in range(100)])], threads=1) as table:
        assert fitting_width(table, finest=Width.parse("20m")).text == "20m"
