"""How the manifest's tables look, how an entry becomes a row and a row an entry, and how older tables become these."""

from __future__ import annotations

import dataclasses
import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from crowdmask.jobs.manifest.entries import Entry, Identity, Kind, OutputFile, State, natural_key, readable
from crowdmask.records import Gap
from crowdmask.verdicts import Counts, Verdict

SCHEMA_VERSION = 3

# results has a row for each input (segment 0), and for each segment of a video that is not finished yet. sort_key
# orders the inputs naturally, and is the order of frames.csv. place_in_queue rises as inputs are found; within a
# session they are worked on in its order. zones has of a done picture the counts by zone, as JSON. A seal is a checksum
# over its row, by which the row is trusted or not. faces.data holds the detections of a done picture, see
# packing.py; it is empty where `purge` deleted them. purged has the paths of files that it deleted, which are not
# missed. written has the path of every file below the run folder that this run wrote or was about to write; nothing
# else there is ever changed, moved or deleted. sessions has a row for each time the batch was started: `active_s` is
# measured, so that rates hold when the clock is set back.
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, seal INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE results (
    source TEXT NOT NULL, segment INTEGER NOT NULL, sort_key BLOB NOT NULL, path BLOB NOT NULL, kind TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, digest TEXT NOT NULL,
    state TEXT NOT NULL, attempts INTEGER NOT NULL, error TEXT NOT NULL, settings TEXT NOT NULL, placed TEXT NOT NULL,
    camera TEXT NOT NULL, captured_at TEXT, captured_from TEXT NOT NULL,
    frames INTEGER NOT NULL, frames_with_faces INTEGER NOT NULL,
    masked INTEGER NOT NULL, unmasked INTEGER NOT NULL, unknown INTEGER NOT NULL, incorrect INTEGER NOT NULL,
    gaps TEXT NOT NULL, outputs TEXT NOT NULL, note TEXT NOT NULL, wall_s REAL NOT NULL, zones TEXT NOT NULL,
    no_faces INTEGER NOT NULL, place_in_queue INTEGER NOT NULL, seal INTEGER NOT NULL,
    UNIQUE (sort_key, segment)
);
CREATE UNIQUE INDEX by_source ON results (source, segment);
CREATE INDEX queue ON results (place_in_queue) WHERE state = 'waiting' AND segment = 0;
CREATE INDEX not_done ON results (state, sort_key) WHERE state <> 'done';
CREATE TABLE faces (source TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE written (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE purged (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY, started_at TEXT NOT NULL, pid INTEGER NOT NULL, host TEXT NOT NULL,
    active_s REAL NOT NULL DEFAULT 0, listed INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, frames INTEGER NOT NULL DEFAULT 0,
    ended_at TEXT, ending TEXT NOT NULL DEFAULT ''
);
"""

COUNT_COLUMNS = ("masked", "unmasked", "unknown", "incorrect")  # in the order of the verdicts' numbers
COLUMNS = (
    "source, segment, sort_key, path, kind, size, mtime_ns, digest, state, attempts, error, settings, placed, camera, "
    f"captured_at, captured_from, frames, frames_with_faces, {', '.join(COUNT_COLUMNS)}, gaps, outputs, note, wall_s, "
    "zones, no_faces, place_in_queue, seal"
)
PUT = f"INSERT OR REPLACE INTO results ({COLUMNS}) VALUES ({', '.join('?' * len(COLUMNS.split(',')))})"
PUT_META = "INSERT OR REPLACE INTO meta VALUES (?, ?, ?)"


@lru_cache(maxsize=1)
def tables() -> dict[str, str]:
    """Each table and index by its name, as SQLite keeps the words that it was made with."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(SCHEMA)
        return dict(fresh.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall())


def row_of(entry: Entry, place_in_queue: int) -> tuple[Any, ...]:
    identity = entry.identity
    taken = None if entry.captured_at is None else entry.captured_at.astimezone(timezone.utc).isoformat()
    values = (
        entry.source,
        entry.segment,
        natural_key(entry.source),
        os.fsencode(entry.path),
        entry.kind.value,
        identity.size,
        identity.mtime_ns,
        identity.digest,
        entry.state.value,
        entry.attempts,
        writable(entry.error),
        entry.settings,
        entry.placed,
        writable(entry.camera),
        taken,
        entry.captured_from,
        entry.frames,
        entry.frames_with_faces,
        *counts_row(entry.counts),
        writable(json.dumps([dataclasses.astuple(gap) for gap in entry.gaps])) if entry.gaps else "",
        json.dumps([dataclasses.astuple(output) for output in entry.outputs]) if entry.outputs else "",
        writable(entry.note),
        entry.wall_s,
        json.dumps({name: counts.numbers for name, counts in entry.zones.items()}) if entry.zones else "",
        entry.no_faces,
    )
    return (*values, place_in_queue, seal_of(values))


def entry_of(row: Sequence[Any]) -> Entry:
    """The entry of a row with COLUMNS; ValueError, TypeError or KeyError where it is none."""
    (source, segment, _, path, kind, size, mtime_ns, digest, state, attempts, error, settings, placed) = row[:13]
    camera, taken, captured_from, frames, with_faces = row[13:18]
    counts, (gaps, outputs, note, wall_s, zones, no_faces) = row[18:22], row[22:28]
    return Entry(
        source,
        os.fsdecode(path),
        Kind(kind),
        Identity(size, mtime_ns, digest),
        State(state),
        attempts,
        error,
        settings,
        placed,
        camera,
        None if taken is None else datetime.fromisoformat(taken),
        captured_from,
        frames,
        with_faces,
        counts_of_row(counts),
        tuple(Gap(*gap) for gap in json.loads(gaps)) if gaps else (),
        tuple(OutputFile(*output) for output in json.loads(outputs)) if outputs else (),
        note,
        wall_s,
        segment,
        {name: Counts(*numbers) for name, numbers in json.loads(zones).items()} if zones else {},
        no_faces,
    )


def is_whole(row: Sequence[Any]) -> bool:
    """Whether a row is as it was written."""
    return bool(row[-1] == seal_of(tuple(row[:-2])))


def seal_of(values: Sequence[Any]) -> int:
    return zlib.crc32(repr(tuple(values)).encode("utf-8", "backslashreplace"))


def meta_row(key: str, value: str) -> tuple[str, str, int]:
    value = writable(value)
    return key, value, seal_of((key, value))


def counts_row(counts: Counts) -> tuple[int, ...]:
    return (*counts.numbers, *[0] * len(COUNT_COLUMNS))[: len(COUNT_COLUMNS)]


def counts_of_row(row: Sequence[int]) -> Counts:
    return Counts(*row[: len(Verdict)])


def writable(text: str) -> str:
    """Text as SQLite takes it: of names in it, what is no UTF-8 is escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


# Migrations: each brings the tables of one version to the next, within a transaction that is the caller's.


def _from_1(db: sqlite3.Connection) -> None:
    """The first schema knew inputs only, and of their files only hashes of both ends: these prove nothing any more."""
    old = db.execute("SELECT * FROM inputs").fetchall()
    names = [column[1] for column in db.execute("PRAGMA table_info(inputs)")]
    meta = db.execute("SELECT key, value FROM meta").fetchall()
    db.execute("ALTER TABLE faces RENAME TO old_faces")
    sessions = db.execute("SELECT * FROM sessions").fetchall()
    for table in ("inputs", "meta", "sessions", "period_sums"):
        db.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in SCHEMA.split(";"):
        db.execute(statement)
    db.executemany(PUT_META, [meta_row(key, value) for key, value in meta])
    db.executemany(f"INSERT INTO sessions VALUES ({', '.join('?' * 11)})", sessions)
    written = ["frames.csv", "aggregate.csv", "summary.json", "detections.csv", "detections.parquet"]
    for values in old:
        row = dict(zip(names, values, strict=True))
        entry = _entry_of_1(row)
        written += [output.path for output in entry.outputs]
        if readable(entry.source) == entry.source:  # else its name is written in another way today: it is found again
            db.execute(PUT, row_of(entry, row["place_in_queue"]))
    db.executemany("INSERT OR IGNORE INTO written VALUES (?)", [(path,) for path in written])
    db.execute("INSERT INTO faces SELECT source, data FROM old_faces")
    db.execute("DROP TABLE old_faces")


def _entry_of_1(row: dict[str, Any]) -> Entry:
    values = [row.get(name, 0) for name in COLUMNS.split(", ")]
    entry = entry_of(values)
    return replace(entry, outputs=tuple(replace(output, digest="") for output in entry.outputs))


def _from_2(db: sqlite3.Connection) -> None:
    """The second schema did not know what of a picture is in which zone; no result that is done was asked for it."""
    names = [column[1] for column in db.execute("PRAGMA table_info(results)")]
    if "zones" in names:
        return  # made just now of a first schema
    before = COLUMNS.replace("zones, no_faces, ", "")
    rows = [row for row in db.execute(f"SELECT {before} FROM results").fetchall() if is_whole(row)]
    db.execute("DROP TABLE results")
    for name, statement in tables().items():
        if (
            " results " in statement
            and not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        ):
            db.execute(statement)
    for row in rows:
        values = (*row[:-2], "", 0)
        db.execute(PUT, (*values, row[-2], seal_of(values)))


MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _from_1, 2: _from_2}
