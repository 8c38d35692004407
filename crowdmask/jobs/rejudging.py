"""Judges anew what was kept of an analysis: every table from its detections and raw probabilities. No network runs.

Which faces there are, who is who, and where everybody stands stays as it was. A still's faces and those of a video
whose faces were not followed are decided upon one by one; a followed face's answers are voted on anew, with the same
rules and the same look ahead as in the analysis.
"""

from __future__ import annotations

import csv
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.following import OUTCOMES, rules_of
from crowdmask.engine.verdicts import against, decide, not_asked, sureness
from crowdmask.errors import SettingsError, SourceError
from crowdmask.geometry import face_sizes
from crowdmask.media.time_zones import zone_named
from crowdmask.records import Faces, Frame, FrameResult, SourceKind, Stream
from crowdmask.results.columns import no_formula, unguarded
from crowdmask.results.csv_part import CsvPart, decimals
from crowdmask.results.detections import DetectionsFile
from crowdmask.results.frames_csv import FRAMES, FrameRow
from crowdmask.results.kept_detections import kept_faces
from crowdmask.results.people import PeopleStats
from crowdmask.results.purge import carry_over
from crowdmask.results.run_folder import RunFolder, people_purged, people_purged_words, purge_log_of
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.summary import compliance_of, counts_of, write_summary
from crowdmask.settings import AnalysisSettings
from crowdmask.tracking.verdicts import UNDECIDED, Evidence
from crowdmask.verdicts import WORDS, Counts, Outcome, Verdict

CHANGEABLE = ("mask_threshold", "unsure_band", "incorrect", "judge_confidence", "smallest_face")
ONLY_UP = ("judge_confidence", "smallest_face")  # nobody was asked about what lay below
Row = dict[str, str]
Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class Judged:
    """What an analysis left: its tables, and the settings that it was made with."""

    frames: Path
    persons: Path | None
    detections: Path
    summary: Mapping[str, Any]
    settings: AnalysisSettings
    source: str | None  # of a single input, as its detections name it

    @classmethod
    def of(cls, path: Path, detections: Path | None = None) -> Judged:
        """From a run folder, or from the summary of a single input."""
        if path.is_dir():
            run = RunFolder(path)
            if not run.frames.is_file():
                raise SourceError(f"{path}: there is no frames.csv in it: give a finished run, or NAME.crowdmask.json")
            told = run.read_summary()
            found = detections or next((one for one in run.detections if one.is_file()), None)
            persons = run.persons if run.persons.is_file() else None
            return cls(run.frames, persons, _kept(found, path), told, _settings(path, told), None)
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            outputs, source = told["outputs"], str(told["source"]["path"])
            frames = Path(outputs["frames_csv"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SourceError(
                f"{path}: it is no summary of an analysis: give NAME.crowdmask.json or a run folder"
            ) from (error)
        frames = frames if frames.is_file() else path.with_name(frames.name)
        kept = detections or (Path(outputs["detections"]) if outputs.get("detections") else None)
        people = Path(outputs["persons_csv"]) if outputs.get("persons_csv") else None
        if people is not None and not people.is_file():
            people = path.with_name(people.name)
        if people is not None and not people.is_file() and people_purged(frames):
            people = None
        return cls(frames, people, _kept(kept, path), told, _settings(path, told), source)


def place(judged: Judged, result: Path, out: Path | None, *, overwrite: bool) -> Path:
    """The folder for the tables; a SettingsError where something is in it that is not to be replaced."""
    name = result.resolve().name.removesuffix(".json").removesuffix(".crowdmask")
    folder = out or result.resolve().with_name(f"{name}-rejudged")
    if folder.resolve() == judged.frames.resolve().parent:
        raise SettingsError(f"{folder}: the tables of the analysis are there, and they stay: give another --out-dir")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise SettingsError(f"{folder}: there is something in it: give --overwrite, or another --out-dir")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _kept(path: Path | None, of: Path) -> Path:
    if path is None or not path.is_file():
        raise SettingsError(
            f"{of}: its detections were not kept, without which nothing can be judged anew: analyse with --detections"
        )
    return path


def _settings(path: Path, summary: Mapping[str, Any]) -> AnalysisSettings:
    try:
        kept = summary["settings"]["analysis"]
        known = AnalysisSettings().as_dict()
        return AnalysisSettings(**{name: value for name, value in kept.items() if name in known})
    except (KeyError, TypeError, AttributeError, SettingsError) as error:
        raise SourceError(f"{path}: its summary does not say how it was judged ({error!r}): analyse again") from error


def changed(before: AnalysisSettings, wishes: Mapping[str, Any]) -> AnalysisSettings:
    """The settings with what is wished; a SettingsError for what cannot be changed afterwards."""
    for name, value in wishes.items():
        if name not in CHANGEABLE:
            raise SettingsError(f"{name} decides what the networks are shown, and cannot be changed afterwards")
        if name in ONLY_UP and value < getattr(before, name):
            raise SettingsError(
                f"{name} is {value:g}, below the {getattr(before, name):g} of the analysis: faces between were not "
                "judged: analyse again"
            )
    return replace(before, **wishes)


@dataclass
class Outcomes:
    """What came of it."""

    stats: ComplianceStats = field(default_factory=ComplianceStats)
    people: PeopleStats = field(default_factory=PeopleStats)
    changed_faces: int = 0


def rejudge(given: Judged, settings: AnalysisSettings, out: Path) -> Outcomes:
    """Writes every table and the summary into a folder, where `stats` and `report` read them."""
    found = Outcomes()
    single = given.source is not None
    name = given.frames.name
    detections = out / (given.detections.name if single else f"detections{given.detections.suffix}")
    with ExitStack() as stack:
        header, frames = _table(stack, given.frames)
        out_frames = stack.enter_context(CsvPart(out / name, header))
        people_rows: Iterator[tuple[str, Iterator[Row]]] = iter(())
        out_people = None
        if given.persons is not None:
            people_header, people = _table(stack, given.persons)
            out_people = stack.enter_context(CsvPart(out / given.persons.name, people_header))
            people_rows = groupby(people, key=lambda row: row["source"])
        out_faces = stack.enter_context(DetectionsFile(detections))
        faces = _BySource(groupby(kept_faces(given.detections, given.source), key=lambda row: str(row["source"])))
        everybody = _BySource(people_rows)
        for source, rows in groupby(frames, key=lambda row: unguarded(row.get("source", ""))):
            mine = list(rows)
            in_detections = given.source if given.source is not None else source
            kept = {
                frame: list(group)
                for frame, group in groupby(faces.of(in_detections), key=lambda row: int(row["frame"]))
            }
            persons = list(everybody.of(no_formula(in_detections)) if not single else everybody.any())
            voting = _Voting(settings) if persons or _is_followed(kept) else None
            for row, result in _judged(mine, kept, voting, settings, (in_detections, given.detections)):
                before = [face["verdict"] for face in kept.get(int(row["frame"]), ())]
                found.changed_faces += sum(
                    Verdict(v).word != old for v, old in zip(result.verdicts.tolist(), before, strict=True)
                )
                counts = result.counts.counted(separate=settings.sets_apart)
                found.stats.add(int(row["frame"]), float(row["time_s"]), counts, source)
                if voting is not None:
                    found.people.most_at_once = max(found.people.most_at_once, len(result.faces))
                _put_counts(row, counts, result, kept.get(int(row["frame"]), []), header)
                out_frames.row([row[column] for column in header])
                if len(result.faces):
                    out_faces.write(result)
            for person in persons:
                assert voting is not None and out_people is not None
                verdict = voting.put(person)
                one = Counts.of([(verdict, 1)], separate=settings.sets_apart)
                found.people.counts = found.people.counts + one
                out_people.row(list(person.values()))
    if faces.left is not None:
        raise SourceError(f"{given.detections}: it has faces of {faces.left}, which has no frame: analyse again")
    written = {"frames_csv": out / name, "detections": detections}
    if given.persons is not None:
        written["persons_csv"] = out / given.persons.name
    summary = given.frames.with_suffix(".json").name if single else "summary.json"
    _write_summary(given, settings, found, out / summary, written)
    return found


class _BySource:
    """Groups of rows by source, asked for in the order in which they come; a source without rows has none."""

    def __init__(self, groups: Iterator[tuple[str, Iterator[Any]]]) -> None:
        self._groups = groups
        self._next = next(self._groups, None)

    def of(self, source: str) -> Iterator[Any]:
        if self._next is None or self._next[0] != source:
            return iter(())
        rows = list(self._next[1])
        self._next = next(self._groups, None)
        return iter(rows)

    def any(self) -> Iterator[Any]:
        """The next group, whatever its source is called."""
        return iter(()) if self._next is None else self.of(self._next[0])

    @property
    def left(self) -> str | None:
        return None if self._next is None else self._next[0]


def _table(stack: ExitStack, path: Path) -> tuple[list[str], Iterator[Row]]:
    try:
        file = stack.enter_context(path.open(encoding="utf-8", errors="surrogateescape", newline=""))
        reader = csv.reader(file)
        header = next(reader)
    except (OSError, StopIteration, csv.Error) as error:
        raise SourceError(f"{path}: it cannot be read ({error}): analyse again") from error
    return header, (dict(zip(header, row, strict=True)) for row in reader)


def _is_followed(kept: Mapping[int, Sequence[Mapping[str, Any]]]) -> bool:
    return any(row.get("person") is not None for rows in kept.values() for row in rows[:1])


def _judged(
    rows: Sequence[Row],
    kept: Mapping[int, list[dict[str, Any]]],
    voting: _Voting | None,
    settings: AnalysisSettings,
    of: tuple[str, Path],
) -> Iterator[tuple[Row, FrameResult]]:
    source, detections = of
    stream = Stream(source, SourceKind.VIDEO)
    for row in rows:
        faces = kept.get(int(row["frame"]), [])
        if len(faces) != int(row["faces"]):
            raise SourceError(
                f"{detections}: it has {len(faces)} of the {row['faces']} faces in frame {row['frame']} of {source}: "
                "give the detections of this analysis"
            )
        result = _result(Frame(int(row["frame"]), float(row["time_s"]), _NOTHING, stream=stream), faces)
        if voting is None:
            yield row, _decided(result, faces, settings)
        else:
            yield from voting.take(row, result, faces)
    if voting is not None:
        yield from voting.finish()


_NOTHING = np.zeros((1, 1, 3), np.uint8)


def _column(faces: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.float32]:
    return np.array([np.nan if face.get(name) is None else face[name] for face in faces], np.float32)


def _result(frame: Frame, faces: Sequence[Mapping[str, Any]]) -> FrameResult:
    boxes = np.array([[face[name] for name in ("x1", "y1", "x2", "y2")] for face in faces], np.float32).reshape(-1, 4)
    n = len(faces)
    found = Faces(boxes, _column(faces, "score"), np.full((n, 5, 2), np.nan, np.float32))
    verdicts = np.array([Verdict[face["verdict"].upper()] for face in faces], np.int8)
    names = ("incorrect_prob", "no_face_prob", "vote_weight", "steady_prob")
    columns: dict[str, NDArray[Any]] = {name: _column(faces, name) for name in names}
    if faces and faces[0].get("person") is not None:
        columns["person"] = np.array([face["person"] for face in faces], np.int32)
        columns["observed"] = np.array([face["seen"] == "observed" for face in faces])
        columns["behind"] = np.array([face["seen"] == "behind" for face in faces])
    zones = dict.fromkeys(zone for face in faces for zone in _zones(face))
    for zone in zones:
        columns[f"zone:{zone}"] = np.array([zone in _zones(face) for face in faces])
    return FrameResult(frame, found, _column(faces, "unmasked_prob"), verdicts, columns)


def _zones(face: Mapping[str, Any]) -> list[str]:
    return [zone for zone in str(face.get("zones") or "").split(";") if zone]


def _probabilities(result: FrameResult) -> Probabilities:
    """Of each outcome (n, 4), as they were before a verdict was made of them."""
    found = not_asked(len(result.faces))
    none, wrong = (result.columns[name].astype(np.float32) for name in ("no_face_prob", "incorrect_prob"))
    bad = np.asarray(result.unmasked_prob * (1 - none), np.float32)
    found[:, Outcome.NO_FACE], found[:, Outcome.INCORRECT] = none, wrong
    found[:, Outcome.UNMASKED] = np.clip(bad - wrong, 0, 1)
    found[:, Outcome.MASKED] = np.clip(1 - none - bad, 0, 1)
    return found


def _asked(result: FrameResult, settings: AnalysisSettings) -> NDArray[np.bool_]:
    """Whose answers count under these settings."""
    large = face_sizes(result.faces.boxes) >= settings.smallest_face
    with np.errstate(invalid="ignore"):
        sure = sureness(_probabilities(result), result.faces.scores) >= settings.judge_confidence
    return np.asarray(large & sure & np.isfinite(result.unmasked_prob))


def _decided(result: FrameResult, faces: Sequence[Mapping[str, Any]], settings: AnalysisSettings) -> FrameResult:
    if not len(result.faces):
        return result
    probabilities = _probabilities(result)
    probabilities[face_sizes(result.faces.boxes) < settings.smallest_face] = np.nan
    return replace(result, verdicts=decide(probabilities, result.faces.scores, settings))


class _Voting:
    """Of one followed source: votes of frame after frame, verdicts of the frames before when they are due."""

    def __init__(self, settings: AnalysisSettings) -> None:
        self._settings, self._rules = settings, rules_of(settings)
        self._evidence = Evidence.none(1, len(OUTCOMES))
        self._pending: deque[tuple[Row, FrameResult]] = deque()
        self._frames: dict[int, Counts] = {}
        self._stretches: dict[int, list[tuple[float, Verdict]]] = {}

    def take(
        self, row: Row, result: FrameResult, faces: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[Row, FrameResult]]:
        self._pending.append((row, result))
        if len(result.faces):
            self._vote(result)
        now = result.frame.seconds
        while self._pending and self._pending[0][1].frame.seconds <= now - self._settings.look_ahead_s:
            yield self._given(*self._pending.popleft())

    def finish(self) -> Iterator[tuple[Row, FrameResult]]:
        while self._pending:
            yield self._given(*self._pending.popleft())

    def _vote(self, result: FrameResult) -> None:
        people = result.columns["person"]
        missing = int(people.max()) + 1 - len(self._evidence)
        if missing > 0:
            self._evidence.add(Evidence.none(missing, len(OUTCOMES)))
        asked = np.flatnonzero(_asked(result, self._settings) & result.columns["observed"].astype(bool))
        weights = result.columns["vote_weight"][asked].astype(np.float64)
        if np.isnan(weights).any():
            raise SourceError(
                f"{result.frame.stream.source}: its detections have no vote_weight, as those of older versions: "
                "analyse again"
            )
        probabilities = _probabilities(result)[asked]
        self._rules.vote(self._evidence, people[asked].astype(np.intp), result.frame.seconds, probabilities, weights)

    def _given(self, row: Row, result: FrameResult) -> tuple[Row, FrameResult]:
        if not len(result.faces):
            return row, result
        people = result.columns["person"].astype(np.intp)
        evidence, seconds = self._evidence, result.frame.seconds
        outcome = np.where(seconds < evidence.since_s[people], evidence.former[people], evidence.current[people])
        verdict_of = np.array([Verdict.UNKNOWN if one < 0 else one for one in OUTCOMES], np.int8)
        verdicts = np.where(outcome == UNDECIDED, np.int8(Verdict.UNKNOWN), verdict_of[outcome]).astype(np.int8)
        for person, value in zip(people.tolist(), verdicts.tolist(), strict=True):
            verdict = Verdict(value)
            self._frames[person] = self._frames.get(person, Counts()) + Counts.of([(verdict, 1)])
            stretches = self._stretches.setdefault(person, [])
            if not stretches or stretches[-1][1] is not verdict:
                stretches.append((seconds, verdict))
        steady = against(self._rules.probability(evidence, people).astype(np.float32))
        return row, replace(result, verdicts=verdicts, columns={**result.columns, "steady_prob": steady})

    def put(self, person: Row) -> Verdict:
        """The verdict of an appearance, which is put into its row with all that follows from it."""
        number = int(person["person"])
        known = self._frames.get(number, Counts())
        by_verdict = [0 if verdict is Verdict.UNKNOWN else known[verdict] for verdict in Verdict]
        verdict = Verdict(int(np.argmax(by_verdict))) if any(by_verdict) else Verdict.UNKNOWN
        rows = np.array([min(number, len(self._evidence) - 1)])
        probability = self._rules.probability(self._evidence, rows).astype(np.float32)
        person["verdict"] = verdict.word
        person["unmasked_prob"] = _shown(float(against(probability)[0]))
        if "incorrect_prob" in person:
            person["incorrect_prob"] = _shown(float(probability[0, Outcome.INCORRECT]))
        if "judged" in person:
            person["judged"] = str(int(self._evidence.votes[rows[0]]))
        stretches = self._stretches.get(number, [])
        person["stretches"] = ";".join(f"{one.word}@{decimals(at, 3)}" for at, one in stretches)
        return verdict


def _shown(probability: float) -> str:
    return "" if np.isnan(probability) else decimals(probability, 4)


def _put_counts(
    row: Row, counts: Counts, result: FrameResult, faces: Sequence[Mapping[str, Any]], header: Sequence[str]
) -> None:
    stream = result.frame.stream
    values = FrameRow(stream, result.frame.index, result.frame.seconds, counts)
    for name in (*WORDS, "compliance"):
        if name in row:
            row[name] = FRAMES[name].text(values)
    for column in header:
        if column.startswith("zone_") and column.endswith("_faces") and row[column]:
            zone = column.removeprefix("zone_").removesuffix("_faces")
            inside = np.array([zone in _zones(face) for face in faces], bool)
            within = result.counts_where(inside)
            for word, number in within.by_word.items():
                row[f"zone_{zone}_{word}"] = str(number)


def _write_summary(
    given: Judged, settings: AnalysisSettings, found: Outcomes, path: Path, outputs: Mapping[str, Path]
) -> None:
    told = {key: value for key, value in given.summary.items() if key not in ("zones", "lines", "compliance")}
    stats = found.stats
    purged = people_purged(given.frames)
    carry_over(purge_log_of(given.frames), purge_log_of(outputs["frames_csv"]))
    if given.source is None and stats.judged:
        from crowdmask.results.headline import headline

        zone = zone_named(str(told.get("timezone") or "UTC"))
        compliance = headline(outputs["frames_csv"], zone, separate=settings.sets_apart).compliance
    else:
        of_people = (given.summary.get("compliance") or {}).get("weighted_by") == "people"
        compliance = compliance_of(stats, found.people.counts if of_people and given.persons is not None else None)
    notes = [*(told.get("notes") or []), f"judged anew from {given.detections.name}, no network having run"]
    notes += [people_purged_words(len(purged))] if purged else []
    written = {
        **told,
        "counts": counts_of(stats),
        "compliance": compliance,
        "worst_moments": [moment.as_dict() for moment in stats.worst_moments],
        "settings": {**told["settings"], "analysis": settings.as_dict()},
        "notes": list(dict.fromkeys(notes)),
        "rejudged_from": str((given.frames.parent if given.source is None else given.frames).absolute()),
    }
    people = told.get("people")
    if given.persons is not None and isinstance(people, Mapping):
        found.people.flashes = int(people.get("flashes", 0))
        written["people"] = found.people.as_dict()
    elif people is not None:
        del written["people"]  # whoever was in the table that was purged may be judged otherwise now
    if given.source is not None:
        written["outputs"] = {kind: str(file) for kind, file in outputs.items()}
    if "peak" in told:
        written["peak"] = None if stats.peak is None else stats.peak.as_dict()
    write_summary(path, written)
