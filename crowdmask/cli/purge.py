"""`crowdmask purge`: deletes from a run what can show a person, and says what it did."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from crowdmask.results.purge_plan import Deletion, Plan

MOST_LISTED = 20  # on the terminal; purge.log has them all
WORDS = {
    "annotated": "annotated pictures and videos",
    "detections": "files of detections",
    "people": "tables of people",
}


@click.command(name="purge", context_settings={"max_content_width": 110})
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--older-than", required=True, metavar="AGE", help="Delete what is older: 12h, 30d, 4w; 0d is everything."
)
@click.option("--persons", is_flag=True, help="Delete the tables of people too; people are not counted any more then.")
@click.option("--dry-run", is_flag=True, help="Only list what would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="List every file; show the traceback of an error.")
def command(*, run: Path, older_than: str, persons: bool, dry_run: bool, yes: bool, quiet: bool, verbose: bool) -> int:
    """Delete from RUN what can show a person, and keep the counts.

    RUN is the folder of a batch, or NAME.crowdmask.json of an input that was analysed by itself. Annotated pictures
    and videos, detections and the pictures in reports go once they are older than AGE, counted from the recording or
    from when the file was written, whichever is earlier; with --persons the tables of people too. The tables of frames,
    the summary, the manifest and the reports' figures stay. Inputs, links and files outside of RUN are never touched.
    What was deleted stands in RUN/purge.log (NAME.crowdmask.purge.log). Exit code 3: some of it could not be deleted.
    """
    from crowdmask.cli.main import EXIT_SOME_FAILED
    from crowdmask.jobs.purging import plan_all, purge_all

    plans = plan_all(run, older_than, people=persons)
    number = sum(len(found.deletions) for found in plans)
    if not quiet:
        for found in plans:
            _tell(found, verbose)
    if not number or dry_run:
        _close(plans[0], "dry run: nothing was deleted" if number else "nothing is old enough", quiet)
        return 0
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("there is no terminal to ask on: give --yes to delete, or --dry-run to look")
        click.confirm(f"Delete all this of {run} for good?", abort=True, err=True)
    failed = purge_all(plans)
    for _, reason in failed:
        click.echo(f"crowdmask: {reason}", err=True)
    _close(plans[0], f"deleted from {number - len(failed)} files, recorded in {plans[0].log}", quiet)
    return EXIT_SOME_FAILED if failed else 0


def _tell(found: Plan, verbose: bool) -> None:
    """What goes, by kind and then by name; what is left though it might show a person."""
    for note in found.notes:
        click.echo(f"crowdmask: {note}", err=True)
    for kind, words in WORDS.items():
        sizes = [d.size for d in found.deletions if d.kind == kind and d.is_whole_file]
        if sizes:
            click.echo(f"{found.name}: {len(sizes)} {words}, {sum(sizes) / 1e6:.1f} MB")
    paths = [_words(deletion) for deletion in found.deletions]
    shown = paths if verbose else paths[:MOST_LISTED]
    for path in shown:
        click.echo(f"  {path}")
    if len(shown) < len(paths):
        click.echo(f"  and {len(paths) - len(shown)} more: -v lists them all")
    for path, reason in found.left:
        click.echo(f"crowdmask: left {path}: {reason}", err=True)


def _words(deletion: Deletion) -> str:
    if deletion.is_whole_file:
        return deletion.path
    what = {"pictures": "pictures", "manifest": "inputs' detections"}.get(deletion.kind, "rows")
    return f"{deletion.path}: {deletion.number} {what}"


def _close(found: Plan, what: str, quiet: bool) -> None:
    if not quiet:
        click.echo(f"crowdmask: {what} (before {found.before:%Y-%m-%d %H:%M} UTC)", err=True)
