"""Cuts time into buckets by a place's clock; the statistics count frames into them.

Every bucket is a stretch between two instants, so the hour that a clock change repeats gives buckets of its own.

- A month is the calendar's. A week begins on Monday; weeks, and several days together, are counted from Monday,
  5 January 1970. A day begins at the first instant of its date: it may have 23 or 25 hours.
- Shorter buckets begin anew each day: at its start and then every so many minutes of the local clock. The last one
  of a day is shorter where they do not divide it.
- Up to an hour, a clock change ends a bucket, and the repeated time is cut once more. Longer ones are as long or short
  as the clock change makes them, so that 06:00 to 12:00 stays what it is on every day of the year.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from crowdmask.errors import SettingsError
from crowdmask.media.time_zones import clock_change, first_instant

Minutes = NDArray[np.int64]  # since 1970 in UTC

DAY = 24 * 60
HOUR = 60
_UNITS = {"m": 1, "min": 1, "h": HOUR, "d": DAY, "w": 7 * DAY}
_FIRST_MONDAY = date(1970, 1, 5)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Width:
    """How wide buckets are: a calendar month, or a number of minutes."""

    text: str
    minutes: int
    is_month: bool = False

    @classmethod
    def parse(cls, text: str) -> Width:
        """From `1m` to `1mo`: minutes, hours, days, weeks or a month."""
        match = re.fullmatch(r"\s*(\d{1,6})\s*(m|min|h|d|w|mo)\s*", text.lower())
        if match is None:
            raise SettingsError(f"every is {text!r}: give a number with m, h, d, w or mo, such as 20m, 1h, 1d or 1mo")
        count, unit = int(match[1]), match[2]
        minutes = count * (31 * DAY if unit == "mo" else _UNITS[unit])
        if not 1 <= minutes <= 31 * DAY:
            raise SettingsError(f"every is {text!r}: it must be 1m to 1mo")
        if minutes > DAY and minutes % DAY:
            raise SettingsError(f"every is {text!r}: above a day give whole days, such as {round(minutes / DAY)}d")
        return cls(f"{count}{unit}", minutes, unit == "mo")


def edges(width: Width, zone: ZoneInfo, first: int, last: int) -> Minutes:
    """Where buckets begin and end, ascending: from the bucket of minute `first` to that of minute `last`."""
    found = _day_edges(width, zone, first, last) if width.minutes >= DAY else _clock_edges(width, zone, first, last)
    begin = int(np.searchsorted(found, first, "right")) - 1
    end = int(np.searchsorted(found, last, "right"))
    return found[begin : end + 1]


def bucket_spans(width: Width, zone: ZoneInfo, stretches: Iterable[tuple[int, int]]) -> tuple[Minutes, Minutes]:
    """Starts and ends of every bucket that touches one of the stretches (first minute, last minute), each once."""
    spans = [edges(width, zone, first, last) for first, last in stretches]
    if not spans:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    starts, at = np.unique(np.concatenate([s[:-1] for s in spans]), return_index=True)
    return starts, np.concatenate([s[1:] for s in spans])[at]


def minute_of(instant: datetime) -> int:
    """The minute since 1970 that an aware time lies in."""
    return (instant - _EPOCH) // timedelta(minutes=1)


def instant_at(minute: int) -> datetime:
    return _EPOCH + timedelta(minutes=minute)


@lru_cache(maxsize=4096)  # a bucket's ends are those of all its cameras
def local_at(minute: int, zone: ZoneInfo) -> datetime:
    """The local time with a fixed offset, so that both passes of a repeated hour compare as they should."""
    local = instant_at(minute).astimezone(zone)
    return local.replace(tzinfo=timezone(local.utcoffset() or timedelta(0)), fold=0)


def _day_edges(width: Width, zone: ZoneInfo, first: int, last: int) -> Minutes:
    dates = _month_starts if width.is_month else _day_starts
    one_day = timedelta(days=1)  # a zone may be a whole day off near the date line
    days = dates(_local_date(first, zone) - one_day, _local_date(last, zone) + one_day, width.minutes // DAY)
    return np.unique(np.array([_midnight(day, zone) for day in days], np.int64))


def _day_starts(first: date, last: date, step: int) -> Iterator[date]:
    day = first - timedelta(days=(first - _FIRST_MONDAY).days % step)
    while day <= last:
        yield day
        day += timedelta(days=step)
    yield day


def _month_starts(first: date, last: date, step: int) -> Iterator[date]:
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = (month + timedelta(days=31)).replace(day=1)
    yield month


def _clock_edges(width: Width, zone: ZoneInfo, first: int, last: int) -> Minutes:
    one_day = timedelta(days=1)
    days = list(_day_starts(_local_date(first, zone) - one_day, _local_date(last, zone) + one_day, 1))
    midnights = [_midnight(day, zone) for day in days]
    parts = [
        _edges_of_day(width.minutes, zone, day, start, end)
        for day, start, end in zip(days[:-1], midnights[:-1], midnights[1:], strict=True)
        if end > start  # a date that a place skipped has no minutes
    ]
    return np.unique(np.concatenate([*parts, np.array(midnights[-1:], np.int64)]))


def _edges_of_day(step: int, zone: ZoneInfo, day: date, start: int, end: int) -> Minutes:
    before, after = (_offset_minutes(minute, zone) for minute in (start, end - 1))
    if before == after and end - start == DAY:
        return np.arange(start, end, step, dtype=np.int64)
    if step > HOUR:
        marks = [datetime.combine(day, time()) + timedelta(minutes=m) for m in range(0, DAY, step)]
        found = np.array([minute_of(first_instant(mark, zone)) for mark in marks], np.int64)
        return np.unique(found[found < end])
    change = minute_of(clock_change(instant_at(start), instant_at(end - 1), zone)) if before != after else end
    parts = [np.array([start], np.int64)]
    for low, high, ahead in ((start, change, before), (change, end, after)):
        minutes = np.arange(low, high, dtype=np.int64)
        on_the_mark = (minutes + ahead) % DAY % step == 0
        parts += [minutes[:1], minutes[on_the_mark]]
    return np.unique(np.concatenate(parts))


def _midnight(day: date, zone: ZoneInfo) -> int:
    return minute_of(first_instant(datetime.combine(day, time()), zone))


def _local_date(minute: int, zone: ZoneInfo) -> date:
    return instant_at(minute).astimezone(zone).date()


def _offset_minutes(minute: int, zone: ZoneInfo) -> int:
    ahead = instant_at(minute).astimezone(zone).utcoffset()
    return (ahead or timedelta(0)) // timedelta(minutes=1)
