"""Reads the date and time that cameras and recorders write into file names; what can be read two ways is refused.

Read without being told: dates in the order year, month, day, with the time of day beside them, as in
`20261120_231501`, `IMG_20261120_231501.jpg`, `2026-11-20T23-15-01`, `192.168.1.64_01_20261120231501123_TIMING.jpg`
(Hikvision), `NVR_ch1_main_20261120231501_20261120232000.mp4` (Dahua; the earlier one is the start),
`RLC-410_00_20261120231501.jpg` (Reolink), `image2026-11-20_23-15-01-12.jpg` (Axis), `2026-11-20 at 11.15.01 PM`;
a time of day alone under a folder that is a date, as in `2026-11-20/001/jpg/23.15.01[M][0@0][0].jpg` (Dahua) and
`2026-11-20/23-15-01.jpg` (Motion); hour and minute as folders, as in `2026-11-20/001/jpg/22/05/13[M][0@0][0].jpg`
(Dahua); `20.11.2026_23-15-01`, as only those write it who put the day first; `Gate 11-20-2026, 11.15.01 PM GMT+1`, as
UniFi exports it, month first; `261120_231501`, year first; and Unix seconds or milliseconds.

Refused, because two people would read them differently: day or month first with dashes (`20-11-2026`), twelve digits
in a row, `20261120_2315` (a time or a counter?), a number that is Unix seconds and a date as well, an
end before its start. `--time-format` reads those. A date without a time of day (`VID-20261120-WA0012`) only says
which day it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import PurePosixPath

YEARS = range(1990, 2100)
LONGEST_RECORDING = timedelta(days=1)  # two times further apart in one name are not its start and its end

_DATE = r"(?P<year>(?:19|20)\d\d)(?P<dash>[-_.]?)(?P<month>\d\d)(?P=dash)(?P<day>\d\d)"
_CLOCK = r"(?P<hour>\d\d)(?P<colon>[-_.:]?)(?P<minute>\d\d)(?P=colon)(?P<second>\d\d)"
_FRACTION = r"(?:[-_.,]?(?P<milli>\d{3})(?!\d))?"
_ZONE = r"(?P<zone>Z(?![A-Za-z])|\+\d\d:?[0-5]\d(?!\d))?"
STAMP = re.compile(
    rf"(?<!\d){_DATE}(?P<joint>[-_.\sT]?|\s?_?at[\s_])(?:{_CLOCK}){_FRACTION}(?:[\s_-]?(?P<half>[AaPp])[Mm]\b)?{_ZONE}"
    r"(?P<minus>-(?:0\d|1[0-2]):?(?:00|30|45)(?!\d))?(?!\d)"
)
TO_THE_MINUTE = re.compile(rf"(?<!\d){_DATE}[-_\sT](?P<hour>\d\d)[-.:h](?P<minute>\d\d)(?![\dm+Z]|[-_.:]\d\d(?!\d))")
DAY = re.compile(rf"(?<!\d){_DATE}(?!\d)")
CLOCK_FIRST = re.compile(rf"{_CLOCK}{_FRACTION}(?![\dA-Za-z])")
DOTTED = re.compile(
    rf"(?<!\d)(?P<day>\d\d)\.(?P<month>\d\d)\.(?P<year>(?:19|20)\d\d)[-_\sT,]+{_CLOCK}{_FRACTION}(?!\d)"
)
US_STYLE = re.compile(
    r"(?<!\d)(?P<month>\d{1,2})-(?P<day>\d{1,2})-(?P<year>20\d\d),?[\s_]+"
    r"(?P<hour>\d{1,2})[.:](?P<minute>\d\d)[.:](?P<second>\d\d)[\s_]?(?P<half>[AaPp])\.?[Mm]\b"
    r"(?:[\s_]+(?:GMT|UTC)(?P<ahead>[+-](?:\d|1[0-4]))?(?!\d))?"
)
SHORT_YEAR = re.compile(
    rf"(?<!\d)(?P<year>\d\d)(?P<dash>[-_.]?)(?P<month>\d\d)(?P=dash)(?P<day>\d\d)[-_\sT]{_CLOCK}(?!\d)"
)
HOUR_AND_MINUTE = re.compile(r"(?:^|/)(?P<hour>[01]\d|2[0-3])/(?P<minute>[0-5]\d)$")
SECOND_FIRST = re.compile(r"(?P<second>[0-5]\d)(?=\[|$)")
UNIX = re.compile(r"(?<!\d)(?:(?P<seconds>[12]\d{9})|(?P<millis>[12]\d{12}))(?!\d)")
DAY_FOLDER = re.compile(rf"(?:^|/){_DATE}(?=/|$)")
DATE_TREE = re.compile(r"(?:^|/)(?P<year>(?:19|20)\d\d)/(?P<month>\d\d)/(?P<day>\d\d)(?=/|$)")


@dataclass(frozen=True)
class NameTime:
    """What a name says: a time (naive if in local time), or only a day, or why it is refused; or nothing at all."""

    time: datetime | None = None
    day: date | None = None
    refused: str = ""


def name_time(source: str, now: datetime) -> NameTime:
    """Read the name of `source`, a path with `/`; Unix time after `now` is taken for some other number."""
    path = PurePosixPath(source)
    stem = path.name if path.suffix[1:].isdigit() else path.stem
    for read in _READERS:
        found = read(stem, path, now)
        if found.time is not None or found.refused:
            return found
    days = {day for match in DAY.finditer(stem) if (day := _day(match)) is not None}
    return NameTime(day=days.pop()) if len(days) == 1 else NameTime()


def _stamps(stem: str, path: PurePosixPath, now: datetime) -> NameTime:
    times = []
    for match in STAMP.finditer(stem):
        if match["minus"] and match["joint"] == "T":
            return NameTime(refused=f"{match['minus']} is an offset or a counter")
        time = _stamp(match)
        if time is not None:
            times.append(time.replace(tzinfo=timezone.utc) if stem.startswith("PXL_") else time)  # Pixel phones
    return _start_of(times)


def _stamp(match: re.Match[str]) -> datetime | None:
    hour = int(match["hour"])
    if match["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match["half"] in "pP" else 0)
    day = _day(match)
    if day is None or hour > 23 or int(match["minute"]) > 59 or int(match["second"]) > 59:
        return None
    micro = int(match["milli"] or 0) * 1000
    time = datetime(day.year, day.month, day.day, hour, int(match["minute"]), int(match["second"]), micro)
    return time.replace(tzinfo=offset(match["zone"])) if match["zone"] else time


def _start_of(times: list[datetime]) -> NameTime:
    """The one time, or of a start and an end the start."""
    if not times:
        return NameTime()
    first, last = times[0], times[-1]
    if any((t.tzinfo is None) != (first.tzinfo is None) for t in times):
        return NameTime(refused="one of its times has an offset, another has none")
    if not first <= last <= first + LONGEST_RECORDING:
        return NameTime(refused=f"it holds {first:%Y-%m-%d %H:%M:%S} and {last:%Y-%m-%d %H:%M:%S}")
    return NameTime(first)


def _to_the_minute(stem: str, path: PurePosixPath, now: datetime) -> NameTime:
    times = []
    for match in TO_THE_MINUTE.finditer(stem):
        day = _day(match)
        if day is not None and int(match["hour"]) < 24 and int(match["minute"]) < 60:
            times.append(datetime(day.year, day.month, day.day, int(match["hour"]), int(match["minute"])))
    return _start_of(times)


def _clock_under_a_day(stem: str, path: PurePosixPath, now: datetime) -> NameTime:
    """A time of day that begins the name, on the date that its folders tell."""
    match = CLOCK_FIRST.match(stem)
    if match is None or not match["colon"]:
        return NameTime()
    day = folder_day(path.parent.as_posix())
    if day is None or int(match["hour"]) > 23 or int(match["minute"]) > 59 or int(match["second"]) > 59:
        return NameTime()
    hour, minute, second = (int(match[part]) for part in ("hour", "minute", "second"))
    return NameTime(datetime(day.year, day.month, day.day, hour, minute, second, int(match["milli"] or 0) * 1000))


def _clock_in_folders(stem: str, path: PurePosixPath, now: datetime) -> NameTime:
    """Hour and minute as the last two folders, and the seconds that begin the name."""
    second, clock = SECOND_FIRST.match(stem), HOUR_AND_MINUTE.search(path.parent.as_posix())
    day = folder_day(path.parent.as_posix())
    if second is None or clock is None or day is None:
        return NameTime()
    return NameTime(
        datetime(day.year, day.month, day.day, int(clock["hour"]), int(clock["minute"]), int(second["second"]))
    )


def _dotted(stem: str, path: PurePosixPath, now: datetime) -> NameTime:
    """Day first, as nobody who writes dots puts it otherwise."""
    found = (_at(match, int(match["year"]), int(match["hour"])) for match in DOTTED.finditer(stem))
    return _start_of([time for time in found if time is not None])


def _us_style(stem: str, path: PurePosixPath, now: datetime) -> NameTime:
    """Month first before a clock of twelve hours, which is written so in one country; with the offset it may have."""
    times = []
    for match in US_STYLE.finditer(stem):
        hour = int(match["hour"])
        if not 1 <= hour <= 12:
            continue
        time = _at(match, int(match["year"]), hour % 12 + (12 if match["half"] in "pP" else 0))
        if time is not None:
            ahead = match["ahead"]
            times.append(time.replace(tzinfo=timezone(timedelta(hours=int(ahead)))) if ahead else time)
    return _start_of(times)


def _short_year(stem: str, path: PurePosixPath, now: datetime) -> NameTime:
    """Year, month, day with two digits each before a time of day; a time to come is none."""
    found = (_at(match, 2000 + int(match["year"]), int(match["hour"])) for match in SHORT_YEAR.finditer(stem))
    latest = now.replace(tzinfo=None) + timedelta(days=2)
    return _start_of([time for time in found if time is not None and time <= latest])


def _at(match: re.Match[str], year: int, hour: int) -> datetime | None:
    try:
        time = datetime(year, int(match["month"]), int(match["day"]), hour, int(match["minute"]), int(match["second"]))
    except ValueError:
        return None
    return time if year in YEARS else None


def folder_day(folders: str) -> date | None:
    """The date that one of the folders is, or three of them are: `2026-11-20`, `2026/11/20`; None where two differ."""
    found = (_day(match) for pattern in (DATE_TREE, DAY_FOLDER) for match in pattern.finditer(folders))
    days = {day for day in found if day is not None}
    return days.pop() if len(days) == 1 else None


def _unix(stem: str, path: PurePosixPath, now: datetime) -> NameTime:
    found = {}
    for match in UNIX.finditer(stem):
        digits = match[0]
        seconds = int(digits) / (1000 if match["millis"] else 1)
        if seconds > now.timestamp() + 86_400:
            continue
        if match["seconds"] and _is_short_date(digits):
            return NameTime(refused=f"{digits} is Unix seconds or a date with a two-digit year")
        found[digits] = datetime.fromtimestamp(seconds, timezone.utc)
    return _start_of(list(found.values()))


def _is_short_date(digits: str) -> bool:
    """Whether ten digits are also YYMMDDHHMM, MMDDHHMMSS or DDMMHHMMSS."""
    for form in ("%y%m%d%H%M", "%m%d%H%M%S", "%d%m%H%M%S"):
        try:
            datetime.strptime(digits + ("" if "%y" in form else " 2024"), form + ("" if "%y" in form else " %Y"))
        except ValueError:
            continue
        return True
    return False


def _day(match: re.Match[str]) -> date | None:
    try:
        day = date(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        return None
    return day if day.year in YEARS else None


_READERS = (
    _stamps,
    _dotted,
    _us_style,
    _to_the_minute,
    _clock_under_a_day,
    _clock_in_folders,
    _short_year,
    _unix,
)


def offset(text: str) -> timezone:
    """The zone of `Z`, `+01:00` or `-0530`; ValueError where it is none."""
    if text == "Z":
        return timezone.utc
    parts = re.fullmatch(r"([+-])(\d\d):?(\d\d)", text)
    if parts is None or int(parts[2]) > 15 or int(parts[3]) > 59:
        raise ValueError(f"{text!r} is no offset from UTC")
    ahead = timedelta(hours=int(parts[2]), minutes=int(parts[3]))
    return timezone(-ahead if parts[1] == "-" else ahead)
