"""The progress of a batch on stderr: inputs done of those found, frames, rate, time left and the running counts."""

from __future__ import annotations

import sys
import time
from typing import Any

from tqdm import tqdm

from crowdmask.jobs.batch.running import BatchWatch
from crowdmask.jobs.batch.standing import Tally

LOOK_S = 0.2


class BatchProgress(BatchWatch):
    """A context manager; one bar. Without an end in sight, as long as inputs are still looked for, it tells no time."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._bar: Any = None
        self._begun = self._looked = time.monotonic()

    def __enter__(self) -> BatchProgress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def moved(self, tally: Tally, found: int, to_do: int, all_found: bool) -> None:
        now = time.monotonic()
        if not self._shown or (self._bar is not None and now - self._looked < LOOK_S):
            return
        self._looked = now
        if self._bar is None:
            self._bar = tqdm(desc="inputs", unit="input", file=sys.stderr, leave=False, dynamic_ncols=True)
        self._bar.total = to_do if all_found else None
        self._bar.n = tally.done + tally.failed
        frames, counts = tally.frames_seen, tally.counts
        failed = f", {tally.failed} failed" if tally.failed else ""
        faces = f", {counts.unmasked} unmasked, {counts.masked} masked, {counts.unknown} unknown"
        speed = f"{frames} frames ({frames / max(now - self._begun, 0.001):.1f}/s)"
        self._bar.set_postfix_str(f"{speed}{faces if tally.tells_faces else ''}{failed}", refresh=False)
        self._bar.refresh()
