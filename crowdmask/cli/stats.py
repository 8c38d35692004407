"""`crowdmask stats`: compliance statistics over time and by camera, from runs or per-frame CSVs of any size."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from crowdmask.cli.options import parse_time
from crowdmask.errors import SettingsError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from crowdmask.results.timeline.frames_table import Totals

EPILOG = """\b
Columns: bucket_start and bucket_end (ISO 8601), camera, source, frames, frames_with_faces, faces, masked, unmasked,
unknown, compliance = masked / (masked + unmasked) with its 95 % Wilson interval compliance_low to compliance_high,
mean_unmasked_per_frame, peak_unmasked, gap_s = seconds of the bucket that lie in gaps. A gap is a pause between two
frames of a camera longer than a minute and than three times its usual pause, or than --gap. A face counts in every
frame it is in.

\b
Examples:
  crowdmask stats outputs/night --every 20m --out compliance.csv
  crowdmask stats runs/* --every 1d --by none --timezone Europe/Paris
  crowdmask stats video.crowdmask.csv --format json"""


@click.command(name="stats", epilog=EPILOG, context_settings={"max_content_width": 110})
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--every", default="1h", show_default=True, metavar="WIDTH", help="A bucket's width: 1m, 20m, 1d ... 1mo."
)
@click.option(
    "--by", type=click.Choice(("camera", "source", "none")), default="camera", show_default=True, help="A row for each."
)
@click.option("--out", type=click.Path(path_type=Path), help="File to write; without it, the terminal.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("csv", "json", "table")),
    help="Without it what --out ends in, else a table on a terminal and CSV in a pipe.",
)
@click.option("--timezone", metavar="ZONE", help="Whose days and hours, as Europe/Paris; without it the run's own.")
@click.option("--from", "begin", metavar="TIME", help="Count from this local time on: 2026-11-20, 2026-11-20T23:15.")
@click.option("--to", "end", metavar="TIME", help="Count up to this local time; a date alone is counted whole.")
@click.option("--gap", metavar="TIME", help="Call a pause longer than this a gap, for every camera.")
@click.option("--empty/--no-empty", default=True, show_default=True, help="Give buckets without frames a row.")
@click.option(
    "--threads", type=click.IntRange(0, 512), default=0, show_default=True, help="CPU threads; 0 is all cores."
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is already there.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error.")
def command(
    *,
    runs: tuple[Path, ...],
    every: str,
    by: str,
    out: Path | None,
    form: str | None,
    timezone: str | None,
    begin: str | None,
    end: str | None,
    gap: str | None,
    empty: bool,
    threads: int,
    overwrite: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Count masked and unmasked faces over time and by camera.

    RUN is the folder of a finished batch, or a per-frame CSV; several are counted together. The counts add up
    exactly to those of the frames. Frames whose time is not known are counted by file, in rows without a bucket.
    """
    from crowdmask.results.run_folder import frames_files
    from crowdmask.results.timeline.buckets import Width
    from crowdmask.results.timeline.frames_table import FramesTable
    from crowdmask.results.timeline.periods import period, run_zone
    from crowdmask.results.timeline.statistics_files import WRITERS
    from crowdmask.results.timeline.statistics_rows import statistics_rows

    width, gap_s = Width.parse(every), _gap(gap)
    paths = frames_files(runs)
    zone = run_zone(runs, timezone)
    since, until = period(begin, end, zone)
    write = WRITERS[form or _format_of(out)]
    frames = FramesTable(paths, by_source=by == "source", begin=since, end=until, threads=threads)
    with _opened(out, overwrite, paths) as file, frames as table:
        write(statistics_rows(table, width, zone, by, gap_s=gap_s, empty=empty), file)
        totals = table.totals()
    if not quiet:
        _tell(totals, zone, out)


def _gap(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = parse_time(text)
    except SettingsError as error:
        raise SettingsError(f"gap is {text!r}: {error}") from None
    if seconds < 60:
        raise SettingsError(f"gap is {text!r}: it must be a minute or more")
    return seconds


def _format_of(out: Path | None) -> str:
    if out is None:
        return "table" if sys.stdout.isatty() else "csv"
    form = {".csv": "csv", ".json": "json", ".txt": "table"}.get(out.suffix.lower())
    if form is None:
        raise SettingsError(f"out is {str(out)!r}: let it end in .csv or .json, or give --format")
    return form


@contextmanager
def _opened(out: Path | None, overwrite: bool, inputs: list[Path]) -> Iterator[TextIO]:
    """The terminal, or a file that gets its name when it is whole."""
    from crowdmask.media.parts import commit, ensure_writable, part_of, refuse_own_input, writing

    if out is None:
        yield sys.stdout
        return
    for path in inputs:
        refuse_own_input(out, path)
    ensure_writable(out, overwrite=overwrite)
    part = part_of(out)
    try:
        with writing(out), part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
        commit(out)
    finally:
        part.unlink(missing_ok=True)  # half a table is of no use, unlike half an analysis


def _tell(totals: Totals, zone: ZoneInfo, out: Path | None) -> None:
    where = "" if out is None else f"wrote {out}: "
    span = ""
    if totals.first is not None and totals.last is not None:
        first, last = (moment.astimezone(zone) for moment in (totals.first, totals.last))
        span = f", {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} in {zone.key}"
    click.echo(f"crowdmask: {where}{totals.frames} frames, {totals.counts.faces} faces{span}", err=True)
    if totals.untimed_frames:
        click.echo(
            f"crowdmask: the time of {totals.untimed_frames} frames of {totals.untimed_sources} files is not known: "
            "they are counted by file, in rows without a bucket",
            err=True,
        )
    if totals.left_out:
        click.echo(
            f"crowdmask: {totals.left_out} frames lie outside the period or have no time: they are not counted",
            err=True,
        )
