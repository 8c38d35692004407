"""Reads a stream or camera on a thread of its own, so that it never falls behind in silence and outlives an outage.

A live stream is always read as fast as it comes. Whoever takes longer over a frame than it lasts gets the newest next;
those passed over are counted in `dropped`, or wait in line with `every_frame`. Where a time to analyse is given, a
stream that goes away is opened again until that time is over, and the outage is a gap. Second zero is when the first
frame arrived; after an outage times go on by the clock on the wall. Pictures end to end (MJPEG) carry no times of
their own: each has that of its arrival. A recording that a server sends is read whole, and at its own times.

The thread owns the connection and closes it. Nobody waits for the thread: a read that hangs ends by its own timeout.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from fractions import Fraction

import av
import av.container
import av.video.stream

from crowdmask.errors import SourceError
from crowdmask.media.decoding import BROKE_OFF, Decoding
from crowdmask.media.describing import pick_stream
from crowdmask.media.opening import open_container, shown
from crowdmask.records import Gap

IN_LINE = 64  # frames that wait with `every_frame`; then the sender has to
_PAUSES_S = (0.5, 1.0, 2.0, 5.0)  # between attempts to open a stream again; the last one from then on
_WITHOUT_TIMES = ("mjpeg", "mpjpeg", "image2pipe", "jpeg_pipe")
_STEP_BACK_S = 1.0  # a clock that steps back by more began anew
_LOOK_S = 0.2  # how often a wait looks whether it is still wanted


@dataclass(frozen=True)
class Arrival:
    """One decoded frame: its index among all that came, and its time since the first."""

    index: int
    seconds: float
    frame: av.VideoFrame


@dataclass(frozen=True)
class Opened:
    """What is known once the first frame is there; nobody reads on until `LiveReader.go`."""

    container: av.container.InputContainer
    stream_index: int
    first: av.VideoFrame
    at: datetime


class LiveReader:
    """Reads `path` from when it is made until it ends, `until_s` is over, or `stop` is called."""

    def __init__(
        self,
        path: str,
        *,
        threads: int,
        every: int,
        apart_s: float | None = None,
        from_s: float,
        until_s: float | None,
        every_frame: bool,
    ) -> None:
        self._path, self._threads = path, threads
        self._every, self._from_s, self._until_s = every, from_s, until_s
        self._apart_s, self._slot = apart_s, -1  # the last stretch of so many seconds of which there was a frame
        self._in_line = every_frame
        self._is_recording, self._recorded_s = False, 0.0
        self._changed = threading.Condition()
        self._ready: deque[Arrival] = deque()
        self._opened: Opened | None = None
        self._error: BaseException | None = None
        self._may_go = threading.Event()
        self._wanted, self._ended = True, False
        self._container: av.container.InputContainer | None = None
        self._index, self._seconds = -1, 0.0
        self._began = 0.0
        self.dropped = 0
        self.gaps: list[Gap] = []
        self.ended_early = False
        threading.Thread(target=self._run, name="crowdmask-live", daemon=True).start()

    def opened(self) -> Opened:
        """Wait for the first frame; SourceError where none comes."""
        with self._changed:
            while self._opened is None and self._error is None:
                self._changed.wait(_LOOK_S)
            if self._error is not None:
                raise self._error
            assert self._opened is not None
            return self._opened

    def go(self) -> None:
        """Read on: the container of `opened` is the thread's own from here."""
        self._may_go.set()

    def arrivals(self) -> Iterator[Arrival]:
        """Each frame that is to be analysed, as soon as it is there; the newest, where several came meanwhile."""
        while True:
            with self._changed:
                while not self._ready and not self._ended and self._wanted:
                    self._changed.wait(_LOOK_S)
                if not self._wanted or not self._ready:
                    return
                arrival = self._ready.popleft()
                self._changed.notify_all()
            yield arrival

    def stop(self) -> None:
        with self._changed:
            self._wanted = False
            self._changed.notify_all()
        self._may_go.set()

    # On the reader's own thread

    def _run(self) -> None:
        try:
            decoding, frames = self._connect()
            first = next(frames, None)
            if first is None:
                raise SourceError(
                    f"{shown(self._path)}: no frame of its video can be decoded: if it is a file there, download and "
                    "analyse that"
                )
            self._began = time.monotonic()
            assert self._container is not None
            self._recorded_s = (self._container.duration or 0) / av.time_base
            self._is_recording = self._recorded_s > 0 or self._container.size > 0
            self._tell(Opened(self._container, self._stream_index, first, datetime.now(timezone.utc)))
            self._may_go.wait()
            self._read(decoding, first, frames)
        except BaseException as error:  # whatever it was, the one who waits has to learn of it
            with self._changed:
                self._error = error
        finally:
            self._close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _tell(self, opened: Opened) -> None:
        with self._changed:
            self._opened = opened
            self._changed.notify_all()

    def _connect(self) -> tuple[Decoding, Iterator[av.VideoFrame]]:
        self._container, _ = open_container(self._path)
        self._stream_index = pick_stream(self._container, shown(self._path))
        stream = self._container.streams[self._stream_index]
        assert isinstance(stream, av.video.stream.VideoStream)
        self._base = Fraction(stream.time_base or Fraction(1, 1000))
        self._stamped = not any(word in self._container.format.name for word in _WITHOUT_TIMES)
        # frames that decode on several threads come out late, which would be taken for the time of their arrival
        decoding = Decoding(self._container, self._stream_index, self._threads if self._stamped else 1, None)
        self._zero: tuple[int, float] | None = None  # a stamp of this connection, and the time it stands for
        return decoding, decoding.frames()

    def _close(self) -> None:
        if self._container is not None:
            with contextlib.suppress(Exception):
                self._container.close()
            self._container = None

    def _read(self, decoding: Decoding, first: av.VideoFrame, frames: Iterator[av.VideoFrame]) -> None:
        self._arrived(first)
        while True:
            for frame in frames:
                if not self._wanted or self._is_over(self._seconds):
                    return
                decoding.last_index = self._index
                self._arrived(frame)
            if not self._wanted or self._is_over(self._seconds):
                return
            why = self._why(decoding)
            again = None if self._is_recording else self._connect_again()
            if again is None:
                self._note_end(why)
                return
            decoding, frame, frames = again
            away_s = self._clock_s - self._seconds
            self.gaps.append(Gap(self._index, self._seconds, f"the stream was away for {away_s:.1f} s{_because(why)}"))
            self._arrived(frame)

    def _why(self, decoding: Decoding) -> str:
        """The reason that the connection gave, if any; other gaps of it are kept."""
        reasons = [gap.reason for gap in decoding.gaps if gap.reason.startswith(BROKE_OFF)]
        self.gaps += [gap for gap in decoding.gaps if not gap.reason.startswith(BROKE_OFF)]
        return reasons[-1].removeprefix(BROKE_OFF) if reasons else ""

    def _connect_again(self) -> tuple[Decoding, av.VideoFrame, Iterator[av.VideoFrame]] | None:
        """A new connection and its first frame; None where it does not come before the time is over."""
        self._close()
        attempts = 0
        while self._until_s is not None and self._wanted and not self._is_over(self._clock_s):
            with contextlib.suppress(SourceError):
                decoding, frames = self._connect()
                frame = next(frames, None)
                if frame is not None:
                    return decoding, frame, frames
            self._close()
            pause_s = min(_PAUSES_S[min(attempts, len(_PAUSES_S) - 1)], max(0.0, self._until_s - self._clock_s))
            attempts += 1
            with self._changed:
                self._changed.wait_for(lambda: not self._wanted, timeout=pause_s)
        return None

    def _note_end(self, why: str) -> None:
        """What is missing of a stream that ended by itself."""
        until_s = self._until_s
        if self._recorded_s > 0:
            until_s = min(self._recorded_s, until_s or self._recorded_s) - 1.0  # headers are rough
        if until_s is not None:
            missing_s = until_s - self._seconds
            if missing_s <= 0 and not why:
                return
            reason = f"the stream ended {max(0.0, missing_s):.1f} s before the time asked for{_because(why)}"
        elif why:
            reason = f"the stream broke off{_because(why)}"
        else:
            return
        self.gaps.append(Gap(self._index, self._seconds, reason))
        self.ended_early = True

    def _arrived(self, frame: av.VideoFrame) -> None:
        seconds = self._time_of(frame)
        self._index += 1
        self._seconds = seconds
        if self._index % self._every or seconds < self._from_s or self._is_over(seconds):
            return
        if self._apart_s is not None:
            slot = int(seconds // self._apart_s)
            if slot == self._slot:
                return
            self._slot = slot
        with self._changed:
            if self._in_line or self._is_recording:
                self._changed.wait_for(lambda: len(self._ready) < IN_LINE or not self._wanted)
            elif self._ready:
                self._ready.popleft()
                self.dropped += 1
            self._ready.append(Arrival(self._index, seconds, frame))
            self._changed.notify_all()

    def _time_of(self, frame: av.VideoFrame) -> float:
        """By the stream's own clock from the connection's first frame on, or by arrival; always later than before."""
        stamp = frame.pts if frame.pts is not None else frame.dts
        if stamp is None or not self._stamped:
            seconds = self._clock_s
        else:
            if self._zero is None:
                self._zero = stamp, self._clock_s if self._index >= 0 else 0.0
            seconds = self._zero[1] + float((stamp - self._zero[0]) * self._base)
            if seconds < self._seconds - _STEP_BACK_S:
                seconds = max(self._clock_s, self._seconds)
                self._zero = stamp, seconds
        return max(seconds, self._seconds + 0.001) if self._index >= 0 else 0.0

    @property
    def _clock_s(self) -> float:
        return time.monotonic() - self._began

    def _is_over(self, seconds: float) -> bool:
        return self._until_s is not None and seconds >= self._until_s


def _because(why: str) -> str:
    return f" ({why})" if why else ""
