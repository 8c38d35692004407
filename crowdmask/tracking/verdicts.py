"""Steady verdicts: what the classifier said of a face over time, added up as evidence, and changed only for a reason.

Neighbouring frames show nearly the same picture, so their answers are nearly the same answer: a vote counts the less
the sooner it follows the one before (`DAMPING_S`). Evidence is held within limits, so that a face that was judged for
an hour can still change. Only a face that was found and judged votes; nothing here runs for one that was not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.tracking.observations import NO_FACE, Floats, bounded
from crowdmask.tracking.rows import Rows

UNDECIDED = -1
DAMPING_S = 0.4  # votes this far apart count nearly as independent ones
FIRST_S = 0.15  # the first vote counts as if it followed another by so much: it is one picture, too
SUREST = 0.03  # no single answer is believed beyond this probability of being wrong
MOST_EVIDENCE = 5.0  # nepers between the best and any other outcome, beyond which nothing more is learned
ENOUGH_WEIGHT = 0.5  # of votes added up, under which a face stays unknown: a third of a second of good looks
EARLY_WEIGHT, EARLY_PROB = 1.5, 0.75  # with less weight than this, a verdict is given only if it is this sure
TURNED_BY = 1.0  # nepers below the best so far from which the current verdict counts as contradicted
CHANGE_AFTER_S = 0.8  # a contradiction lasts this long before the verdict changes
CHANGE_PROB = 0.85  # and is this sure
FULL_SIZE = 32.0  # face size (pixels) from which a vote counts fully
POOREST = 0.1  # the least weight of a vote


def vote_weights(
    sizes: Floats, scores: NDArray[np.floating], sharpness: NDArray[np.floating] | None, sure_score: float
) -> Floats:
    """How much each judged face counts (n,), 0..1: small, blurred and doubtful finds count less."""
    by_size = bounded(sizes / FULL_SIZE, POOREST, 1.0)
    by_score = bounded((np.asarray(scores, np.float64) - sure_score / 2.0) / (0.9 - sure_score / 2.0), POOREST, 1.0)
    weights: Floats = by_size * by_score
    if sharpness is not None:
        weights *= np.where(np.isfinite(sharpness), bounded(0.3 + 0.7 * sharpness, POOREST, 1.0), 1.0)
    return weights


@dataclass
class Evidence(Rows):
    """What is known of each face, (n, ...); outcomes are positions among those of the classifier."""

    level: Floats  # (n, K) log evidence, 0 for the best
    weight: Floats  # of all votes
    votes: NDArray[np.int64]
    last_s: Floats  # of the last vote
    current: NDArray[np.int64]  # the steady outcome
    former: NDArray[np.int64]  # the one before the last change
    since_s: Floats  # when the current one began
    best_margin: Floats  # by which the current one led at its best
    turned_s: Floats  # since when it has been contradicted; NaN while it is not
    doubt: Floats  # log evidence that it is no face, from finds too unsure to speak for a verdict
    doubted_s: Floats  # when it was doubted last

    @classmethod
    def none(cls, count: int, outcomes: int) -> Evidence:
        return cls(
            np.zeros((count, outcomes)),
            np.zeros(count),
            np.zeros(count, np.int64),
            np.full(count, -np.inf),
            np.full(count, UNDECIDED, np.int64),
            np.full(count, UNDECIDED, np.int64),
            np.full(count, -np.inf),
            np.zeros(count),
            np.full(count, np.nan),
            np.zeros(count),
            np.full(count, -np.inf),
        )


class VerdictRules:
    """How votes are added up, for the outcomes of one classifier."""

    def __init__(
        self,
        outcomes: Sequence[int],
        *,
        counts_as: Sequence[int] | None = None,
        threshold: float = 0.5,
        against: Sequence[int] = (),
        no_face_from: float = 0.5,
        unsure_band: float = 0.1,
    ) -> None:
        """`counts_as` joins outcomes that are decided upon together, as positions; an answer of `threshold` for the
        outcomes at the positions `against` is neither for nor against them, and one of `no_face_from` likewise for
        those that are no face."""
        self.outcomes = tuple(int(outcome) for outcome in outcomes)
        group = np.array(counts_as if counts_as is not None else range(len(self.outcomes)))
        self._alike = group[:, None] == group[None, :]  # (K, K)
        self._apart = len(set(group.tolist())) == len(group)
        self._offset = np.zeros(len(self.outcomes))
        self._offset[list(against)] = np.log(threshold / (1.0 - threshold))
        self._none_offset = float(np.log(no_face_from / (1.0 - no_face_from)))
        self._offset[np.array(self.outcomes) == NO_FACE] = self._none_offset
        self._sure = 0.5 + unsure_band / 2.0

    def vote(
        self,
        evidence: Evidence,
        rows: NDArray[np.intp],
        seconds: float,
        probability: NDArray[np.floating],
        weights: Floats,
    ) -> None:
        """Each row of `evidence` at `rows` was judged with (m, K) at this time."""
        if not len(rows):
            return
        since = np.where(evidence.votes[rows] == 0, FIRST_S, np.maximum(0.0, seconds - evidence.last_s[rows]))
        damped = weights * (1.0 - np.exp(-since / DAMPING_S))
        heard = self._heard(np.asarray(probability, np.float64))
        level = evidence.level[rows] + damped[:, None] * heard
        evidence.level[rows] = np.maximum(level - level.max(axis=1, keepdims=True), -MOST_EVIDENCE)
        evidence.weight[rows] += damped
        evidence.votes[rows] += 1
        evidence.last_s[rows] = seconds
        self._decide(evidence, rows, seconds)

    def doubt(
        self,
        evidence: Evidence,
        rows: NDArray[np.intp],
        seconds: float,
        no_face_prob: NDArray[np.floating],
        *,
        found: NDArray[np.bool_] | bool = False,
    ) -> None:
        """What was found there was too unsure for a verdict on it to count; it may well be no face at all.

        Of those that the detector is sure to have `found`, only an answer beyond `no_face_from` speaks against a face.
        """
        since = np.where(
            np.isinf(evidence.doubted_s[rows]), FIRST_S, np.maximum(0.0, seconds - evidence.doubted_s[rows])
        )
        prob = bounded(np.asarray(no_face_prob, np.float64), SUREST, 1.0 - SUREST)
        odds = np.log(prob / (1.0 - prob)) - np.where(found, self._none_offset, 0.0)
        level = evidence.doubt[rows] + (1.0 - np.exp(-since / DAMPING_S)) * odds
        evidence.doubt[rows] = bounded(level, -MOST_EVIDENCE, MOST_EVIDENCE)
        evidence.doubted_s[rows] = seconds

    def are_no_face(self, evidence: Evidence, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether more speaks for no face than for any outcome of one, unsure finds included; (m,)."""
        level = evidence.level[rows]
        none = np.array(self.outcomes) == NO_FACE
        worst = np.where(none, level, -np.inf).max(axis=1, initial=0.0 if not none.any() else -np.inf)
        best = np.where(none, -np.inf, level).max(axis=1)
        return np.asarray(worst + evidence.doubt[rows] > best, np.bool_)

    def probability(self, evidence: Evidence, rows: NDArray[np.intp] | slice = slice(None)) -> Floats:
        """Of each outcome (n, K), of all rows or of some; NaN before the first vote."""
        shares = self._shares(evidence.level[rows])
        shares[evidence.votes[rows] == 0] = np.nan
        return shares

    def _heard(self, probability: Floats) -> Floats:
        """Evidence (m, K) of single answers: outcomes decided upon together have it together, the best of them all."""
        sharing = probability @ self._alike
        among = np.where(self._alike[None], probability[:, None, :], 0.0).max(axis=2)
        inside = np.log(np.maximum(probability, SUREST) / np.maximum(among, SUREST))
        heard = np.log(bounded(sharing, SUREST, 1.0)) - self._offset
        heard = np.maximum(heard - heard.max(axis=1, keepdims=True), np.log(SUREST))
        total: Floats = heard + np.minimum(inside, 0.0)
        return total

    def _shares(self, level: Floats) -> Floats:
        """Probabilities (n, K) of log evidence: between groups by the best of each, inside by what speaks for each."""
        odds = np.exp(level)
        if self._apart:
            apart: Floats = odds / odds.sum(axis=1, keepdims=True)
            return apart
        best = np.where(self._alike[None], odds[:, None, :], 0.0).max(axis=2)  # of each outcome's group
        share = odds / (odds @ self._alike)
        groups = (best / self._alike.sum(axis=0)).sum(axis=1, keepdims=True)
        shares: Floats = share * best / groups
        return shares

    def _decide(self, evidence: Evidence, rows: NDArray[np.intp], seconds: float) -> None:
        best, sure = self._best(evidence.level[rows])
        margin = self._margin(evidence, rows)
        current = evidence.current[rows]
        known = current != UNDECIDED
        evidence.best_margin[rows] = np.where(known, np.maximum(evidence.best_margin[rows], margin), 0.0)
        turned = known & (margin < evidence.best_margin[rows] - TURNED_BY)
        since = evidence.turned_s[rows]
        since = np.where(turned, np.where(np.isnan(since), seconds, since), np.nan)
        evidence.turned_s[rows] = since
        weight = evidence.weight[rows]
        needed = np.where(weight < EARLY_WEIGHT, max(EARLY_PROB, self._sure), self._sure)
        first = ~known & (weight >= ENOUGH_WEIGHT) & (sure >= needed)
        if first.any():
            evidence.current[rows[first]] = best[first]
            evidence.best_margin[rows[first]] = self._margin(evidence, rows[first])
        if not turned.any():
            return
        lasting = np.zeros(len(rows), bool)
        lasting[turned] = seconds - since[turned] >= CHANGE_AFTER_S
        changed = lasting & (best != current) & (sure >= max(CHANGE_PROB, self._sure))
        self.change(evidence, rows[changed], best[changed], since[changed])

    def change(self, evidence: Evidence, rows: NDArray[np.intp], outcome: NDArray[np.int64], since_s: Floats) -> None:
        """A new stretch of each row begins."""
        evidence.former[rows] = evidence.current[rows]
        evidence.current[rows] = outcome
        evidence.since_s[rows] = since_s
        evidence.best_margin[rows] = self._margin(evidence, rows)
        evidence.turned_s[rows] = np.nan

    def _best(self, level: Floats) -> tuple[NDArray[np.int64], Floats]:
        """The best outcome, and the probability of it and of those that are decided upon with it."""
        shares = self._shares(level)
        best = level.argmax(axis=1)
        return best, (shares @ self._alike)[np.arange(len(level)), best]

    @staticmethod
    def _margin(evidence: Evidence, rows: NDArray[np.intp]) -> Floats:
        """By how much the current outcome leads all others, negative where it does not."""
        level, current = evidence.level[rows], np.maximum(evidence.current[rows], 0)
        own = level[np.arange(len(rows)), current]
        others = level.copy()
        others[np.arange(len(rows)), current] = -np.inf
        margin: Floats = own - others.max(axis=1, initial=-MOST_EVIDENCE)
        return margin

    def join(self, evidence: Evidence, row: int, later: int, began_s: float) -> None:
        """What `later` gathered since `began_s` is of the same face as `row`."""
        level = evidence.level[row] + evidence.level[later]
        evidence.level[row] = np.maximum(level - level.max(), -MOST_EVIDENCE)
        evidence.weight[row] += evidence.weight[later]
        evidence.votes[row] += evidence.votes[later]
        evidence.last_s[row] = max(evidence.last_s[row], evidence.last_s[later])
        evidence.doubt[row] = np.clip(evidence.doubt[row] + evidence.doubt[later], -MOST_EVIDENCE, MOST_EVIDENCE)
        evidence.doubted_s[row] = max(evidence.doubted_s[row], evidence.doubted_s[later])
        before, after = int(evidence.current[row]), int(evidence.current[later])
        if before == UNDECIDED:
            for name in ("current", "former", "since_s", "best_margin", "turned_s"):
                getattr(evidence, name)[row] = getattr(evidence, name)[later]
        elif after not in (UNDECIDED, before):
            evidence.level[row] = evidence.level[later]
            self.change(evidence, np.array([row]), np.array([after]), np.array([began_s]))
