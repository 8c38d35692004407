"""Makes the statistics' rows of aggregate-only runs out of the periods that they kept, which add up and never divide.

What was left out of a period is left out of every row that it is a part of: the sum of the others would be taken for
that of all. What was never kept (times within the period, single files) is empty.
"""

from __future__ import annotations

import csv
import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from crowdmask.errors import SettingsError, SourceError
from crowdmask.results.aggregate import FACES, PEOPLE, Cell, Told, beside, row_of_period
from crowdmask.results.columns import unguarded
from crowdmask.results.run_folder import RunFolder
from crowdmask.results.timeline.buckets import Width, bucket_spans, edges, local_at, minute_of
from crowdmask.results.timeline.statistics_rows import LONGEST_EMPTY_DAYS, TOTAL, StatisticsRow, TotalRow
from crowdmask.results.timeline.zone_columns import zone_names
from crowdmask.tracking.zones import IN, OUT, ZoneNames
from crowdmask.words import natural

PARTS = ("masked", "unmasked", "unknown")
Span = tuple[int, int]  # minutes since 1970 in UTC


@dataclass(frozen=True)
class Period:
    """A row of an aggregate.csv: what is told of a period of a camera; `span` is None where nothing says when."""

    span: Span | None
    camera: str
    found: Mapping[str, Told]


@dataclass(frozen=True)
class KeptPeriods:
    """All periods of some runs, in any order."""

    zones: ZoneNames
    periods: tuple[Period, ...]
    width: Width | None  # of every run; None where they differ or do not say it

    @property
    def frames(self) -> int:
        return sum(period.found[FACES].frames for period in self.periods)


def aggregate_file(path: Path) -> Path | None:
    """The aggregate.csv that is meant by a run folder that holds nothing finer, or by its own name."""
    run = RunFolder(path)
    if path.is_dir():
        return run.aggregate if run.aggregate.is_file() and not run.frames.is_file() else None
    return path if path.name == run.aggregate.name and path.is_file() else None


def aggregate_files(paths: Sequence[Path]) -> list[Path]:
    """Those of all runs; a SettingsError where one keeps more, or is named twice."""
    found: dict[Path, Path] = {}
    for path in paths:
        file = aggregate_file(path)
        if file is None:
            raise SettingsError(
                f"{path}: it is no aggregate-only run, and cannot be counted together with one: count it by itself"
            )
        if file.resolve() in found:
            raise SettingsError(f"{path}: it is named twice, and would be counted twice: name each run once")
        found[file.resolve()] = file
    return list(found.values())


def left_out_of(rows: Iterable[StatisticsRow]) -> int:
    """In how many rows a count of faces or people, in a zone, or across a line is left out."""
    return sum(any(value is None and _is_count(name) for name, value in row.told.items()) for row in rows)


def _is_count(column: str) -> bool:
    of_place = column.startswith(("zone_", "line_")) and column.endswith(("_masked", "_people", "_faces", IN, OUT))
    return of_place or column in ("faces", "masked", "people", "people_masked")


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of an aggregate.csv as they stand there."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            row["camera"] = unguarded(row["camera"])
            _ = row["masked"], int(row["frames"])
            if row["bucket_start"]:
                _ = datetime.fromisoformat(row["bucket_start"]), datetime.fromisoformat(row["bucket_end"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{path}: it cannot be read as an aggregate ({error}): run the batch's command again"
        ) from None
    return rows


def kept_periods(files: Sequence[Path]) -> KeptPeriods:
    """What the aggregate.csv of some runs tell."""
    periods: list[Period] = []
    headers: list[list[str]] = []
    widths: set[str] = set()
    for file in files:
        rows = read_rows(file)
        headers += [list(rows[0])] if rows else []
        names = zone_names(headers[-1:] if rows else [])
        try:
            mine = [_period(row, names) for row in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(
                f"{file}: it cannot be read as an aggregate ({error}): run the batch's command again"
            ) from None
        periods += _complete(mine)
        told = RunFolder(file.parent).read_summary().get("aggregate")
        widths.add(str(told.get("aggregate")) if isinstance(told, Mapping) else "")
    (width,) = widths if len(widths) == 1 else ("",)
    return KeptPeriods(zone_names(headers), tuple(periods), Width.parse(width) if width else None)


def _period(row: Mapping[str, str], names: ZoneNames) -> Period:
    ends = (row["bucket_start"], row["bucket_end"])
    span = (minute_of(datetime.fromisoformat(ends[0])), minute_of(datetime.fromisoformat(ends[1]))) if ends[0] else None
    frames, of_people = int(row["frames"]), row.get("weighted_by") == "people"
    # where stills and videos share a period, it does not say how many of its frames were followed
    followed = frames if of_people else max(1, frames - 1)
    cell, found = Cell(0, 0, ""), {FACES: _told(row, "faces", "", frames)}
    columns = {PEOPLE: ("people", "people_")} if of_people or row.get("people") else {}
    for zone in names.zones:
        columns[cell.faces_in(zone).of] = f"zone_{zone}_faces", f"zone_{zone}_"
        columns[cell.people_in(zone).of] = f"zone_{zone}_people", f"zone_{zone}_people_"
    for line in names.lines:
        columns |= {cell.across(line, way).of: (f"line_{line}_{way}", f"line_{line}_{way}_") for way in (IN, OUT)}
    for of, (total, before) in columns.items():
        told = _told(row, total, before, followed)
        if of == PEOPLE or told.faces is not None or told.parts is not None:
            found[of] = told
    return Period(span, row["camera"], found)


def _told(row: Mapping[str, str], total: str, before: str, frames: int) -> Told:
    parts = [row.get(before + word, "") for word in PARTS]
    masked, unmasked, unknown = (int(part or 0) for part in parts)
    shown = (masked, unmasked, unknown) if all(parts) else None
    return Told(frames, int(row[total]) if row[total] else None, shown)


def _complete(periods: Sequence[Period]) -> Iterator[Period]:
    """What a camera counts in some of its periods and not in others was left out there: even a 0 would stand there."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for period in periods:
        kinds[period.camera].update(period.found)
    for found in kinds.values():
        found |= {other for of in found for other in beside(of, people=PEOPLE in found)}
    for period in periods:
        nothing = Told(max(1, period.found[FACES].frames - 1), None, None)
        missing = dict.fromkeys(sorted(kinds[period.camera] - period.found.keys()), nothing)
        yield dataclasses.replace(period, found={**period.found, **missing})


def period_statistics(
    kept: KeptPeriods,
    width: Width | None,
    zone: ZoneInfo,
    *,
    by_camera: bool = True,
    begin: datetime | None = None,
    end: datetime | None = None,
    empty: bool = True,
    totals: bool = False,
) -> Iterator[StatisticsRow]:
    """Rows in order of bucket and camera, then what has no time; `width` None is that of the periods themselves.

    A SettingsError where a period would have to be divided.
    """
    cells: dict[tuple[Span | None, str], list[Period]] = defaultdict(list)
    for period in kept.periods:
        if _is_inside(period.span, begin, end, zone):
            span = None if period.span is None else _bucket(period.span, width, zone)
            cells[span, period.camera if by_camera else ""].append(period)
    if empty and (known := width or kept.width) is not None:
        _add_empty(cells, known, zone)
    timed = [key for key in cells if key[0] is not None]
    for span, camera in sorted(timed, key=lambda key: (key[0] or (0, 0), natural(key[1]))):
        yield _row(span, camera, cells[span, camera], zone)
    for span, camera in sorted((key for key in cells if key[0] is None), key=lambda key: natural(key[1])):
        yield _row(span, camera, cells[span, camera], zone)
    if totals:
        yield from _totals(cells, zone)


def _is_inside(span: Span | None, begin: datetime | None, end: datetime | None, zone: ZoneInfo) -> bool:
    if span is None:
        return begin is None and end is None
    since, until = (None if limit is None else minute_of(limit) for limit in (begin, end))
    for limit, option in ((since, "from"), (until, "to")):
        if limit is not None and span[0] < limit < span[1]:
            raise SettingsError(
                f"{option} is {local_at(limit, zone):%Y-%m-%d %H:%M}, within {_words(span, zone)}, of which nothing "
                "finer was kept: give its beginning or its end"
            )
    return (since is None or span[0] >= since) and (until is None or span[1] <= until)


def _bucket(span: Span, width: Width | None, zone: ZoneInfo) -> Span:
    """The bucket that a period lies in."""
    if width is None:
        return span
    begin, end = edges(width, zone, span[0], span[0])[:2].tolist()
    if span[1] > end:
        raise SettingsError(
            f"every is {width.text!r}: its buckets would divide {_words(span, zone)}, of which nothing finer was kept: "
            f"give {span[1] - span[0]}m or a multiple of it"
        )
    return begin, end


def _words(span: Span, zone: ZoneInfo) -> str:
    begin, end = (local_at(minute, zone) for minute in span)
    return f"the period from {begin:%Y-%m-%d %H:%M} to {end:%H:%M}"


def _add_empty(cells: dict[tuple[Span | None, str], list[Period]], width: Width, zone: ZoneInfo) -> None:
    """Buckets of a camera without a frame; none where days with frames are far apart, as one wrong clock makes them."""
    spans = sorted({span for span, _ in cells if span is not None})
    stretches: list[Span] = []
    for first, end in spans:
        if stretches and first - stretches[-1][1] <= LONGEST_EMPTY_DAYS * 1440:
            stretches[-1] = stretches[-1][0], max(end - 1, stretches[-1][1])
        else:
            stretches.append((first, end - 1))
    cameras = {camera for span, camera in cells if span is not None}
    for start, stop in zip(*(found.tolist() for found in bucket_spans(width, zone, stretches)), strict=True):
        for camera in cameras:
            cells.setdefault(((start, stop), camera), [])


def _row(span: Span | None, camera: str, periods: Iterable[Period], zone: ZoneInfo) -> StatisticsRow:
    ends = None if span is None else (local_at(span[0], zone), local_at(span[1], zone))
    return row_of_period(ends, camera, _added(periods))


def _added(periods: Iterable[Period]) -> dict[str, Told]:
    found: dict[str, Told] = {}
    for period in periods:
        for of, told in period.found.items():
            found[of] = found[of] + told if of in found else told
    return found


def _totals(cells: Mapping[tuple[Span | None, str], Sequence[Period]], zone: ZoneInfo) -> Iterator[StatisticsRow]:
    """A row for each camera, where there are several, and one for all."""
    cameras = sorted({camera for _, camera in cells}, key=natural)
    for camera in [*(cameras if len(cameras) > 1 else []), TOTAL]:
        keys = [key for key in cells if camera == TOTAL or key[1] == camera]
        if len(keys) < 2:
            continue
        spans = [span for span, _ in keys if span is not None]
        whole = (min(start for start, _ in spans), max(stop for _, stop in spans)) if spans else None
        row = _row(whole, camera, (period for key in keys for period in cells[key]), zone)
        fields = {field.name: getattr(row, field.name) for field in dataclasses.fields(StatisticsRow)}
        yield TotalRow(**fields)
