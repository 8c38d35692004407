"""Makes the run's own files out of the manifest and the videos' CSVs: tables in the inputs' order, and the summary.

RUN/summary.json says how a run was made, what it counted, what it left out and, where asked, what energy it took by
estimate over all sessions; its keys are told in run_folder.py.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from crowdmask.errors import CrowdmaskError, SettingsError
from crowdmask.jobs.batch.units import Plan
from crowdmask.jobs.manifest.database import META_ENERGY, META_STARTED, META_WATCHED, META_ZONE, Manifest
from crowdmask.jobs.manifest.entries import IN_ONE_PIECE, Entry, Kind, OutputFile, State, readable, stream_of
from crowdmask.jobs.manifest.packing import DamagedPartError, unpack_bytes
from crowdmask.jobs.naming import faces_file_of, frames_file_of, persons_file_of, summary_file_of
from crowdmask.media.camera_names import camera_warning
from crowdmask.records import Stream
from crowdmask.results.csv_part import CsvPart
from crowdmask.results.detections import DetectionsFile
from crowdmask.results.frames_csv import FRAMES, FrameRow, frames_table, row_of
from crowdmask.results.people import PeopleStats
from crowdmask.results.persons import PERSONS, cells_of_run
from crowdmask.results.run_folder import RunFolder
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.summary import WeightsUsed, compliance_of, counts_of, energy_for, versions
from crowdmask.results.table_files import TableCsv
from crowdmask.results.zone_stats import ZoneStats, ZoneSums
from crowdmask.runs.energy import measured
from crowdmask.tracking.zones import ZoneNames
from crowdmask.tracking.zones_file import read_zones
from crowdmask.words import MONTHS, plural

if TYPE_CHECKING:
    from crowdmask.results.headline import Headline


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
    """RUN/persons.csv: a row for every appearance in every video whose faces were followed, but of those purged."""
    purged = purged_of(run, manifest)
    with CsvPart(path, PERSONS.names) as out:
        for entry in manifest.in_order(State.DONE):
            file = persons_file_of(run.path, entry.source)
            place = file.relative_to(run.path).as_posix()
            if not any(output.path == place for output in entry.outputs) or (place in purged and not file.exists()):
                continue
            stream = _local(stream_of(entry), zone)
            lines = csv.reader(io.StringIO(_whole(run.path, entry, file).decode(), newline=""))
            if next(lines, []) != list(PERSONS.of_one.names):
                raise DamagedResultError(entry, f"{file}: it has other columns than today")
            for cells in lines:
                out.row(cells_of_run(cells, stream))


def purged_of(run: RunFolder, manifest: Manifest) -> set[str]:
    """Paths below the run folder that `purge` deleted; the log has those that older versions did."""
    return manifest.purged() | run.purged()


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


_ADDED = ("watt_hours", "co2_grams", "seconds", "faces", "video_s")


@contextmanager
def estimated(plan: Plan, manifest: Manifest) -> Iterator[None]:
    """With --energy, adds what is used inside, and what came of it, to what earlier sessions used."""
    if not plan.runtime.energy:
        yield
        return
    begun = _done(plan, manifest)
    with measured(plan.runtime.country) as used:
        yield
    told = used.as_dict() | {key: value - begun[key] for key, value in _done(plan, manifest).items()}
    before = json.loads(manifest.meta(META_ENERGY) or "{}")
    told |= {key: round(told[key] + before.get(key, 0), 6) for key in _ADDED}
    manifest.put_meta(META_ENERGY, json.dumps(told))


def energy_of(manifest: Manifest) -> dict[str, Any] | None:
    """For the run's summary; None where no session asked for it."""
    text = manifest.meta(META_ENERGY)
    if text is None:
        return None
    told = json.loads(text)
    faces, hours = told.pop("faces"), told.pop("video_s") / 3600
    return energy_for(told, hours, faces)


def _done(plan: Plan, manifest: Manifest) -> dict[str, float]:
    """Faces and seconds of video that are analysed; none in aggregate-only mode, which counts by period alone."""
    if plan.aggregate.aggregate is not None:
        return {"faces": 0, "video_s": 0.0}
    seconds = 0.0
    for entry in manifest.in_order(State.DONE):
        if entry.kind is Kind.VIDEO:
            with suppress(OSError, ValueError, KeyError, TypeError):  # a summary that is damaged is made anew next time
                summary = json.loads(summary_file_of(plan.run, entry.source).read_text(encoding="utf-8"))
                seconds += max(0.0, summary["until_s"] - (plan.analysis.start_s or 0.0))
    return {"faces": manifest.totals().counts.faces, "video_s": seconds}


MOST_LISTED, MOST_EXAMPLES = 10_000, 3
UNTIMED, FAR_MONTHS = -1, 12


@dataclasses.dataclass
class WhatWasSeen:
    """Hears of every done input while the frames file is made."""

    inputs: int = 0
    with_camera: int = 0
    in_one_piece: list[str] = dataclasses.field(default_factory=list)  # the first of the videos that cannot be cut
    timed_by: Counter[str] = dataclasses.field(default_factory=Counter)
    timed_in: dict[tuple[str, int], _Some] = dataclasses.field(default_factory=dict)  # by what, and in which month
    gaps: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    cameras: set[str] = dataclasses.field(default_factory=set)
    no_faces: int = 0
    people: PeopleStats = dataclasses.field(default_factory=PeopleStats)
    zones: ZoneStats = dataclasses.field(default_factory=ZoneStats)

    def add(self, entry: Entry) -> None:
        self.inputs += 1
        self.with_camera += bool(entry.camera)
        self.cameras.add(entry.camera)
        self.no_faces += entry.no_faces
        if IN_ONE_PIECE in entry.note and len(self.in_one_piece) < MOST_LISTED:
            self.in_one_piece.append(f"{entry.source}: {entry.note}")
        self.timed_by[entry.captured_from or "nothing"] += 1
        at = entry.captured_at
        month = UNTIMED if at is None else 12 * at.year + at.month - 1
        self.timed_in.setdefault((entry.captured_from, month), _Some()).add(entry.source)
        for gap in entry.gaps:
            if len(self.gaps) < MOST_LISTED:
                self.gaps.append({"source": entry.source, **dataclasses.asdict(gap)})

    def time_warnings(self) -> list[dict[str, Any]]:
        """Where times are not to be relied on: read from the file's own, missing, or far from most others'."""
        months = {month for _, month in self.timed_in if month != UNTIMED}
        usual = self._middle_month()
        kinds = {
            "file": [key for key in self.timed_in if key[0] == "file"],
            "none": [key for key in self.timed_in if key[1] == UNTIMED],
            "far_apart": [key for key in self.timed_in if key[1] != UNTIMED and abs(key[1] - usual) > FAR_MONTHS],
        }
        reach = f"{_month_words(min(months, default=0))} to {_month_words(max(months, default=0))}"
        texts = {
            "file": "timed by the file's own date, which a copy may have changed",
            "none": "nothing says when they were taken",
            "far_apart": f"more than a year from most others (times reach from {reach})",
        }
        warnings = []
        for kind, keys in kinds.items():
            oddest_first = sorted(keys, key=lambda key: -abs(key[1] - usual))
            number = sum(self.timed_in[key].inputs for key in keys)
            examples = [source for key in oddest_first for source in self.timed_in[key].examples][:MOST_EXAMPLES]
            if number:
                more = ", …" if number > len(examples) else ""
                text = f"{texts[kind]}: {number:,} of {plural(self.inputs, 'input')} ({', '.join(examples)}{more})"
                warnings.append({"kind": kind, "inputs": number, "of": self.inputs, "examples": examples, "text": text})
        return warnings

    def _middle_month(self) -> int:
        timed = sorted((month, some.inputs) for (_, month), some in self.timed_in.items() if month != UNTIMED)
        left = sum(inputs for _, inputs in timed) / 2
        for month, inputs in timed:
            left -= inputs
            if left <= 0:
                return month
        return 0


@dataclasses.dataclass
class _Some:
    """How many inputs, and the first of them."""

    inputs: int = 0
    examples: list[str] = dataclasses.field(default_factory=list)

    def add(self, source: str) -> None:
        self.inputs += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(readable(source))


def _month_words(month: int) -> str:
    return f"{MONTHS[month % 12]} {month // 12}"


def run_summary(
    plan: Plan,
    manifest: Manifest,
    stats: ComplianceStats,
    seen: WhatWasSeen,
    *,
    weights: Sequence[WeightsUsed],
    ending: str,
    finished_at: str,
    found: Headline | None = None,
) -> dict[str, Any]:
    """The summary as plain values; `found` is what the frames say of all time, None where no face was judged."""
    totals = manifest.totals()
    failures = [
        {"source": entry.source, "reason": entry.error, "attempts": entry.attempts}
        for entry, _ in zip(manifest.in_order(State.FAILED), range(MOST_LISTED), strict=False)
    ]
    return {
        "schema_version": 3,
        "schemas": {"frames_csv": FRAMES.version},
        "input_root": str(plan.root),
        "timezone": manifest.meta(META_ZONE) or "",
        "started_at": manifest.meta(META_STARTED) or "",
        "finished_at": finished_at,
        "state": ending,
        "inputs": {
            "done": totals.done,
            "failed": totals.failed,
            "left": totals.left,
            "videos_done": totals.videos_done,
        },
        "people": seen.people.as_dict() if plan.analysis.follow else None,
        **(seen.zones.as_dict() if plan.analysis.zones is not None else {}),
        "counts": counts_of(stats),
        "no_faces": seen.no_faces,
        "compliance": compliance_of(stats) if found is None else found.compliance,
        "peak": None if stats.peak is None else stats.peak.as_dict(),
        "worst_moments": [moment.as_dict() for moment in stats.worst_moments],
        "captured_from": dict(sorted(seen.timed_by.items())),
        "times": {"warnings": seen.time_warnings()},
        "settings": settings_of(plan),
        "weights": [dataclasses.asdict(used) for used in weights],
        "versions": versions(),
        "sessions": [dataclasses.asdict(session) for session in manifest.sessions()],
        "energy": energy_of(manifest),
        "failures": failures,
        "gaps": seen.gaps,
        "notes": _notes(plan, seen, totals.failed, totals.left),
    }


def settings_of(plan: Plan) -> dict[str, Any]:
    return {
        "analysis": plan.analysis.as_dict(),
        "runtime": plan.runtime.as_dict(),
        "output": plan.output.as_dict(),
        "batch": plan.batch.as_dict(),
        "time_and_place": plan.place.as_dict(),
        "digest": plan.settings_digest,
    }


def _notes(plan: Plan, seen: WhatWasSeen, failed: int, left: int) -> list[str]:
    notes = []
    warning = camera_warning(plan.place.camera_pattern, seen.with_camera, seen.inputs)
    if warning is not None and seen.inputs:
        notes.append(warning)
    notes += [warning["text"] for warning in seen.time_warnings()]
    if plan.analysis.zones is not None and seen.inputs:
        with suppress(SettingsError):  # a run that is joined elsewhere has its names, and needs the file no more
            notes += read_zones(Path(plan.analysis.zones)).remarks(seen.cameras)
    if seen.in_one_piece:
        what = "a video" if len(seen.in_one_piece) == 1 else f"{len(seen.in_one_piece)} videos"
        notes.append(f"{what} could not be cut into segments ({seen.in_one_piece[0]})")
    if failed > MOST_LISTED:
        notes.append(f"{failed - MOST_LISTED} more failures are in the manifest only")
    if left:
        notes.append(f"the run ended early: {left} of the inputs that were found are not analysed")
    return notes
