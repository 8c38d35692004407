"""Joins the runs of a batch that was split with `--shard` into the run that one machine would have made of it all.

They are opened first, and refused where they are not parts of one batch.
"""

from __future__ import annotations

import dataclasses
import heapq
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from crowdmask.errors import OutputError, SettingsError, SourceError
from crowdmask.jobs.batch import periods
from crowdmask.jobs.batch.assembly import (
    WhatWasSeen,
    people_of,
    purged_of,
    run_summary,
    write_detections,
    write_frames,
    write_persons,
)
from crowdmask.jobs.batch.periods import PeriodSums
from crowdmask.jobs.batch.stores import headline_of
from crowdmask.jobs.batch.units import Plan
from crowdmask.jobs.manifest.claims import OWN_FILES, holder_of
from crowdmask.jobs.manifest.database import (
    META_DETECTIONS,
    META_NOTES,
    META_PERIODS,
    META_ROOT,
    META_SELECTION,
    META_SETTINGS,
    META_STARTED,
    META_WATCHED,
    META_ZONE,
    Manifest,
)
from crowdmask.jobs.manifest.entries import Entry, Kind, State, Totals, natural_key
from crowdmask.media.parts import link_or_copy, part_of, writing
from crowdmask.media.time_zones import zone_named
from crowdmask.results.persons import write_persons_parquet
from crowdmask.results.purge import carry_over
from crowdmask.results.purge_plan import kind_of as purged_kind_of
from crowdmask.results.run_folder import RunFolder, people_purged_words
from crowdmask.results.summary import WeightsUsed, write_summary
from crowdmask.settings import AnalysisSettings, BatchSettings, OutputSettings, RuntimeSettings, TimeAndPlaceSettings

NOT_COMPARED = {
    "analysis": {"weights"},
    "output": {"overwrite"},
    "batch": {field.name for field in dataclasses.fields(BatchSettings)},
}
NOT_COMPARED["batch"] -= {"annotate", "include", "exclude"}  # all else changes no result


@dataclass
class Part:
    """One of the runs that are joined."""

    run: RunFolder
    manifest: Manifest
    summary: dict[str, Any]
    settings: dict[str, Any]
    selection: dict[str, Any]
    people_purged: set[str]  # paths of the tables of people that `purge` deleted

    @property
    def name(self) -> str:
        return str(self.run.path)

    @property
    def shard(self) -> tuple[int, int] | None:
        return BatchSettings(shard=self.selection.get("shard")).shard_of

    @property
    def weights(self) -> list[WeightsUsed]:
        known = {f.name for f in dataclasses.fields(WeightsUsed)}
        found = self.summary.get("weights") or []
        return [WeightsUsed(**{name: value for name, value in one.items() if name in known}) for one in found]


def opened(path: Path, stack: ExitStack) -> Part:
    run = RunFolder(path)
    manifest = stack.enter_context(Manifest.reading(run.manifest))
    holder = holder_of(path)
    if holder is not None:
        raise SettingsError(f"{path}: the run is still at work ({holder}): join the runs when it is finished")
    totals, sessions = manifest.totals(), manifest.sessions()
    if totals.left or not sessions or sessions[-1].ending != "finished":
        left = f", {totals.left} inputs are left" if totals.left else ""
        raise SettingsError(f"{path}: the run is not finished{left}: start its command again, and join the runs then")
    try:
        settings = json.loads(manifest.meta(META_SETTINGS) or "")
        selection = json.loads(manifest.meta(META_SELECTION) or "")
        if not (isinstance(settings, dict) and isinstance(selection, dict)):
            raise ValueError("no objects")
    except ValueError as error:
        raise SourceError(
            f"{run.manifest}: its settings cannot be read ({error}): start the run's command again"
        ) from error
    people = {path for path in purged_of(run, manifest) if purged_kind_of(path) == "people"}
    return Part(run, manifest, run.read_summary(), settings, selection, people)


def check_alike(parts: Sequence[Part]) -> None:
    first = parts[0]
    for other in parts[1:]:
        for what, mine, theirs in _compared(first, other):
            if mine != theirs:
                raise SettingsError(
                    f"{first.name} and {other.name} are not parts of one batch: {what} is {_word(mine)} in the one and "
                    f"{_word(theirs)} in the other; analyse one of them again as the other"
                )
    of: dict[int, str] = {}
    for part in parts:
        if part.shard is not None:
            shards = part.shard[1]
            of.setdefault(shards, part.name)
            if len(of) > 1:
                (n, a), (m, b) = list(of.items())[:2]
                raise SettingsError(
                    f"{a} is of {n} shards and {b} of {m}: their inputs overlap; join those of one split"
                )


def _compared(one: Part, other: Part) -> Iterator[tuple[str, Any, Any]]:
    for section in ("analysis", "output", "batch", "time_and_place"):
        mine, theirs = (part.settings.get(section) or {} for part in (one, other))
        for name in sorted((mine.keys() | theirs.keys()) - NOT_COMPARED.get(section, set())):
            yield f"the setting {name.replace('_', '-')}", mine.get(name), theirs.get(name)
    for name in ("include", "exclude"):
        yield f"the pattern --{name}", one.selection.get(name), other.selection.get(name)
    for what, key in (
        ("the time zone", META_ZONE),
        ("the detections file", META_DETECTIONS),
        ("--aggregate", META_PERIODS),
    ):
        yield what, one.manifest.meta(key), other.manifest.meta(key)
    theirs_by_name = {used.name: used for used in other.weights}
    for used in one.weights:
        if used.name in theirs_by_name:  # a shard in which nothing could be read has used none
            yield f"the weights of {used.name}", used.sha256, theirs_by_name[used.name].sha256
    if one.weights and other.weights:
        yield "the list of networks", sorted(used.name for used in one.weights), sorted(theirs_by_name)
    yield "the digest of all settings", one.settings.get("digest"), other.settings.get("digest")


def _word(value: Any) -> str:
    return "not set" if value is None or value == "" else str(value)


def missing_shards(parts: Sequence[Part]) -> list[str]:
    """Which parts of the split are not there, such as 2/3; none where a run is of a whole batch."""
    shards = [part.shard for part in parts if part.shard is not None]
    if len(shards) < len(parts):
        return []
    there, of = {number for number, _ in shards}, shards[0][1]
    return [f"{number}/{of}" for number in range(1, of + 1) if number not in there]


def differing_roots(parts: Sequence[Part]) -> list[str]:
    roots = list(dict.fromkeys(part.manifest.meta(META_ROOT) or "" for part in parts))
    if len(roots) == 1:
        return []
    return [f"the inputs lay in {' and '.join(roots)}: they are taken for the same folder, and told as in {roots[0]}"]


PAGE = 256
Value = TypeVar("Value")


@dataclass(frozen=True)
class Merged:
    """What came of joining runs."""

    run: RunFolder
    totals: Totals
    twice: int  # inputs that more than one run had done
    notes: tuple[str, ...]


def merge(runs: Sequence[Path], out: Path, *, annotated: bool = True) -> Merged:
    """Join finished runs into the new run folder `out`; with `annotated` their annotated copies as well, as links."""
    _check_names(runs, out)
    with ExitStack() as stack:
        parts = [opened(path, stack) for path in runs]
        check_alike(parts)
        missing = missing_shards(parts)
        word = "shard" if len(missing) == 1 else "shards"
        notes = (
            [f"{word} {', '.join(missing)} missing: the joined run holds only a part of the inputs"] if missing else []
        )
        notes += differing_roots(parts)
        under_way = RunFolder(part_of(out))
        _make_room(under_way)
        joining = _Joining(under_way, parts, notes, annotated=annotated)
        totals = joining.run()
        with writing(out):
            if out.is_dir():
                out.rmdir()
            os.replace(under_way.path, out)
    return Merged(RunFolder(out), totals, joining.twice, tuple(joining.notes))


def _check_names(runs: Sequence[Path], out: Path) -> None:
    if len(runs) < 2:
        raise SettingsError("there is one run only: name all that are to be joined")
    seen: set[str] = set()
    for run in runs:
        real = os.path.realpath(run)
        if real in seen:
            raise SettingsError(f"{run}: it is named twice: name each run once")
        if os.path.realpath(out) == real:
            raise SettingsError(f"{out}: this is one of the runs: give --out the name of a new folder")
        seen.add(real)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: it is there already: give --out the name of a new folder")


def _make_room(under_way: RunFolder) -> None:
    with writing(under_way.path):
        if under_way.path.exists():  # of a merge that was broken off
            if any(under_way.path.iterdir()) and not under_way.is_one:
                raise OutputError(f"{under_way.path}: it is in the way, and no merge made it: move it elsewhere")
            shutil.rmtree(under_way.path)
        under_way.path.mkdir(parents=True)


@dataclass
class _Joining:
    """The joined run under way."""

    run_folder: RunFolder
    parts: Sequence[Part]
    notes: list[str]
    annotated: bool
    twice: int = 0
    purged: int = 0
    people_purged: int = 0
    weights: dict[str, WeightsUsed] = field(default_factory=dict)

    def run(self) -> Totals:
        run = self.run_folder
        with Manifest(run.manifest) as manifest:
            page: list[Entry] = []
            faces: dict[str, bytes] = {}
            for part, entry in self._entries():
                page.append(self._with_files(part, entry))
                manifest.put_written([output.path for output in page[-1].outputs])
                data = part.manifest.faces_of(entry.source) if entry.kind is Kind.PICTURE else None
                if data is not None:
                    faces[entry.source] = data
                if len(page) == PAGE:
                    manifest.put(page, faces)
                    page, faces = [], {}
            manifest.put(page, faces)
            if self.twice:
                self.notes.append(f"{self.twice} inputs were done by more than one run, and are taken once")
            if self.purged:
                self.notes.append(f"{self.purged} annotated copies or detections were not there any more")
            if self.people_purged:
                self.notes.append(people_purged_words(self.people_purged))
                for part in self.parts:
                    manifest.put_purged(part.people_purged)
                    carry_over(part.run.purge_log, run.purge_log)
            manifest.put_written(OWN_FILES)
            sums = self._joined_sums(manifest)
            self._put_meta(manifest)
            self._write_results(manifest, sums)
            return manifest.totals()

    def _entries(self) -> Iterator[tuple[Part, Entry]]:
        """Every input once, in natural order, and the run that it is taken from."""

        def numbered(number: int, part: Part) -> Iterator[tuple[bytes, int, Entry]]:
            for entry in part.manifest.in_order(State.DONE, State.FAILED):
                yield natural_key(entry.source), number, entry

        found = heapq.merge(*(numbered(n, part) for n, part in enumerate(self.parts)), key=lambda row: row[:2])
        for _, group in groupby(found, key=lambda row: row[0]):
            number, entry = self._one_of([(number, entry) for _, number, entry in group])
            yield self.parts[number], entry

    def _one_of(self, same: list[tuple[int, Entry]]) -> tuple[int, Entry]:
        """The entry to keep of one source: done before failed, of equals the first run's."""
        done = [(number, entry) for number, entry in same if entry.state is State.DONE]
        if len(done) > 1:
            number, first = done[0]
            for other, entry in done[1:]:
                if (entry.identity.size, entry.identity.digest) != (first.identity.size, first.identity.digest):
                    raise SettingsError(
                        f"{first.source}: {self.parts[number].name} and {self.parts[other].name} analysed different "
                        "files of this name: rename one, or analyse the folders as one batch"
                    )
            self.twice += 1
        return done[0] if done else max(same, key=lambda pair: (pair[1].attempts, -pair[0]))

    def _with_files(self, part: Part, entry: Entry) -> Entry:
        """The input's own files, linked into the joined run or copied; annotated ones where they are wanted."""
        kept = []
        for output in entry.outputs:
            is_annotated = output.path.startswith(f"{self.run_folder.annotated.name}/")
            if is_annotated and not self.annotated:
                continue
            source, target = part.run.path / output.path, self.run_folder.path / output.path
            if not source.is_file():
                if output.path in part.people_purged:
                    self.people_purged += 1
                    continue
                if output.path.startswith(f"{self.run_folder.videos.name}/"):
                    raise SourceError(
                        f"{source}: it is gone, and without it the run is not whole: start its command again"
                    )
                self.purged += 1
                continue
            with writing(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                link_or_copy(source, target)
            kept.append(output)
        return replace(entry, outputs=tuple(kept))

    def _joined_sums(self, manifest: Manifest) -> PeriodSums | None:
        if self.parts[0].manifest.meta(META_PERIODS) is None:
            return None
        if self.twice:
            raise SettingsError(
                f"{self.twice} inputs were counted by more than one of the runs, and sums cannot be taken apart: "
                "join the shards of one split, each once"
            )
        return periods.join([part.manifest for part in self.parts], manifest)

    def _put_meta(self, manifest: Manifest) -> None:
        first = self.parts[0]
        for key in (META_ROOT, META_ZONE, META_DETECTIONS, META_WATCHED):
            manifest.put_meta(key, first.manifest.meta(key) or "")
        settings, selection = json.loads(json.dumps((first.settings, first.selection)))
        if not missing_shards(self.parts):
            settings.setdefault("batch", {})["shard"] = selection["shard"] = None
        manifest.put_meta(META_SETTINGS, json.dumps(settings, sort_keys=True))
        manifest.put_meta(META_SELECTION, json.dumps(selection, sort_keys=True))
        started = [part.manifest.meta(META_STARTED) or "" for part in self.parts]
        manifest.put_meta(META_STARTED, min((one for one in started if one), default=""))
        for part in self.parts:
            for session in part.manifest.sessions():
                number = manifest.begin_session(session.pid, session.host)
                manifest.put_session(
                    number,
                    active_s=session.active_s,
                    listed=session.listed,
                    done=session.done,
                    failed=session.failed,
                    frames=session.frames,
                    ending=session.ending or "broken off",
                )

    def _write_results(self, manifest: Manifest, sums: PeriodSums | None) -> None:
        run = self.run_folder
        plan = plan_of(manifest, run.path)
        weights = list({used.name: used for part in self.parts for used in part.weights}.values())
        if sums is not None:
            summary = periods.close(plan, manifest, sums, weights, "finished", finished=True, seen=WhatWasSeen())
        else:
            summary = self._counted(plan, manifest, weights)
        summary["merged_from"] = [part.name for part in self.parts]
        summary["notes"] = [*summary["notes"], *self.notes]
        manifest.put_meta(META_NOTES, json.dumps(summary["notes"]))
        write_summary(run.summary, summary)

    def _counted(self, plan: Plan, manifest: Manifest, weights: list[WeightsUsed]) -> dict[str, Any]:
        run, seen = self.run_folder, WhatWasSeen()
        stats = write_frames(run, manifest, zone_named(manifest.meta(META_ZONE) or "UTC"), seen.add)
        if plan.analysis.follow:
            write_persons(run, manifest, run.persons, zone_named(manifest.meta(META_ZONE) or "UTC"))
        seen.people, seen.zones = people_of(run, manifest)
        name = manifest.meta(META_DETECTIONS)
        if name:
            write_detections(run, manifest, run.path / name)
            if plan.analysis.follow and name.lower().endswith(".parquet"):
                write_persons_parquet(run.persons, of_run=True)
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        found = headline_of(plan, stats, zone_named(manifest.meta(META_ZONE) or "UTC"))
        return run_summary(
            plan, manifest, stats, seen, weights=weights, ending="finished", finished_at=now, found=found
        )


def plan_of(manifest: Manifest, run: Path) -> Plan:
    """The plan that a run was made by, as far as its manifest tells."""
    told = json.loads(manifest.meta(META_SETTINGS) or "{}")

    def section(kind: type[Value], name: str) -> Value:
        known = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
        return kind(**{key: value for key, value in (told.get(name) or {}).items() if key in known})

    detections = manifest.meta(META_DETECTIONS)
    return Plan(
        run,
        Path(manifest.meta(META_ROOT) or ""),
        section(AnalysisSettings, "analysis"),
        section(RuntimeSettings, "runtime"),
        section(OutputSettings, "output"),
        section(TimeAndPlaceSettings, "time_and_place"),
        section(BatchSettings, "batch"),
        run / detections if detections else None,
        aggregate=periods.settings_told(manifest.meta(META_PERIODS)),
        settings_digest=told.get("digest", ""),
    )
