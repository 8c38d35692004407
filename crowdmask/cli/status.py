"""`crowdmask status`: how far a batch is, while it works and afterwards."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crowdmask.errors import SourceError
from crowdmask.words import percent, plural

if TYPE_CHECKING:
    from crowdmask.jobs.status import Rate, Status

MOST_FAILURES = 20  # on the terminal; --json has them all
EPILOG = """\b
Examples:
  crowdmask status outputs/night
  crowdmask status outputs/night --watch 5
  crowdmask status outputs/night --json | jq .inputs.left"""


@click.command(name="status", epilog=EPILOG, context_settings={"max_content_width": 110})
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one object, with --watch one a line.")
@click.option(
    "--watch", type=click.FloatRange(0.2, 86400.0), metavar="SECONDS", help="Look again so often, until the run ends."
)
@click.option("-v", "--verbose", is_flag=True, help="List every failure; show the traceback of an error.")
def command(*, run: Path, as_json: bool, watch: float | None, verbose: bool) -> None:
    """Show how far the batch in RUN is: done, failed, left, how fast, and how long it will take.

    It only reads, while the batch works or after it has ended, and holds nothing up.
    """
    from crowdmask.jobs.status import Phase, Watcher

    watcher = Watcher(run)
    while True:
        status = watcher.look()
        if as_json:
            click.echo(json.dumps(status.as_dict(), ensure_ascii=False, indent=None if watch else 2))
        else:
            if watch and sys.stdout.isatty():
                click.clear()
            print_status(status, every_failure=verbose)
        if not watch or status.phase is not Phase.RUNNING:
            return
        sys.stdout.flush()
        time.sleep(watch)


def print_status(status: Status, *, every_failure: bool) -> None:
    from crowdmask.cli.closing import clock
    from crowdmask.jobs.manifest.entries import Kind, State
    from crowdmask.results.run_folder import people_purged_words
    from crowdmask.words import duration

    totals = status.totals
    click.secho(str(status.run), bold=True)
    _line("state", _phase(status))
    _line("inputs", status.root)
    found = plural(totals.inputs, "input") + ("" if status.listed else " so far, still looking for more")
    share = f" ({percent(totals.done / totals.inputs)})" if totals.inputs and status.listed else ""
    _line("found", found)
    _line("done", f"{totals.done:,}{share}{_by_kind(status, State.DONE)}")
    _line("failed", f"{totals.failed:,}{_by_kind(status, State.FAILED)}")
    unsettled = f"; {totals.unsettled:,} of them may still be growing" if totals.unsettled else ""
    _line("left", f"{totals.left:,}{_by_kind(status, State.WAITING, State.UNSETTLED)}{unsettled}")
    _line("rate", f"{_rate(status.recent)}; overall {_rate(status.overall)}" if status.overall else "not known yet")
    if totals.left:
        _line("time left", "not known yet" if status.left_s is None else f"about {duration(status.left_s)}")
    if totals.left and status.share is not None:
        _line("progress", f"{percent(status.share)} of this session's work")
    _line("worked", f"{clock(status.active_s)[:-2]} in {plural(status.sessions, 'session')}")
    if status.periods_only:
        _line("frames", f"{totals.frames:,}; faces are counted by period only, when the run is finished")
    else:
        counts = totals.counts
        _line("frames", f"{totals.frames:,}, {plural(counts.faces, 'face')} in them: {counts.in_words}")
        for said in _compliance(status):
            _line("compliance", said)
    if status.people_purged:
        _line("people", people_purged_words(status.people_purged))
    _line("disk", f"{status.free_bytes / 1e9:,.1f} GB free of {status.disk_bytes / 1e9:,.1f} GB")
    shown = status.failures if every_failure else status.failures[:MOST_FAILURES]
    for failure in shown:
        tries = f" (tried {failure.attempts} times)" if failure.attempts > 1 else ""
        click.echo(f"{click.style('✗', fg='red')} {failure.source}: {failure.reason}{tries}")
    if len(shown) < len(status.failures):
        click.echo(f"  and {len(status.failures) - len(shown):,} more: -v lists them all")
    folders = status.inputs(Kind.FOLDER, State.FAILED)
    if folders:
        click.echo(f"  {plural(folders, 'folder')} could not be read: what is in them is not among the inputs")


def _compliance(status: Status) -> list[str]:
    """As the summary has it, where that is of these very counts; a batch under way has sums over frames alone."""
    from crowdmask.cli.closing import compliance_lines
    from crowdmask.results.run_folder import RunFolder

    counts = status.totals.counts
    of_these = {"frames": status.totals.frames, "faces": counts.faces, **counts.by_word}
    try:
        summary = RunFolder(status.run).read_summary()
    except SourceError:  # it is being written, or damaged: the manifest says enough
        summary = {}
    if of_these.items() <= (summary.get("counts") or {}).items():
        return compliance_lines(summary)
    if not counts.judged:
        return ["no face was judged so far"]
    judged = plural(counts.judged, "judged face")
    return [f"{percent(counts.compliance)} of {judged} wore a mask so far, frame by frame"]


def _phase(status: Status) -> str:
    from crowdmask.jobs.status import Phase

    if status.holder is not None:
        return f"running: {status.holder}"
    if status.phase is Phase.STOPPED:
        return f"stopped ({status.ending}): start the same command again to go on"
    if status.phase is Phase.BROKEN_OFF:
        return "broken off, without a word: start the same command again to go on"
    if status.phase is Phase.NOT_BEGUN:
        return "nothing was begun"
    return "finished" if not status.totals.left else "finished, but for inputs that kept changing"


def _by_kind(status: Status, *states: object) -> str:
    from crowdmask.jobs.manifest.entries import Kind, State

    wanted = [state for state in states if isinstance(state, State)]
    numbers = {kind: status.inputs(kind, *wanted) for kind in Kind}
    told = [f"{number:,} {kind.value}{'' if number == 1 else 's'}" for kind, number in numbers.items() if number]
    return f": {', '.join(told)}" if told else ""


def _rate(rate: Rate | None) -> str:
    if rate is None:
        return "not known yet"
    shown = f"{rate.inputs:.1f} inputs/s"
    return shown if abs(rate.frames - rate.inputs) < 0.05 else f"{shown}, {rate.frames:.1f} frames/s"


def _line(label: str, text: str) -> None:
    from crowdmask.cli.closing import LABEL_WIDTH

    click.echo(f"  {click.style(f'{label:<{LABEL_WIDTH}}', dim=True)}{text}")
