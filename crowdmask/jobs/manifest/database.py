"""The run's memory, RUN/manifest.sqlite: which input is done, failed or left, and what was counted in each.

SQLite with a write-ahead log. What is recorded of an input is recorded in one transaction, so that a kill or a power
cut at any moment leaves each input either done or not begun. One process writes, and any thread of it may; others read
beside it with `Manifest.reading`. Keys of meta are the META_ constants.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from typing_extensions import Self

from crowdmask.errors import OutputError, SourceError
from crowdmask.jobs.manifest.entries import Entry, Kind, Session, Share, State, Totals, natural_key
from crowdmask.jobs.manifest.rows import (
    COLUMNS,
    COUNT_COLUMNS,
    MIGRATIONS,
    PUT,
    PUT_META,
    SCHEMA,
    SCHEMA_VERSION,
    counts_of_row,
    entry_of,
    is_whole,
    meta_row,
    row_of,
    seal_of,
    tables,
)

META_SCHEMA = "schema_version"
META_ROOT = "input_root"
META_STARTED = "started_at"  # of the first session, ISO 8601
META_ZONE = "timezone"
META_SETTINGS = "settings"  # JSON: the settings by section
META_SELECTION = "selection"  # JSON: inputs, include, exclude and shard
META_DETECTIONS = "detections"  # name of the detections file, empty where none is kept
META_WATCHED = "watched"  # JSON: the names of zones and lines that tables have columns for
META_PERIODS = "aggregate"  # JSON: period and least count; there in aggregate-only mode, see batch/periods.py
META_PROGRESS = "progress"  # JSON: how far the last session was when it last said so, see jobs/forecast.py
META_NOTES = "notes"  # JSON: list of texts for the reader of the run
META_ENERGY = "energy"  # JSON: what was estimated over the sessions with --energy, see batch/assembly.py
META_REVISION = "results_revision"  # of the program that made the results, see batch/units.py

_PAGE = 1000


class DamagedManifestError(SourceError):
    """The file is no manifest, or not any more."""


class Manifest:
    """A context manager around the database. `Manifest.reading` for those who only read."""

    def __init__(self, path: Path, *, write: bool = True) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._write = write
        self._next_place = 1
        self.is_new = False  # it was made when it was opened
        self.was_older = False  # of an older version of crowdmask, and brought to this one's form
        with self._as_errors():
            address = f"file:{_escaped(path)}?mode={'rwc' if write else 'ro'}"
            self._db = sqlite3.connect(address, uri=True, timeout=30.0, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    @classmethod
    def reading(cls, path: Path) -> Manifest:
        """To look at a run, under way or not; SourceError where there is none."""
        if not path.is_file():
            raise SourceError(f"{path.parent}: no batch was started there: give the --out-dir of one")
        return cls(path, write=False)

    def _prepare(self) -> None:
        self._db.create_function("sealed", -1, lambda *values: seal_of(values), deterministic=True)
        if self._write:
            self._db.execute("PRAGMA journal_mode = WAL")  # where a file system cannot, SQLite keeps to its own way
            self._db.execute("PRAGMA synchronous = NORMAL")  # a power cut may undo the last transactions, whole
            self._db.execute("PRAGMA cache_size = -16000")
            if not self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
                with self._transaction():
                    for statement in SCHEMA.split(";"):
                        self._db.execute(statement)
                    self.put_meta(META_SCHEMA, str(SCHEMA_VERSION))
                self.is_new = True
        self._migrate()
        (last,) = self._db.execute("SELECT max(place_in_queue) FROM results").fetchone()
        self._next_place = (last or 0) + 1

    def _migrate(self) -> None:
        """Bring the tables of an older version to this one's; a reader does without, and is told so."""
        version = self._version()
        while version in MIGRATIONS and self._write:
            self._check_soundness()
            self.was_older = True
            with self._transaction():
                MIGRATIONS[version](self._db)
                version += 1
                self.put_meta(META_SCHEMA, str(version))
        if version == SCHEMA_VERSION:
            return
        if version in MIGRATIONS:
            remedy = "start the run's command again, which takes it over"
        else:
            remedy = "go on with that version, or start over with --no-resume"
        raise SourceError(
            f"{self.path} was written by another version of crowdmask (schema {version}, this one has "
            f"{SCHEMA_VERSION}): {remedy}"
        )

    def _version(self) -> int:
        columns = [column[1] for column in self._db.execute("PRAGMA table_info(meta)")]
        if columns == ["key", "value"]:  # of the first version, which had no seals
            found = self._db.execute("SELECT value FROM meta WHERE key = ?", (META_SCHEMA,)).fetchone()
            version = None if found is None else found[0]
        else:
            version = self.meta(META_SCHEMA)
        if version is None or not version.isdecimal():
            raise DamagedManifestError(f"{self.path} is no manifest of a batch")
        return int(version)

    def check(self) -> None:
        """Raise DamagedManifestError unless the database is sound, and says of the run what was written of it."""
        with self._lock, self._as_errors():
            self._check_soundness()
            found = dict(self._db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall())
            if any(found.get(name) != sql for name, sql in tables().items()):
                raise DamagedManifestError(f"{self.path} is damaged (its tables are not what they were made as)")
            for (key,) in self._db.execute("SELECT key FROM meta").fetchall():
                self.meta(key)

    def _check_soundness(self) -> None:
        (word,) = self._db.execute("PRAGMA integrity_check(1)").fetchone()
        if word != "ok":
            raise DamagedManifestError(f"{self.path} is damaged ({word.splitlines()[0]})")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What is known of the run as a whole

    def meta(self, key: str) -> str | None:
        with self._lock, self._as_errors():
            found = self._db.execute("SELECT key, value, seal FROM meta WHERE key = ?", (key,)).fetchone()
        if found is None:
            return None
        if tuple(found) != meta_row(*found[:2]):
            raise DamagedManifestError(f"{self.path} is damaged ({key} is not what was written)")
        return str(found[1])

    def put_meta(self, key: str, value: str) -> None:
        with self._lock, self._as_errors():
            self._db.execute(PUT_META, meta_row(key, value))

    @property
    def sets_apart(self) -> bool:
        """Whether the run's settings count masks wrongly worn in no rate."""
        told = json.loads(self.meta(META_SETTINGS) or "{}")
        return bool((told.get("analysis") or {}).get("incorrect") == "separate")

    def totals(self) -> Totals:
        with self._lock, self._as_errors():
            found = self._db.execute(
                "SELECT state, kind, count(*), sum(frames), sum(frames_with_faces), "
                f"{', '.join(f'sum({name})' for name in COUNT_COLUMNS)} "
                "FROM results WHERE segment = 0 GROUP BY state, kind"
            ).fetchall()
        by_state = {state: sum(row[2] for row in found if row[0] == state) for state in State}
        done = [row for row in found if row[0] == State.DONE]
        sums = [sum(row[i] for row in done) for i in range(3, 5 + len(COUNT_COLUMNS))]
        videos = sum(row[2] for row in done if row[1] == Kind.VIDEO)
        return Totals(
            done=by_state[State.DONE],
            failed=by_state[State.FAILED],
            waiting=by_state[State.WAITING],
            unsettled=by_state[State.UNSETTLED],
            frames=sums[0],
            frames_with_faces=sums[1],
            counts=counts_of_row(sums[2:]).counted(separate=self.sets_apart),
            videos_done=videos,
        )

    def shares(self) -> list[Share]:
        """What there is of each kind and state."""
        with self._lock, self._as_errors():
            found = self._db.execute(
                "SELECT kind, state, count(*) FROM results WHERE segment = 0 GROUP BY kind, state"
            ).fetchall()
        return [Share(Kind(kind), State(state), number) for kind, state, number in found]

    # Sessions

    def begin_session(self, pid: int, host: str) -> int:
        with self._lock, self._as_errors():
            made = self._db.execute(
                "INSERT INTO sessions (started_at, pid, host) VALUES (?, ?, ?)", (_now(), pid, host)
            )
            assert made.lastrowid is not None
            return made.lastrowid

    def put_session(
        self, number: int, *, active_s: float, listed: bool, done: int, failed: int, frames: int, ending: str = ""
    ) -> None:
        """How far a session is; with `ending`, how it ended."""
        with self._lock, self._as_errors():
            self._db.execute(
                "UPDATE sessions SET active_s = ?, listed = ?, done = ?, failed = ?, frames = ?, ended_at = ?, "
                "ending = ? WHERE number = ?",
                (active_s, listed, done, failed, frames, _now() if ending else None, ending, number),
            )

    def sessions(self) -> list[Session]:
        """All of them, the first first."""
        with self._lock, self._as_errors():
            found = self._db.execute("SELECT * FROM sessions ORDER BY number").fetchall()
        return [
            Session(row[0], row[1], row[2], row[3], row[4], bool(row[5]), row[6], row[7], row[8], row[9], row[10])
            for row in found
        ]

    # Results

    def entries(self, sources: Sequence[str]) -> dict[str, Entry]:
        """What is known of those inputs, and can be trusted; no more than a few hundred at once."""
        marks = ", ".join("?" * len(sources))
        with self._lock, self._as_errors():
            found = self._db.execute(
                f"SELECT {COLUMNS} FROM results WHERE segment = 0 AND source IN ({marks})", sources
            ).fetchall()
        return {row[0]: self._entry(row) for row in found if is_whole(row)}

    def segments_of(self, source: str) -> list[Entry]:
        """What is known of the segments of a video, the first first."""
        with self._lock, self._as_errors():
            found = self._db.execute(
                f"SELECT {COLUMNS} FROM results WHERE source = ? AND segment > 0 ORDER BY segment", (source,)
            ).fetchall()
        return [self._entry(row) for row in found if is_whole(row)]

    def put(
        self,
        entries: Iterable[Entry],
        faces: dict[str, bytes] | None = None,
        also: Iterable[tuple[str, Sequence[object]]] = (),
    ) -> None:
        """Record results in one transaction, in place of what was known of them; waiting ones join the queue's end.

        `faces` are the detections of done pictures by source. What there was before is gone with the entry replaced.
        `also` are statements of the same transaction, with their values.
        """
        with self._lock, self._as_errors(), self._transaction():
            for entry in entries:
                if not entry.segment:
                    self._db.execute("DELETE FROM faces WHERE source = ?", (entry.source,))
                place = 0
                if entry.state is State.WAITING:
                    place, self._next_place = self._next_place, self._next_place + 1
                self._db.execute(PUT, row_of(entry, place))
            for source, data in (faces or {}).items():
                self._db.execute("INSERT OR REPLACE INTO faces VALUES (?, ?)", (source, data))
            for statement, values in also:
                self._db.execute(statement, values)

    def select(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a table that stands beside those of the schema."""
        with self._lock, self._as_errors():
            return self._db.execute(query).fetchall()

    def leave_no_traces(self, table: str) -> None:
        """Overwrite what is deleted from now on, and make a table beside those of the schema."""
        with self._lock, self._as_errors():
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.execute(table)

    def empty_log(self) -> None:
        """Take the write-ahead log into the database; a reader may keep it for the next time."""
        with self._lock, self._as_errors():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def forget_all(self, *tables: str) -> None:
        """Forget every input and what stands in the tables, as if nothing had been done."""
        with self._lock, self._as_errors(), self._transaction():
            for table in ("results", "faces", *tables):
                self._db.execute(f"DELETE FROM {table}")

    def update(self, entries: Iterable[Entry]) -> None:
        """Record entries that are not waiting, of which something else than their analysis changed; faces stay."""
        with self._lock, self._as_errors(), self._transaction():
            self._db.executemany(PUT, [row_of(entry, 0) for entry in entries])

    def drop(self, sources: Iterable[str]) -> None:
        """Forget inputs and all that belongs to them."""
        with self._lock, self._as_errors(), self._transaction():
            for source in sources:
                self._db.execute("DELETE FROM results WHERE source = ?", (source,))
                self._db.execute("DELETE FROM faces WHERE source = ?", (source,))

    def drop_segments(self, source: str, segments: Iterable[int] | None = None) -> None:
        """Forget what is kept of a video under way, or some of it."""
        with self._lock, self._as_errors(), self._transaction():
            if segments is None:
                self._db.execute("DELETE FROM results WHERE source = ? AND segment > 0", (source,))
            else:
                values = [(source, segment) for segment in segments]
                self._db.executemany("DELETE FROM results WHERE source = ? AND segment = ?", values)

    def drop_broken(self) -> int:
        """Forget every result that is not as it was written; how many there were."""
        broken: list[int] = []
        last = -1
        while True:
            with self._lock, self._as_errors():
                found = self._db.execute(
                    f"SELECT rowid, {COLUMNS} FROM results WHERE rowid > ? ORDER BY rowid LIMIT ?", (last, _PAGE)
                ).fetchall()
            if not found:
                break
            last = found[-1][0]
            broken += [row[0] for row in found if not is_whole(row[1:])]
        with self._lock, self._as_errors(), self._transaction():
            self._db.executemany("DELETE FROM results WHERE rowid = ?", [(number,) for number in broken])
        return len(broken)

    def doubt_all(self) -> None:
        """Before the inputs are looked for again: what is not done is `unseen` until it is put anew."""
        with self._lock, self._as_errors():
            self._db.execute("UPDATE results SET place_in_queue = -1 WHERE state <> 'done' AND segment = 0")

    def unseen(self, limit: int = _PAGE) -> list[Entry]:
        """Of what is not done, some that were not put anew since `doubt_all`."""
        with self._lock, self._as_errors():
            found = self._db.execute(
                f"SELECT {COLUMNS} FROM results WHERE state <> 'done' AND place_in_queue = -1 AND segment = 0 LIMIT ?",
                (limit,),
            ).fetchall()
        return [self._entry(row) for row in found]

    @property
    def queue_end(self) -> int:
        """The place that the next waiting input will have."""
        with self._lock:
            return self._next_place

    def waiting(self, from_place: int, limit: int) -> list[tuple[int, Entry]]:
        """The next of the queue from a place on, with their places."""
        with self._lock, self._as_errors():
            found = self._db.execute(
                f"SELECT {COLUMNS} FROM results WHERE state = 'waiting' AND segment = 0 AND place_in_queue >= ? "
                "ORDER BY place_in_queue LIMIT ?",
                (from_place, limit),
            ).fetchall()
        return [(row[-2], self._entry(row)) for row in found]

    def smallest_waiting(self, kind: Kind, from_place: int, limit: int) -> list[tuple[int, Entry]]:
        """The smallest waiting inputs of a kind, from a place in the queue on, with their places."""
        with self._lock, self._as_errors():
            found = self._db.execute(
                f"SELECT {COLUMNS} FROM results WHERE state = 'waiting' AND segment = 0 AND place_in_queue >= ? "
                "AND kind = ? ORDER BY size, sort_key LIMIT ?",
                (from_place, kind, limit),
            ).fetchall()
        return [(row[-2], self._entry(row)) for row in found]

    @property
    def last_row(self) -> int:
        """What is put later has a higher number; see `in_order`."""
        with self._lock, self._as_errors():
            return int(self._db.execute("SELECT max(rowid) FROM results").fetchone()[0] or 0)

    def in_order(self, *states: State, after: str | None = None, up_to_row: int = 1 << 62) -> Iterator[Entry]:
        """The inputs in those states in their natural order, the order of frames.csv; read page by page.

        With `up_to_row` only those that were put before a look at `last_row`.
        """
        key = b"" if after is None else natural_key(after)
        marks = ", ".join("?" * len(states))
        while True:
            with self._lock, self._as_errors():
                found = self._db.execute(
                    f"SELECT {COLUMNS} FROM results WHERE segment = 0 AND state IN ({marks}) AND sort_key > ? "
                    "AND rowid <= ? ORDER BY sort_key LIMIT ?",
                    (*(state.value for state in states), key, up_to_row, _PAGE),
                ).fetchall()
            if not found:
                return
            for row in found:
                if is_whole(row):
                    yield self._entry(row)
            key = found[-1][2]

    def faces_of(self, source: str) -> bytes | None:
        """The detections of a done picture, as packing.py packs them; empty where they were deleted for good."""
        with self._lock, self._as_errors():
            found = self._db.execute("SELECT data FROM faces WHERE source = ?", (source,)).fetchone()
        return None if found is None else bytes(found[0])

    def forget_faces(self, sources: Iterable[str]) -> int:
        """Delete the detections of pictures for good, as `purge` does; their number. The counts stay."""
        with self._lock, self._as_errors():
            with self._transaction():
                gone = sum(
                    self._db.execute("UPDATE faces SET data = x'' WHERE source = ? AND data <> x''", (source,)).rowcount
                    for source in sources
                )
            if gone:
                self._db.execute("VACUUM")  # deleted rows stay in the file until it is written anew
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return gone

    # What this run wrote

    def written(self, paths: Sequence[str]) -> set[str]:
        """Those of the paths below the run folder that this run wrote, or was about to write; some hundreds at once."""
        marks = ", ".join("?" * len(paths))
        with self._lock, self._as_errors():
            found = self._db.execute(f"SELECT path FROM written WHERE path IN ({marks})", paths).fetchall()
        return {path for (path,) in found}

    def all_written(self) -> Iterator[str]:
        """Every such path, read page by page."""
        last = ""
        while True:
            with self._lock, self._as_errors():
                found = self._db.execute(
                    "SELECT path FROM written WHERE path > ? ORDER BY path LIMIT ?", (last, _PAGE)
                ).fetchall()
            if not found:
                return
            yield from (path for (path,) in found)
            last = found[-1][0]

    def put_written(self, paths: Iterable[str]) -> None:
        with self._lock, self._as_errors(), self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO written VALUES (?)", [(path,) for path in paths])

    def put_purged(self, paths: Iterable[str]) -> None:
        with self._lock, self._as_errors(), self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO purged VALUES (?)", [(path,) for path in paths])

    def purged(self) -> set[str]:
        """Files that were deleted on purpose."""
        with self._lock, self._as_errors():
            return {path for (path,) in self._db.execute("SELECT path FROM purged").fetchall()}

    # How it is done

    def _entry(self, row: Sequence[Any]) -> Entry:
        try:
            return entry_of(row)
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedManifestError(f"{self.path} is damaged ({error})") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _as_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            text = str(error)
            if "full" in text or "disk I/O" in text:
                raise OutputError(f"cannot write {self.path}: the disk is full or failing ({text})") from error
            if "locked" in text or "busy" in text:
                raise OutputError(f"cannot write {self.path}: another program holds it: close that one") from error
            if "unable to open" in text or "readonly" in text:
                raise OutputError(f"cannot open {self.path} ({text}): check the folder and its permissions") from error
            raise DamagedManifestError(f"{self.path} is damaged ({text})") from error
        except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
            raise  # our own fault
        except sqlite3.DatabaseError as error:
            raise DamagedManifestError(f"{self.path} is damaged ({error})") from error


def _escaped(path: Path) -> str:
    return quote(os.fsencode(path.absolute()))


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
