"""Takes what the workers tell, and puts it into the manifest by the second; what a kill loses is done again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from crowdmask.jobs.batch.entries import State
from crowdmask.jobs.batch.manifest import Manifest
from crowdmask.jobs.batch.period_sums import PeriodSums
from crowdmask.jobs.batch.units import Beat, Worked
from crowdmask.records import Counts

MOST_HELD, LONGEST_HELD_S = 64, 1.0


@dataclass
class Tally:
    """What this session did."""

    done: int = 0
    failed: int = 0
    frames: int = 0
    counts: Counts = field(default_factory=Counts)
    tells_faces: bool = True  # not so in aggregate-only mode
    under_way: dict[str, tuple[int, Counts]] = field(default_factory=dict)  # frames of videos not yet done

    @property
    def frames_seen(self) -> int:
        return self.frames + sum(frames for frames, _ in list(self.under_way.values()))

    @property
    def counts_seen(self) -> Counts:
        return sum((counts for _, counts in list(self.under_way.values())), self.counts)


class Ledger:
    """May be used from any thread; an error to write is raised to whoever made it be written."""

    def __init__(
        self, manifest: Manifest, forgive: Callable[[], bool] = lambda: False, sums: PeriodSums | None = None
    ) -> None:
        self._manifest, self._forgive, self._sums = manifest, forgive, sums
        self._lock = threading.RLock()
        self._held: list[Worked] = []
        self._since = 0.0
        self.tally = Tally(tells_faces=sums is None)

    def add(self, worked: Worked) -> None:
        """`forgive` is asked of each failure: one that a full disk made is no failure of its input."""
        entry = worked.entry
        with self._lock:
            self.tally.under_way.pop(entry.source, None)
            if entry.state is State.FAILED and self._forgive():
                return
            if not self._held:
                self._since = time.monotonic()
            self._held.append(worked)
            if entry.state is State.DONE:
                self.tally.done += 1
                self.tally.frames += entry.frames
                self.tally.counts = self.tally.counts + entry.counts
            elif entry.state is State.FAILED:
                self.tally.failed += 1
            self.flush_if_due()

    def beat(self, beat: Beat) -> None:
        with self._lock:
            frames, counts = self.tally.under_way.get(beat.source, (0, Counts()))
            self.tally.under_way[beat.source] = frames + beat.frames, counts + beat.counts

    def retried(self, number: int) -> None:
        """That many failures are tried again, and so are none any more."""
        with self._lock:
            self.tally.failed -= number

    def flush_if_due(self) -> None:
        with self._lock:
            if len(self._held) >= MOST_HELD or (self._held and time.monotonic() - self._since >= LONGEST_HELD_S):
                self.flush()

    def flush(self) -> None:
        with self._lock:
            held, self._held = self._held, []
            if held and self._sums is not None:
                self._sums.put(held)
            elif held:
                faces = {worked.entry.source: worked.faces for worked in held if worked.faces is not None}
                self._manifest.put((worked.entry for worked in held), faces)

    def finish(self) -> None:
        """In aggregate-only mode, when all is done: write down what was held back."""
        with self._lock:
            self.flush()
            if self._sums is not None:
                self._sums.finish()
