"""Gathers what the report shows: the cells its figures are computed from, and what the summaries say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from crowdmask.errors import SourceError
from crowdmask.results.report.best_frames import best_frames
from crowdmask.results.report.cells import Data, Seen
from crowdmask.results.report.inputs import Input, inputs_of
from crowdmask.results.report.moments import worst_moments
from crowdmask.results.report.over_clock import of_clock
from crowdmask.results.report.over_periods import of_periods
from crowdmask.results.report.over_seconds import of_seconds
from crowdmask.results.run_folder import people_purged, people_purged_words, time_warnings
from crowdmask.results.timeline.buckets import DAY, Width
from crowdmask.results.timeline.frames_table import FramesTable
from crowdmask.results.timeline.periods import run_zone
from crowdmask.verdicts import WORDS
from crowdmask.words import day_words


@dataclass(frozen=True)
class Report:
    """One page."""

    inputs: tuple[Input, ...]
    zone: ZoneInfo
    made_at: datetime
    data: Data
    against: Data | None = None
    against_name: str = ""


def gather(
    runs: Sequence[Path],
    *,
    against: Sequence[Path] = (),
    every: str | None = None,
    zone_name: str | None = None,
    moments: int = 12,
    people: int = 24,
    threads: int = 0,
) -> Report:
    """Read run folders, per-frame CSVs or aggregate-only runs, whatever their size."""
    inputs = inputs_of(runs)
    zone = run_zone(runs, zone_name)
    asked = Width.parse(every) if every else None
    data = _data(inputs, zone, asked, (moments, people), threads)
    other, name = None, ""
    if against:
        others = inputs_of(against)
        other = _data(others, zone, Width.parse(data.width) if data.mode == "clock" else asked, (0, 0), threads)
        if other.mode != data.mode:
            raise SourceError(
                f"{against[0]}: it cannot be put beside {runs[0]}: one has times of the clock and the other has not"
            )
        name = ", ".join(one.name for one in others)
    return Report(tuple(inputs), zone, datetime.now(timezone.utc).astimezone(zone), data, other, name)


def _data(inputs: Sequence[Input], zone: ZoneInfo, asked: Width | None, shown: tuple[int, int], threads: int) -> Data:
    """`shown` is how many moments and people are shown in pictures."""
    if any(one.is_aggregate for one in inputs):
        if len(inputs) > 1:
            raise SourceError(f"{inputs[0].path}: an aggregate-only run has a report of its own: give it alone")
        return of_periods(inputs[0], zone)
    with FramesTable([one.frames for one in inputs], threads=threads, keep_seconds=True) as table:
        seen = Seen(table.totals(), *worst_moments(table, shown[0]), best_frames(table, shown[1]))
        if seen.totals.first is None and seen.totals.frames:
            return of_seconds(table, inputs, seen)
        return of_clock(table, zone, asked, seen)


def summaries(report: Report) -> dict[str, Any]:
    """The summaries of all inputs as one: what failed, what could not be decoded, notes, settings of the first."""
    found = [(one, one.summary) for one in report.inputs]
    several = len(found) > 1

    def listed(key: str) -> list[Mapping[str, Any]]:
        rows: list[Mapping[str, Any]] = []
        for one, summary in found:
            value = summary.get(key)
            for row in value if isinstance(value, list) else []:
                if isinstance(row, Mapping):
                    source = str(row.get("source", ""))
                    rows.append({**row, "source": f"{one.prefix}/{source}" if several and one.prefix else source})
        return rows

    notes = [note for _, summary in found for note in _texts(summary.get("notes"))]
    purged = sum(len(people_purged(one.frames)) for one in report.inputs)
    notes += [people_purged_words(purged)] if purged else []
    first = next((summary for _, summary in found if summary), {})
    return {
        "failures": listed("failures"),
        "gaps": listed("gaps"),
        "notes": list(dict.fromkeys(notes)),
        "time_warnings": list(dict.fromkeys(text for _, summary in found for text in time_warnings(summary))),
        "settings": first.get("settings"),
        "weights": [row for row in first.get("weights") or [] if isinstance(row, Mapping)],
        "energy": [(one.name, used) for one, summary in found if isinstance(used := summary.get("energy"), Mapping)],
        "versions": first.get("versions"),
        "state": first.get("state"),
        "known": bool(first),
    }


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def span_of(report: Report) -> str:
    """From when to when, in words."""
    totals = report.data.totals
    if totals.first is None or totals.last is None:
        return ""
    first, last = (moment.astimezone(report.zone) for moment in (totals.first, totals.last))
    if first.date() == last.date():
        return f"{day_words(first)}, {first:%H:%M} to {last:%H:%M}, {report.zone.key}"
    return f"{day_words(first)}, {first:%H:%M} to {day_words(last)}, {last:%H:%M}, {report.zone.key}"


def spans_a_week(data: Data) -> bool:
    """Whether a map of weekdays says more than one of days."""
    return data.mode == "clock" and bool(data.buckets) and data.buckets[-1].end - data.buckets[0].start > 7 * DAY * 60


def payload(report: Report) -> str:
    """The data as JSON for the page."""
    return json.dumps(
        {
            "data": report.data.as_dict(),
            "against": None if report.against is None else report.against.as_dict(),
            "words": WORDS,
        },
        separators=(",", ":"),
    )
