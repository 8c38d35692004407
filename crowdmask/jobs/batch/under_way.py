"""The driver's side of a long video: which of its segments is to do next, and when all of it is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from pathlib import Path

from crowdmask.jobs.batch.entries import CONCLUSION, PIECES, Entry
from crowdmask.jobs.batch.units import Plan, Step
from crowdmask.media.segments import Span

Task = tuple[Step, tuple[Span, ...], tuple[Entry, ...]]  # what, of which segments, and out of what


class VideoUnderWay:
    """One video that was cut; `kept` are the entries of what earlier sessions did of it; their files lie in `root`."""

    def __init__(
        self, plan: Plan, entry: Entry, spans: tuple[Span, ...], kept: Iterable[Entry] = (), root: Path | None = None
    ) -> None:
        self.entry, self.spans = entry, spans
        self._kept: dict[int, Entry] = {}
        self._ready: deque[Task] = deque()
        self._given: set[tuple[Step, int]] = set()
        self.left_over: list[Entry] = []  # kept before, and of no use: damaged, or of other settings or another file
        known = {span.number for span in spans}
        known |= {PIECES + number for number in known} | {CONCLUSION}
        for one in sorted(kept, key=lambda one: one.segment != CONCLUSION):
            fits = one.segment in known and one.identity == entry.identity and one.settings == plan.settings_digest
            if fits and all(output.is_whole(root or plan.run) for output in one.outputs):
                self._kept[one.segment] = one
            else:
                self.left_over.append(one)
        if CONCLUSION not in self._kept:  # pieces are drawn from what was concluded
            self.left_over += [self._kept.pop(number) for number in sorted(self._kept) if number > PIECES]
        self._refill()

    @property
    def frames_to_look_at(self) -> int:
        """About how many frames the networks have not seen yet."""
        return sum(span.frames for span in self.spans if span.number not in self._kept) if not self._concluded else 0

    @property
    def frames_to_draw(self) -> int:
        return sum(span.frames for span in self.spans if PIECES + span.number not in self._kept)

    def take(self, kept: Entry) -> None:
        """What a worker did of it."""
        self._kept[kept.segment] = kept
        self._refill()

    def next_task(self) -> Task | None:
        """What may be given out now; None where all that is left waits for what is given out already."""
        return self._ready.popleft() if self._ready else None

    @property
    def _concluded(self) -> Entry | None:
        return self._kept.get(CONCLUSION)

    def _refill(self) -> None:
        looks = [self._kept.get(span.number) for span in self.spans]
        concluded = self._concluded
        if concluded is None:
            for span, one in zip(self.spans, looks, strict=True):
                if one is None:
                    self._offer(Step.LOOK, span.number, (span,), ())
            if None not in looks:
                self._offer(Step.CONCLUDE, 0, self.spans, tuple(one for one in looks if one is not None))
            return
        pieces = [self._kept.get(PIECES + span.number) for span in self.spans]
        for span, one in zip(self.spans, pieces, strict=True):
            if one is None:
                self._offer(Step.DRAW, span.number, (span,), (concluded,))
        if None not in pieces:
            self._offer(Step.JOIN, 0, self.spans, (concluded, *(one for one in pieces if one is not None)))

    def _offer(self, step: Step, number: int, spans: tuple[Span, ...], kept: tuple[Entry, ...]) -> None:
        """Each task once."""
        if (step, number) not in self._given:
            self._given.add((step, number))
            self._ready.append((step, spans, kept))
