"""The last stage before the report: adds up what the frames say; counts add, and every rate is computed from counts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from crowdmask.records import Counts, FrameResult

Z_95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution
WORST_MOMENTS = 5
MOMENT_SECONDS = 10.0
# A reported moment can silence the cells on both sides of its own, so three cells for each give the full number.
_CELLS_KEPT = 3 * WORST_MOMENTS


def wilson_interval(successes: int, trials: int, z: float = Z_95) -> tuple[float, float] | None:
    """Score interval of a rate (Wilson 1927), None without trials.

    It takes every trial for independent. Faces of successive frames are not: for those see `timeline/precision.py`.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must be 0 to {trials}, they are {successes}")
    return score_interval(successes / trials, trials, z) if trials else None


def score_interval(rate: float, trials: float, z: float = Z_95) -> tuple[float, float] | None:
    """Wilson's interval of a rate on so many trials, which need not be whole; None without any."""
    if trials <= 0:
        return None
    shrink = 1.0 + z * z / trials
    centre = (rate + z * z / (2 * trials)) / shrink
    half = z / shrink * math.sqrt(rate * (1.0 - rate) / trials + z * z / (4 * trials * trials))
    low = 0.0 if rate == 0 else max(0.0, centre - half)
    high = 1.0 if rate == 1 else min(1.0, centre + half)
    return low, high


def rounded(value: float | None, places: int = 6) -> float | None:
    """As it is written; None where there is nothing to say."""
    return None if value is None else round(value, places)


def rate_with_interval(rate: float | None, interval: tuple[float, float] | None) -> dict[str, float | None]:
    """As every JSON has a rate: `rate`, and `low` to `high` where there is an interval."""
    low, high = interval or (None, None)
    return {"rate": rounded(rate), "low": rounded(low), "high": rounded(high)}


@dataclass(frozen=True)
class Moment:
    """A frame worth a look: where it is, and what was seen in it."""

    source: str
    frame: int
    seconds: float
    counts: Counts

    @property
    def cell(self) -> tuple[str, int]:
        """The stretch of MOMENT_SECONDS of its source in which it lies."""
        return self.source, math.floor(self.seconds / MOMENT_SECONDS)

    @property
    def rank(self) -> tuple[int, str, float, int, tuple[int, ...]]:
        """Sorts the worst first, of equals the earliest; no two different moments rank the same."""
        return -self.counts.against, self.source, self.seconds, self.frame, self.counts.numbers

    def is_near(self, other: Moment) -> bool:
        return self.source == other.source and abs(self.seconds - other.seconds) < MOMENT_SECONDS

    def as_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "frame": self.frame,
            "time_s": round(self.seconds, 6),
            **self.counts.by_word,
        }


@dataclass
class ComplianceStats:
    """Counts of a run, or of a part of one: the sum of any parts equals one pass over the whole, in any order.

    For worst moments time is cut into cells of MOMENT_SECONDS; the worst frame of each of the worst cells is kept.
    Cells, unlike "the next moment must be ten seconds away", do not depend on the order in which parts are joined.
    """

    frames: int = 0
    frames_with_faces: int = 0
    counts: Counts = field(default_factory=Counts)
    _worst: list[Moment] = field(default_factory=list)
    no_faces: int = 0  # finds that the classifier took for no face, which count for nothing

    def update(self, result: FrameResult, source: str = "") -> None:
        self.add(result.frame.index, result.frame.seconds, result.counts, source)
        self.no_faces += result.no_faces

    def add(self, frame: int, seconds: float, counts: Counts, source: str = "") -> None:
        """Count one frame of which only the numbers are at hand."""
        self.frames += 1
        self.frames_with_faces += counts.faces > 0
        self.counts = self.counts + counts
        if counts.against:
            moment = Moment(source, frame, seconds, counts)
            if len(self._worst) < _CELLS_KEPT or moment.rank < self._worst[-1].rank:
                self._worst = _worst_cells([*self._worst, moment])

    def named(self, source: str) -> ComplianceStats:
        """The same of one input, by another name."""
        return replace(self, _worst=[replace(moment, source=source) for moment in self._worst])

    def __add__(self, other: ComplianceStats) -> ComplianceStats:
        return ComplianceStats(
            self.frames + other.frames,
            self.frames_with_faces + other.frames_with_faces,
            self.counts + other.counts,
            _worst_cells([*self._worst, *other._worst]),
            self.no_faces + other.no_faces,
        )

    @property
    def faces(self) -> int:
        return self.counts.faces

    @property
    def masked(self) -> int:
        return self.counts.masked

    @property
    def unmasked(self) -> int:
        return self.counts.unmasked

    @property
    def unknown(self) -> int:
        return self.counts.unknown

    @property
    def judged(self) -> int:
        return self.counts.judged

    @property
    def compliance(self) -> float | None:
        """Masked among the judged faces of all frames; None where none was judged."""
        return self.counts.compliance

    @property
    def faces_per_frame(self) -> float | None:
        return self.faces / self.frames if self.frames else None

    @property
    def unmasked_per_frame(self) -> float | None:
        return self.unmasked / self.frames if self.frames else None

    @property
    def peak(self) -> Moment | None:
        """The first frame with the most unmasked faces; None where nobody was unmasked."""
        return self._worst[0] if self._worst else None

    @property
    def worst_moments(self) -> list[Moment]:
        """At most WORST_MOMENTS frames with the most unmasked faces, worst first, MOMENT_SECONDS apart in a source."""
        chosen: list[Moment] = []
        for moment in self._worst:
            if len(chosen) < WORST_MOMENTS and not any(moment.is_near(c) for c in chosen):
                chosen.append(moment)
        return chosen


def _worst_cells(moments: list[Moment]) -> list[Moment]:
    """The worst frame of each cell, worst cells first, no more than are kept."""
    best: dict[tuple[str, int], Moment] = {}
    for moment in sorted(moments, key=lambda m: m.rank):
        best.setdefault(moment.cell, moment)
    return list(best.values())[:_CELLS_KEPT]
