"""The batch behind `crowdmask analyze FOLDER`: from settings to the run, its progress, and its end on the terminal."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crowdmask.cli.analyze import quiet_networks
from crowdmask.cli.closing import JSON_VERSION, NOTHING_JUDGED, compliance_lines, compliance_words
from crowdmask.cli.config import build
from crowdmask.cli.main import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_SOME_FAILED, one_line
from crowdmask.cli.progress import BatchProgress, Display, logging_to_stderr, say, say_at_once
from crowdmask.errors import SettingsError
from crowdmask.jobs.batch.inputs import STDIN, Inputs
from crowdmask.jobs.batch.running import DISK_FULL, INTERRUPTED, BatchOutcome, run_batch
from crowdmask.jobs.batch.units import Plan
from crowdmask.jobs.destinations import Destinations
from crowdmask.jobs.networks import own_networks, weights_used
from crowdmask.jobs.stopping import Stop
from crowdmask.settings import (
    AggregateSettings,
    AnalysisSettings,
    BatchSettings,
    OutputSettings,
    RuntimeSettings,
    TimeAndPlaceSettings,
)
from crowdmask.words import moment_words, plural

if TYPE_CHECKING:
    from crowdmask.jobs.networks import Networks

EXIT_DISK_FULL = 4
FAILURES_SHOWN = 20
LABEL_WIDTH = 12


def run_and_tell(
    inputs: Sequence[str],
    settled: Mapping[str, Any],
    *,
    networks: Networks | None,
    quiet: bool,
    verbose: bool,
    as_json: bool,
    progress: str,
) -> int:
    """Run the batch; its exit code. `networks` stand in for those in `weights/`."""
    given = Inputs.of(inputs, sys.stdin.buffer if STDIN in inputs else None)
    plan = _plan(given, settled)
    weights = weights_used(plan.analysis, plan.runtime) if networks is None else ()
    stop = Stop(say_at_once)
    with (
        logging_to_stderr(logging.DEBUG if verbose else logging.ERROR if quiet else logging.WARNING),
        stop.on_signals(),
        Display(progress) as display,
    ):
        outcome = run_batch(
            given,
            plan,
            networks=networks or (own_networks if verbose else quiet_networks),
            weights=weights,
            stop=stop,
            watch=BatchProgress(display),
        )
    if as_json:
        click.echo(json.dumps(as_json_object(outcome, plan), indent=2))
    elif not quiet:
        print_closing(outcome, plan)
    _say_failures(outcome)
    return exit_code(outcome)


def _plan(given: Inputs, settled: Mapping[str, Any]) -> Plan:
    destinations = build(Destinations, settled)
    if destinations.out is not None:
        raise SettingsError(
            "--out names one result, and a batch has many: give a folder for all of them with --out-dir"
        )
    if destinations.out_dir is None:
        raise SettingsError(
            "a batch needs a folder for its results, by which it goes on when it was interrupted: "
            "give --out-dir, such as --out-dir outputs/night"
        )
    run = Path(os.path.abspath(destinations.out_dir))
    detections = None
    if destinations.detections is not None:
        detections = run / f"detections{Path(destinations.detections).suffix.lower()}"
        refused = build(AggregateSettings, settled).aggregate is not None  # with its own words, later
        if Path(os.path.abspath(destinations.detections)) != detections and not refused:
            say(f"the detections of a batch lie in its folder: {detections}")
    aggregate, output = build(AggregateSettings, settled), build(OutputSettings, settled)
    if aggregate.aggregate is not None and "video" not in settled:
        output = replace(output, video=False)  # asked for by name it is refused
    return Plan(
        run,
        Path(given.root),
        build(AnalysisSettings, settled),
        build(RuntimeSettings, settled),
        output,
        build(TimeAndPlaceSettings, settled),
        build(BatchSettings, settled),
        detections,
        aggregate,
    )


def exit_code(outcome: BatchOutcome) -> int:
    totals = outcome.totals
    if outcome.ending in (INTERRUPTED, DISK_FULL):
        return EXIT_INTERRUPTED if outcome.ending == INTERRUPTED else EXIT_DISK_FULL
    if totals.failed or totals.left:
        return EXIT_SOME_FAILED if totals.done else EXIT_FAILED
    return 0


def as_json_object(outcome: BatchOutcome, plan: Plan) -> dict[str, Any]:
    """The same object as for single inputs; what is in `results` there is in the run folder here."""
    totals, summary = outcome.totals, outcome.summary
    return {
        "schema_version": JSON_VERSION,
        "exit_code": exit_code(outcome),
        "inputs": {"done": totals.done, "failed": totals.failed, "left": totals.left},
        "counts": summary.get("counts"),
        "compliance": summary.get("compliance"),
        "results": [],
        "failures": [{"source": source, "reason": reason} for source, reason in outcome.failures],
        "run": {"path": str(outcome.run.path), **summary},
        "detections": None if plan.detections is None else str(plan.detections),
    }


def print_closing(outcome: BatchOutcome, plan: Plan) -> None:
    totals, stats = outcome.totals, outcome.stats
    click.secho(str(outcome.run.path), bold=True)
    if outcome.ending in (INTERRUPTED, DISK_FULL):
        _line("ended early", f"{outcome.ending}; start the same command again to go on")
    already = totals.done - outcome.tally.done
    before = f", {already:,} of them before" if already > 0 else ""
    left = f"; {totals.left:,} left" if totals.left else ""
    failed = f"; {totals.failed:,} failed" if totals.failed else ""
    _line("inputs", f"{totals.done:,} done{before}{failed}{left}")
    speed = f" in {outcome.wall_s:.1f} s" if outcome.tally.done else ""
    _line("analysed", plural(outcome.tally.frames, "frame") + speed)
    if "aggregate" in outcome.summary:
        for note in outcome.summary["notes"]:
            _line("note", note)
        _line("counts", str(outcome.run.aggregate) if outcome.run.aggregate.exists() else "when it is finished")
        _line("summary", str(outcome.run.summary))
        return
    _line("faces", f"{stats.faces:,}: {stats.counts.in_words}")
    _print_headline(outcome)
    if plan.output.video and outcome.run.annotated.is_dir():
        _line("annotated", str(outcome.run.annotated))
    if plan.detections is not None:
        _line("detections", str(plan.detections) if plan.detections.exists() else f"{plan.detections}, when finished")
    _line("frames", str(outcome.run.frames))
    _line("summary", str(outcome.run.summary))
    if outcome.run.frames.is_file() and stats.faces:
        _line("next", f"crowdmask report {shlex.quote(os.path.relpath(outcome.run.path))}")


def _print_headline(outcome: BatchOutcome) -> None:
    """The rate with its interval and the worst moment with its time, once the run is whole; else the sums so far."""
    from crowdmask.media.time_zones import machine_zone_name, zone_named

    stats = outcome.stats
    if not stats.judged:
        _line("compliance", NOTHING_JUDGED)
        return
    found = outcome.headline
    if found is None:
        _line("so far", compliance_words(stats))
        return
    zone = zone_named(str(outcome.summary.get("timezone") or machine_zone_name()))
    people = found.total.people
    if people is not None:
        _line("people", f"{people.faces:,}, at most {found.total.most_at_once:,} at once: {people.in_words}")
    for said in compliance_lines(outcome.summary):
        _line("compliance", said)
    worst = found.worst
    if worst is not None:
        when = f" at {moment_words(worst.at.astimezone(zone))}" if worst.at is not None else ""
        where = f", camera {worst.camera}" if worst.camera else ""
        _line("worst", f"{worst.counts.against} unmasked{when}{where}: {worst.source} (frame {worst.frame})")


def _say_failures(outcome: BatchOutcome) -> None:
    """The failures, of all sessions, at the end: nobody has to look for them in the log."""
    for source, reason in outcome.failures[:FAILURES_SHOWN]:
        say(one_line(reason if source.rstrip("/") in reason else f"{source}: {reason}"))
    more = outcome.totals.failed - FAILURES_SHOWN
    if more > 0:
        say(f"{more:,} more failed: see {outcome.run.summary}")


def _line(label: str, text: str) -> None:
    click.echo(f"  {click.style(f'{label:<{LABEL_WIDTH}}', dim=True)}{text}")
