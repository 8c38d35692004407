"""Makes the run's own files out of the manifest and the videos' CSVs, in the natural order of the inputs."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from crowdmask.errors import OutputError
from crowdmask.jobs.batch.entries import Entry, Kind, State, stream_of
from crowdmask.jobs.batch.faces_parts import unpack, unpack_bytes
from crowdmask.jobs.batch.locations import faces_file_of, frames_file_of
from crowdmask.jobs.batch.manifest import Manifest
from crowdmask.records import Stream
from crowdmask.results.detections import DetectionsFile
from crowdmask.results.frames_csv import FRAMES, FRAMES_OF_ONE, FrameRow, row_of
from crowdmask.results.run_folder import RunFolder
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.table_files import TableCsv


def write_frames(
    run: RunFolder, manifest: Manifest, zone: ZoneInfo, seen: Callable[[Entry], None] = lambda entry: None
) -> ComplianceStats:
    """RUN/frames.csv, one row for every frame of every done input; what it says in all. `seen` hears of each input."""
    stats = ComplianceStats()

    def rows() -> Iterator[FrameRow]:
        for entry in manifest.in_order(State.DONE):
            seen(entry)
            stream = _local(stream_of(entry), zone)
            alone = FrameRow(stream, 0, 0.0, entry.counts)
            for row in _video_rows(run.path, entry, stream) if entry.kind is Kind.VIDEO else (alone,):
                stats.add(row.frame, row.seconds, row.counts, entry.source)
                yield row

    with TableCsv(run.frames, FRAMES) as out:
        out.add_all(rows())
    return stats


def _local(stream: Stream, zone: ZoneInfo) -> Stream:
    return replace(stream, starts_at=None if stream.starts_at is None else stream.starts_at.astimezone(zone))


def _video_rows(run: Path, entry: Entry, stream: Stream) -> Iterator[FrameRow]:
    """The rows of the video's own CSV, with where and when each frame was taken."""
    path, frames = frames_file_of(run, entry.source), 0
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file)
            if next(lines, []) != list(FRAMES_OF_ONE.names):
                raise ValueError("its first line is not that of a per-frame CSV")
            for cells in lines:
                yield row_of(cells, stream)
                frames += 1
        if frames != entry.frames:
            raise ValueError(f"it has {frames} rows, {entry.frames} were written")
    except (OSError, ValueError, csv.Error) as error:
        raise OutputError(
            f"{path}: the rows of a finished video cannot be read ({error}): start the batch again, which redoes it"
        ) from error


def write_detections(run: RunFolder, manifest: Manifest, path: Path) -> None:
    """The run's detections file, a row for every face."""
    with DetectionsFile(path) as out:
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
