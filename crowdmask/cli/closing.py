"""What the user reads when the work is done: a short summary for people, or JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import add
from pathlib import PurePath
from typing import Any

import click

from crowdmask.cli.main import printable
from crowdmask.jobs.tasks import Outcome, State
from crowdmask.records import Gap
from crowdmask.results.people import PeopleStats
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.summary import compliance_of, counts_of
from crowdmask.results.zone_stats import ZoneStats
from crowdmask.words import interval_words, percent, plural

LABEL_WIDTH = 12
STAGE_WIDTH = 16
NOTHING_JUDGED = "no face could be judged"

JSON_VERSION = 4  # of what --json prints; docs/schemas/analyze.schema.json describes it


def print_json(outcomes: Sequence[Outcome], *, detections: str | None, not_begun: int, code: int) -> None:
    """One object, whether the inputs are one or many; the summaries of the inputs are in its `results`."""
    good = [outcome for outcome in outcomes if outcome.state is not State.FAILED]
    total = reduce(add, (outcome.stats for outcome in good), ComplianceStats())
    alone = good[0].summary if len(good) == 1 else None
    written = {
        "schema_version": JSON_VERSION,
        "exit_code": code,
        "inputs": {"done": len(good), "failed": len(outcomes) - len(good), "left": not_begun},
        "counts": counts_of(total),
        "compliance": compliance_of(total) if alone is None else alone["compliance"],
        "results": [outcome.summary for outcome in good if outcome.summary is not None],
        "failures": [
            {"source": outcome.task.name, "reason": outcome.error}
            for outcome in outcomes
            if outcome.state is State.FAILED
        ],
        "run": None,
        "detections": detections if good else None,
    }
    click.echo(json.dumps(written, indent=2))


def print_closing(outcomes: Sequence[Outcome], detections: str | None, *, not_begun: int, with_times: bool) -> None:
    good = [outcome for outcome in outcomes if outcome.state is not State.FAILED]
    if len(outcomes) + not_begun == 1:
        for outcome in good:
            _print_one(outcome)
    else:
        _print_several(outcomes, good, not_begun)
    if detections is not None and good:
        _line("detections", detections)
    if with_times:
        _print_times(outcomes)


def _print_one(outcome: Outcome) -> None:
    stats, outputs = outcome.stats, outcome.task.outputs
    click.secho(printable(outcome.task.name), bold=True)
    if outcome.kept_in:
        _line("interrupted", f"what is done is kept in {outcome.kept_in}: start the same command again to go on")
        return
    if outcome.until_s is None:
        _line("interrupted", "before the first frame: nothing was written")
        return
    if outcome.state is State.INTERRUPTED:
        _line("interrupted", f"at {clock(outcome.until_s)}; the files are whole as far as they go")
    if outcome.state is State.ENDED_EARLY:
        _line("ended early", f"at {clock(outcome.until_s)}; the files are whole as far as they go")
    _print_counts(stats, outcome.wall_s, outcome.people)
    print_zones(outcome.zones)
    peak = stats.peak
    if peak is not None and stats.frames > 1:
        _line("worst", f"{peak.counts.unmasked} unmasked at {clock(peak.seconds)} (frame {peak.frame})")
    if outcome.gaps:
        _line("not read", _first_of(outcome.gaps))
    for note in outcome.notes:
        _line("note", note)
    if outputs.annotated is not None:
        _line("annotated", str(outputs.annotated))
    _line("frames", str(outputs.frames_csv))
    if outputs.persons is not None:
        _line("people", str(outputs.persons))
    _line("summary", str(outputs.summary))


def _print_several(outcomes: Sequence[Outcome], good: Sequence[Outcome], not_begun: int) -> None:
    for outcome in outcomes:
        name = printable(PurePath(outcome.task.name).name or outcome.task.name)
        if outcome.state is State.FAILED:
            click.echo(f"{click.style('✗', fg='red')} {name}: failed")
            continue
        if outcome.kept_in:
            click.echo(
                f"{click.style('…', fg='yellow')} {name}: interrupted, what is done is kept in {outcome.kept_in}"
            )
            continue
        stats = outcome.stats
        found = f"{plural(stats.frames, 'frame')}, {_counts(stats)}; {compliance_words(stats, outcome.people)}"
        if outcome.gaps:
            found += f"; not read: {_first_of(outcome.gaps)}"
        found += "".join(f"; {note}" for note in outcome.notes)
        if outcome.state is State.DONE:
            click.echo(f"{click.style('✓', fg='green')} {name}: {found}")
        else:
            click.echo(
                f"{click.style('…', fg='yellow')} {name}: {found}; {outcome.state.value}, whole as far as it goes"
            )
    if not_begun:
        click.echo(f"{click.style('…', fg='yellow')} {plural(not_begun, 'more input')} not begun")
    if not good:
        return
    total = reduce(add, (outcome.stats for outcome in good), ComplianceStats())
    click.secho(f"{len(good)} of {plural(len(outcomes) + not_begun, 'input')}", bold=True)
    _print_counts(total, sum(outcome.wall_s for outcome in good))
    folders = dict.fromkeys(str(outcome.task.outputs.frames_csv.parent) for outcome in good)
    _line("results", ", ".join(list(folders)[:3]) + (" …" if len(folders) > 3 else ""))


def _print_counts(stats: ComplianceStats, wall_s: float, people: PeopleStats | None = None) -> None:
    speed = f" in {wall_s:.1f} s" + (f" ({stats.frames / wall_s:.1f}/s)" if stats.frames > 1 and wall_s > 0 else "")
    _line("analysed", plural(stats.frames, "frame") + speed)
    if people is not None:
        _line("people", f"{people.appearances:,}, {people.most_at_once:,} of them at once: {people.counts.in_words}")
        if people.flashes:
            _line("left out", f"{plural(people.flashes, 'find')} seen too shortly to be a person")
    _line("faces", f"{stats.faces:,}: {_counts(stats)}")
    _line("compliance", compliance_words(stats, people))


def compliance_words(stats: ComplianceStats, people: PeopleStats | None = None) -> str:
    """The rate of an input, or of what is done of a run: of people where some were judged, else of the faces."""
    if people is not None and people.counts.judged:
        return _of_people(people.as_dict())
    if not stats.judged:
        return NOTHING_JUDGED
    how = ", frame by frame" if stats.frames > 1 else ""
    return f"{percent(stats.compliance)} of {plural(stats.judged, 'judged face')} wore a mask{how}"


def compliance_lines(summary: Mapping[str, Any]) -> list[str]:
    """The headline of a run as its summary has it: of people where some were followed, and of all its faces.

    `status`, `merge` and the closing lines of a batch print these same lines.
    """
    said = []
    people, found = summary.get("people"), summary.get("compliance") or {}
    if people and people["compliance"]["rate"] is not None:
        said.append(_of_people(people))
    if found.get("rate") is not None and found["weighted_by"] != "people":
        how = "by time in view" if found["weighted_by"] == "time" else "frame by frame"
        said.append(f"{percent(found['rate'])} wore a mask, {how}{_interval(found)}")
    return said or [NOTHING_JUDGED]


def _of_people(people: Mapping[str, Any]) -> str:
    rates = people["compliance"]
    judged = plural(people["judged"], "judged person", "judged people")
    return f"{percent(rates['rate'])} of {judged} wore a mask{_interval(rates)}"


def _interval(rates: Mapping[str, Any]) -> str:
    low, high = rates.get("low"), rates.get("high")
    return "" if low is None or high is None else f" (95 % interval {interval_words((low, high))})"


def print_zones(found: ZoneStats | None) -> None:
    """A line for each zone and each line."""
    for name, sums in (found or ZoneStats()).zones.items():
        people = sums.people
        stayed = f", {sums.dwell_s / people.faces:.1f} s each" if people.faces else ""
        if people.faces or not sums.faces.faces:
            _line("zone", f"{name}: {plural(people.faces, 'appearance')}{stayed}: {people.in_words}")
        else:  # stills, and videos whose faces are not followed
            _line("zone", f"{name}: {plural(sums.faces.faces, 'face')}: {sums.faces.in_words}")
    for name, ways in (found or ZoneStats()).lines.items():
        told = (f"{counts.faces:,} {way} ({counts.in_words})" for way, counts in ways.items())
        _line("line", f"{name}: {'; '.join(told)}")


def _print_times(outcomes: Iterable[Outcome]) -> None:
    busy: dict[str, float] = {}
    for outcome in outcomes:
        for stage, seconds in outcome.busy_s.items():
            busy[stage] = busy.get(stage, 0.0) + seconds
    wall = sum(outcome.wall_s for outcome in outcomes)
    click.echo(f"time at work by stage, of {wall:.1f} s in all (stages overlap):", err=True)
    for stage, seconds in busy.items():
        click.echo(f"  {stage.replace('_', ' '):<{STAGE_WIDTH}}{seconds:8.2f} s", err=True)


def _first_of(gaps: Sequence[Gap]) -> str:
    return gaps[0].reason + (f" (and {len(gaps) - 1} more)" if len(gaps) > 1 else "")


def _counts(stats: ComplianceStats) -> str:
    return stats.counts.in_words


def _line(label: str, text: str) -> None:
    click.echo(f"  {click.style(f'{label:<{LABEL_WIDTH}}', dim=True)}{printable(text)}")


def clock(seconds: float) -> str:
    tenths = round(seconds * 10)  # first, so that 59.97 is a minute and not sixty seconds
    return f"{tenths // 36000:02d}:{tenths // 600 % 60:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"
