"""The words for numbers, times and spans, and the order of names, wherever people read them; plain text."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NOTHING = "–"
DAY_S = 86_400


def amount(number: float, decimals: int = 0) -> str:
    return f"{number:,.{decimals}f}"


def plural(number: int, one: str, many: str | None = None) -> str:
    return f"{amount(number)} {one if number == 1 else many or one + 's'}"


def percent(rate: float | None, decimals: int = 1) -> str:
    """A rate that is not whole is never shown as 0 or 100."""
    if rate is None:
        return NOTHING
    if rate not in (0.0, 1.0):
        least = 10.0 ** -(decimals + 2)
        rate = min(max(rate, least), 1.0 - least)
    return f"{100 * rate:.{decimals}f} %"


def interval_words(interval: tuple[float, float] | None) -> str:
    """`73.0 to 74.9 %`, or that there is nothing to judge by."""
    if interval is None:
        return "no face judged"
    return f"{percent(interval[0]).removesuffix(' %')} to {percent(interval[1])}"


def natural(text: str) -> list[tuple[int, int, str]]:
    """A key by which cam2 comes before cam10."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in re.split(r"(\d+)", text) if part
    ]


def duration(seconds: float) -> str:
    """In the two largest units: 3 d 4 h, 2 h 10 min, 5 min, 12 s."""
    left = round(seconds)
    parts: list[str] = []
    for size, unit in ((DAY_S, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count:,} {unit}")
        if parts and (len(parts) == 2 or not count):
            break
    return " ".join(parts)


def day_words(moment: datetime, *, year: bool = True) -> str:
    text = f"{WEEKDAYS[moment.weekday()][:3]} {moment.day} {MONTHS[moment.month - 1]}"
    return f"{text} {moment.year}" if year else text


def moment_words(moment: datetime) -> str:
    return f"{day_words(moment)}, {moment:%H:%M:%S}"


def offset_words(moment: datetime) -> str:
    """`UTC+2`, `UTC+5:30`."""
    ahead = moment.utcoffset() or timedelta(0)
    sign, minutes = ("-" if ahead < timedelta(0) else "+"), abs(ahead) // timedelta(minutes=1)
    return f"UTC{sign}{minutes // 60}" + (f":{minutes % 60:02}" if minutes % 60 else "")


def span_words(start: datetime, end: datetime) -> str:
    """A bucket's span, with its offsets only where the clock changes within it."""
    whole_days = all(moment.hour == moment.minute == 0 for moment in (start, end))
    if whole_days and end - start > timedelta(hours=22):
        last = end - timedelta(days=1)
        return day_words(start) if last.date() <= start.date() else f"{day_words(start)} to {day_words(last)}"
    if start.date() == end.date() or (end.hour == end.minute == 0 and end - start < timedelta(hours=26)):
        text = f"{day_words(start)}, {start:%H:%M} to {end:%H:%M}"
    else:
        text = f"{day_words(start)}, {start:%H:%M} to {day_words(end)}, {end:%H:%M}"
    if start.utcoffset() != end.utcoffset():
        text += f" ({offset_words(start)} to {offset_words(end)})"
    return text
