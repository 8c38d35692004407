"""What a user means by a period and by local time: `--from`, `--to` and `--timezone` of the statistics."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from crowdmask.errors import SettingsError
from crowdmask.media.time_zones import first_instant, machine_zone_name, zone_named
from crowdmask.results.run_folder import RunFolder


def run_zone(runs: Sequence[Path], given: str | None) -> ZoneInfo:
    """The zone given, else the one in which the runs read their local times, else this machine's."""
    if given:
        return zone_named(given)
    folders = [run if run.is_dir() else run.parent for run in runs]
    told = [RunFolder(folder).read_summary().get("timezone") for folder in folders]
    names = sorted({name for name in told if isinstance(name, str) and name})
    if len(names) > 1:
        raise SettingsError(f"the runs are in {' and '.join(names)}: say with --timezone whose days are meant")
    return zone_named(names[0] if names else machine_zone_name())


def period(begin: str | None, end: str | None, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """The instants of `--from` and `--to`; a date alone is the whole day, so that `--to` ends with it."""
    since = None if begin is None else _instant("from", begin, zone, days=0)
    until = None if end is None else _instant("to", end, zone, days=1)
    if since is not None and until is not None and since >= until:
        raise SettingsError(f"to is {end!r}: it must come after from, {begin!r}")
    return since, until


def _instant(option: str, text: str, zone: ZoneInfo, days: int) -> datetime:
    text = text.strip()
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            day = date.fromisoformat(text) + timedelta(days=days)
            return first_instant(datetime.combine(day, time()), zone)
        moment = datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text))
        if not 1970 <= moment.year < 2200:
            raise ValueError(text)
    except (ValueError, OverflowError):
        raise SettingsError(f"{option} is {text!r}: give a date or a time, as 2026-11-20 or 2026-11-20T23:15") from None
    return first_instant(moment, zone) if moment.tzinfo is None else moment
