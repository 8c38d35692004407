"""Turns the time stamps of a stream into times that only go forward, touching none that already do."""

from __future__ import annotations

from fractions import Fraction

JUMP_S = 1.0  # a step back by more is a clock that began anew; by less, a single wrong stamp


class StreamClock:
    """Gives each frame's time in whole ticks of the stream's time base, counted from its start.

    A missing or repeated stamp follows its forerunner by one frame's length. A stamp somewhat too early follows by
    one tick, so that those after it keep theirs. After a larger step back (recordings joined end to end) all that
    follows is moved forward, so that time goes on by one frame's length. Steps forward are left as they are.
    """

    def __init__(self, start: int, time_base: Fraction, rate: Fraction | None) -> None:
        self._start = start
        self._time_base = time_base
        self._step = max(1, round(1 / (rate or Fraction(25)) / time_base))
        self._jump = JUMP_S / time_base
        self._moved = 0
        self._stamp: int | None = None
        self._last: int | None = None
        self.repaired = 0  # how many frames have another time than their stamp says

    def seconds(self, ticks: int) -> float:
        return float(ticks * self._time_base)

    def ticks(self, stamp: int | None) -> int:
        """The next frame's time, always later than the one before."""
        last = self._last
        if stamp is None or stamp == self._stamp:
            now = self._step + last if last is not None else 0
            self.repaired += 1
        else:
            now = stamp - self._start + self._moved
            if last is not None and now <= last:
                back = last - now
                now = last + (self._step if back > self._jump else 1)
                self._moved += now - (stamp - self._start + self._moved) if back > self._jump else 0
                self.repaired += 1
        self._stamp, self._last = stamp, now
        return now
