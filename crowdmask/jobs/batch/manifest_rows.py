"""How the manifest's tables look, and how an entry becomes a row and a row an entry."""

from __future__ import annotations

import dataclasses
import json
import os
import zlib
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from crowdmask.jobs.batch.entries import Entry, Identity, Kind, OutputFile, State, natural_key
from crowdmask.records import Counts, Gap

SCHEMA_VERSION = 1

# inputs.sort_key orders the inputs naturally, and is the order of frames.csv. inputs.place_in_queue rises as inputs
# are found; within a session they are worked on in its order. inputs.seal is a checksum over the row, by which a row
# out of a damaged manifest is trusted or not. faces.data holds the detections of a done picture, see faces_parts.py.
# sessions has a row for each time the batch was started: `active_s` is measured, not told by the clock, so that rates
# hold when the clock is set back.
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE inputs (
    source TEXT NOT NULL UNIQUE, sort_key BLOB NOT NULL UNIQUE, path BLOB NOT NULL, kind TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, digest TEXT NOT NULL,
    state TEXT NOT NULL, attempts INTEGER NOT NULL, error TEXT NOT NULL, settings TEXT NOT NULL, placed TEXT NOT NULL,
    camera TEXT NOT NULL, captured_at TEXT, captured_from TEXT NOT NULL,
    frames INTEGER NOT NULL, frames_with_faces INTEGER NOT NULL,
    masked INTEGER NOT NULL, unmasked INTEGER NOT NULL, unknown INTEGER NOT NULL,
    gaps TEXT NOT NULL, outputs TEXT NOT NULL, note TEXT NOT NULL, wall_s REAL NOT NULL,
    place_in_queue INTEGER NOT NULL, seal INTEGER NOT NULL
);
CREATE INDEX queue ON inputs (place_in_queue) WHERE state = 'waiting';
CREATE INDEX not_done ON inputs (state, sort_key) WHERE state <> 'done';
CREATE TABLE faces (source TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY, started_at TEXT NOT NULL, pid INTEGER NOT NULL, host TEXT NOT NULL,
    active_s REAL NOT NULL DEFAULT 0, listed INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, frames INTEGER NOT NULL DEFAULT 0,
    ended_at TEXT, ending TEXT NOT NULL DEFAULT ''
);
"""

COLUMNS = (
    "source, sort_key, path, kind, size, mtime_ns, digest, state, attempts, error, settings, placed, camera, "
    "captured_at, captured_from, frames, frames_with_faces, masked, unmasked, unknown, gaps, outputs, note, wall_s, "
    "place_in_queue, seal"
)
PUT = f"INSERT OR REPLACE INTO inputs ({COLUMNS}) VALUES ({', '.join('?' * len(COLUMNS.split(',')))})"


def row_of(entry: Entry, place_in_queue: int) -> tuple[Any, ...]:
    counts, identity = entry.counts, entry.identity
    taken = None if entry.captured_at is None else entry.captured_at.astimezone(timezone.utc).isoformat()
    values = (
        entry.source,
        natural_key(entry.source),
        os.fsencode(entry.path),
        entry.kind.value,
        identity.size,
        identity.mtime_ns,
        identity.digest,
        entry.state.value,
        entry.attempts,
        entry.error,
        entry.settings,
        entry.placed,
        entry.camera,
        taken,
        entry.captured_from,
        entry.frames,
        entry.frames_with_faces,
        counts.masked,
        counts.unmasked,
        counts.unknown,
        json.dumps([dataclasses.astuple(gap) for gap in entry.gaps]) if entry.gaps else "",
        json.dumps([dataclasses.astuple(output) for output in entry.outputs]) if entry.outputs else "",
        entry.note,
        entry.wall_s,
    )
    return (*values, place_in_queue, _seal(values))


def entry_of(row: Sequence[Any]) -> Entry:
    """The entry of a row with COLUMNS; ValueError, TypeError or KeyError where it is none."""
    (source, _, path, kind, size, mtime_ns, digest, state, attempts, error, settings, placed, camera, taken) = row[:14]
    captured_from, frames, with_faces, masked, unmasked, unknown, gaps, outputs, note, wall_s = row[14:24]
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
        Counts(masked, unmasked, unknown),
        tuple(Gap(*gap) for gap in json.loads(gaps)) if gaps else (),
        tuple(OutputFile(*output) for output in json.loads(outputs)) if outputs else (),
        note,
        wall_s,
    )


def is_whole(row: Sequence[Any]) -> bool:
    """Whether a row is as it was written."""
    return bool(row[-1] == _seal(tuple(row[:-2])))


def _seal(values: tuple[Any, ...]) -> int:
    return zlib.crc32(repr(values).encode("utf-8", "backslashreplace"))
