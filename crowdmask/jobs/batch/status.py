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
from crowdmask.jobs.batch.entries import Kind, State
from crowdmask.jobs.batch.manifest import (
    META_PERIODS,
    META_ROOT,
    META_SETTINGS,
    META_STARTED,
    DamagedManifestError,
    Manifest,
)
from crowdmask.jobs.batch.run_lock import Holder, holder_of
from crowdmask.jobs.batch.standing import Session, Share, Totals
from crowdmask.results.run_folder import RunFolder

RECENT_S = 60.0  # of watching, over which the recent rate is told
FEW_DONE = 20  # inputs; fewer say little of a session's speed


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
    left_s: float | None  # None where it cannot be told yet
    failures: tuple[Failure, ...]
    free_bytes: int
    disk_bytes: int

    def inputs(self, kind: Kind, *states: State) -> int:
        return sum(share.inputs for share in self.shares if share.kind is kind and share.state in states)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        totals, counts = self.totals, self.totals.counts
        found = {"frames_with_faces": totals.frames_with_faces, "faces": counts.faces, "masked": counts.masked}
        found |= {"unmasked": counts.unmasked, "unknown": counts.unknown}
        return {
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
            "left_s": None if self.left_s is None else round(self.left_s, 1),
            "failures": [vars(failure) for failure in self.failures],
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
                workers = _workers(manifest.meta(META_SETTINGS))
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
            time_left(shares, sessions, workers) if last is not None and last.listed else None,
            failures,
            disk.free,
            disk.total,
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


def time_left(shares: list[Share], sessions: list[Session], workers: int = 1) -> float | None:
    """Seconds of work for what is left: pictures by number, videos by size, each at the pace of those that are done.

    None where a kind is left of which none is done yet. The time of all workers is shared out by what the videos took.
    """
    active = sum(session.active_s for session in sessions)
    done = {kind: [s for s in shares if s.kind is kind and s.state is State.DONE] for kind in Kind}
    left = {
        kind: [s for s in shares if s.kind is kind and s.state in (State.WAITING, State.UNSETTLED)] for kind in Kind
    }
    pictures_done, pictures_left = (sum(s.inputs for s in group[Kind.PICTURE]) for group in (done, left))
    bytes_done, bytes_left = (sum(s.bytes for s in group[Kind.VIDEO]) for group in (done, left))
    if (pictures_left and not pictures_done) or (bytes_left and not bytes_done):
        return None
    on_videos = min(active, sum(s.wall_s for s in done[Kind.VIDEO]) / workers) if pictures_done else active
    if bytes_left and not on_videos:
        return None  # in aggregate-only mode nobody writes down how long a video took
    seconds = bytes_left / bytes_done * on_videos if bytes_left else 0.0
    if pictures_left:
        last = sessions[-1]
        if on_videos == 0 and last.done >= FEW_DONE and last.active_s > 0:
            each = last.active_s / last.done  # machines and loads change from one session to the next
        else:
            each = (active - on_videos) / pictures_done
        seconds += pictures_left * each
    return seconds


def _workers(settings: str | None) -> int:
    try:
        return max(1, int(json.loads(settings or "{}")["batch"]["workers"]))
    except (ValueError, KeyError, TypeError):
        return 1


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
