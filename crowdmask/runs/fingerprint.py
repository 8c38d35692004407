"""A data set's fingerprint: every file with its hash, by split; and pictures that stand twice across a split."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SAME_BITS = 4  # of 128: a copy in another size or quality differs by fewer, another picture by some fifty
FLAT = 6.0  # standard deviation of grey under which a picture shows nothing that could be recognised


@dataclass(frozen=True)
class Copy:
    """A picture that is held out, and the one that it is a copy of among those to train on."""

    held_out: Path
    training: Path
    bits: int


def fingerprint(splits: Mapping[str, Sequence[Path]]) -> dict[str, Any]:
    """The files of each split with their SHA-256, and one hash over all of them."""
    told: dict[str, Any] = {}
    whole = hashlib.sha256()
    for name, paths in splits.items():
        files = {str(path): _sha256(path) for path in sorted(set(paths))}
        told[name] = {"files": len(files), "sha256": files}
        for digest in sorted(files.values()):
            whole.update(f"{name}:{digest}\n".encode())
    return {"digest": whole.hexdigest(), "splits": told}


def _sha256(path: Path) -> str:
    try:
        return _sha256_of(path, _state(path))
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _state(path: Path) -> tuple[int, int]:
    """Changes with the file: a comparison asks for the same ones many times."""
    told = path.stat()
    return told.st_mtime_ns, told.st_size


@lru_cache(maxsize=200_000)
def _sha256_of(path: Path, state: tuple[int, int]) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def copies(training: Sequence[Path], held_out: Sequence[Path]) -> list[Copy]:
    """Held-out pictures that look like one to train on, by perceptual hash (dHash, both ways, 128 bits)."""
    seen, there = ([(path, seen_as(path)) for path in paths] for paths in (training, held_out))
    known = [(path, code) for path, code in seen if code is not None]
    asked = [(path, code) for path, code in there if code is not None]
    if not known or not asked:
        return []
    codes = np.stack([code for _, code in known])
    found = []
    for path, code in asked:
        bits = np.bitwise_count(codes ^ code).sum(axis=1)
        best = int(bits.argmin())
        if bits[best] <= SAME_BITS:
            found.append(Copy(path, known[best][0], int(bits[best])))
    return found


def seen_as(path: Path) -> NDArray[np.uint8] | None:
    """Which of 8 x 8 neighbours is brighter, across and down, as 16 bytes; None where there is no picture to see."""
    try:
        return _seen_as(path, _state(path))
    except OSError:
        return None


@lru_cache(maxsize=200_000)
def _seen_as(path: Path, state: tuple[int, int]) -> NDArray[np.uint8] | None:
    encoded = np.frombuffer(path.read_bytes(), np.uint8)
    try:
        grey = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE) if len(encoded) else None
    except cv2.error:
        return None
    if grey is None or float(grey.std()) < FLAT:
        return None
    small = cv2.resize(grey, (9, 9), interpolation=cv2.INTER_AREA).astype(np.int16)
    across, down = small[:8, 1:] > small[:8, :-1], small[1:, :8] > small[:-1, :8]
    return np.packbits(np.concatenate([across.ravel(), down.ravel()]))
