"""`crowdmask runs`: finds trainings, comparisons and evaluations again."""

from __future__ import annotations

import json
from pathlib import Path

import click

from crowdmask.cli.main import one_line
from crowdmask.errors import SettingsError
from crowdmask.evaluation.tables import grid
from crowdmask.runs import listing
from crowdmask.runs.record import read_record

PLACES = ("runs", "outputs")
JSON_VERSION = 1  # of what list --json prints; docs/schemas/runs.schema.json describes it


@click.group(name="runs", context_settings={"max_content_width": 110})
def command() -> None:
    """List, show, compare and tidy the folders that training, comparing and evaluating leave."""


@command.command("list")
@click.argument("places", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The records as JSON.")
def list_(places: tuple[Path, ...], as_json: bool) -> None:
    """Runs below these folders, the last first; without a folder those in runs/ and outputs/ of this one."""
    found = _found(places)
    if as_json:
        runs = [{"folder": str(run.folder), **run.told} for run in found]
        click.echo(json.dumps({"schema_version": JSON_VERSION, "runs": runs}, indent=2))
        return
    rows = [["folder", "what", "network", "state", "begun", "result", "MB"]]
    for run in found:
        told = run.told
        shown = (told.get(key) or "-" for key in ("what", "network", "state"))
        begun = str(told.get("begun_at", "-"))[:16]
        rows.append([str(run.folder), *map(str, shown), begun, listing.headline(run), f"{run.size / 1e6:.1f}"])
    click.echo(grid(rows, indent=0) if found else "no runs here")


@command.command()
@click.argument("run", type=click.Path(path_type=Path))
def show(run: Path) -> None:
    """Everything that one run's record says, and its last metrics."""
    told = read_record(run)
    click.echo(json.dumps({**told, "last_metrics": listing.last_metrics(run)}, indent=2))
    card = run / "model-card.md"
    if card.exists():
        click.echo("\n" + card.read_text(encoding="utf-8"))


@command.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
def compare(runs: tuple[Path, ...]) -> None:
    """Runs side by side: the settings in which they differ, and their results."""
    if len(runs) < 2:
        raise SettingsError("runs compare needs two run folders or more")
    found = [listing.Found(run, read_record(run)) for run in runs]
    click.echo(grid(listing.differing(found), indent=0))


@command.command()
@click.argument("places", nargs=-1, type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Delete; without it the command says what it would delete.")
def clean(places: tuple[Path, ...], yes: bool) -> None:
    """Delete the checkpoints of finished runs; weights, metrics and cards stay, and so does what is under way."""
    paths = [path for run in _found(places) for path in listing.disposable(run)]
    size = sum(path.stat().st_size for path in paths)
    for path in paths:
        if yes:
            path.unlink()
        click.echo(f"{'deleted' if yes else 'would delete'} {path}")
    told = f"{len(paths)} file(s), {size / 1e6:.1f} MB"
    click.echo(told if yes or not paths else f"{told}; --yes deletes them")


def _found(places: tuple[Path, ...]) -> list[listing.Found]:
    here = places or tuple(Path(name) for name in PLACES if Path(name).is_dir())
    found, faults = listing.runs_below(here)
    for fault in faults:
        click.echo(f"crowdmask: {one_line(fault)}", err=True)
    return found
