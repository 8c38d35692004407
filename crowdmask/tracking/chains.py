"""Finds of one picture after another linked into chains: sure finds first, then weak ones that only go on with a chain.

The two thresholds are ByteTrack's idea (Zhang et al. 2022, section 3); the cost is the negative log-likelihood of the
find under the chain's motion, so that a chain that was not seen for long, whose place is anybody's guess, does not take
the find of one that was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import areas, intersections
from crowdmask.tracking.assignment import assign
from crowdmask.tracking.motion import Motion
from crowdmask.tracking.observations import Floats, boxes_of, sizes_of
from crowdmask.tracking.rows import Rows

GATE = 20.0  # squared deviations, of place and size together, up to which a find may belong to a chain
FARTHEST = 3.0  # face sizes beyond which it never does, however unsure the chain's place is
SIZE_APART = 0.75  # nor with log sizes farther apart
WEAK_AFTER_S = 0.5  # weak finds go on only with chains seen this shortly ago,
WEAK_AFTER_LOOKS = 2  # or in one of so many looks,
WEAK_FOR_S = 1.5  # and surely found this shortly ago: what is never sure is a fold or a lamp that a flash began
UNPROVED_COST = 4.0  # added for chains of a single find, so that they do not take from older ones
SAME_FACE = 0.4  # a find of which a surer one covers this part is mostly that face once more: it begins nothing


@dataclass
class Chain(Rows):
    """What is kept of each chain beside its motion."""

    serial: NDArray[np.int64]
    first_s: Floats
    last_s: Floats  # when it was found last
    last_look: NDArray[np.int64]
    sure_s: Floats  # when it was found surely last
    finds: NDArray[np.int64]
    known: NDArray[np.bool_]  # as a person's

    @classmethod
    def begun(cls, first_serial: int, count: int, seconds: float, look: int) -> Chain:
        return cls(
            np.arange(first_serial, first_serial + count),
            np.full(count, seconds),
            np.full(count, seconds),
            np.full(count, look, np.int64),
            np.full(count, seconds),
            np.ones(count, np.int64),
            np.zeros(count, bool),
        )


class Chains:
    """The chains of one stream that may still go on."""

    def __init__(self, sure_score: float, coast_s: float) -> None:
        self._sure, self._coast_s = sure_score, coast_s
        self.chain = Chain.begun(0, 0, 0.0, 0)
        self.motion = Motion.begun(np.zeros((0, 4)))
        self._now = 0.0
        self._look = 0
        self._serials = 0

    def __len__(self) -> int:
        return len(self.chain)

    def expire(self, seconds: float) -> bool:
        """Drops what was not seen for too long; whether there was any."""
        stays = seconds - self.chain.last_s <= self._coast_s
        stays |= self._look - self.chain.last_look < 1  # looks far apart: the next one always gets its chance
        return self._keep(stays)

    def drop(self, serials: NDArray[np.int64]) -> None:
        """These go on as others."""
        self._keep(~np.isin(self.chain.serial, serials))

    def know(self, serials: NDArray[np.int64]) -> None:
        """These are people's: what is found once more on one of them begins nobody."""
        self.chain.known[np.isin(self.chain.serial, serials)] = True

    def _keep(self, stays: NDArray[np.bool_]) -> bool:
        if stays.all():
            return False
        self.chain.keep(stays)
        self.motion.keep(stays)
        return True

    def link(self, seconds: float, states: Floats, scores: NDArray[np.floating]) -> NDArray[np.intp]:
        """The row of the chain of each find, (m,), -1 for none; chains that begin with one are the last rows."""
        self.motion.advance(max(0.0, seconds - self._now))
        self._now = seconds
        self._look += 1
        rows = np.full(len(states), -1, np.intp)
        sure = scores >= self._sure
        doubt = np.where(sure, 1.0, 2.0)
        costs = self._costs(states, doubt)
        self._pair(rows, costs, np.ones(len(self), bool), sure)
        alone = rows < 0
        double = doubles(states, scores, sure) if alone.any() else alone
        weak = ~sure & ~double & alone
        if weak.any():
            recent = seconds - self.chain.last_s <= WEAK_AFTER_S
            recent |= self._look - self.chain.last_look <= WEAK_AFTER_LOOKS
            recent &= (seconds - self.chain.sure_s <= WEAK_FOR_S) & (self.chain.finds > 1)
            recent[rows[rows >= 0]] = False
            self._pair(rows, costs, recent, weak)
        linked = rows >= 0
        begins = sure & ~double
        begins[linked] = self.chain.finds[rows[linked]] == 1
        if begins.any():
            twice = begins & self._lie_on_known(rows, states)
            double |= twice
            rows[twice] = -1
            linked = rows >= 0
        self._go_on(rows[linked], seconds, states[linked], doubt[linked])
        self.chain.sure_s[rows[linked & sure]] = seconds
        self._begin(rows, seconds, states, sure & ~double)
        return rows

    def _lie_on_known(self, rows: NDArray[np.intp], states: Floats) -> NDArray[np.bool_]:
        """Which finds are mostly where one goes on with a person: that face, found once more in another way."""
        known = (rows >= 0).nonzero()[0]
        known = known[self.chain.known[rows[known]]]
        if not len(known):
            return np.zeros(len(states), bool)
        return np.asarray(covers(states, states[known]).any(axis=1), np.bool_)

    def _costs(self, states: Floats, doubt: Floats) -> Floats:
        """Negative log-likelihoods (n, m), infinite where a find cannot belong to a chain."""
        motion = self.motion
        if not len(motion) or not len(states):
            return np.zeros((len(motion), len(states)))
        noise = motion.noise(states, doubt)
        off = states[None, :, :] - motion.place[:, None, :]
        size, found = sizes_of(motion.place), sizes_of(states)
        total = motion.var_place[:, None, :] + noise[None, :, :]
        log_size = (off[..., 2] + off[..., 3]) / 2.0
        log_total = (total[..., 2] + total[..., 3]) / 4.0 + 0.01
        place = (off[..., :2] ** 2 / total[..., :2]).sum(axis=2)
        squared = place + log_size**2 / log_total
        scale = np.minimum(size[:, None], found[None, :])
        distance = np.hypot(off[..., 0], off[..., 1]) / scale
        unlikely = np.log(total[..., 0] * total[..., 1] / scale**4) / 2.0
        cost = squared + unlikely + UNPROVED_COST * (self.chain.finds == 1)[:, None]
        impossible = (squared >= GATE) | (distance >= FARTHEST) | (np.abs(log_size) >= SIZE_APART)
        return np.where(impossible, np.inf, cost)

    @staticmethod
    def _pair(rows: NDArray[np.intp], costs: Floats, chains: NDArray[np.bool_], finds: NDArray[np.bool_]) -> None:
        some_chains, some_finds = chains.nonzero()[0], finds.nonzero()[0]
        if not len(some_chains) or not len(some_finds):
            return
        part = costs[some_chains[:, None], some_finds]
        possible = np.isfinite(part)
        if not possible.any():
            return
        at_most = float(part[possible].max()) + GATE  # so high that it never pays to leave a possible pair apart
        i, j = assign(part, at_most)
        rows[some_finds[j]] = some_chains[i]

    def _go_on(self, rows: NDArray[np.intp], seconds: float, states: Floats, doubt: Floats) -> None:
        if len(rows):
            self.motion.correct(rows, states, doubt, seconds - self.chain.last_s[rows])
            self.chain.last_s[rows] = seconds
            self.chain.last_look[rows] = self._look
            self.chain.finds[rows] += 1

    def _begin(self, rows: NDArray[np.intp], seconds: float, states: Floats, sure: NDArray[np.bool_]) -> None:
        new = (sure & (rows < 0)).nonzero()[0]
        if not len(new):
            return
        rows[new] = len(self) + np.arange(len(new))
        self.chain.add(Chain.begun(self._serials, len(new), seconds, self._look))
        self.motion.add(Motion.begun(states[new]))
        self._serials += len(new)


def covers(states: Floats, others: Floats) -> NDArray[np.bool_]:
    """Which of some finds (n, m) share so much of the smaller box with which others that they are one face."""
    mine, theirs = boxes_of(states), boxes_of(others)
    smaller = np.minimum(areas(mine)[:, None], areas(theirs)[None, :])
    return np.asarray(intersections(mine, theirs) > SAME_FACE * smaller, np.bool_)


def doubles(states: Floats, scores: NDArray[np.floating], sure: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which finds are mostly covered by a surer one: half a head, or the same face at another size."""
    surer = covers(states, states) & (scores[None, :] > scores[:, None]) & sure[None, :]
    return np.asarray(surer.any(axis=1), np.bool_)
