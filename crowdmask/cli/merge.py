"""`crowdmask merge`: one run out of those that machines made of the shards of a batch."""

from __future__ import annotations

from pathlib import Path

import click

from crowdmask.words import plural

EPILOG = """\b
Examples:
  machine 1:  crowdmask analyze /cctv --shard 1/2 --out-dir runs/1
  machine 2:  crowdmask analyze /cctv --shard 2/2 --out-dir runs/2
  then:       crowdmask merge runs/1 runs/2 --out outputs/night"""


@click.command(name="merge", epilog=EPILOG, context_settings={"max_content_width": 110})
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The run folder to make; a new one.")
@click.option(
    "--annotated/--no-annotated",
    default=True,
    show_default=True,
    help="Take the annotated copies along, as hard links where the disk allows it.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error.")
def command(*, runs: tuple[Path, ...], out: Path, annotated: bool, quiet: bool, verbose: bool) -> None:
    """Join the runs of a batch that was split with --shard between machines that share nothing.

    Settings and weights must agree. The frames.csv is byte for byte what one machine would have written over all
    inputs. An input that several runs have done is taken once where it is the same file, and refused where it is not.
    The runs themselves stay as they are.
    """
    from crowdmask.cli.closing import compliance_lines
    from crowdmask.jobs.merging import merge

    merged = merge(runs, out, annotated=annotated)
    for note in merged.notes:
        click.echo(f"crowdmask: {note}", err=True)
    if quiet:
        return
    totals = merged.totals
    failed = f", {totals.failed:,} failed" if totals.failed else ""
    click.secho(str(merged.run.path), bold=True)
    click.echo(f"  {plural(len(runs), 'run')} joined: {plural(totals.done, 'input')} done{failed}")
    click.echo(f"  {plural(totals.frames, 'frame')}")
    summary = merged.run.read_summary()
    for said in compliance_lines(summary) if "compliance" in summary else ():
        click.echo(f"  {said}")
