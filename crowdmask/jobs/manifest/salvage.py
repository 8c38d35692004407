"""Opens a run's manifest; a damaged one is put aside, and a new one made of all that can still be trusted in it."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from crowdmask.jobs.manifest.database import DamagedManifestError, Manifest
from crowdmask.jobs.manifest.entries import Entry, Kind, State
from crowdmask.jobs.manifest.packing import is_packed_whole
from crowdmask.jobs.manifest.rows import COLUMNS, entry_of, is_whole
from crowdmask.media.parts import writing
from crowdmask.results.run_folder import RunFolder

PAGE = 256
LEAST_ROW_BYTES, MOST_REPLACED = 100, 10  # a row that is replaced gets a new number; the highest may be unreadable
OUTSIDE = ("-wal", "-shm", "-journal")
PUT_ASIDE = re.compile(r"manifest\.damaged-\d+\.sqlite(-wal|-shm|-journal)?")  # what is put aside here


def open_manifest(run: RunFolder, tell: Callable[[str], None], *, with_faces: bool) -> Manifest:
    """The manifest of a run folder, made where there is none; `with_faces` where detections are kept in it.

    `tell` hears of damage.
    """
    manifest: Manifest | None = None
    try:
        manifest = Manifest(run.manifest)
        manifest.check()
        return manifest
    except DamagedManifestError as error:
        if manifest is not None:
            with suppress(DamagedManifestError):
                manifest.close()
        return _rebuilt(run, tell, error, with_faces)


def _rebuilt(run: RunFolder, tell: Callable[[str], None], error: DamagedManifestError, with_faces: bool) -> Manifest:
    aside = _free_name(run.manifest)
    with writing(aside):
        for ending in ("", *OUTSIDE):
            old = run.manifest.with_name(run.manifest.name + ending)
            if old.exists():
                os.replace(old, aside.with_name(aside.name + ending))
    manifest = Manifest(run.manifest)
    saved = 0
    page: list[Entry] = []
    faces: dict[str, bytes] = {}
    for entry, data in _trusted(aside):
        manifest.put_written([output.path for output in entry.outputs])
        if with_faces and not _has_faces(entry, data):
            continue
        page.append(entry)
        if data is not None:
            faces[entry.source] = data
        if len(page) == PAGE:
            manifest.put(page, faces)
            saved, page, faces = saved + len(page), [], {}
    manifest.put(page, faces)
    saved += len(page)
    tell(
        f"{error}; it is put aside as {aside.name}, and {saved} finished inputs could be taken over from it: "
        "the others are analysed again"
    )
    return manifest


def _has_faces(entry: Entry, data: bytes | None) -> bool:
    """Whether the detections that belong to an entry are there and whole."""
    if entry.kind is Kind.VIDEO:
        return True  # they are a file of their own, which is checked like the others
    return data is not None and (not data or is_packed_whole(data, entry.counts.faces))


def _free_name(path: Path) -> Path:
    number = 1
    while (name := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    return name


def _trusted(path: Path) -> Iterator[tuple[Entry, bytes | None]]:
    """Finished inputs whose seal holds, out of whatever can be read of a damaged database."""
    try:
        database = sqlite3.connect(f"file:{quote(os.fsencode(path.absolute()))}?mode=ro", uri=True)
    except sqlite3.Error:
        return
    with closing(database):
        database.execute("PRAGMA writable_schema = ON")  # only so that a file which is cut off is opened at all
        kept = _column(database, "SELECT source FROM faces")
        for row in _rows(database, path.stat().st_size // LEAST_ROW_BYTES * MOST_REPLACED):
            try:
                entry = entry_of(row)
                if not is_whole(row) or entry.state is not State.DONE:
                    continue
                data = _faces(database, entry.source) if entry.source in kept else None
            except (ValueError, TypeError, KeyError, IndexError, sqlite3.Error):
                continue
            yield entry, data


def _rows(database: sqlite3.Connection, last: int) -> Iterator[Any]:
    """Row after row by its number up to the last that there can be, past those that cannot be read."""
    first = 1
    while first <= last:
        for step in (PAGE, 1):
            try:
                found = database.execute(
                    f"SELECT {COLUMNS} FROM results WHERE rowid >= ? AND rowid < ?", (first, first + step)
                ).fetchall()
            except sqlite3.Error:
                if step == 1:
                    first += 1
                continue
            yield from found
            first += step
            break


def _column(database: sqlite3.Connection, query: str) -> set[str]:
    try:
        return {row[0] for row in database.execute(query)}
    except sqlite3.Error:
        return set()


def _faces(database: sqlite3.Connection, source: str) -> bytes | None:
    found = database.execute("SELECT data FROM faces WHERE source = ?", (source,)).fetchone()
    return None if found is None else bytes(found[0])
