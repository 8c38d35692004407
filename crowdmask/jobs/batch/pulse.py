"""Beside the work, every half second: watches the disk, and says how far the run is."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from crowdmask.jobs.batch.journal import Journal
from crowdmask.jobs.stopping import Stop

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
