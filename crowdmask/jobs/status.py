"""Tells how far a batch is, from its manifest alone: read beside the process that writes it, which never waits."""

from __future__ import annotations

import json
import shutil
import time
from collections import deque
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from crowdmask.errors import SourceError
from crowdmask.jobs.manifest.claims import Holder, holder_of
from crowdmask.jobs.manifest.database import (
    META_PERIODS,
    META_PROGRESS,
    META_ROOT,
    META_STARTED,
    DamagedManifestError,
    Manifest,
)
from crowdmask.jobs.manifest.entries import Kind, Session, Share, State, Totals
from crowdmask.results.run_folder import RunFolder, people_purged

JSON_VERSION = 1  # of what status --json prints; docs/schemas/status.schema.json describes it
RECENT_S = 60.0  # of watching, over which the recent rate is told


class Phase(str, Enum):
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"  # it ended early, and said why
    BROKEN_OFF = "broken off"  # it was killed, or the machine went down
    NOT_BEGUN = "not begun"


@dataclass(frozen=True)
class Failure:
    source: str
    reason: str
    attempts: int


@dataclass(frozen=True)
class Rate:
    """Inputs and frames by second of work."""

    inputs: float
    frames: float


@dataclass(frozen=True)
class Status:
    """How far a run is at one moment."""

    run: Path
    phase: Phase
    holder: Holder | None  # who works on it
    ending: str
    root: str
    periods_only: bool  # in aggregate-only mode the manifest tells no faces
    started_at: str
    sessions: int
    active_s: float
    totals: Totals
    shares: tuple[Share, ...]
    listed: bool  # all inputs are found
    recent: Rate | None
    overall: Rate | None
    share: float | None  # of the last session's work that is done; None where it is not known, as the next
    left_s: float | None
    failures: tuple[Failure, ...]
    free_bytes: int
    disk_bytes: int
    people_purged: int = 0  # videos whose tables of people were deleted

    def inputs(self, kind: Kind, *states: State) -> int:
        return sum(share.inputs for share in self.shares if share.kind is kind and share.state in states)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        totals, counts = self.totals, self.totals.counts
        found = {"frames_with_faces": totals.frames_with_faces, "faces": counts.faces, **counts.by_word}
        return {
            "schema_version": JSON_VERSION,
            "run": str(self.run),
            "state": self.phase.value,
            "process": None if self.holder is None else {"pid": self.holder.pid, "host": self.holder.host},
            "ending": self.ending,
            "input_root": self.root,
            "started_at": self.started_at,
            "sessions": self.sessions,
            "active_s": round(self.active_s, 1),
            "inputs": {
                "found": totals.inputs,
                "all_found": self.listed,
                "done": totals.done,
                "failed": totals.failed,
                "left": totals.left,
                "unsettled": totals.unsettled,
            },
            "by_kind": {
                kind.value: {
                    "done": self.inputs(kind, State.DONE),
                    "failed": self.inputs(kind, State.FAILED),
                    "left": self.inputs(kind, State.WAITING, State.UNSETTLED),
                }
                for kind in Kind
            },
            "counts": {"frames": totals.frames, **({} if self.periods_only else found)},
            "rate": {"recent": _rate(self.recent), "overall": _rate(self.overall)},
            "share": self.share,
            "left_s": None if self.left_s is None else round(self.left_s, 1),
            "failures": [vars(failure) for failure in self.failures],
            "people_purged": self.people_purged,
            "disk": {"free_bytes": self.free_bytes, "bytes": self.disk_bytes},
        }


class Watcher:
    """Looks at one run again and again; from the second look on the recent rate is that of the last minute."""

    def __init__(self, run: Path) -> None:
        self._run = RunFolder(run)
        self._looks: deque[tuple[float, int, int]] = deque()  # when, and inputs and frames done until then

    def look(self) -> Status:
        run = self._run
        holder = holder_of(run.path)
        try:
            with Manifest.reading(run.manifest) as manifest:
                totals, shares, sessions = manifest.totals(), manifest.shares(), manifest.sessions()
                failures = tuple(Failure(e.source, e.error, e.attempts) for e in manifest.in_order(State.FAILED))
                root, started = manifest.meta(META_ROOT) or "", manifest.meta(META_STARTED) or ""
                periods_only = manifest.meta(META_PERIODS) is not None
                said = _last_said(manifest.meta(META_PROGRESS))
        except DamagedManifestError as error:
            raise SourceError(f"{error}: start the batch's command again, which rebuilds what it can") from error
        last = sessions[-1] if sessions else None
        recent = self._recent(sessions, running=holder is not None)
        overall = _over(sessions)
        disk = shutil.disk_usage(run.path)
        return Status(
            run.path,
            _phase(last, holder),
            holder,
            last.ending if last is not None else "",
            root,
            periods_only,
            started,
            len(sessions),
            sum(session.active_s for session in sessions),
            totals,
            tuple(shares),
            last is not None and last.listed,
            recent,
            overall,
            said.get("share") if totals.left else 1.0 if totals.inputs else None,
            said.get("left_s") if totals.left else 0.0 if totals.inputs else None,
            failures,
            disk.free,
            disk.total,
            len(people_purged(run.frames)),
        )

    def _recent(self, sessions: list[Session], *, running: bool) -> Rate | None:
        """Over the last minute of looking; at the first look, and where nobody works, over the last session."""
        now = time.monotonic()
        self._looks.append((now, sum(s.done + s.failed for s in sessions), sum(s.frames for s in sessions)))
        while len(self._looks) > 2 and now - self._looks[1][0] >= RECENT_S:
            self._looks.popleft()
        since, inputs, frames = self._looks[0]
        if not running or now - since <= 0:
            return _over(sessions[-1:])
        _, inputs_now, frames_now = self._looks[-1]
        return Rate((inputs_now - inputs) / (now - since), (frames_now - frames) / (now - since))


def _last_said(said: str | None) -> dict[str, Any]:
    """What the last session said of its progress; nothing of runs of older versions."""
    try:
        found = json.loads(said or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _over(sessions: list[Session]) -> Rate | None:
    active = sum(session.active_s for session in sessions)
    if active <= 0:
        return None
    inputs, frames = sum(s.done + s.failed for s in sessions), sum(s.frames for s in sessions)
    return Rate(inputs / active, frames / active)


def _phase(last: Session | None, holder: Holder | None) -> Phase:
    if holder is not None:
        return Phase.RUNNING
    if last is None:
        return Phase.NOT_BEGUN
    if last.ended_at is None:
        return Phase.BROKEN_OFF
    return Phase.FINISHED if last.ending == "finished" else Phase.STOPPED


def _rate(rate: Rate | None) -> dict[str, float] | None:
    return None if rate is None else {"inputs_per_s": round(rate.inputs, 3), "frames_per_s": round(rate.frames, 3)}
