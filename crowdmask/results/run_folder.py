"""The run folder that a batch leaves and `stats`, `report`, `status`, `merge` and `purge` read: files and columns.

    RUN/
      frames.csv            one row for every frame of the run, see frames_csv.py; frames.csv.part while under way
      detections.parquet    on demand: a row per face, with `source` and `frame` as in frames.csv (or detections.csv)
      persons.csv           where faces are followed, one row for every appearance, see persons.py
      persons.parquet       the same, where the detections are Parquet
      annotated/            annotated copies, in the tree of the inputs: annotated/<source's folder>/<name>
      videos/               of each video its per-frame CSV (<source>.csv) and its summary (<source>.json)
      parts/                on demand: the detections of videos before they are put together; they show where faces are
      before-<n>/           earlier runs, whole, that --no-resume put aside
      manifest.sqlite       what was done of which input, for going on after an interruption; counts, never pictures
      summary.json          how the run was made and what it left out, see below
      aggregate.csv         in place of frames.csv in aggregate-only mode: the columns of `crowdmask stats`
      log/                  the running log
      purge.log             JSON lines: what `purge` deleted, and when
      reports.jsonl         where reports with pictures in them were written, so that `purge` finds or names them

summary.json is one object. `report` reads these of its keys and shows what it finds; none is required:

    input_root      the folder the sources are relative to
    timezone        IANA name of the zone in which local times were read; `stats` makes its buckets in it
    started_at, finished_at     ISO 8601
    settings        object of settings by section or flat, as their dataclasses' `as_dict` gives it
    weights         list of {name, file, sha256, licence}
    versions        object: crowdmask and the libraries
    failures        list of {source, reason, attempts}: inputs that gave no result
    gaps            list of {source, after_frame, seconds, reason}: parts of inputs that could not be decoded
    times           object whose `warnings` say, each in a `text`, what times are not to be trusted
    notes           list of texts: what else a reader should know, as a camera pattern that matched nothing

In frames.csv, detections and failures `source` is relative to the input root, with `/`. `camera` may be empty.
A per-frame CSV of one video, which has neither source nor camera nor time, is read as well.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any

from crowdmask.errors import SettingsError, SourceError
from crowdmask.words import plural

DRIVE = re.compile(r"([A-Za-z]):/")
OUTSIDE = "@"  # the folder of what lies outside of the input root; an input's own folder of this name gets a second one
COUNT_COLUMNS = ("faces", "masked", "unmasked", "unknown")


def place_in_run(source: str) -> PurePosixPath:
    """Where an input's own files lie in the folders of a run: under its name, in the tree of the inputs.

    Sources outside of the input root are absolute; their files lie in the run folder too, in a tree of their own.
    """
    parts = [part for part in PurePosixPath(source).parts if part not in ("/", "..")]
    drive = DRIVE.match(source)
    if drive is not None:  # on Windows; a colon is in no name there
        parts[0] = drive[1]
    if drive is not None or source.startswith("/"):
        return PurePosixPath(OUTSIDE, *parts)
    if parts and parts[0].startswith(OUTSIDE):
        parts[0] = OUTSIDE + parts[0]
    return PurePosixPath(*parts)


@dataclass(frozen=True)
class RunFolder:
    """Where everything of a run lies; nothing is opened or created by naming it."""

    path: Path

    @property
    def frames(self) -> Path:
        return self.path / "frames.csv"

    @property
    def aggregate(self) -> Path:
        return self.path / "aggregate.csv"

    @property
    def detections(self) -> tuple[Path, Path]:
        return self.path / "detections.parquet", self.path / "detections.csv"

    @property
    def persons(self) -> Path:
        return self.path / "persons.csv"

    def people_of(self, source: str) -> Path:
        """The table of people of one video."""
        return self.videos / place_in_run(f"{source}.persons.csv")

    @property
    def annotated(self) -> Path:
        return self.path / "annotated"

    @property
    def videos(self) -> Path:
        return self.path / "videos"

    @property
    def parts(self) -> Path:
        return self.path / "parts"

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.sqlite"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def purge_log(self) -> Path:
        return self.path / "purge.log"

    @property
    def reports(self) -> Path:
        return self.path / "reports.jsonl"

    @property
    def is_one(self) -> bool:
        """Whether a run was ever started here."""
        return any(path.is_file() for path in (self.manifest, self.summary, self.frames, self.aggregate))

    def read_summary(self) -> dict[str, Any]:
        """What summary.json says; an empty object where there is none."""
        if not self.summary.is_file():
            return {}
        try:
            found = json.loads(self.summary.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SourceError(f"{self.summary}: it cannot be read ({error}): run the batch's command again") from error
        if not isinstance(found, dict):
            raise SourceError(f"{self.summary}: it holds no JSON object: run the batch's command again")
        return found

    def purged(self) -> set[str]:
        """Paths below the run folder that `purge` deleted: whoever misses one of them need not make it again."""
        return {str(told["path"]) for told in deletions(self.purge_log)}

    def note_report(self, report: Path, pictures: int) -> None:
        """Keep in mind where a report with pictures in it lies; a run folder that cannot be written to keeps none."""
        note = {"at": datetime.now(timezone.utc).isoformat(timespec="seconds"), "report": str(report.absolute())}
        with contextlib.suppress(OSError), self.reports.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(json.dumps({**note, "pictures": pictures}, ensure_ascii=False) + "\n")


def deletions(purge_log: Path) -> Iterator[dict[str, Any]]:
    """What a purge.log says was deleted, a file or something in one at a time; nothing where there is no log."""
    with contextlib.suppress(OSError), purge_log.open(encoding="utf-8") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                told = json.loads(line)
                if isinstance(told, dict) and "path" in told and "failed" not in told:
                    yield told


def purge_log_of(frames: Path) -> Path:
    """Where `purge` records what it deleted of the results that a per-frame CSV belongs to."""
    return frames.with_name("purge.log") if frames.name == "frames.csv" else frames.with_suffix(".purge.log")


def people_purged(frames: Path) -> list[str]:
    """Of a per-frame CSV the sources whose people `purge` deleted: there were some, and none of them is known."""
    if _summary_beside(frames).get("people", True) is None:
        return []  # analysed since without following
    gone = [told for told in deletions(purge_log_of(frames)) if told.get("kind") == "people"]
    sources = list(dict.fromkeys(str(source) for told in gone for source in told.get("sources") or ()))
    if frames.name == "frames.csv":
        run = RunFolder(frames.parent)
        return [source for source in sources if not run.people_of(source).exists()]
    return [] if frames.with_suffix(".persons.csv").exists() else sources


def people_purged_words(recordings: int) -> str:
    """What whoever counts people says where some are not known any more."""
    return f"the people in {plural(recordings, 'recording')} were purged: faces are counted there, and no people"


def time_warnings(summary: Mapping[str, Any]) -> list[str]:
    """What a run's summary says of times that are not to be trusted, one sentence each."""
    times = summary.get("times")
    warnings = times.get("warnings") if isinstance(times, Mapping) else None
    found = [row.get("text") for row in warnings or [] if isinstance(row, Mapping)]
    return [text for text in found if isinstance(text, str) and text]


def sets_apart(frames: Sequence[Path]) -> bool:
    """Whether the analyses of these per-frame CSVs set masks wrongly worn apart; refused where only some did."""
    found = {path: _sets_apart(path) for path in frames}
    if len(set(found.values())) > 1:
        first, other = (next(path for path, apart in found.items() if apart is wanted) for wanted in (True, False))
        raise SettingsError(
            f"{first} sets masks wrongly worn apart and {other} does not: judge one of them anew with "
            "crowdmask rejudge --incorrect"
        )
    return any(found.values())


def _sets_apart(frames: Path) -> bool:
    try:
        return bool(_summary_beside(frames)["settings"]["analysis"]["incorrect"] == "separate")
    except (KeyError, TypeError):
        return False  # without a summary, or of an older version


def _summary_beside(frames: Path) -> dict[str, Any]:
    """The summary of the run or of the input; an empty object where there is none that can be read."""
    path = frames.with_name("summary.json") if frames.name == "frames.csv" else frames.with_suffix(".json")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def frames_file(path: Path) -> Path:
    """The per-frame CSV that a user means by a run folder or a CSV; a SourceError that says what is there instead."""
    if path.is_file():
        return path
    run = RunFolder(path)
    if run.frames.is_file():
        return run.frames
    if not path.exists():
        raise SourceError(f"{path}: there is no such run folder or CSV")
    if run.aggregate.is_file():
        raise SourceError(
            f"{path}: the run kept counts per period only, for `crowdmask stats` and `report`: see {run.aggregate}"
        )
    if run.manifest.is_file() or run.frames.with_name("frames.csv.part").is_file():
        raise SourceError(f"{path}: the run is not finished: see `crowdmask status {path}`, or start it again to go on")
    raise SourceError(f"{path}: it is no run folder, there is no frames.csv in it: give the --out-dir of a batch")


def frames_files(paths: Iterable[Path]) -> list[Path]:
    """The per-frame CSV of each run; a SettingsError where one is named twice, for it would be counted twice."""
    found: dict[Path, Path] = {}
    for path in paths:
        file = frames_file(path)
        if file.resolve() in found:
            raise SettingsError(f"{path}: it is named twice, and would be counted twice: name each run once")
        found[file.resolve()] = file
    return list(found.values())
