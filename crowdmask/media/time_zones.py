"""Which clock a place goes by: names of time zones, the machine's own, and local times turned into instants."""

from __future__ import annotations

import difflib
import os
import zoneinfo
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

from crowdmask.errors import SettingsError

MINUTE = timedelta(minutes=1)


def zone_named(name: str) -> ZoneInfo:
    """The zone of an IANA name, such as Europe/Paris."""
    try:
        return ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(name, zoneinfo.available_timezones(), 1)
        hint = f": did you mean {near[0]}?" if near else ", such as Europe/Paris or UTC"
        raise SettingsError(f"timezone is {name!r}: give a name of the IANA list{hint}") from None


def machine_zone_name() -> str:
    """The IANA name of this machine's zone: $TZ, else what /etc/localtime links to, else UTC."""
    candidates = [os.environ.get("TZ", "").removeprefix(":")]
    path = os.path.realpath("/etc/localtime")
    candidates.append(path.partition("/zoneinfo/")[2].removeprefix("posix/"))
    if Path("/etc/timezone").is_file():
        candidates.append(Path("/etc/timezone").read_text(encoding="utf-8", errors="replace").strip())
    for name in candidates:
        try:
            if name:
                return ZoneInfo(name).key
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return "UTC"


def is_skipped(naive: datetime, zone: ZoneInfo) -> bool:
    """Whether the local clock never showed this time, because it was put forward over it."""
    there = naive.replace(tzinfo=zone).astimezone(timezone.utc)
    return there.astimezone(zone).replace(tzinfo=None) != naive


def is_repeated(naive: datetime, zone: ZoneInfo) -> bool:
    """Whether the local clock showed this time twice, because it was put back."""
    first, second = (naive.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    return first != second and not is_skipped(naive, zone)


def instant_of(naive: datetime, zone: ZoneInfo, near: datetime | None = None) -> datetime:
    """The instant, in UTC, at which the local clock showed a time.

    A time shown twice is the one nearer to `near` where that lies within three hours of it, else the first. A time
    that was skipped was shown by a clock that nobody put forward: it is read as that clock goes on.
    """
    first, second = (naive.replace(tzinfo=zone, fold=fold).astimezone(timezone.utc) for fold in (0, 1))
    if near is None or not is_repeated(naive, zone):
        return first
    nearest = min((first, second), key=lambda instant: abs(instant - near))
    return nearest if abs(nearest - near) <= timedelta(hours=3) else first


def first_instant(naive: datetime, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which the local clock first showed this time or a later one."""
    first, second = (naive.replace(tzinfo=zone, fold=fold).astimezone(timezone.utc) for fold in (0, 1))
    return first if not is_skipped(naive, zone) else clock_change(second, first, zone)


def clock_change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first instant, to the minute, from which the offset of `after` holds; both ends in UTC."""
    low, high = before, after
    offset = after.astimezone(zone).utcoffset()
    while high - low > MINUTE:
        middle = low + (high - low) // 2 // MINUTE * MINUTE
        if middle <= low:
            break
        low, high = (low, middle) if middle.astimezone(zone).utcoffset() == offset else (middle, high)
    return high
