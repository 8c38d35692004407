"""Opens a run's manifest; a damaged one is put aside, and a new one made of all that can still be trusted in it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from crowdmask.jobs.batch.entries import Entry, State
from crowdmask.jobs.batch.journal import Journal
from crowdmask.jobs.batch.manifest import DamagedManifestError, Manifest
from crowdmask.jobs.batch.manifest_rows import COLUMNS, entry_of, is_whole
from crowdmask.media.parts import writing
from crowdmask.results.run_folder import RunFolder

PAGE = 256
LEAST_ROW_BYTES = 100
OUTSIDE = ("-wal", "-shm", "-journal")


def open_manifest(run: RunFolder, journal: Journal) -> Manifest:
    """The manifest of a run folder, made where there is none."""
    manifest: Manifest | None = None
    try:
        manifest = Manifest(run.manifest)
        manifest.check()
        return manifest
    except DamagedManifestError as error:
        if manifest is not None:
            with suppress(DamagedManifestError):
                manifest.close()
        return _rebuilt(run, journal, error)


def _rebuilt(run: RunFolder, journal: Journal, error: DamagedManifestError) -> Manifest:
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
        page.append(entry)
        if data is not None:
            faces[entry.source] = data
        if len(page) == PAGE:
            manifest.put(page, faces)
            saved, page, faces = saved + len(page), [], {}
    manifest.put(page, faces)
    saved += len(page)
    journal.tell(
        f"{error}; it is put aside as {aside.name}, and {saved} finished inputs could be taken over from it: "
        "the others are analysed again"
    )
    return manifest


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
        for row in _rows(database, path.stat().st_size // LEAST_ROW_BYTES):
            try:
                entry = entry_of(row)
                if not is_whole(row) or entry.state is not State.DONE:
                    continue
                data = _faces(database, entry.source) if entry.source in kept else None
            except (ValueError, TypeError, KeyError, IndexError, sqlite3.Error):
                continue
            yield entry, data


def _rows(database: sqlite3.Connection, most: int) -> Iterator[Any]:
    """Row after row by its number, past those that cannot be read; there are at most so many."""
    try:
        (last,) = database.execute("SELECT max(rowid) FROM inputs").fetchone()
    except sqlite3.Error:
        last = most  # the last page is among the damaged
    first = 1
    while first <= (last or 0):
        for step in (PAGE, 1):
            try:
                found = database.execute(
                    f"SELECT {COLUMNS} FROM inputs WHERE rowid >= ? AND rowid < ?", (first, first + step)
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
