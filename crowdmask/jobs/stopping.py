"""Lets a signal end the work where it may be ended: between results, never in the midst of writing one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# what ends a program politely; on Windows Ctrl-Break and the closing of a window too
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))
ABORTED = 130


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Whatever takes the signals for itself meanwhile, they are answered as before when it is closed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Stop:
    """The first signal raises KeyboardInterrupt at the next breakable place, the second ends the process at once."""

    def __init__(self, say: Callable[[str], None] = lambda message: None) -> None:
        self._say = say
        self._breakable = False
        self.asked = False

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Takes SIGINT and SIGTERM for as long as it is open; elsewhere than on the main thread it does nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        with handlers_kept():
            for number in SIGNALS:
                signal.signal(number, self._handle)
            yield

    @contextmanager
    def breakable(self) -> Iterator[None]:
        """A stretch of the work that a signal may break off; one that came before it breaks it off here."""
        if self.asked:
            raise KeyboardInterrupt
        if threading.current_thread() is not threading.main_thread():
            yield  # signals come to the main thread, which is not in this stretch
            return
        self._breakable = True
        try:
            yield
        finally:
            self._breakable = False

    def ask(self) -> None:
        self.asked = True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            self._say("aborted")
            os._exit(ABORTED)  # a clean exit would wait for the very thread that hangs
        self.ask()
        self._say("finishing the files; a second Ctrl-C aborts at once")
        if self._breakable:
            raise KeyboardInterrupt
