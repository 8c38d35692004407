"""Finds run folders again: below a place, side by side, and what in them is no longer needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crowdmask.errors import DatasetError
from crowdmask.runs.record import RECORD, SETTINGS, Values, flat, read_json, read_metrics, read_record

CHECKPOINTS = ("checkpoint.npz", "checkpoint.npz.part", "best.npz.part")


@dataclass(frozen=True)
class Found:
    """A run folder and its record."""

    folder: Path
    told: Values

    @property
    def size(self) -> int:
        return sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file())


def runs_below(places: Sequence[Path]) -> tuple[list[Found], list[str]]:
    """Runs, the last begun first, and a line for each record that cannot be read."""
    found, faults = [], []
    for path in sorted({p for place in places for p in _records(place)}):
        try:
            found.append(Found(path.parent, read_record(path.parent)))
        except DatasetError as error:
            faults.append(str(error))
    return sorted(found, key=lambda run: str(run.told.get("begun_at")), reverse=True), faults


def _records(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        raise DatasetError(f"{place}: no such folder")
    yield from place.rglob(RECORD)


def headline(run: Found) -> str:
    """The one number that says most: of a training its held-out accuracy or loss."""
    result = run.told.get("result") or {}
    best = result.get("best") or {}
    for key in ("accuracy", "loss"):
        if key in best:
            return f"{key} {best[key]:.4f}"
    for name, value in result.items():
        if name.endswith("/face_ap") and value is not None:
            return f"face AP {value:.4f}"
    return "-"


def differing(runs: Sequence[Found]) -> list[list[str]]:
    """Rows of the settings in which runs differ, and of their results."""
    settings = [flat(read_json(run.folder / SETTINGS)) for run in runs]
    names = [name for one in settings for name in one]
    rows = [["", *(run.folder.name for run in runs)]]
    for name in dict.fromkeys(names):
        values = [_word(one.get(name)) for one in settings]
        if len(set(values)) > 1:
            rows.append([name, *values])
    data = [str(run.told.get("data"))[:12] for run in runs]
    if len(set(data)) > 1:
        rows.append(["data (fingerprint)", *data])
    results = [flat(run.told.get("result") or {}) for run in runs]
    for name in dict.fromkeys(name for one in results for name in one):
        rows.append([name, *(_word(one.get(name)) for one in results)])
    return rows


def disposable(run: Found) -> list[Path]:
    """Checkpoints of a run that is finished: nothing will go on from them."""
    if run.told.get("state") != "finished":
        return []
    return [run.folder / name for name in CHECKPOINTS if (run.folder / name).exists()]


def last_metrics(folder: Path) -> Values:
    rows = read_metrics(folder)
    return rows[-1] if rows else {}


def _word(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
