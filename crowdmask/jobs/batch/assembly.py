"""Makes the run's own files out of the manifest and the videos' CSVs, in the natural order of the inputs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from crowdmask.errors import CrowdmaskError
from crowdmask.jobs.batch.entries import Entry, Kind, OutputFile, State, stream_of
from crowdmask.jobs.batch.manifest import META_WATCHED, Manifest
from crowdmask.jobs.batch.own_files import (
    DamagedPartError,
    faces_file_of,
    frames_file_of,
    persons_file_of,
    summary_file_of,
    unpack_bytes,
)
from crowdmask.records import Stream
from crowdmask.results.csv_part import CsvPart
from crowdmask.results.detections import DetectionsFile
from crowdmask.results.frames_csv import FrameRow, frames_table, row_of
from crowdmask.results.people import PeopleStats
from crowdmask.results.persons import PERSONS, cells_of_run
from crowdmask.results.run_folder import RunFolder
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.table_files import TableCsv
from crowdmask.results.zone_stats import ZoneStats, ZoneSums
from crowdmask.tracking.zones import ZoneNames


class DamagedResultError(CrowdmaskError):
    """What was kept of a done input is not as it was written: the input is to be done again."""

    def __init__(self, entry: Entry, reason: str) -> None:
        super().__init__(reason)
        self.entry = entry


def write_frames(
    run: RunFolder, manifest: Manifest, zone: ZoneInfo, seen: Callable[[Entry], None] = lambda entry: None
) -> ComplianceStats:
    """RUN/frames.csv, one row for every frame of every done input; what it says in all. `seen` hears of each input."""
    stats, zones, separate = ComplianceStats(), watched(manifest), manifest.sets_apart

    def rows() -> Iterator[FrameRow]:
        for entry in manifest.in_order(State.DONE):
            seen(entry)
            stream = _local(stream_of(entry), zone)
            alone = FrameRow(stream, 0, 0.0, entry.counts.counted(separate=separate), entry.zones)
            for row in _video_rows(run.path, entry, stream, zones) if entry.kind is Kind.VIDEO else (alone,):
                stats.add(row.frame, row.seconds, row.counts, entry.source)
                yield row

    with TableCsv(run.frames, frames_table(zones)) as out:
        out.add_all(rows())
    return stats


def _local(stream: Stream, zone: ZoneInfo) -> Stream:
    return replace(stream, starts_at=None if stream.starts_at is None else stream.starts_at.astimezone(zone))


def watched(manifest: Manifest) -> ZoneNames:
    """The zones and lines that the run's tables have columns for."""
    zones, lines = json.loads(manifest.meta(META_WATCHED) or "[[], []]")
    return ZoneNames(tuple(zones), tuple(lines))


def _video_rows(run: Path, entry: Entry, stream: Stream, zones: ZoneNames) -> Iterator[FrameRow]:
    """The rows of the video's own CSV, with where and when each frame was taken."""
    lines = csv.reader(io.StringIO(_whole(run, entry, frames_file_of(run, entry.source)).decode(), newline=""))
    if next(lines, []) != list(frames_table(zones).of_one.names):
        raise DamagedResultError(entry, f"{frames_file_of(run, entry.source)}: it has other columns than today")
    for cells in lines:
        yield row_of(cells, stream, zones)


def _whole(run: Path, entry: Entry, file: Path) -> bytes:
    """The bytes of a file of a done input; DamagedResultError unless they are those that were written."""
    path = file.relative_to(run).as_posix()
    kept = next((output for output in entry.outputs if output.path == path), None)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DamagedResultError(entry, f"{file}: {error.strerror}") from error
    if kept is None or OutputFile.of_bytes(path, data) != kept:
        raise DamagedResultError(entry, f"{file}: it is not as it was written")
    return data


def write_persons(run: RunFolder, manifest: Manifest, path: Path, zone: ZoneInfo) -> None:
    """RUN/persons.csv: a row for every appearance in every video whose faces were followed."""
    with CsvPart(path, PERSONS.names) as out:
        for entry in manifest.in_order(State.DONE):
            file = persons_file_of(run.path, entry.source)
            if not any(output.path == file.relative_to(run.path).as_posix() for output in entry.outputs):
                continue
            stream = _local(stream_of(entry), zone)
            lines = csv.reader(io.StringIO(_whole(run.path, entry, file).decode(), newline=""))
            if next(lines, []) != list(PERSONS.of_one.names):
                raise DamagedResultError(entry, f"{file}: it has other columns than today")
            for cells in lines:
                out.row(cells_of_run(cells, stream))


def people_of(run: RunFolder, manifest: Manifest) -> tuple[PeopleStats, ZoneStats]:
    """Those of all done inputs, out of the videos' summaries and of what is kept of each picture."""
    people, zones, separate = PeopleStats(), ZoneStats(), manifest.sets_apart
    for entry in manifest.in_order(State.DONE):
        if entry.kind is Kind.VIDEO:
            told = json.loads(_whole(run.path, entry, summary_file_of(run.path, entry.source)))
            people += PeopleStats.of(told["people"], separate=separate) if told.get("people") else PeopleStats()
            zones += ZoneStats.of(told, separate=separate)
        else:
            zones += ZoneStats(
                {name: ZoneSums(counts.counted(separate=separate)) for name, counts in entry.zones.items()}
            )
    return people, zones


def write_detections(run: RunFolder, manifest: Manifest, path: Path) -> None:
    """The run's detections file, a row for every face."""
    with DetectionsFile(path) as out:
        for entry in manifest.in_order(State.DONE):
            if entry.kind is Kind.VIDEO:
                part = faces_file_of(run.path, entry.source)
                data = _whole(run.path, entry, part) if part.exists() else None
            else:
                data = manifest.faces_of(entry.source)
            try:
                for result in unpack_bytes(data or b"", stream_of(entry)):
                    out.write(result)
            except DamagedPartError as error:
                raise DamagedResultError(entry, str(error)) from error
