"""Buckets of time by a place's clock: widths, midnights, months, and the days on which clocks change."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdmask.errors import SettingsError
from crowdmask.results.timeline.buckets import DAY, Width, bucket_spans, edges, instant_at, minute_of

PARIS = ZoneInfo("Europe/Paris")
ZONES = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Atlantic/Azores",
    "Africa/Casablanca",
    "Asia/Beirut",
    "America/St_Johns",
    "Africa/Monrovia",
]  # changes of half an hour, at midnight, of a whole day, and offsets that are no whole hours


def local_edges(width: str, first: str, last: str, zone: ZoneInfo = PARIS) -> list[str]:
    """The edges as local times, between two instants given in ISO 8601."""
    minutes = [minute_of(datetime.fromisoformat(text)) for text in (first, last)]
    found = edges(Width.parse(width), zone, *minutes)
    return [instant_at(int(minute)).astimezone(zone).isoformat(timespec="minutes") for minute in found]


def test_no_stretches_no_buckets() -> None:
    starts, ends = bucket_spans(Width.parse("20m"), PARIS, [])
    assert len(starts) == len(ends) == 0


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("1m", 1), ("20min", 20), ("1h", 60), ("24H", DAY), ("2d", 2 * DAY), ("1w", 7 * DAY), ("31d", 31 * DAY)],
)
def test_widths(text: str, minutes: int) -> None:
    assert Width.parse(text).minutes == minutes


@pytest.mark.parametrize("text", ["", "20", "m", "0m", "-5m", "1.5h", "20s", "2mo", "32d", "36h", "1y", "999999w"])
def test_widths_that_are_none_or_out_of_range(text: str) -> None:
    with pytest.raises(SettingsError, match="every is"):
        Width.parse(text)


def test_twenty_minutes_over_the_repeated_hour_are_six_buckets() -> None:
    assert local_edges("20m", "2026-10-25T00:10+00:00", "2026-10-25T01:50+00:00") == [
        "2026-10-25T02:00+02:00",
        "2026-10-25T02:20+02:00",
        "2026-10-25T02:40+02:00",
        "2026-10-25T02:00+01:00",
        "2026-10-25T02:20+01:00",
        "2026-10-25T02:40+01:00",
        "2026-10-25T03:00+01:00",
    ]


def test_the_skipped_hour_has_no_buckets() -> None:
    assert local_edges("1h", "2026-03-29T01:30+01:00", "2026-03-29T03:30+02:00") == [
        "2026-03-29T01:00+01:00",
        "2026-03-29T03:00+02:00",
        "2026-03-29T04:00+02:00",
    ]


def test_buckets_above_an_hour_keep_to_the_clock() -> None:
    assert local_edges("6h", "2026-10-25T00:00+02:00", "2026-10-25T23:00+01:00") == [
        "2026-10-25T00:00+02:00",
        "2026-10-25T06:00+01:00",
        "2026-10-25T12:00+01:00",
        "2026-10-25T18:00+01:00",
        "2026-10-26T00:00+01:00",
    ]
    assert local_edges("2h", "2026-03-29T00:00+01:00", "2026-03-29T04:30+02:00") == [
        "2026-03-29T00:00+01:00",
        "2026-03-29T03:00+02:00",
        "2026-03-29T04:00+02:00",
        "2026-03-29T06:00+02:00",
    ]


def test_buckets_begin_anew_each_day() -> None:
    assert local_edges("7h", "2026-11-20T20:00+01:00", "2026-11-21T01:00+01:00") == [
        "2026-11-20T14:00+01:00",
        "2026-11-20T21:00+01:00",
        "2026-11-21T00:00+01:00",
        "2026-11-21T07:00+01:00",
    ]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-03-30", 24), ("2026-10-25", 25)])
def test_days_have_23_24_or_25_hours(day: str, hours: int) -> None:
    noon = minute_of(datetime.fromisoformat(f"{day}T12:00+00:00"))
    start, end = edges(Width.parse("1d"), PARIS, noon, noon)
    assert end - start == hours * 60
    assert len(edges(Width.parse("1m"), PARIS, int(start), int(end) - 1)) == hours * 60 + 1


def test_weeks_begin_on_monday_and_months_are_the_calendars() -> None:
    assert local_edges("1w", "2026-10-25T12:00+01:00", "2026-10-25T12:00+01:00") == [
        "2026-10-19T00:00+02:00",
        "2026-10-26T00:00+01:00",
    ]
    assert local_edges("1mo", "2026-01-31T23:59+01:00", "2026-03-01T00:00+01:00") == [
        "2026-01-01T00:00+01:00",
        "2026-02-01T00:00+01:00",
        "2026-03-01T00:00+01:00",
        "2026-04-01T00:00+02:00",
    ]


def test_a_change_of_half_an_hour_ends_a_bucket_too() -> None:
    lord_howe = ZoneInfo("Australia/Lord_Howe")
    assert local_edges("20m", "2026-04-04T14:30+00:00", "2026-04-04T15:40+00:00", lord_howe) == [
        "2026-04-05T01:20+11:00",
        "2026-04-05T01:40+11:00",
        "2026-04-05T01:30+10:30",
        "2026-04-05T01:40+10:30",
        "2026-04-05T02:00+10:30",
        "2026-04-05T02:20+10:30",
    ]


def test_a_day_that_begins_at_one_and_one_that_a_place_skipped() -> None:
    sao_paulo = ZoneInfo("America/Sao_Paulo")
    assert local_edges("1d", "2018-11-04T12:00+00:00", "2018-11-04T12:00+00:00", sao_paulo) == [
        "2018-11-04T01:00-02:00",
        "2018-11-05T00:00-02:00",
    ]
    apia = ZoneInfo("Pacific/Apia")  # went from the 29th to the 31st
    for width in ("1d", "12h"):
        days = local_edges(width, "2011-12-29T12:00-10:00", "2011-12-31T13:00+14:00", apia)
        assert not any("2011-12-30" in edge for edge in days)
        assert "2011-12-31T00:00+14:00" in days


@settings(max_examples=150, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    width=st.sampled_from(["1m", "7m", "20m", "1h", "90m", "5h", "12h", "1d", "3d", "1w", "1mo"]),
    first=st.integers(0, minute_of(datetime(2030, 1, 1, tzinfo=timezone.utc))),
    length=st.integers(0, 4 * DAY),
)
def test_buckets_cover_every_minute_once_whatever_the_clock_does(
    zone: str, width: str, first: int, length: int
) -> None:
    found = edges(Width.parse(width), ZoneInfo(zone), first, first + length)
    assert all(a < b for a, b in pairwise(found.tolist()))
    assert found[0] <= first < found[1]
    assert found[-2] <= first + length < found[-1]
    if Width.parse(width).minutes <= DAY:
        assert max(np.diff(found)) <= Width.parse(width).minutes + 60
    # the same grid from wherever it is looked at
    again = edges(Width.parse(width), ZoneInfo(zone), first + length // 2, first + length // 2)
    assert set(again.tolist()) <= set(found.tolist())
