"""Pictures are read ahead by what they take in memory, not by their number."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from crowdmask.jobs.batch import worker
from crowdmask.jobs.batch.worker import Reading, Still
from crowdmask.jobs.manifest.entries import Entry, Identity, Kind
from crowdmask.media.picture_kinds import decoded_bytes
from tests.unit.jobs.batch.cctv import batch, night, rows, still

SIDE = 200  # 120 kB each


@pytest.fixture
def entries(tmp_path: Path) -> list[Entry]:
    found = []
    for n in range(8):
        path = still(tmp_path / f"{n}.png", n, (SIDE, SIDE))
        status = path.stat()
        found.append(Entry(path.name, str(path), Kind.PICTURE, Identity(status.st_size, status.st_mtime_ns)))
    return found


@pytest.mark.parametrize(("room", "most"), [(130_000, 2), (10_000, 2), (370_000, 4)])
def test_no_more_is_decoded_than_there_is_room_for(
    entries: list[Entry], monkeypatch: pytest.MonkeyPatch, room: int, most: int
) -> None:
    """The one in hand, and those that fit; with room for none still one at a time."""
    monkeypatch.setattr(worker, "MOST_BYTES", room)
    held, worst, lock = [0], [0], threading.Lock()
    decode = worker.decode_with_doubts

    def counted(*args: Any) -> Any:
        with lock:
            held[0] += 1
            worst[0] = max(worst[0], held[0])
        return decode(*args)

    monkeypatch.setattr(worker, "decode_with_doubts", counted)
    with ThreadPoolExecutor(4) as pool:
        names = []
        for item in Reading(entries, lambda entry: entry, pool, 8):
            assert isinstance(item, Still)
            names.append(item.entry.source)
            with lock:
                held[0] -= 1
    assert names == [entry.source for entry in entries] and worst[0] <= most


def test_what_is_given_up_holds_nobody_up(entries: list[Entry], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MOST_BYTES", 1)
    with ThreadPoolExecutor(4) as pool:
        pictures = Reading(entries, lambda entry: entry, pool, 8)
        next(iter(pictures))
        pictures.close()  # else the pool waits here for ever


def test_a_large_picture_is_looked_at_by_itself_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = night(tmp_path / "in", stills=9, frames=0)
    batch(folder, tmp_path / "together")
    monkeypatch.setattr(worker, "ALONE_BYTES", 64 * 48 * 3)  # the larger of the two sizes
    monkeypatch.setattr(worker, "MOST_BYTES", 1)
    batch(folder, tmp_path / "alone")
    assert rows(tmp_path / "alone" / "frames.csv") == rows(tmp_path / "together" / "frames.csv")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_the_header_says_how_large_it_will_be(suffix: str) -> None:
    data = cv2.imencode(suffix, np.zeros((70, 130, 3), np.uint8))[1].ravel()
    assert decoded_bytes(data) == 70 * 130 * 3
    assert decoded_bytes(data[:20]) > 0 and decoded_bytes(np.zeros(100, np.uint8)) == 2000
