"""`crowdmask report`: one HTML page about runs or videos, to be read in a browser, on a phone or on paper."""

from __future__ import annotations

from pathlib import Path

import click

from crowdmask.words import plural

EPILOG = """\b
Examples:
  crowdmask report outputs/night
  crowdmask report masking.crowdmask.csv
  crowdmask report outputs/monday outputs/tuesday --out week.html --title "Station east, week 47"
  crowdmask report outputs/after --against outputs/before --out compared.html"""


@click.command(name="report", epilog=EPILOG, context_settings={"max_content_width": 110})
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="File to write; without it beside the (first) RUN.")
@click.option(
    "--against",
    multiple=True,
    metavar="RUN",
    type=click.Path(path_type=Path),
    help="A run to put beside, such as another night. Repeatable: several are counted together.",
)
@click.option("--title", default="", metavar="TEXT", help="What stands at the top; without it the runs' names.")
@click.option(
    "--logo", type=click.Path(path_type=Path), metavar="PATH", help="A picture for the top (PNG, JPEG, WebP, SVG)."
)
@click.option("--every", metavar="WIDTH", help="A bucket's width over time, as in stats; without it, what fits.")
@click.option("--timezone", "zone", metavar="ZONE", help="Whose days and hours, as Europe/Paris; without it the run's.")
@click.option("--moments", type=click.IntRange(0, 100), default=12, show_default=True, help="Worst moments to show.")
@click.option(
    "--people",
    type=click.IntRange(0, 100),
    default=24,
    show_default=True,
    help="People without a mask to show, each in its best frame.",
)
@click.option(
    "--pictures/--no-pictures",
    default=True,
    show_default=True,
    help="Show pictures of people and of the worst moments.",
)
@click.option("--show-faces", is_flag=True, help="Do not blur the faces in them.")
@click.option(
    "--threads", type=click.IntRange(0, 512), default=0, show_default=True, help="CPU threads; 0 is all cores."
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is already there.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error.")
def command(
    *,
    runs: tuple[Path, ...],
    out: Path | None,
    against: tuple[Path, ...],
    title: str,
    logo: Path | None,
    every: str | None,
    zone: str | None,
    moments: int,
    people: int,
    pictures: bool,
    show_faces: bool,
    threads: int,
    overwrite: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Make one HTML page about RUN: a run folder, or the per-frame CSV of a video; several are counted together.

    The page holds everything it shows and loads nothing from anywhere. Choosing cameras or a time there changes every
    figure. Faces in its pictures are blurred; `crowdmask purge` takes the pictures out again.
    """
    from crowdmask.cli.noise import hush

    hush()  # before the next lines import what is noisy
    from crowdmask.media.parts import ensure_writable, refuse_own_input, write_whole
    from crowdmask.results.report.best_frames import pictures_of_people
    from crowdmask.results.report.data import gather
    from crowdmask.results.report.inputs import inputs_of
    from crowdmask.results.report.moments import pictures_of
    from crowdmask.results.report.page import logo_of, page

    inputs = inputs_of(runs)
    out = out or inputs[0].report
    for one in inputs:
        refuse_own_input(out, one.aggregate if one.is_aggregate else one.frames)
    ensure_writable(out, overwrite=overwrite)
    shown_logo = logo_of(logo)
    report = gather(runs, against=against, every=every, zone_name=zone, moments=moments, people=people, threads=threads)
    seen = pictures_of(inputs, report.data.moments, show_faces=show_faces) if pictures else None
    portraits = pictures_of_people(inputs, report.data.people, show_faces=show_faces) if pictures else {}
    text = page(report, seen, portraits, title=title, logo=shown_logo)
    write_whole(out, text.encode("utf-8", "backslashreplace"))
    shown = len(seen or ()) + len(portraits)
    for one in inputs:
        if shown and one.is_run:
            one.folder.note_report(out, shown)
    if not quiet:
        faces = "with faces to be seen" if show_faces else "with faces blurred"
        with_pictures = f", {plural(shown, 'picture')} {faces}" if shown else ""
        counted = report.data.totals
        people_words = f"{plural(counted.people.faces, 'person', 'people')}, " if report.data.has_people else ""
        click.echo(f"crowdmask: wrote {out}: {people_words}{plural(counted.frames, 'frame')}{with_pictures}", err=True)
