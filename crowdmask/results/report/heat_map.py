"""Draws the hours of the week, in the report, as two heat maps: compliance, and unmasked faces per frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

from crowdmask.results.report.figures import HourFigures, interval_of
from crowdmask.words import WEEKDAYS, amount, interval_words, percent, plural

SHADES = 7
Hours = Mapping[tuple[int, int], HourFigures]
Value = Callable[[HourFigures], float | None]


def heat_maps(hours: Hours) -> str:
    """Both maps behind one switch, which works without scripts; on paper both are printed."""
    if not hours:
        return '<p class="none">The time of no frame is known, so there is nothing to show by hour.</p>'
    return (
        '<div class="switch">'
        '<input type="radio" name="heat" id="heat-rate" checked><label for="heat-rate">Compliance</label>'
        '<input type="radio" name="heat" id="heat-count"><label for="heat-count">Unmasked per frame</label>'
        + _map(
            "rate", "Compliance", hours, lambda hour: hour.counts.compliance, lambda v: percent(v, 0), dark_is_low=True
        )
        + _map("count", "Unmasked per frame", hours, _unmasked_per_frame, lambda v: amount(v, 1), dark_is_low=False)
        + "</div>"
    )


def _unmasked_per_frame(hour: HourFigures) -> float | None:
    return hour.counts.unmasked / hour.frames if hour.frames else None


def _map(kind: str, title: str, hours: Hours, value: Value, words: Callable[[float], str], *, dark_is_low: bool) -> str:
    values = {at: found for at, hour in hours.items() if (found := value(hour)) is not None}
    low, high = (min(values.values()), max(values.values())) if values else (0.0, 0.0)
    cells = [_heads()]
    for day in range(7):
        for hour in range(24):
            figures, found = hours.get((day, hour)), values.get((day, hour))
            shade = "" if found is None else f" s{_shade(found, low, high, dark_is_low)}"
            text = "" if found is None else words(found).removesuffix(" %")
            tip = escape("\n".join(_tip(day, hour, figures)))
            cells.append(f'<i class="cell{shade}" style="--d:{day};--h:{hour}" data-tip="{tip}">{escape(text)}</i>')
    name = f"{title} by weekday and hour; the arrow keys go through the hours"
    return (
        f'<div class="heat {kind}" data-chart data-columns="24" tabindex="0" role="group" aria-label="{escape(name)}">'
        f'<h3>{escape(title)}</h3><div class="week" aria-hidden="true">{"".join(cells)}</div>'
        + _legend(low, high, words, dark_is_low)
        + '<output class="spoken" aria-live="polite"></output></div>'
    )


def _heads() -> str:
    days = "".join(f'<b class="day" style="--d:{i}">{name[:3]}</b>' for i, name in enumerate(WEEKDAYS))
    return days + "".join(f'<b class="hour" style="--h:{hour}">{hour:02}</b>' for hour in range(24))


def _shade(value: float, low: float, high: float, dark_is_low: bool) -> int:
    """0 for the lightest; the middle one where all values are the same."""
    share = (value - low) / (high - low) if high > low else 0.5
    return min(SHADES - 1, int(SHADES * (1.0 - share if dark_is_low else share)))


def _legend(low: float, high: float, words: Callable[[float], str], dark_is_low: bool) -> str:
    ends = (words(high), words(low)) if dark_is_low else (words(low), words(high))
    swatches = "".join(f'<i class="s{shade}"></i>' for shade in range(SHADES))
    return f'<p class="legend">{escape(ends[0])} {swatches} {escape(ends[1])} <i class="cell"></i> no frames</p>'


def _tip(day: int, hour: int, figures: HourFigures | None) -> list[str]:
    lines = [f"{WEEKDAYS[day]}, {hour:02}:00 to {(hour + 1) % 24:02}:00"]
    if figures is None or not figures.frames:
        return [*lines, "no frames"]
    counts = figures.counts
    lines.append(f"compliance {percent(counts.compliance)} ({interval_words(interval_of(counts))})")
    lines.append(
        f"{amount(counts.unmasked)} unmasked, {amount(counts.masked)} masked, {amount(counts.unknown)} unknown"
    )
    lines.append(f"{plural(figures.frames, 'frame')}; unmasked per frame {amount(counts.unmasked / figures.frames, 2)}")
    return lines
