"""How far a call is and how long the rest takes, out of what there is to do and the pace of what was done.

Work is of three kinds, each with a pace of its own: pictures, frames that the networks look at, and frames that are
drawn. How many frames a video has is what its container says, before anything of it is done. The time in which networks
are loaded belongs to no pace.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from crowdmask.verdicts import Counts

BEAT_S = 1.0
WINDOW_S = 120.0  # over which it is measured how many workers are at work
RECENT = 0.5  # of the time at work: what was done in it tells the pace, for a start is slower than what follows
MARKS = 100  # at least so many moments of it are remembered
FEW = 8.0  # pictures or frames, by which no time is said
DOUBT = 4.0  # so many pictures or frames weighs what is assumed before anything is measured


class Work(str, Enum):
    """What takes time."""

    STILLS = "stills"  # pictures, all that is done with them
    LOOK = "look"  # frames of videos, by the networks
    DRAW = "draw"  # and those drawn and encoded


# What one takes against the others, until it is measured: a picture is looked at, and of a followed video's frames only
# about one in three is; drawing and encoding take half the time of that.
ASSUMED: Mapping[Work, float] = {Work.STILLS: 1.0, Work.LOOK: 0.6, Work.DRAW: 0.3}


def now() -> float:
    """The clock of everything here; tests put their own in its place."""
    return time.monotonic()


@dataclass(frozen=True)
class Beat:
    """A sign of life from within a unit: what was done since the last one, and how long that took."""

    work: Work
    amount: int
    busy_s: float
    source: str = ""  # of a video
    unit: int = 0


class Beating:
    """Says from within a unit how far it is, about once a second and at its end."""

    def __init__(self, work: Work, source: str, beat: Callable[[Beat], None]) -> None:
        self._work, self._source, self._beat = work, source, beat
        self._at, self._beaten = now(), 0
        self.frames = 0

    def saw(self) -> None:
        self.frames += 1
        if now() - self._at >= BEAT_S:
            self.end()

    def end(self) -> None:
        at = now()
        if self.frames > self._beaten:
            self._beat(Beat(self._work, self.frames - self._beaten, at - self._at, self._source))
            self._at, self._beaten = at, self.frames


class Phase(str, Enum):
    SEARCHING = "searching"
    LOADING = "loading"  # the networks
    WORKING = "working"
    FINISHING = "finishing"  # the run's files are put together
    ENDED = "ended"


@dataclass(frozen=True)
class Progress:
    """How far a call is at one moment."""

    phase: Phase = Phase.SEARCHING
    done: int = 0  # inputs of this session, as the others
    failed: int = 0
    found: int = 0  # inputs, with those that were done before
    to_do: int = 0  # inputs that were not done before
    all_found: bool = False  # no more of them are looked for
    frames: int = 0
    frames_per_s: float = 0.0  # of late
    share: float | None = None  # of the work
    left_s: float | None = None
    counts: Counts | None = None  # of faces; None where they are not told on the way

    def as_dict(self) -> dict[str, Any]:
        """Plain values; docs/schemas/progress.schema.json."""
        return {
            "schema_version": 1,
            "phase": self.phase.value,
            "inputs": {
                "done": self.done,
                "failed": self.failed,
                "found": self.found,
                "to_do": self.to_do,
                "all_found": self.all_found,
            },
            "frames": self.frames,
            "frames_per_s": round(self.frames_per_s, 2),
            "share": None if self.share is None else round(self.share, 4),
            "left_s": None if self.left_s is None else round(self.left_s, 1),
            "counts": None if self.counts is None else self.counts.by_word,
        }


@dataclass
class _Pace:
    """What was done of a kind of work, and the time it took: the later half of it."""

    _amount: float = 0.0  # of all
    _busy_s: float = 0.0
    _marks: deque[tuple[float, float]] = field(default_factory=lambda: deque([(0.0, 0.0)]))  # both, until then
    seen_s: float = 0.0  # how much was worked in all when some of it was last done

    def add(self, amount: float, busy_s: float) -> None:
        self._amount, self._busy_s = self._amount + amount, self._busy_s + busy_s
        if self._busy_s - self._marks[-1][1] > self._busy_s / MARKS:
            self._marks.append((self._amount, self._busy_s))
        while len(self._marks) > 1 and self._is_enough(*self._marks[1]):
            self._marks.popleft()

    def _is_enough(self, amount: float, busy_s: float) -> bool:
        return busy_s <= (1 - RECENT) * self._busy_s and self._amount - amount >= FEW

    @property
    def amount(self) -> float:
        return self._amount - self._marks[0][0]

    @property
    def busy_s(self) -> float:
        return self._busy_s - self._marks[0][1]


@dataclass
class Forecast:
    """May be fed and asked from any thread."""

    _left: dict[Work, float] = field(default_factory=lambda: dict.fromkeys(Work, 0.0))
    _done: dict[Work, float] = field(default_factory=lambda: dict.fromkeys(Work, 0.0))
    _pace: dict[Work, _Pace] = field(default_factory=lambda: {work: _Pace() for work in Work})
    _videos: dict[str, dict[Work, float]] = field(default_factory=dict)  # what is left of each
    _units: dict[int, list[Beat]] = field(default_factory=dict)  # what was done of those in hand
    _busy: deque[tuple[float, float]] = field(default_factory=deque)  # when, and seconds at work until then
    _lock: threading.RLock = field(default_factory=threading.RLock)

    # What there is to do

    def expect_stills(self, number: int = 1) -> None:
        with self._lock:
            self._left[Work.STILLS] += number

    def expect_video(self, source: str, look: float, draw: float = 0.0) -> None:
        """So many frames are to do of a video, whatever was thought before."""
        with self._lock:
            self.finish_video(source)
            self._videos[source] = {Work.LOOK: look, Work.DRAW: draw}
            for work, amount in self._videos[source].items():
                self._left[work] += amount

    def expected_of(self, source: str) -> float:
        """How many frames of a video the networks are still to look at."""
        with self._lock:
            return self._videos.get(source, {}).get(Work.LOOK, 0.0)

    def finish_video(self, source: str) -> None:
        """Nothing is left of it, however many frames it had."""
        with self._lock:
            for work, amount in self._videos.pop(source, {}).items():
                self._left[work] = max(0.0, self._left[work] - amount)

    # What is done

    def beat(self, beat: Beat) -> None:
        with self._lock:
            self._take(beat, now())

    def _take(self, beat: Beat, at: float) -> None:
        if not self._busy:
            self._busy.append((at - beat.busy_s, 0.0))
        self._pace[beat.work].add(beat.amount, beat.busy_s)
        self._busy.append((at, self._busy[-1][1] + beat.busy_s))
        self._pace[beat.work].seen_s = self._busy[-1][1]
        while len(self._busy) > 2 and at - self._busy[1][0] > WINDOW_S:
            self._busy.popleft()
        self._done[beat.work] += beat.amount
        self._take_off(beat)
        if beat.unit:
            self._units.setdefault(beat.unit, []).append(beat)

    def _take_off(self, beat: Beat) -> None:
        amount = float(beat.amount)
        if beat.work is not Work.STILLS:
            video = self._videos.get(beat.source)
            if video is None:
                return
            amount = min(amount, video[beat.work])
            video[beat.work] -= amount
        self._left[beat.work] = max(0.0, self._left[beat.work] - amount)

    def end_unit(self, unit: int, stills: int = 0) -> None:
        """A unit is done; `stills` are its pictures, with those that failed and are in no beat."""
        with self._lock:
            beaten = sum(beat.amount for beat in self._units.pop(unit, []) if beat.work is Work.STILLS)
            missing = max(0, stills - beaten)
            self._left[Work.STILLS] = max(0.0, self._left[Work.STILLS] - missing)
            self._done[Work.STILLS] += missing

    def lose_unit(self, unit: int) -> None:
        """What was done of it is lost, and to do again."""
        with self._lock:
            for beat in self._units.pop(unit, []):
                self._done[beat.work] = max(0.0, self._done[beat.work] - beat.amount)
                if beat.work is Work.STILLS:
                    self._left[Work.STILLS] += beat.amount
                elif beat.source in self._videos:
                    self._videos[beat.source][beat.work] += beat.amount
                    self._left[beat.work] += beat.amount

    # What that comes to

    @property
    def has_begun(self) -> bool:
        return bool(self._busy)

    def knows(self, work: Work) -> bool:
        """Whether there is such work, done or not."""
        with self._lock:
            return self._left[work] > 0 or self._pace[work].amount > 0

    def is_unmeasured(self, work: Work) -> bool:
        """Whether there is such work, and nothing of it was done yet."""
        with self._lock:
            return self._left[work] > 0 and self._pace[work].amount == 0

    @property
    def worked_s(self) -> float:
        """Seconds at work, of all workers together."""
        with self._lock:
            return self._busy[-1][1] if self._busy else 0.0

    def is_outdated(self, work: Work, since_s: float) -> bool:
        """Whether there is such work left, and it was measured, but not in the later half of all that was worked.

        `since_s` is how much was worked in all when some of it was last given out.
        """
        with self._lock:
            seen_s = self._pace[work].seen_s
            return self._left[work] > 0 and seen_s > 0 and self.worked_s >= 2 * max(since_s, seen_s)

    @property
    def share(self) -> float:
        each = self._each()
        done, left = (sum(each[work] * amounts[work] for work in Work) for amounts in (self._done, self._left))
        return done / (done + left) if done + left else 0.0

    @property
    def left_s(self) -> float | None:
        """Between two beats the time that passes is taken off; None at first, when all is slower than it will be."""
        with self._lock:
            if not self._busy or sum(self._done.values()) < FEW:
                return None
            each = self._each()
            seconds = sum(each[work] * self._left[work] for work in Work) / self._at_work
            return max(0.0, seconds - (now() - self._busy[-1][0]))

    @property
    def frames_per_s(self) -> float:
        """Pictures and frames that the networks looked at, by second of late."""
        looked = [(self._pace[work].amount, self._pace[work].busy_s) for work in (Work.STILLS, Work.LOOK)]
        amount, busy_s = (sum(numbers) for numbers in zip(*looked, strict=True))
        return amount / busy_s * self._at_work if busy_s else 0.0

    @property
    def _at_work(self) -> float:
        """How many workers are at work at once."""
        (begun, before), (at, busy_s) = self._busy[0], self._busy[-1]
        return (busy_s - before) / (at - begun) if at > begun and busy_s > before else 1.0

    def _each(self) -> dict[Work, float]:
        """Seconds that one of each kind takes: measured, or assumed by those that are."""
        measured = {work: pace for work, pace in self._pace.items() if pace.amount}
        weight = sum(ASSUMED[work] * pace.amount for work, pace in measured.items())
        unit_s = sum(pace.busy_s for pace in measured.values()) / weight if weight else 1.0
        return {
            work: (pace.busy_s + DOUBT * ASSUMED[work] * unit_s) / (pace.amount + DOUBT)
            for work, pace in self._pace.items()
        }
