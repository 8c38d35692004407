"""Keeps a second run out of a run folder; the system lets go of the lock when its holder ends, however it ends."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from crowdmask.errors import OutputError
from crowdmask.media.locking import BINARY, is_locked, lock
from crowdmask.media.parts import writing

NAME = "lock.json"
TRIES = 3


@dataclass(frozen=True)
class Holder:
    """Who works in a run folder."""

    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


class RunLock:
    """A context manager; entering it raises OutputError, naming the other, where another run is at work."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._handle = -1

    def __enter__(self) -> Self:
        path = self._run / NAME
        with writing(path):
            self._run.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | BINARY, 0o666)
        try:
            self._take()
        except OSError as error:
            other = _read(self._handle)
            self._close()
            if not isinstance(error, BlockingIOError):
                raise OutputError(f"{path} cannot be locked ({error.strerror}): choose another folder") from error
            who = f" ({other})" if other else ""
            raise OutputError(
                f"{self._run}: another run is at work in this folder{who}: wait for it, or give another --out-dir"
            ) from error
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        with writing(path):
            os.ftruncate(self._handle, 0)
            os.lseek(self._handle, 0, os.SEEK_SET)
            told = {"pid": os.getpid(), "host": socket.gethostname(), "since": now}
            os.write(self._handle, json.dumps(told).encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _take(self) -> None:
        for left in reversed(range(TRIES)):
            try:
                return lock(self._handle)
            except BlockingIOError:
                if not left:
                    raise
                time.sleep(0.1)  # it may only be somebody who asks for the holder

    def _close(self) -> None:
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


def holder_of(run: Path) -> Holder | None:
    """Who is at work in a run folder at this moment; None where nobody is."""
    try:
        handle = os.open(run / NAME, os.O_RDONLY | BINARY)
    except OSError:
        return None
    try:
        if is_locked(handle):
            return _read(handle) or Holder(0, "an unknown host", "an unknown time")
        return None
    finally:
        os.close(handle)


def _read(handle: int) -> Holder | None:
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        found = json.loads(os.read(handle, 4096))
        return Holder(int(found["pid"]), str(found["host"]), str(found["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it has only just taken the lock
