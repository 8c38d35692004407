"""Draws the report's charts over time as inline SVG: shapes stretch with the page, letters keep their size.

Every mark that can be asked about carries its words in `data-tip`, lines parted by a newline; page.js shows them on
hovering, tapping and with the arrow keys. Without scripts the charts stand as they are, each with its table below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from html import escape
from itertools import groupby

from crowdmask.results.report.figures import Coverage, interval_of
from crowdmask.results.timeline.buckets import DAY, Width
from crowdmask.results.timeline.statistics_rows import StatisticsRow
from crowdmask.words import (
    amount,
    day_words,
    interval_words,
    offset_words,
    percent,
    plural,
    span_words,
)

MOST_TICKS = 7
WIDE, NARROW = 12.0, 38.0  # how much of the time axis a label takes on a screen and on a phone, in percent
_CLOCK_TICKS = (1, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, DAY)

Axis = Sequence[tuple[float, str]]  # where from 0 to 1, and what it says


def over_time(rows: Sequence[StatisticsRow], coverage: Sequence[Coverage], width: Width) -> str:
    """Compliance with its interval above, unmasked faces below, and where frames are missing, on one time axis."""
    if not rows:
        return '<p class="none">The time of no frame is known, so there is nothing to show over time.</p>'
    floor, ceiling = _floor(rows), nice_ceiling(max(row.counts.unmasked for row in rows))
    breaks = "".join(f'<path class="break" d="M{i} 0V100"/>' for i in _breaks(rows))
    name = f"Compliance and unmasked faces over time in {len(rows)} buckets; the arrow keys go through them"
    rate_axis = [((at - floor) / (1 - floor), percent(at, 0)) for at in (floor, (1 + floor) / 2, 1.0)]
    count_axis = [(0.0, "0"), (0.5, amount(ceiling / 2)), (1.0, amount(ceiling))]
    return (
        f'<div class="chart" data-chart tabindex="0" role="group" aria-label="{escape(name)}">'
        + _panel("Compliance, with its 95 % interval", rate_axis, _rate_marks(rows, floor) + breaks, len(rows))
        + _panel("Unmasked faces", count_axis, _bar_marks(rows, ceiling) + breaks, len(rows))
        + _coverage(rows, coverage)
        + f'<div class="hits">{"".join(_hits(rows, coverage))}</div>'
        + _time_axis(rows, width, WIDE, "for-wide")
        + _time_axis(rows, width, NARROW, "for-narrow")
        + '<output class="spoken" aria-live="polite"></output></div>'
    )


def _panel(title: str, axis: Axis, marks: str, buckets: int) -> str:
    labels = "".join(f'<span style="bottom:{100 * at:.1f}%">{escape(text)}</span>' for at, text in axis)
    lines = "".join(f'<path class="grid" d="M0 {100 - 100 * at:.1f}H{buckets}"/>' for at, _ in axis)
    return (
        f'<div class="panel"><h3>{escape(title)}</h3><div class="scale" aria-hidden="true">{labels}</div>'
        f'<svg viewBox="0 0 {buckets} 100" preserveAspectRatio="none" aria-hidden="true">{lines}{marks}</svg></div>'
    )


def _floor(rows: Sequence[StatisticsRow]) -> float:
    """Where the axis of rates begins: 0, or as far up as no interval reaches below."""
    lowest = min((row.interval[0] for row in rows if row.interval is not None), default=0.0)
    return max(floor for floor in (0.0, 0.2, 0.4, 0.6, 0.8) if floor <= lowest)


def nice_ceiling(most: float) -> int:
    """The least of 2, 4, 6, 8, 10, 20, 30 … 100, 150, 200 … that is not exceeded; its half is a whole number too."""
    size = 10 ** math.floor(math.log10(most)) if most > 0 else 1
    steps = (tenths * size / 10 for tenths in (10, 15, 20, 30, 40, 50, 60, 80, 100))
    return next(int(step) for step in steps if step >= most and step % 2 == 0)


def _breaks(rows: Sequence[StatisticsRow]) -> list[int]:
    """Where time is left out between two buckets."""
    return [i for i in range(1, len(rows)) if rows[i].start != rows[i - 1].end]


def _runs(rows: Sequence[StatisticsRow], holds: Callable[[StatisticsRow], bool]) -> Iterator[range]:
    """Stretches of buckets, one right after the other, for which something holds."""
    breaks = set(_breaks(rows))
    start = None
    for i in range(len(rows) + 1):
        inside = i < len(rows) and holds(rows[i])
        if start is not None and (not inside or i in breaks):
            yield range(start, i)
            start = None
        if inside and start is None:
            start = i


def _rate_marks(rows: Sequence[StatisticsRow], floor: float) -> str:
    def y(rate: float) -> str:
        return f"{100 - 100 * (rate - floor) / (1 - floor):.2f}".rstrip("0").rstrip(".")

    parts = []
    for run in _runs(rows, lambda row: row.interval is not None):
        rates = [rows[i].counts.compliance or 0.0 for i in run]
        intervals = [rows[i].interval or (0.0, 0.0) for i in run]
        over = "".join(f"V{y(high)}H{i + 1}" for i, (_, high) in zip(run, intervals, strict=True))
        under = "".join(f"V{y(low)}H{i}" for i, (low, _) in reversed(list(zip(run, intervals, strict=True))))
        line = "".join(f"V{y(rate)}H{i + 1}" for i, rate in zip(run, rates, strict=True))
        parts.append(f'<path class="band" d="M{run.start} {y(intervals[0][1])}{over}{under}Z"/>')
        parts.append(f'<path class="line" d="M{run.start} {y(rates[0])}{line}"/>')
    return "".join(parts)


def _bar_marks(rows: Sequence[StatisticsRow], ceiling: float) -> str:
    bars = (
        f"M{i + 0.1:g} 100v{-100 * row.counts.unmasked / ceiling:.2f}h.8V100"
        for i, row in enumerate(rows)
        if row.counts.unmasked
    )
    return f'<path class="bars" d="{"".join(bars)}"/>'


def _coverage(rows: Sequence[StatisticsRow], coverage: Sequence[Coverage]) -> str:
    """A strip, dark where all cameras had frames all the time, empty where none had any."""
    shares = [round(1.0 - missing(row, of), 2) for row, of in zip(rows, coverage, strict=True)]
    marks = []
    for share, run in groupby(range(len(rows)), key=lambda i: shares[i]):
        at = list(run)
        if share > 0:
            marks.append(f'<rect x="{at[0]}" y="0" width="{len(at)}" height="100" fill-opacity="{share:g}"/>')
    return (
        '<div class="panel strip"><h3>Coverage</h3>'
        f'<svg viewBox="0 0 {len(rows)} 100" preserveAspectRatio="none" aria-hidden="true">{"".join(marks)}</svg></div>'
    )


def missing(row: StatisticsRow, coverage: Coverage) -> float:
    """The share of the cameras' time in a bucket that lies in gaps."""
    if row.start is None or row.end is None or not coverage.cameras:
        return 0.0
    return min(1.0, coverage.missing_s / (row.end - row.start).total_seconds() / coverage.cameras)


def _hits(rows: Sequence[StatisticsRow], coverage: Sequence[Coverage]) -> Iterator[str]:
    for row, of in zip(rows, coverage, strict=True):
        yield f'<i data-tip="{escape(chr(10).join(tip_lines(row, of)))}"></i>'


def tip_lines(row: StatisticsRow, coverage: Coverage) -> list[str]:
    """What a bucket says when it is asked."""
    lines = [] if row.start is None or row.end is None else [span_words(row.start, row.end)]
    if not row.frames:
        return [*lines, "no frames"]
    counts = row.counts
    lines.append(f"compliance {percent(counts.compliance)} ({interval_words(interval_of(counts))})")
    lines.append(
        f"{amount(counts.unmasked)} unmasked, {amount(counts.masked)} masked, {amount(counts.unknown)} unknown"
    )
    per_frame = amount(row.mean_unmasked_per_frame or 0.0, 2)
    lines.append(f"{plural(row.frames, 'frame')}; unmasked per frame {per_frame}, at most {row.peak_unmasked}")
    if coverage.without_frames:
        lines.append(f"{coverage.without_frames} of {plural(coverage.cameras, 'camera')} without frames")
    elif missing(row, coverage) >= 0.01:
        lines.append(f"{percent(missing(row, coverage), 0)} of the time in gaps")
    return lines


def _time_axis(rows: Sequence[StatisticsRow], width: Width, room: float, kind: str) -> str:
    ticks: list[str] = []
    before: datetime | None = None
    taken_up_to = 0.0
    years = len({row.start.year for row in rows if row.start is not None})
    for i in _ticks(rows, width):
        start, at = rows[i].start, 100 * i / len(rows)
        is_last = at > 100 - room
        if start is None or at - (room if is_last else 0) < taken_up_to:
            continue
        lines = [f"{start:%H:%M}"] if width.minutes < DAY else []
        if before is None or before.date() != start.date():
            lines.append(day_words(start, year=years > 1))
        elif before.utcoffset() != start.utcoffset():
            lines.append(offset_words(start))
        before, taken_up_to = start, at + (0 if is_last else room)
        side = " last" if is_last else ""
        ticks.append(f'<span class="tick{side}" style="left:{at:.2f}%">{"<br>".join(map(escape, lines))}</span>')
    return f'<div class="times {kind}" aria-hidden="true">{"".join(ticks)}</div>'


def _ticks(rows: Sequence[StatisticsRow], width: Width) -> list[int]:
    """Buckets to label, no more than MOST_TICKS: round times of day, or every so many days, weeks or months."""
    if width.minutes < DAY:
        for step in _CLOCK_TICKS:
            found = [
                i for i, row in enumerate(rows) if row.start and (row.start.hour * 60 + row.start.minute) % step == 0
            ]
            if step >= width.minutes and 2 <= len(found) <= MOST_TICKS:
                return found
        found = [i for i, row in enumerate(rows) if row.start and row.start.hour == row.start.minute == 0] or [0]
    else:
        found = list(range(len(rows)))
    return found[:: math.ceil(len(found) / MOST_TICKS)]
