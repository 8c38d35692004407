"""`crowdmask purge`: deletes from a run what can show a person, and says what it did."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from crowdmask.results.purge_plan import Plan

MOST_LISTED = 20  # on the terminal; purge.log has them all
WORDS = {"annotated": "annotated pictures and videos", "thumbnail": "thumbnails", "detections": "files of detections"}


@click.command(name="purge", context_settings={"max_content_width": 110})
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--older-than", required=True, metavar="AGE", help="Delete what is older: 12h, 30d, 4w; 0d is everything."
)
@click.option("--dry-run", is_flag=True, help="Only list what would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="List every file; show the traceback of an error.")
def command(*, run: Path, older_than: str, dry_run: bool, yes: bool, quiet: bool, verbose: bool) -> int:
    """Delete from RUN what can show a person, and keep the counts.

    Annotated pictures and videos, thumbnails, detections and the pictures in reports go once they are older than
    AGE, counted from the recording or from when the file was written, whichever is earlier. The per-frame CSV, the
    summary, the manifest and the reports' figures stay. Inputs, links and files outside of RUN are never touched.
    What was deleted stands in RUN/purge.log. Exit code 3: some of it could not be deleted.
    """
    from crowdmask.cli.main import EXIT_SOME_FAILED
    from crowdmask.results.purge import carry_out
    from crowdmask.results.purge_plan import plan

    found = plan(run, older_than)
    if not quiet:
        _tell(found, verbose)
    if not found.deletions or dry_run:
        _close(found, "nothing is old enough" if not found.deletions else "dry run: nothing was deleted", quiet)
        return 0
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("there is no terminal to ask on: give --yes to delete, or --dry-run to look")
        click.confirm(f"Delete all this from {run} for good?", abort=True, err=True)
    failed = carry_out(found)
    for _, reason in failed:
        click.echo(f"crowdmask: {reason}", err=True)
    _close(found, f"deleted from {len(found.deletions) - len(failed)} files, recorded in {found.run.purge_log}", quiet)
    return EXIT_SOME_FAILED if failed else 0


def _tell(found: Plan, verbose: bool) -> None:
    """What goes, by kind and then by name; what is left though it might show a person."""
    for note in found.notes:
        click.echo(f"crowdmask: {note}", err=True)
    for kind, words in WORDS.items():
        sizes = [d.size for d in found.deletions if d.kind == kind and d.sources is None]
        if sizes:
            click.echo(f"{len(sizes)} {words}, {sum(sizes) / 1e6:.1f} MB")
    for deletion in found.deletions:
        if deletion.sources is not None:
            click.echo(f"{deletion.number} rows of {len(deletion.sources)} sources in {deletion.path}")
        elif deletion.kind == "pictures":
            click.echo(f"{deletion.number} pictures in {deletion.path}")
    paths = [deletion.path for deletion in found.deletions]
    shown = paths if verbose else paths[:MOST_LISTED]
    for path in shown:
        click.echo(f"  {path}")
    if len(shown) < len(paths):
        click.echo(f"  and {len(paths) - len(shown)} more: -v lists them all")
    for path, reason in found.left:
        click.echo(f"crowdmask: left {path}: {reason}", err=True)


def _close(found: Plan, what: str, quiet: bool) -> None:
    if not quiet:
        click.echo(f"crowdmask: {what} (before {found.before:%Y-%m-%d %H:%M} UTC)", err=True)
