"""`crowdmask report`: one HTML page about a run, to be read in a browser, on a phone or on paper."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="report", context_settings={"max_content_width": 110})
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="File to write; without it report.html in the run folder.")
@click.option("--every", metavar="WIDTH", help="Width of a bucket over time, 1m to 1mo; without it, what fits.")
@click.option("--timezone", "zone", metavar="ZONE", help="Whose days and hours, as Europe/Paris; without it the run's.")
@click.option("--moments", type=click.IntRange(0, 100), default=12, show_default=True, help="Worst moments to show.")
@click.option("--pictures/--no-pictures", default=True, show_default=True, help="Show pictures of the worst moments.")
@click.option("--show-faces", is_flag=True, help="Do not blur the faces in them.")
@click.option(
    "--threads", type=click.IntRange(0, 512), default=0, show_default=True, help="CPU threads; 0 is all cores."
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is already there.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error.")
def command(
    *,
    run: Path,
    out: Path | None,
    every: str | None,
    zone: str | None,
    moments: int,
    pictures: bool,
    show_faces: bool,
    threads: int,
    overwrite: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Make one HTML page about RUN, the folder of a finished batch or a per-frame CSV.

    The page holds everything it shows and loads nothing from anywhere. Faces in its pictures are blurred; `crowdmask
    purge` takes the pictures out again.
    """
    from crowdmask.cli.noise import hush

    hush()  # before the next lines import what is noisy
    from crowdmask.media.parts import ensure_writable, refuse_own_input, write_whole
    from crowdmask.results.report.figures import gather
    from crowdmask.results.report.moments import pictures_of
    from crowdmask.results.report.page import page
    from crowdmask.results.run_folder import RunFolder, frames_file

    folder = RunFolder(run if run.is_dir() else run.parent)
    out = out or folder.path / "report.html"
    refuse_own_input(out, frames_file(run))
    ensure_writable(out, overwrite=overwrite)
    figures = gather(run, every=every, zone_name=zone, moments=moments, threads=threads)
    seen = pictures_of(folder, figures.moments, figures.summary, show_faces=show_faces) if pictures else None
    write_whole(out, page(figures, seen).encode("utf-8", "backslashreplace"))
    if seen and run.is_dir():
        folder.note_report(out, len(seen))
    if not quiet:
        shown = (
            f", {len(seen)} pictures {'with faces to be seen' if show_faces else 'with faces blurred'}" if seen else ""
        )
        click.echo(f"crowdmask: wrote {out}: {figures.totals.frames} frames{shown}", err=True)
