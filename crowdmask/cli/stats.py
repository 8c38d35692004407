"""`crowdmask stats`: compliance statistics over time and by camera, from runs or per-frame CSVs of any size."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crowdmask.cli.options import parse_time
from crowdmask.errors import SettingsError
from crowdmask.words import plural

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from crowdmask.results.columns import Table
    from crowdmask.results.timeline.buckets import Width
    from crowdmask.results.timeline.frames_table import Totals
    from crowdmask.results.timeline.statistics_rows import StatisticsRow

EPILOG = """\b
What the columns mean is in docs/statistics.md. `compliance` counts people where faces were followed, each person once;
elsewhere it weighs every face by the time it is in view. `people_masked` and its like count people; `masked`,
`unmasked` and `unknown` are sums over the frames, in each of which a face counts anew.

\b
Examples:
  crowdmask stats outputs/night
  crowdmask stats outputs/night --every 20m --out compliance.xlsx
  crowdmask stats runs/* --every 1d --by none --timezone Europe/Paris
  crowdmask stats video.crowdmask.csv --format json"""
FORMATS = ("csv", "json", "parquet", "xlsx", "md", "table")
SUFFIXES = {".csv": "csv", ".json": "json", ".parquet": "parquet", ".xlsx": "xlsx", ".md": "md", ".txt": "table"}


@click.command(name="stats", epilog=EPILOG, context_settings={"max_content_width": 110})
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--every",
    metavar="WIDTH",
    help="A bucket's width, 1m, 20m, 1d ... 1mo, whatever frames were analysed; without it the finest that holds "
    "enough judged people.",
)
@click.option(
    "--by", type=click.Choice(("camera", "source", "none")), default="camera", show_default=True, help="A row for each."
)
@click.option("--out", type=click.Path(path_type=Path), help="File to write; without it, the terminal.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="Without it what --out ends in, else a table on a terminal and CSV in a pipe.",
)
@click.option("--timezone", metavar="ZONE", help="Whose days and hours, as Europe/Paris; without it the run's own.")
@click.option("--from", "begin", metavar="TIME", help="Count from this local time on: 2026-11-20, 2026-11-20T23:15.")
@click.option("--to", "end", metavar="TIME", help="Count up to this local time; a date alone is counted whole.")
@click.option("--gap", metavar="TIME", help="Call a pause longer than this a gap, for every camera.")
@click.option(
    "--stands-for",
    default="10m",
    show_default=True,
    metavar="WIDTH",
    help="The longest time that a still stands for: until its camera's next one, and no longer than this.",
)
@click.option("--empty/--no-empty", default=True, show_default=True, help="Give buckets without frames a row.")
@click.option(
    "--total/--no-total",
    default=None,
    help="Add rows of totals.  [default: on for table, md and xlsx]",
)
@click.option(
    "--threads", type=click.IntRange(0, 512), default=0, show_default=True, help="CPU threads; 0 is all cores."
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is already there.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error.")
def command(
    *,
    runs: tuple[Path, ...],
    every: str | None,
    by: str,
    out: Path | None,
    form: str | None,
    timezone: str | None,
    begin: str | None,
    end: str | None,
    gap: str | None,
    stands_for: str,
    empty: bool,
    total: bool | None,
    threads: int,
    overwrite: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Count masked and unmasked people and faces over time and by camera.

    RUN is the folder of a finished batch, or a per-frame CSV; several are counted together. The counts add up
    exactly to those of the frames. Frames whose time is not known are counted by file, in rows without a bucket.
    The periods of aggregate-only runs (--aggregate) can be added up, and what they left out stays left out.
    """
    from crowdmask.results.run_folder import RunFolder, frames_files, people_purged_words, time_warnings
    from crowdmask.results.timeline.buckets import Width
    from crowdmask.results.timeline.frames_table import FramesTable
    from crowdmask.results.timeline.period_rows import aggregate_file
    from crowdmask.results.timeline.periods import period, run_zone
    from crowdmask.results.timeline.precision import precision_of
    from crowdmask.results.timeline.statistics_columns import statistics_table
    from crowdmask.results.timeline.statistics_files import WITH_TOTALS
    from crowdmask.results.timeline.statistics_rows import statistics_rows, with_totals
    from crowdmask.results.timeline.widths import fitting_width

    asked, gap_s, stand_s = Width.parse(every) if every else None, _gap(gap), _stands_for(stands_for)
    form = form or _format_of(out)
    with_totals_too = total if total is not None else form in WITH_TOTALS
    if any(aggregate_file(run) for run in runs):
        when = run_zone(runs, timezone), asked, begin, end
        shown = _Shown(form, out, overwrite, quiet)
        _of_periods(runs, by, gap, when, shown, empty=empty, totals=with_totals_too)
        return
    paths = frames_files(runs)
    zone = run_zone(runs, timezone)
    since, until = period(begin, end, zone)
    frames = FramesTable(paths, by_source=by == "source", begin=since, end=until, threads=threads, stand_s=stand_s)
    with frames as table:
        width = asked or fitting_width(table, by_camera=by != "none")
        precision = precision_of(table)
        rows = statistics_rows(table, width, zone, by, gap_s=gap_s, empty=empty, precision=precision)
        if with_totals_too:
            rows = with_totals(rows, precision)
        columns = statistics_table(table.zones.names)
        _write(rows, form, out, overwrite=overwrite, inputs=paths, columns=columns)
        totals = table.totals()
    if not quiet:
        chosen = "" if asked else f", in buckets of {width.text}"
        summaries = [RunFolder(path.parent).read_summary() for path in paths if path.name == "frames.csv"]
        warnings = [text for summary in summaries for text in time_warnings(summary)]
        if table.people_lost:
            warnings.append(people_purged_words(table.people_lost))
        _say(totals, zone, out, chosen, dict.fromkeys(warnings))


@dataclass(frozen=True)
class _Shown:
    """Where the rows go."""

    form: str
    out: Path | None
    overwrite: bool
    quiet: bool


def _of_periods(
    runs: Sequence[Path],
    by: str,
    gap: str | None,
    when: tuple[ZoneInfo, Width | None, str | None, str | None],
    shown: _Shown,
    *,
    empty: bool,
    totals: bool,
) -> None:
    """The statistics of aggregate-only runs: their periods, or sums of them; `when` as the options say it."""
    from crowdmask.results.timeline.period_rows import aggregate_files, kept_periods, left_out_of, period_statistics
    from crowdmask.results.timeline.periods import period
    from crowdmask.results.timeline.statistics_columns import statistics_table

    if by == "source":
        raise SettingsError("by is 'source': an aggregate-only run keeps nothing of single files: give camera or none")
    if gap is not None:
        raise SettingsError("gap: an aggregate-only run keeps no times within its periods, and so no gaps")
    zone, width, begin, end = when
    files = aggregate_files(runs)
    kept = kept_periods(files)
    since, until = period(begin, end, zone)
    found = period_statistics(
        kept, width, zone, by_camera=by != "none", begin=since, end=until, empty=empty, totals=totals
    )
    rows = list(found)  # some thousands: a year of a camera by 20 minutes is 26,000
    columns = statistics_table(kept.zones)
    _write(iter(rows), shown.form, shown.out, overwrite=shown.overwrite, inputs=files, columns=columns)
    if not shown.quiet:
        where = "" if shown.out is None else f"wrote {shown.out}: "
        click.echo(f"crowdmask: {where}{plural(kept.frames, 'frame')} of aggregate-only runs", err=True)
        missing = left_out_of(rows)
        if missing:
            click.echo(
                f"crowdmask: {missing:,} of {plural(len(rows), 'row')} lack a count, which was too small to be told in "
                "one of their periods: a longer period of --aggregate leaves out less",
                err=True,
            )


def _write(
    rows: Iterator[StatisticsRow],
    form: str,
    out: Path | None,
    *,
    overwrite: bool,
    inputs: list[Path],
    columns: Table[StatisticsRow],
) -> None:
    """To the terminal, or to a file that gets its name when it is whole."""
    from crowdmask.media.parts import commit, ensure_writable, part_of, refuse_own_input, writing
    from crowdmask.results.timeline.statistics_files import FILE_WRITERS, TEXT_WRITERS

    if out is None:
        if form in FILE_WRITERS:
            raise SettingsError(f"{form} is no format for a terminal or a pipe: name a file with --out")
        TEXT_WRITERS[form](rows, sys.stdout, columns)
        return
    for path in inputs:
        refuse_own_input(out, path)
    ensure_writable(out, overwrite=overwrite)
    part = part_of(out)
    try:
        with writing(out):
            if form in FILE_WRITERS:
                FILE_WRITERS[form](rows, part, columns)
            else:
                with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                    TEXT_WRITERS[form](rows, file, columns)
        commit(out)
    finally:
        part.unlink(missing_ok=True)  # half a table is of no use, unlike half an analysis


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


def _stands_for(text: str) -> float:
    from crowdmask.results.timeline.buckets import Width

    try:
        return Width.parse(text).minutes * 60.0
    except SettingsError as error:
        raise SettingsError(str(error).replace("every is", "stands-for is", 1)) from None


def _format_of(out: Path | None) -> str:
    if out is None:
        return "table" if sys.stdout.isatty() else "csv"
    form = SUFFIXES.get(out.suffix.lower())
    if form is None:
        raise SettingsError(f"out is {str(out)!r}: let it end in {', '.join(SUFFIXES)}, or give --format")
    return form


def _say(totals: Totals, zone: ZoneInfo, out: Path | None, chosen: str, warnings: Iterable[str]) -> None:
    where = "" if out is None else f"wrote {out}: "
    span = ""
    if totals.first is not None and totals.last is not None:
        first, last = (moment.astimezone(zone) for moment in (totals.first, totals.last))
        span = f", {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} in {zone.key}{chosen}"
    people = f"{plural(totals.people.faces, 'person', 'people')}, " if totals.followed_frames else ""
    counted = f"{people}{plural(totals.frames, 'frame')}, {plural(totals.counts.faces, 'face')}"
    click.echo(f"crowdmask: {where}{counted}{span}", err=True)
    for warning in warnings:
        click.echo(f"crowdmask: {warning}", err=True)
    if totals.untimed_frames:
        frames, files = plural(totals.untimed_frames, "frame"), plural(totals.untimed_sources, "file")
        click.echo(
            f"crowdmask: nothing says when {frames} of {files} were taken: they are counted by file, in rows without "
            "a bucket",
            err=True,
        )
    if totals.left_out:
        lie = "lies" if totals.left_out == 1 else "lie"
        click.echo(
            f"crowdmask: {plural(totals.left_out, 'frame')} {lie} outside the period or without a time: not counted",
            err=True,
        )
