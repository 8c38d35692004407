"""Opens the runs that are to be joined, and refuses those that are not parts of one batch."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crowdmask.errors import SettingsError, SourceError
from crowdmask.jobs.batch.manifest import (
    META_DETECTIONS,
    META_PERIODS,
    META_ROOT,
    META_SELECTION,
    META_SETTINGS,
    META_ZONE,
    Manifest,
)
from crowdmask.jobs.batch.run_lock import holder_of
from crowdmask.results.run_folder import RunFolder
from crowdmask.results.summary import WeightsUsed
from crowdmask.settings import BatchSettings

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
    return Part(run, manifest, run.read_summary(), settings, selection)


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
