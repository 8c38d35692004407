"""Beside the work: the running log of a batch, RUN/log/, a look at the disk every half second, and how far all is.

The log says what happened when, in lines for people or in JSON for programs.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from typing_extensions import Self

from crowdmask.errors import CrowdmaskError
from crowdmask.jobs.batch.units import Done, Plan, Step, Unit
from crowdmask.jobs.forecast import Beat, Forecast, Phase, Progress, Work
from crowdmask.jobs.manifest.entries import Entry, Kind, State, readable
from crowdmask.jobs.stopping import Stop
from crowdmask.media.describing import frames_announced
from crowdmask.media.parts import writing
from crowdmask.records import Counts

MOST_BYTES, KEPT = 10_000_000, 5

log = logging.getLogger(__name__)


class Journal:
    """A context manager; each event is one line with its fields. The files are rotated, and the oldest go."""

    def __init__(self, folder: Path, *, as_json: bool = False) -> None:
        self._path = folder / ("batch.jsonl" if as_json else "batch.log")
        self._as_json = as_json
        self._logger = logging.Logger("crowdmask.batch")  # outside of the tree: it is for the file and nobody else

    def __enter__(self) -> Self:
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handler = _Rotating(self._path, maxBytes=MOST_BYTES, backupCount=KEPT, encoding="utf-8")
        handler.setFormatter(_Json() if self._as_json else _Line())
        self._logger.addHandler(handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handler in list(self._logger.handlers):
            self._logger.removeHandler(handler)
            handler.close()

    def note(self, event: str, **fields: Any) -> None:
        """For the file only."""
        self._logger.info(event, extra={"fields": fields})

    def tell(self, message: str, **fields: Any) -> None:
        """For the file, and for whoever watches the run."""
        self._logger.warning(message, extra={"fields": fields})
        log.warning("%s", message)


class _Rotating(logging.handlers.RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """A log that cannot be written stops no run: a full disk is found out, and told, by whoever watches it."""


class _Line(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        line = super().format(record) + "".join(f"  {name}={value}" for name, value in fields.items())
        return readable(" ".join(line.split("\n")))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z")
        told = {
            "at": at,
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return readable(json.dumps(told, ensure_ascii=False, default=str))


BEAT_S, SESSION_S, LOG_S = 0.5, 2.0, 60.0
MEGABYTE = 1_000_000


class Disk:
    """Whether there is still room where the results go."""

    def __init__(self, run: Path, keep_free_mb: int) -> None:
        self._run, self._least = run, keep_free_mb * MEGABYTE
        self.was_low = False

    @property
    def is_low(self) -> bool:
        """Once low, low for good: the run ends."""
        with suppress(OSError):  # a network disk that is away for a moment: whoever writes to it finds out
            self.was_low = self.was_low or shutil.disk_usage(self._run).free < self._least
        return self.was_low

    def said(self) -> str:
        return (
            f"less than {self._least // MEGABYTE} MB are free on the disk of {self._run}: free some space and start "
            "the same command again to go on, or choose less with --keep-free"
        )


class Pulse:
    """A context manager around the work; `beat` is called every few seconds, with True when the log is due a line."""

    def __init__(self, disk: Disk, stop: Stop, journal: Journal, beat: Callable[[bool], None]) -> None:
        self._disk, self._stop, self._journal, self._beat = disk, stop, journal, beat
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="crowdmask-pulse", daemon=True)
        self.error: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        told, logged = 0.0, time.monotonic()
        try:
            while not self._end.wait(BEAT_S):
                if self._disk.is_low and not self._stop.asked:
                    self._journal.tell(self._disk.said())
                    self._stop.ask()
                now = time.monotonic()
                if now - told >= SESSION_S:
                    told = now
                    self._beat(now - logged >= LOG_S)
                    logged = now if now - logged >= LOG_S else logged
        except Exception as error:  # whoever works has to learn that nothing is written down any more
            self.error = error
            self._stop.ask()


OPENED = 200  # videos; of the others the size is enough, as the files of a night are alike
FRAMES_PER_BYTE = 25 / 250_000  # of a camera of 2 Mbit/s, until a file says otherwise


class Measures:
    """How many frames videos have, before anything of them is decoded."""

    def __init__(self, plan: Plan) -> None:
        self._analysis = plan.analysis
        self._opened = self._frames = self._bytes = 0

    def frames_of(self, entry: Entry) -> int:
        """What its container says, or what files of its size have."""
        if self._opened < OPENED:
            self._opened += 1
            try:
                frames = frames_announced(entry.path, self._analysis)
            except (CrowdmaskError, OSError):
                return 0  # its failure takes no time
            if frames is not None:
                self._frames, self._bytes = self._frames + frames, self._bytes + entry.identity.size
                return frames
        each = self._frames / self._bytes if self._bytes else FRAMES_PER_BYTE
        return round(each * entry.identity.size)


@dataclass
class Tally:
    """What this session did."""

    done: int = 0
    failed: int = 0
    frames: int = 0
    counts: Counts = field(default_factory=Counts)
    tells_faces: bool = True  # not so in aggregate-only mode
    under_way: dict[tuple[str, int], int] = field(
        default_factory=dict
    )  # frames of what is not done, by source and unit

    @property
    def frames_seen(self) -> int:
        return self.frames + sum(list(self.under_way.values()))

    def add(self, entry: Entry) -> None:
        self.done += 1
        self.frames += entry.frames
        self.counts = self.counts + entry.counts
        self._forget(entry.source)

    def fail(self, entry: Entry) -> None:
        self.failed += 1
        self._forget(entry.source)

    def beat(self, beat: Beat) -> None:
        if beat.work is not Work.DRAW:  # which goes over the same frames once more
            place = beat.source, beat.unit
            self.under_way[place] = self.under_way.get(place, 0) + beat.amount

    def end_unit(self, unit: int) -> None:
        """What a unit of pictures did is counted by now."""
        self.under_way.pop(("", unit), None)

    def lose_unit(self, unit: int) -> None:
        for place in [place for place in self.under_way if place[1] == unit]:
            del self.under_way[place]

    def _forget(self, source: str) -> None:
        for place in [place for place in self.under_way if place[0] == source]:
            del self.under_way[place]


class BatchWatch:
    """Hears how far the batch is, and does nothing; the method is there to be replaced."""

    def moved(self, progress: Progress) -> None:
        """When something is found, after every unit, and about once a second within one."""


class Search(Protocol):
    """The search for inputs, as far as it has come."""

    found: int  # inputs, done or not
    to_do: int
    complete: bool


class Going:
    """How far the session is, said to whoever watches; any thread may beat."""

    def __init__(self, plan: Plan, watch: BatchWatch, *, tells_faces: bool) -> None:
        self._plan, self._watch, self._measures = plan, watch, Measures(plan)
        self._beating = threading.Lock()
        self.forecast, self.tally = Forecast(), Tally(tells_faces=tells_faces)
        self.phase = Phase.SEARCHING
        self.planner: Search | None = None  # known once it has this to expect its inputs

    def expect(self, entry: Entry) -> None:
        """An input is to be done, now or when it rests."""
        if entry.state not in (State.WAITING, State.UNSETTLED):
            return
        if entry.kind is not Kind.VIDEO:
            self.forecast.expect_stills()
            return
        frames = self._measures.frames_of(entry)
        self.forecast.expect_video(entry.source, frames, frames if self._plan.draws_videos else 0)

    def beat(self, beat: Beat) -> None:
        with self._beating:  # pieces are drawn on several threads
            self.forecast.beat(beat)
            self.tally.beat(beat)
            self.moved()

    def end_unit(self, done: Done) -> None:
        self.forecast.end_unit(done.unit.number, len(done.worked) if done.unit.step is Step.STILLS else 0)
        self.tally.end_unit(done.unit.number)

    def lose_unit(self, unit: Unit) -> None:
        self.forecast.lose_unit(unit.number)
        self.tally.lose_unit(unit.number)

    def moved(self) -> None:
        self._watch.moved(self.progress())

    def progress(self) -> Progress:
        tally, forecast, planner = self.tally, self.forecast, self.planner
        if planner is None:
            return Progress()
        phase = self.phase
        if phase is Phase.SEARCHING and planner.to_do:
            phase = Phase.WORKING if forecast.has_begun else Phase.LOADING
        return Progress(
            phase,
            done=tally.done,
            failed=tally.failed,
            found=planner.found,
            to_do=planner.to_do,
            all_found=planner.complete,
            frames=tally.frames_seen,
            frames_per_s=forecast.frames_per_s,
            share=forecast.share if planner.complete else None,
            left_s=forecast.left_s if planner.complete else None,
            counts=tally.counts if tally.tells_faces else None,
        )
