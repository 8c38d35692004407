"""Looks through a run for what can show a person and is old enough to go; purge.py deletes it and keeps every count.

What goes: annotated pictures and videos, detections (also those a batch keeps in parts/ and in its
manifest until they are put together), and the pictures in reports; where asked, the tables of people too, each source's
in the run's table together with its own. What stays: every other CSV and summary, what the manifest
counted, the logs, and the reports themselves. Runs that were put aside in the folder are runs of their own.

How old a thing is: the time since it was recorded (the first `captured_at` of its source in frames.csv) or since its
file was written, whichever is longer. The law counts from the recording; and a camera whose clock runs ahead must not
keep anything for ever. Detections go source by source, pictures in a report one by one. Of files still in the making
(.part) only the file's time counts, so that a running batch loses none.

Nothing outside the run folder is touched, no link is followed or removed, and no input is deleted even where inputs
lie inside of it. What is left for such a reason is told. Every deletion stands in purge.log.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePosixPath
from typing import Any

from crowdmask.errors import SettingsError, SourceError
from crowdmask.results import purge_parts
from crowdmask.results.run_folder import RunFolder, place_in_run, purge_log_of
from crowdmask.results.timeline.frames_table import FramesTable

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
ROWS = ("detections.parquet", "detections.csv")
PEOPLE_ROWS = ("persons.parquet", "persons.csv")
_PEOPLE = re.compile(r"videos/(.+)\.persons\.csv")
_KEPT_SUFFIXES = (".csv", ".json")  # counts, wherever they lie
_ASIDE = re.compile(r"before-\d+")
_DAMAGED_MANIFEST = re.compile(r"manifest\.damaged-\d+\.sqlite(-wal|-shm|-journal)?")
_OWN_MEDIA = re.compile(r"\.crowdmask\.(mp4|jpe?g|png|webp|bmp|tiff?)(\.part)?$", re.IGNORECASE)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Deletion:
    """One thing to be deleted: a file, or some of the rows or pictures in one."""

    path: str  # below the run folder, with `/`
    kind: str  # annotated, detections, people, pictures, manifest
    size: int  # bytes of the file
    since: datetime  # recorded or written, whichever is earlier
    sources: tuple[str, ...] | None = None  # whose rows go; None where the whole file does
    number: int | None = None  # of rows or pictures
    people_of: tuple[str, ...] = ()  # the sources whose people go: whoever counts them has to know

    def as_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"path": self.path, "kind": self.kind, "since": self.since.isoformat(timespec="seconds")}
        if self.is_whole_file:
            told["bytes"] = self.size
        if self.number is not None:
            told["pictures" if self.kind == "pictures" else "rows"] = self.number
        if self.people_of:
            told["sources"] = list(self.people_of)
        return told

    @property
    def is_whole_file(self) -> bool:
        return self.sources is None and self.kind != "pictures"


@dataclass
class Plan:
    """What a purge would delete, and what it leaves though it might show a person."""

    run: RunFolder
    older_than: str
    before: datetime
    deletions: list[Deletion] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)  # path, reason
    notes: list[str] = field(default_factory=list)
    people: bool = False  # whether tables of people are to go
    frames: Path | None = None  # the per-frame CSV, of the results of a single input

    @property
    def name(self) -> Path:
        """What is looked through."""
        return self.run.path if self.frames is None else self.frames.with_suffix(".json")

    @property
    def log(self) -> Path:
        return purge_log_of(self.run.frames if self.frames is None else self.frames)

    def is_old(self, since: datetime | None, written: datetime) -> bool:
        return min(since or written, written) < self.before


@dataclass(frozen=True)
class Known:
    """What frames.csv and summary.json tell of the inputs."""

    recorded: dict[str, datetime]  # by source
    by_place: dict[str, datetime]  # by source as it names files in the run, and by that without its suffix
    inputs: set[str]  # their paths
    sources: dict[str, str]  # by where their own files lie in the folders of a run

    def recorded_at(self, place: str) -> datetime | None:
        """When the source of a copy was recorded: the same path, whatever was added to its name."""
        top, _, inner = place.partition("/")
        if top not in ("annotated", "parts", "videos"):
            inner = place
        inner = inner.removesuffix(".persons.csv") if top == "videos" else inner
        plain = _OWN_MEDIA.sub("", inner)
        without_suffix = str(PurePosixPath(inner).with_suffix("")) if PurePosixPath(inner).name else inner
        names = (inner, plain, without_suffix)
        return next((self.by_place[name] for name in names if name in self.by_place), None)


def parse_age(text: str) -> timedelta:
    """From `12h`, `30d` or `4w`."""
    match = re.fullmatch(r"\s*(\d{1,5})\s*([hdw])\s*", text.lower())
    if match is None:
        raise SettingsError(f"older-than is {text!r}: give hours, days or weeks, such as 12h, 30d or 4w")
    return int(match[1]) * _UNITS[match[2]]


def runs_in(path: Path) -> list[Path]:
    """A run folder and the earlier runs that were put aside in it."""
    aside = path.iterdir() if path.is_dir() else ()
    earlier = [p for p in aside if _ASIDE.fullmatch(p.name) and not p.is_symlink() and RunFolder(p).is_one]
    return [path, *sorted(earlier)]


def plan(path: Path, older_than: str, now: datetime | None = None, *, people: bool = False) -> Plan:
    """Look through a run folder, for the tables of people too where asked; nothing is changed."""
    age = parse_age(older_than)
    if not path.is_dir():
        raise SourceError(f"{path}: there is no such folder: give the --out-dir of a batch")
    run = RunFolder(path.resolve())
    if not run.is_one:
        raise SourceError(f"{path}: it is no run folder, so nothing in it is deleted: give the --out-dir of a batch")
    found = Plan(run, older_than, (now or datetime.now(timezone.utc)) - age, people=people)
    told = _told(run, found.notes)
    recorded = {source: since for source, since in told.items() if since is not None}
    places = {str(place_in_run(source)): source for source in told}
    known = Known(recorded, _by_place(recorded), _inputs(run, told), places)
    for place, info in _files(found):
        _look_at(found, place, info, known)
    _look_for_reports_elsewhere(found)
    found.deletions.sort(key=lambda deletion: deletion.path)
    return found


# Which outputs of a single input, by their names in its summary, are of which kind.
_OUTPUTS = {
    "annotated": "annotated",
    "detections": "detections",
    "persons_csv": "people",
    "persons_parquet": "people",
}


def plan_of_one(
    summary: Path, source: str, outputs: Mapping[str, str], older_than: str, now: datetime | None, *, people: bool
) -> Plan:
    """Look through the results of one input: the files that its summary names and that lie beside it, and its report.

    Their age counts from when they were written. What lies elsewhere is only named.
    """
    age = parse_age(older_than)
    folder = summary.resolve().parent
    frames = folder / summary.with_suffix(".csv").name
    found = Plan(RunFolder(folder), older_than, (now or datetime.now(timezone.utc)) - age, people=people, frames=frames)
    wanted = {name: kind for name, kind in _OUTPUTS.items() if name in outputs and (people or kind != "people")}
    places = {Path(outputs[name]): kind for name, kind in wanted.items()}
    for path, kind in {**places, frames.with_suffix(".html"): "pictures"}.items():
        file = folder / path.name
        if not file.is_symlink() and not file.is_file():
            if path.is_file():
                found.left.append((str(path), "it lies elsewhere: delete it by hand"))
        elif file.is_symlink() or os.path.realpath(source) == str(file):
            found.left.append((path.name, "it is the input" if not file.is_symlink() else "it is a link"))
        else:
            _look_at_file(found, file, kind, source)
    found.deletions.sort(key=lambda deletion: deletion.path)
    return found


def _look_at_file(found: Plan, file: Path, kind: str, source: str) -> None:
    info = file.stat()
    written = datetime.fromtimestamp(info.st_mtime, timezone.utc)
    deletion = Deletion(file.name, kind, info.st_size, written, people_of=(source,) if kind == "people" else ())
    if kind == "pictures":
        number = purge_parts.count_pictures(file, lambda taken: found.is_old(taken, written))
        if number:
            found.deletions.append(replace(deletion, number=number))
    elif found.is_old(None, written):
        found.deletions.append(deletion)


def _told(run: RunFolder, notes: list[str]) -> dict[str, datetime | None]:
    """The sources, each with when it was recorded where it says so."""
    part = run.frames.with_name(run.frames.name + ".part")
    frames = next((path for path in (run.frames, part) if path.is_file()), None)
    try:
        if frames is None:
            raise SourceError(f"{run.frames}: it is not there")
        with FramesTable([frames]) as table:
            rows = table.execute(f"SELECT source, min(at_us) FROM ({table.rows()}) GROUP BY source").fetchall()
            return {source: None if us is None else _EPOCH + timedelta(microseconds=us) for source, us in rows}
    except SourceError as error:
        notes.append(f"capture times are not known, so the files' own times count ({error})")
        return {}


def _inputs(run: RunFolder, sources: Iterable[str]) -> set[str]:
    root = run.read_summary().get("input_root")
    base = os.path.realpath(root) if isinstance(root, str) and root else str(run.path)
    return {os.path.normpath(os.path.join(base, source)) for source in sources}


def _by_place(recorded: dict[str, datetime]) -> dict[str, datetime]:
    """A source's own path wins over another's without its suffix; of several without it the earliest."""
    exact: dict[str, datetime] = {}
    loose: dict[str, datetime] = {}
    for source, since in recorded.items():
        place = PurePosixPath(*(part for part in PurePosixPath(source).parts if part not in ("/", "..")))
        exact[str(place_in_run(source))] = since
        exact[str(place)] = since
        if place.suffix:
            stem = str(place.with_suffix(""))
            loose[stem] = min(since, loose.get(stem, since))
    return {**loose, **exact}


def kind_of(place: str) -> str | None:
    """What a file of a run shows of a person, by where it lies; None where it holds counts only."""
    path = PurePosixPath(place.removesuffix(".part").removesuffix(".part"))
    top = path.parts[0]
    if top == "annotated" and path.suffix.lower() not in _KEPT_SUFFIXES:
        return "annotated"
    if str(path) in PEOPLE_ROWS or _PEOPLE.fullmatch(str(path)):
        return "people"
    if top == "parts" or str(path) in ROWS or _DAMAGED_MANIFEST.fullmatch(place):
        return "detections"
    if path.suffix.lower() == ".html":
        return "pictures"
    return "annotated" if _OWN_MEDIA.search(place) else None


def _files(found: Plan) -> Iterator[tuple[str, os.stat_result]]:
    """Regular files of the run that may show a person, no link followed; links in such places are told."""
    for folder, folders, names, handle in os.fwalk(found.run.path, follow_symlinks=False):
        if Path(folder) == found.run.path:
            folders[:] = [name for name in folders if not _ASIDE.fullmatch(name)]
        for name in sorted([*folders, *names]):
            place = PurePosixPath(os.path.relpath(os.path.join(folder, name), found.run.path)).as_posix()
            if kind_of(place) is None or (kind_of(place) == "people" and not found.people):
                continue
            try:
                info = os.stat(name, dir_fd=handle, follow_symlinks=False)
            except FileNotFoundError:
                continue  # a running batch has just given it its name
            if stat.S_ISLNK(info.st_mode):
                found.left.append((place, "it is a link: what it points to is not this run's to delete"))
            elif stat.S_ISREG(info.st_mode):
                yield place, info


def _look_at(found: Plan, place: str, info: os.stat_result, known: Known) -> None:
    kind, file = kind_of(place) or "", found.run.path / place
    written = datetime.fromtimestamp(info.st_mtime, timezone.utc)
    if str(file) in known.inputs:
        found.left.append((place, "it is an input"))
        return
    try:
        if kind == "pictures":
            pictures = purge_parts.count_pictures(file, lambda taken: found.is_old(taken, written))
            if pictures:
                found.deletions.append(Deletion(place, kind, info.st_size, written, number=pictures))
        elif kind == "people" and not purge_parts.holds_people(file):
            return  # the per-frame CSV of a video that is called so
        elif place in (*ROWS, *PEOPLE_ROWS):
            _look_at_rows(found, place, info, known.recorded)
        else:
            since = None if place.endswith(".part") else known.recorded_at(place)
            if found.is_old(since, written):
                of, since = _people_of(place, known), min(since or written, written)
                found.deletions.append(Deletion(place, kind, info.st_size, since, people_of=of))
    except SourceError as error:
        found.left.append((place, str(error)))


def _people_of(place: str, known: Known) -> tuple[str, ...]:
    """The source whose table of people this is, as the frames name it."""
    own = _PEOPLE.fullmatch(place)
    return () if own is None else (known.sources.get(own[1], own[1]),)


def _look_at_rows(found: Plan, place: str, info: os.stat_result, recorded: dict[str, datetime]) -> None:
    written = datetime.fromtimestamp(info.st_mtime, timezone.utc)
    people = place in PEOPLE_ROWS
    rows = purge_parts.rows_by_source(found.run.path / place)
    since = {source: min(recorded.get(source, written), written) for source in rows}
    if people:  # an older table of the source's own goes, and its rows here with it
        since = {source: min(at, _written(found.run.people_of(source), at)) for source, at in since.items()}
    old = {source: number for source, number in rows.items() if since[source] < found.before}
    if old or (not rows and written < found.before):
        whole = len(old) == len(rows)
        names = tuple(sorted(old))
        oldest = min((since[source] for source in old), default=written)
        deletion = Deletion(place, "people" if people else "detections", info.st_size, oldest)
        number, of = sum(old.values()), names if people else ()
        found.deletions.append(replace(deletion, sources=None if whole else names, number=number, people_of=of))


def _written(file: Path, otherwise: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(file.stat().st_mtime, timezone.utc)
    except OSError:
        return otherwise


def _look_for_reports_elsewhere(found: Plan) -> None:
    """Reports with pictures that were written outside of the run are the user's: they are only named."""
    if not found.run.reports.is_file():
        return
    lines = found.run.reports.read_text(encoding="utf-8", errors="replace").splitlines()
    for report in dict.fromkeys(filter(None, map(_report_of, lines))):
        outside = found.run.path not in Path(os.path.realpath(report)).parents
        if outside and os.path.exists(report):
            found.left.append((report, "a report with pictures outside of the run: make it anew, or delete it"))


def _report_of(line: str) -> str:
    try:
        note = json.loads(line)
    except ValueError:
        return ""
    return str(note.get("report", "")) if isinstance(note, dict) else ""
