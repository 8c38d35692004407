"""Puts decoding and encoding on their own threads, beside the networks, through bounded queues that cannot deadlock."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class _End:
    """The last thing a producer puts: the end, or the error that ended it."""

    error: BaseException | None = None


class _Channel(Generic[T]):
    """A bounded queue either side can call off; a call-off wakes the other side at once."""

    def __init__(self, depth: int) -> None:
        if depth < 1:
            raise ValueError(f"depth must be 1 or more, it is {depth}")
        self._items: deque[T | _End] = deque()
        self._depth = depth
        self._changed = threading.Condition()
        self.called_off = False

    def put(self, item: T | _End) -> bool:
        """Wait for room and add `item`; False once called off. The end needs no room, so it always arrives."""
        with self._changed:
            self._changed.wait_for(lambda: self.called_off or isinstance(item, _End) or len(self._items) < self._depth)
            if self.called_off:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def get(self) -> T | _End:
        """Wait for the next item; the end once called off."""
        with self._changed:
            self._changed.wait_for(lambda: self.called_off or bool(self._items))
            if self.called_off:
                return _End()
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def call_off(self) -> None:
        with self._changed:
            self.called_off = True
            self._items.clear()
            self._changed.notify_all()


@contextmanager
def ahead(
    iterable: Iterable[T], depth: int = 8, break_off: Callable[[], object] = lambda: None
) -> Iterator[Iterator[T]]:
    """Run `iterable` on its own thread, at most `depth` items in advance of whoever reads the iterator given.

    An error of the iterable is raised where the item would have come. One that lies ahead of a reader who stopped
    early is not raised: without the thread it would never have happened. Leaving the context stops and joins the
    thread, and closes a generator on the thread it ran on; `break_off` is called first, to wake one that waits for
    something outside.
    """
    channel: _Channel[T] = _Channel(depth)
    closing_error: list[BaseException] = []

    def produce() -> None:
        error: BaseException | None = None
        iterator: Iterator[T] | None = None
        try:
            iterator = iter(iterable)
            for item in iterator:
                if not channel.put(item):
                    break
        except BaseException as caught:  # whatever it was, the reader has to learn of it
            error = caught
        try:
            close = getattr(iterator, "close", None)
            if error is None and close is not None:
                close()
        except BaseException as caught:
            error = caught
            closing_error.append(caught)
        channel.put(_End(error))

    delivered: list[BaseException] = []

    def read() -> Iterator[T]:
        while True:
            item = channel.get()
            if not isinstance(item, _End):
                yield item
                continue
            if item.error is not None:
                delivered.append(item.error)
                raise item.error
            return

    thread = threading.Thread(target=produce, name="crowdmask-ahead", daemon=True)
    thread.start()
    try:
        yield read()
    finally:
        channel.call_off()
        break_off()
        thread.join()
    for error in closing_error:
        if error not in delivered:
            raise error


@contextmanager
def behind(write: Callable[[T], object], depth: int = 8) -> Iterator[Callable[[T], None]]:
    """Call `write` for each item on its own thread, in order; gives the function that hands items over.

    Handing over blocks while `depth` items wait, and raises the thread's error if there was one. Leaving the context
    waits until all that was handed over is written, also after an error of the body: what was good is kept.
    """
    channel: _Channel[T] = _Channel(depth)
    failed: list[BaseException] = []

    def consume() -> None:
        try:
            while not isinstance(item := channel.get(), _End):
                write(item)
        except BaseException as error:  # whatever it was, the one who hands over has to learn of it
            failed.append(error)
            channel.call_off()

    def hand_over(item: T) -> None:
        if not channel.put(item):
            raise failed[0] if failed else RuntimeError("the writing thread has ended")

    thread = threading.Thread(target=consume, name="crowdmask-behind", daemon=True)
    thread.start()
    try:
        yield hand_over
    except BaseException as error:
        channel.put(_End())
        thread.join()
        if failed and error is not failed[0] and error.__context__ is None:
            error.__context__ = failed[0]
        raise
    channel.put(_End())
    thread.join()
    if failed:
        raise failed[0]
