"""Beside the work: the running log of a batch, RUN/log/, and every half second a look at the disk and at the progress.

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
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

from crowdmask.jobs.manifest.entries import readable
from crowdmask.jobs.stopping import Stop
from crowdmask.media.parts import writing

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
