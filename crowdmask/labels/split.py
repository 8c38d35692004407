"""Cuts a set in two once and for all: the validation part is listed in a file, and never trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from crowdmask.errors import DatasetError, SettingsError
from crowdmask.labels.records import natural


def split(names: Iterable[str], fraction: float, seed: int) -> tuple[list[str], list[str]]:
    """The rest and the chosen fraction, each in natural order.

    The shuffle is the order of SHA-256 over seed and name: it is the same under every Python and NumPy.
    """
    if not 0 < fraction < 1:
        raise SettingsError(f"the fraction to split off is {fraction}: it must be above 0 and below 1")
    shuffled = sorted(set(names), key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    chosen = round(len(shuffled) * fraction)
    return sorted(shuffled[chosen:], key=natural), sorted(shuffled[:chosen], key=natural)


def read_names(path: Path) -> list[str]:
    """The names that a list holds, one a line; empty lines and those after # say nothing."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: the list of pictures cannot be read: {error}") from error
    names = [name for name in (line.partition("#")[0].strip() for line in lines) if name]
    if not names:
        raise DatasetError(f"{path}: the list of pictures is empty")
    return names


def write_names(path: Path, names: Sequence[str], comment: str) -> None:
    path.write_text("".join(f"{line}\n" for line in (f"# {comment}", *names)), encoding="utf-8")
