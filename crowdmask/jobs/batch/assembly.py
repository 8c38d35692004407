"""Makes the run's own files out of the manifest and the videos' CSVs, in the natural order of the inputs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from crowdmask.errors import OutputError
from crowdmask.jobs.batch.entries import Entry, Kind, State, stream_of
from crowdmask.jobs.batch.faces_parts import unpack, unpack_bytes
from crowdmask.jobs.batch.locations import faces_file_of, frames_file_of
from crowdmask.jobs.batch.manifest import Manifest
from crowdmask.records import Counts
from crowdmask.results.csv_part import CsvPart
from crowdmask.results.detections import open_detections
from crowdmask.results.frames_csv import COLUMNS, RUN_COLUMNS, Origin, row_of
from crowdmask.results.run_folder import RunFolder
from crowdmask.results.statistics import ComplianceStats

LINES_AT_ONCE = 500


def write_frames(
    run: RunFolder, manifest: Manifest, zone: ZoneInfo, seen: Callable[[Entry], None] = lambda entry: None
) -> ComplianceStats:
    """RUN/frames.csv, one row for every frame of every done input; what it says in all. `seen` hears of each input."""
    stats = ComplianceStats()
    with CsvPart(run.frames, [*COLUMNS, *RUN_COLUMNS]) as out:
        lines: list[str] = []
        for entry in manifest.in_order(State.DONE):
            seen(entry)
            rows = _video_lines(run.path, entry, zone, stats) if entry.kind is Kind.VIDEO else _line(entry, zone, stats)
            for line in rows:
                lines.append(line)
                if len(lines) >= LINES_AT_ONCE:
                    out.write("".join(lines))
                    lines.clear()
        out.write("".join(lines))
    return stats


def _line(entry: Entry, zone: ZoneInfo, stats: ComplianceStats) -> Iterator[str]:
    stats.add(0, 0.0, entry.counts, entry.source)
    yield _csv_line(row_of(0, 0.0, entry.counts, _origin(entry, zone)))


def _origin(entry: Entry, zone: ZoneInfo) -> Origin:
    taken = None if entry.captured_at is None else entry.captured_at.astimezone(zone)
    return Origin(entry.source, entry.camera, taken, entry.captured_from)


def _video_lines(run: Path, entry: Entry, zone: ZoneInfo, stats: ComplianceStats) -> Iterator[str]:
    """The rows of the video's own CSV, with where and when each frame was taken."""
    path = frames_file_of(run, entry.source)
    before, after = (_csv_line([part]).removesuffix("\n") for part in (entry.source, entry.camera))
    start, frames = entry.captured_at, 0
    try:
        with path.open(encoding="utf-8", newline="") as file:
            if next(file, "").rstrip("\n") != ",".join(COLUMNS):
                raise ValueError("its first line is not that of a per-frame CSV")
            for line in file:
                cells = line.rstrip("\n").split(",")
                seconds = float(cells[1])
                stats.add(int(cells[0]), seconds, Counts(int(cells[3]), int(cells[4]), int(cells[5])), entry.source)
                taken = ""
                if start is not None:
                    taken = (start + timedelta(seconds=seconds)).astimezone(zone).isoformat(timespec="milliseconds")
                frames += 1
                yield f"{','.join(cells)},{before},{after},{taken},{entry.captured_from}\n"
        if frames != entry.frames:
            raise ValueError(f"it has {frames} rows, {entry.frames} were written")
    except (OSError, ValueError, IndexError) as error:
        raise OutputError(
            f"{path}: the rows of a finished video cannot be read ({error}): start the batch again, which redoes it"
        ) from error


def _csv_line(cells: list[str]) -> str:
    made = io.StringIO()
    csv.writer(made, lineterminator="\n").writerow(cells)
    return made.getvalue()


def write_detections(run: RunFolder, manifest: Manifest, path: Path) -> None:
    """The run's detections file, a row for every face; it holds no more than a row group at a time."""
    with open_detections(path) as out:
        for entry in manifest.in_order(State.DONE):
            if entry.kind is Kind.VIDEO:
                part = faces_file_of(run.path, entry.source)
                if part.exists():
                    with part.open("rb") as file:
                        for result in unpack(file, stream_of(entry)):
                            out.write(result)
            elif (data := manifest.faces_of(entry.source)) is not None:
                for result in unpack_bytes(data, stream_of(entry)):
                    out.write(result)
