"""Keeps the account of what was fed to a decoder and never came out, as gaps with a place and a reason."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from crowdmask.records import Gap


class LossAccount:
    """Told of every packet, failure and frame in turn; gives a Gap for each stretch that was lost.

    Frames come out in order of their stamps: a packet whose stamp lies before the frame that has just come out, and
    that has not come out itself, never will. That holds however many threads decode and wherever they report errors.
    `exact` tells that each packet is one frame; otherwise stretches are told by the decoder's errors alone.
    """

    def __init__(self, seconds_of: Callable[[int], float], *, exact: bool) -> None:
        self._seconds_of = seconds_of
        self._exact = exact
        self._waiting: list[int] = []
        self._failures = 0
        self._reason = ""

    def fed(self, stamp: int | None) -> None:
        if stamp is None:
            self._exact = False
        else:
            heapq.heappush(self._waiting, stamp)

    def failed(self, reason: str) -> None:
        self._failures += 1
        self._reason = self._reason or reason

    @property
    def unfinished(self) -> bool:
        """Whether packets were fed that have neither come out nor been accounted for."""
        return bool(self._waiting) and (self._exact or self._failures > 0)

    def came(self, stamp: int | None, last_index: int | None) -> list[Gap]:
        """A frame came out; the gap before it, if any, after the frame `last_index`."""
        if stamp is None:
            return self._settle([], last_index) if self._failures else []
        lost = []
        while self._waiting and self._waiting[0] <= stamp:
            waited = heapq.heappop(self._waiting)
            if waited < stamp:
                lost.append(waited)
        return self._settle(lost, last_index) if lost else []

    def ended(self, last_index: int | None) -> list[Gap]:
        """No more will come; what is still waiting is lost."""
        lost = sorted(self._waiting)
        self._waiting.clear()
        return self._settle(lost, last_index)

    def _settle(self, lost: list[int], last_index: int | None) -> list[Gap]:
        if not (lost if self._exact else self._failures):
            return []
        count = len(lost) or self._failures
        what = "1 frame" if count == 1 else f"{count} frames"
        reason = f"{what} could not be decoded" + (f": {self._reason}" if self._reason else "")
        self._failures, self._reason = 0, ""
        return [Gap(last_index, self._seconds_of(lost[0]) if lost else None, reason)]
