"""The faces that are followed now or were just lost: what is known of each, and the sums its appearance is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.records import Verdict
from crowdmask.tracking.appearances import Appearance, Stretch
from crowdmask.tracking.observations import Floats, bounded
from crowdmask.tracking.rows import Rows

NOBODY = 0  # the number of a face that is not confirmed yet
NEVER = -1
SIZE_STEP = 0.02  # log size from one bin of the sizes' histogram to the next
SIZE_BINS = 420  # from one pixel up


@dataclass
class Person(Rows):
    """One row for each face, from its first sighting until it can no longer come back; keys ascend."""

    key: NDArray[np.int64]
    number: NDArray[np.int64]  # 1, 2, … once confirmed
    first_look_s: Floats
    last_look_s: Floats
    first_look_frame: NDArray[np.int64]
    last_look_frame: NDArray[np.int64]
    looks: NDArray[np.int64]  # sightings of the chain it goes by now
    sures: NDArray[np.int64]  # of them, sure ones
    chain: NDArray[np.int64]  # serial number of that chain
    first_state: Floats  # of that chain
    end_state: Floats  # of the last sighting, filtered
    end_speed: Floats
    first_sighting: NDArray[np.int64]
    last_sighting: NDArray[np.int64]
    cursor: NDArray[np.int64]  # the last sighting that frames given out have passed
    left: NDArray[np.bool_]  # whether it was going out of the picture when it was seen last

    @classmethod
    def begun(
        cls, keys: NDArray[np.int64], when: tuple[int, float], states: Floats, sightings: NDArray[np.int64]
    ) -> Person:
        """From their first sightings, in one frame (index, seconds)."""
        frame, seconds = when
        n = len(keys)
        return cls(
            key=keys,
            number=np.full(n, NOBODY, np.int64),
            first_look_s=np.full(n, seconds),
            last_look_s=np.full(n, seconds),
            first_look_frame=np.full(n, frame, np.int64),
            last_look_frame=np.full(n, frame, np.int64),
            looks=np.zeros(n, np.int64),
            sures=np.zeros(n, np.int64),
            chain=keys.copy(),
            first_state=states,
            end_state=states.copy(),
            end_speed=np.zeros((n, 4)),
            first_sighting=sightings,
            last_sighting=np.full(n, NEVER, np.int64),
            cursor=np.full(n, NEVER, np.int64),
            left=np.zeros(n, bool),
        )


@dataclass
class Sums(Rows):
    """What a person's appearance is made of, added up over the frames given out; parallel to `Person`."""

    first_s: Floats
    last_s: Floats
    seen_s: Floats
    first_frame: NDArray[np.int64]
    last_frame: NDArray[np.int64]
    last_ordinal: NDArray[np.int64]  # of the last frame it was in, counting all frames of the stream
    frames: NDArray[np.int64]
    observations: NDArray[np.int64]
    by_verdict: NDArray[np.int64]  # (n, verdicts) frames
    verdict: NDArray[np.int64]  # in the last frame
    best: Floats
    best_frame: NDArray[np.int64]
    best_s: Floats
    best_box: Floats  # (n, 4)
    sizes: NDArray[np.int32]  # (n, SIZE_BINS)

    @classmethod
    def none(cls, n: int, verdicts: int) -> Sums:
        return cls(
            first_s=np.full(n, np.nan),
            last_s=np.full(n, np.nan),
            seen_s=np.zeros(n),
            first_frame=np.full(n, NEVER, np.int64),
            last_frame=np.full(n, NEVER, np.int64),
            last_ordinal=np.full(n, NEVER - 1, np.int64),
            frames=np.zeros(n, np.int64),
            observations=np.zeros(n, np.int64),
            by_verdict=np.zeros((n, verdicts), np.int64),
            verdict=np.full(n, NEVER, np.int64),
            best=np.full(n, -np.inf),
            best_frame=np.full(n, NEVER, np.int64),
            best_s=np.full(n, np.nan),
            best_box=np.zeros((n, 4)),
            sizes=np.zeros((n, SIZE_BINS), np.int32),
        )

    def shown(
        self,
        rows: NDArray[np.intp],
        frame: tuple[int, int, float, float],
        verdicts: NDArray[np.int8],
        sizes: Floats,
    ) -> NDArray[np.bool_]:
        """These are in a frame (ordinal, index, seconds, seconds of the one before); says whose verdict is new."""
        ordinal, index, seconds, before_s = frame
        new = self.frames[rows] == 0
        self.first_s[rows[new]] = seconds
        self.first_frame[rows[new]] = index
        went_on = self.last_ordinal[rows] == ordinal - 1
        self.seen_s[rows[went_on]] += seconds - before_s
        self.last_s[rows] = seconds
        self.last_frame[rows] = index
        self.last_ordinal[rows] = ordinal
        self.frames[rows] += 1
        self.by_verdict[rows, verdicts] += 1
        bins = bounded(np.log(np.maximum(sizes, 1.0)) / SIZE_STEP, 0, SIZE_BINS - 1).astype(np.intp)
        self.sizes[rows, bins] += 1
        changed: NDArray[np.bool_] = self.verdict[rows] != verdicts
        self.verdict[rows] = verdicts
        return changed

    def seen_at_best(
        self, rows: NDArray[np.intp], quality: Floats, index: int, seconds: float, boxes_xyxy: NDArray[np.floating]
    ) -> None:
        """These were observed in a frame, not filled in."""
        self.observations[rows] += 1
        better = quality > self.best[rows]
        chosen = rows[better]
        self.best[chosen] = quality[better]
        self.best_frame[chosen], self.best_s[chosen] = index, seconds
        self.best_box[chosen] = boxes_xyxy[better]

    def appearance(
        self, row: int, *, person: int, stretches: tuple[Stretch, ...], probability: Floats, judged: int
    ) -> Appearance:
        unknown = int(Verdict.UNKNOWN)
        by_verdict = self.by_verdict[row].copy()
        by_verdict[unknown] = 0
        verdict = int(by_verdict.argmax()) if by_verdict.any() else unknown
        below = np.cumsum(self.sizes[row])
        middle = int(below.searchsorted((below[-1] + 1) // 2))
        return Appearance(
            person=person,
            first_s=float(self.first_s[row]),
            last_s=float(self.last_s[row]),
            seen_s=float(self.seen_s[row]),
            first_frame=int(self.first_frame[row]),
            last_frame=int(self.last_frame[row]),
            frames=int(self.frames[row]),
            observations=int(self.observations[row]),
            judged=judged,
            verdict=verdict,
            probability=np.asarray(probability, np.float32),
            stretches=stretches,
            best_frame=int(self.best_frame[row]),
            best_s=float(self.best_s[row]),
            best_box_xyxy=np.asarray(self.best_box[row], np.float32),
            median_size=float(np.exp((middle + 0.5) * SIZE_STEP)),
        )
