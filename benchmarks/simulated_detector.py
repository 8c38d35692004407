"""A detector made of true boxes: it misses by size, overlap and mood, trembles, and sees faces where there are none.

What makes real finds hard to follow is put in: misses come in runs, as a head turns away and back (`MOOD_S`); somebody
behind another is not seen; scores sink gradually through the weak ones; false finds are partly single flashes, partly
things that look like a face again and again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import intersections
from crowdmask.tracking.observations import Finds

MOOD_S = 0.4
JITTER_S = 0.08


@dataclass(frozen=True)
class Faults:
    """How bad the detector is."""

    mean_score: float = 0.88  # of a face of 24 pixels that nothing hides
    by_size: float = 0.10  # more for every doubling of the size
    by_overlap: float = 1.1  # less, times the part of the face that is hidden
    mood: float = 0.14  # deviation of the score, per person, slowly changing
    noise: float = 0.05  # and from frame to frame
    tremble: float = 0.05  # of each side, in parts of the face's size
    flashes: float = 0.10  # false finds per frame that last one to three frames
    haunted: int = 2  # places that look like a face now and then
    weak_floor: float = 0.2


class SimulatedDetector:
    """One pass over a stream; frames in order, whether looked at or not, so that the same seed gives the same world."""

    def __init__(self, faults: Faults, size_wh: tuple[int, int], rate: float, seed: int) -> None:
        self._faults, self._size_wh, self._rate = faults, size_wh, rate
        self._rng = np.random.default_rng(seed)
        self._mood: dict[int, float] = {}
        self._off: dict[int, NDArray[np.float64]] = {}
        self._flashes: list[tuple[int, NDArray[np.float64], float]] = []  # frames left, box, score
        self._haunted = [self._somewhere() for _ in range(faults.haunted)]

    def frame(self, ids: NDArray[np.int64], boxes_xyxy: NDArray[np.float32]) -> Finds:
        boxes, scores = self._real(ids.tolist(), np.asarray(boxes_xyxy, np.float64))
        false = self._false()
        boxes += [box for box, _ in false]
        scores += [score for _, score in false]
        kept = [i for i, score in enumerate(scores) if score >= self._faults.weak_floor]
        order = sorted(kept, key=lambda i: -scores[i])
        found = np.array([boxes[i] for i in order], np.float32).reshape(-1, 4)
        return Finds(found, np.clip(np.array([scores[i] for i in order], np.float32), 0, 0.999))

    def _real(self, ids: list[int], boxes: NDArray[np.float64]) -> tuple[list[NDArray[np.float64]], list[float]]:
        faults, rng = self._faults, self._rng
        size = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
        hidden = self._hidden(boxes)
        keep, keep_off = np.exp(-1 / (self._rate * MOOD_S)), np.exp(-1 / (self._rate * JITTER_S))
        out, scores = [], []
        for k, who in enumerate(ids):
            mood = self._mood.get(who, rng.normal())
            self._mood[who] = keep * mood + np.sqrt(1 - keep**2) * rng.normal()
            off = self._off.get(who, rng.normal(size=4))
            self._off[who] = keep_off * off + np.sqrt(1 - keep_off**2) * rng.normal(size=4)
            score = faults.mean_score + faults.by_size * np.log2(size[k] / 24) - faults.by_overlap * hidden[k]
            score += faults.mood * self._mood[who] + faults.noise * rng.normal()
            box = boxes[k] + self._off[who] * faults.tremble * size[k] * (1 + hidden[k])
            out.append(box)
            scores.append(float(min(0.999, score)))
        return out, scores

    @staticmethod
    def _hidden(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """The part of each box that nearer ones cover; nearer is what stands lower in the picture."""
        some = boxes.astype(np.float32)
        covered = intersections(some, some) / np.maximum(1e-6, np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))[:, None]
        nearer = boxes[None, :, 3] > boxes[:, None, 3]
        share: NDArray[np.float64] = np.where(nearer, covered, 0.0).max(axis=1, initial=0.0)
        return share

    def _somewhere(self) -> NDArray[np.float64]:
        size = float(np.exp(self._rng.uniform(np.log(14), np.log(40))))
        x, y = self._rng.uniform(0, self._size_wh[0] - size), self._rng.uniform(0, self._size_wh[1] - size)
        return np.array([x, y, x + size, y + size])

    def _false(self) -> list[tuple[NDArray[np.float64], float]]:
        rng, faults = self._rng, self._faults
        self._flashes = [(left - 1, box, score) for left, box, score in self._flashes if left > 1]
        for _ in range(rng.poisson(faults.flashes / 2)):
            self._flashes.append((int(rng.integers(1, 4)), self._somewhere(), float(rng.uniform(0.5, 0.8))))
        found = [(box + rng.normal(size=4), score) for _, box, score in self._flashes]
        for box in self._haunted:
            score = float(rng.normal(0.25, 0.15))
            found.append((box + rng.normal(size=4), score))
        return found
