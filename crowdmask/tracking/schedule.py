"""Decides which faces of a followed stream are judged now.

It shares nothing with `Follower`, so that observations can be made piece by piece, in any order, and followed later. An
answer counts here only `LAG` looks after its question: so many may be judged in one batch, and how many are changes
nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.tracking.chains import Chains
from crowdmask.tracking.observations import Finds, Floats, sizes_of, states_of
from crowdmask.tracking.rows import Rows
from crowdmask.tracking.steady_camera import SteadyCamera
from crowdmask.tracking.verdicts import UNDECIDED, Evidence, VerdictRules, vote_weights

KEPT_S = 1.0  # a face that was not found for so long is judged as a new one
UNSURE_AGAIN_S = 0.1  # sooner than this the next answer would be nearly the last one
SURE_AGAIN_S = 1.0
SURE_WEIGHT = 1.5  # of votes, and
SURE_PROB = 0.9  # steady probability, from which a face is sure
GROWN = 0.25  # log size by which a face changed since it was judged
RESCORED = 0.25  # detector score likewise: it was turned away or hidden, and is not any more
ENOUGH_DOUBTS = 3


@dataclass
class _Asked(Rows):
    """When each chain was judged last, and how it looked then."""

    chain: NDArray[np.int64]
    seconds: Floats
    size: Floats
    score: Floats
    doubts: NDArray[np.int64]  # how often it was asked of an unsure find whether it is a face

    @classmethod
    def never(cls, chains: NDArray[np.int64]) -> _Asked:
        n = len(chains)
        return cls(chains, np.full(n, -np.inf), np.ones(n), np.zeros(n), np.zeros(n, np.int64))


@dataclass(frozen=True)
class _Question:
    """The faces of one look, until their answers count."""

    seconds: float
    chains: NDArray[np.int64]
    sizes: Floats
    scores: NDArray[np.floating]


class Schedule:
    """For one stream, or one piece of it."""

    LAG = 4

    def __init__(self, rules: VerdictRules, *, sure_score: float, judge_score: float = 0.0) -> None:
        """Answers on finds under `judge_score` tell only whether it is a face: a few of them are enough."""
        self._rules, self._sure, self._judge_score = rules, sure_score, judge_score
        self.restart()

    def restart(self) -> None:
        """Forgets everything: what comes is scheduled as if the stream began here."""
        self._camera = SteadyCamera()
        self._chains = Chains(self._sure, KEPT_S)
        self._asked = _Asked.never(np.zeros(0, np.int64))
        self._evidence = Evidence.none(0, len(self._rules.outcomes))
        self._questions: deque[_Question] = deque()
        self._answers: deque[NDArray[np.floating]] = deque()

    def due(self, seconds: float, finds: Finds, camera: NDArray[np.floating] | None = None) -> NDArray[np.bool_]:
        """Which finds to judge in this picture, (n,); called once for every picture looked at, in order."""
        while len(self._questions) >= self.LAG:
            if not self._answers:
                raise ValueError(f"the answers of {len(self._questions)} looks are missing: give them with answered()")
            self._count(self._questions.popleft(), self._answers.popleft())
        self._camera.move(camera)
        in_pixels = states_of(finds.boxes_xyxy)
        if self._chains.expire(seconds):
            stays = np.isin(self._asked.chain, self._chains.chain.serial)
            self._asked.keep(stays)
            self._evidence.keep(stays)
        rows = self._chains.link(seconds, self._camera.steady(in_pixels), finds.scores)
        begun = self._chains.chain.serial[len(self._asked) :]
        self._asked.add(_Asked.never(begun))
        self._evidence.add(Evidence.none(len(begun), len(self._rules.outcomes)))
        sizes = sizes_of(in_pixels)
        asked = self._choose(seconds, rows, sizes, finds.scores)
        chosen = rows[asked]
        self._asked.seconds[chosen] = seconds
        self._asked.size[chosen], self._asked.score[chosen] = sizes[asked], finds.scores[asked]
        self._asked.doubts[chosen] += finds.scores[asked] < self._judge_score
        chains = np.where(rows >= 0, self._asked.chain[rows] if len(self._asked) else -1, -1)
        self._questions.append(_Question(seconds, chains, sizes, finds.scores))
        return asked

    def answered(self, probability: NDArray[np.floating]) -> None:
        """The answers (n, K) for the finds of the next look that has none yet; NaN where a face was not judged."""
        self._answers.append(probability)

    def _choose(
        self, seconds: float, rows: NDArray[np.intp], sizes: Floats, scores: NDArray[np.floating]
    ) -> NDArray[np.bool_]:
        asked = np.zeros(len(rows), bool)
        linked = (rows >= 0).nonzero()[0]
        if not len(linked):
            return asked
        rows = rows[linked]
        evidence = self._evidence
        probability = np.nan_to_num(self._rules.probability(evidence, rows)).max(axis=1)
        sure = (evidence.current[rows] != UNDECIDED) & np.isnan(evidence.turned_s[rows])
        sure &= (evidence.weight[rows] >= SURE_WEIGHT) & (probability >= SURE_PROB)
        sure |= (scores[linked] < self._judge_score) & (self._asked.doubts[rows] >= ENOUGH_DOUBTS)
        waited = seconds - self._asked.seconds[rows] + 1e-6
        changed = np.abs(np.log(sizes[linked] / self._asked.size[rows])) > GROWN
        changed |= scores[linked] - self._asked.score[rows] > RESCORED
        asked[linked] = waited >= np.where(sure & ~changed, SURE_AGAIN_S, UNSURE_AGAIN_S)
        return asked

    def _count(self, question: _Question, probability: NDArray[np.floating]) -> None:
        judged = np.isfinite(probability[:, 0]) & np.isin(question.chains, self._asked.chain)
        judged &= question.scores >= self._judge_score
        rows = self._asked.chain.searchsorted(question.chains[judged])
        weights = vote_weights(question.sizes[judged], question.scores[judged], None, self._sure)
        self._rules.vote(self._evidence, rows, question.seconds, probability[judged], weights)
