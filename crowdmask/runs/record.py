"""What every training, comparison and evaluation leaves behind, so that it can be found again: one folder, one record.

In the folder: `run.json` (what, when, how far, with which code), `settings.json`, `data.json` (files and hashes, by
split), `metrics.jsonl` (one line a step), TensorBoard event files, and whatever the run itself makes.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from crowdmask import __version__
from crowdmask.errors import DatasetError, SettingsError
from crowdmask.media.parts import write_whole, writing
from crowdmask.runs.events import write_scalars

RECORD, SETTINGS, DATA, METRICS = "run.json", "settings.json", "data.json", "metrics.jsonl"
KIND, FORM = "crowdmask run", 1
Values = dict[str, Any]


class RunRecord:
    """The record of one run; every write is whole or not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.settings, self.data, self.metrics = folder / SETTINGS, folder / DATA, folder / METRICS

    def begin(self, what: str, about: Mapping[str, Any]) -> None:
        """`what` is training, comparison or evaluation. A run that goes on keeps the time it was begun at."""
        path = self.folder / RECORD
        before = read_record(self.folder) if path.exists() else {}
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._told = {
            "kind": KIND,
            "form": FORM,
            "what": what,
            **about,
            "state": "running",
            "begun_at": before.get("begun_at", now),
            "resumed_at": [*before.get("resumed_at", []), *([now] if before else [])],
            "code": code_version(),
        }
        self._write()

    def end(self, result: Mapping[str, Any], state: str = "finished") -> None:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._told |= {"state": state, "ended_at": now, "result": dict(result)}
        self._write()

    def _write(self) -> None:
        write_json(self.folder / RECORD, self._told)

    def note(self, step: int, values: Mapping[str, float]) -> None:
        """Measures at one step: a line, and a scalar each for TensorBoard."""
        line = {"step": step, **{k: round(float(v), 7) for k, v in values.items()}}
        with writing(self.metrics), self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        write_scalars(self.folder, step, values)


def write_json(path: Path, content: Any) -> Path:
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str)
    return write_whole(path, (text + "\n").encode("utf-8", "backslashreplace"))


def read_json(path: Path) -> Values:
    """A file's JSON table; empty where there is none."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def read_record(folder: Path) -> Values:
    path = folder / RECORD
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: the record of this run cannot be read: {error}") from error
    if not isinstance(told, dict) or told.get("kind") != KIND:
        raise DatasetError(f"{path}: this is no record of a crowdmask run")
    return told


def flat(values: Mapping[str, Any], before: str = "") -> Values:
    """Tables in tables as one, names joined by dots."""
    found: Values = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{name}.")
        else:
            found[before + name] = value
    return found


def read_metrics(folder: Path) -> list[Values]:
    """The lines of a run's metrics in the order of their steps; of a step that was done twice, the later one; a line
    that a kill cut in two is passed over."""
    rows: dict[int, Values] = {}
    path = folder / METRICS
    if not path.exists():
        return []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            rows[int(row["step"])] = row
        except (ValueError, KeyError, TypeError):
            continue
    return [rows[step] for step in sorted(rows)]


def agree_on(path: Path, settings: Mapping[str, Any], *, begun: bool, defaults: Mapping[str, Any]) -> None:
    """Write a run's settings down; going on with others is refused. One that came with a later version may be missing
    where it has its default."""
    text = json.loads(json.dumps(settings, sort_keys=True, default=str))
    if begun and path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = sorted(_differing(before, text, json.loads(json.dumps(defaults, default=str))))
        if changed:
            raise SettingsError(
                f"{path}: this run was begun with other settings ({', '.join(changed[:4])}): "
                "give those again to go on, or another --out to begin anew"
            )
        return
    write_json(path, text)


def _differing(before: Mapping[str, Any], now: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    names = []
    for key in before.keys() | now.keys():
        old, new, default = before.get(key), now.get(key), defaults.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            inner = default if isinstance(default, dict) else {}
            names += [f"{key}.{name}" for name in _differing(old, new, inner)]
        elif old != new and not (key not in before and new == default):
            names.append(key)
    return names


def code_version() -> Values:
    """The version, the commit where the code lies in a checkout, and what it computes with."""
    return {"crowdmask": __version__, "commit": _commit(), "python": platform.python_version(), "cpu": cpu_name()}


def _commit() -> str | None:
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        said = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip()


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{named[0] if named else platform.machine()}, {os.cpu_count()} cores"
