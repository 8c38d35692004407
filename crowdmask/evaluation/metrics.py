"""The measures themselves, on flat arrays: hits, precision-recall, ROC, calibration, confusion, errors of counting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.records import Verdict

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.integer]
BoolArray = NDArray[np.bool_]
OF_TABLE = (Verdict.MASKED, Verdict.UNMASKED, Verdict.UNKNOWN)  # what a label of two classes can be judged as


@dataclass(frozen=True)
class Hits:
    """Right and wrong finds and missed ones; they add, the rates come from them and are None where nothing tells."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    @property
    def precision(self) -> float | None:
        return _ratio(self.right, self.right + self.wrong)

    @property
    def recall(self) -> float | None:
        return _ratio(self.right, self.right + self.missed)

    @property
    def f1(self) -> float | None:
        return _ratio(2 * self.right, 2 * self.right + self.wrong + self.missed)

    def __add__(self, other: Hits) -> Hits:
        return Hits(self.right + other.right, self.wrong + other.wrong, self.missed + other.missed)


@dataclass(frozen=True)
class PrecisionRecall:
    """One point for each distinct score, from the highest down, and the area under their upper envelope."""

    scores: FloatArray
    recall: FloatArray
    precision: FloatArray
    average: float | None  # None where there is nothing to find


def precision_recall(scores: FloatArray, right: BoolArray, positives: int) -> PrecisionRecall:
    """All-point interpolated average precision (PASCAL VOC 2010 on): at each recall the best precision from there on.

    Finds of equal score are taken together, so that the result does not depend on their order.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(right[order])
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.zeros(0, np.intp)
    found = hits[last].astype(np.float64)
    recall = found / positives if positives else np.zeros(len(last))
    precision = found / (last + 1.0)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    average = float(np.sum(np.diff(recall, prepend=0.0) * envelope)) if positives else None
    return PrecisionRecall(ranked[last].astype(np.float64), recall, precision, average)


@dataclass(frozen=True)
class Roc:
    false_positive_rate: FloatArray
    true_positive_rate: FloatArray
    thresholds: FloatArray
    area: float | None  # None where one class is missing


def roc(prob: FloatArray, positive: BoolArray) -> Roc:
    """From (0, 0) to (1, 1), one corner for each distinct probability; the area by trapezoids, ties half right."""
    positives, negatives = int(np.count_nonzero(positive)), int(np.count_nonzero(~positive))
    if not positives or not negatives:
        nothing = np.zeros(0)
        return Roc(nothing, nothing, nothing, None)
    order = np.argsort(-prob, kind="stable")
    ranked, of_positive = prob[order], positive[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    true = np.concatenate([[0.0], np.cumsum(of_positive)[last] / positives])
    false = np.concatenate([[0.0], np.cumsum(~of_positive)[last] / negatives])
    area = float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2.0))
    return Roc(false, true, np.concatenate([[np.inf], ranked[last].astype(np.float64)]), area)


@dataclass(frozen=True)
class Calibration:
    """For each bin of P(unmasked): how many faces, their mean probability (NaN if none), the share truly unmasked."""

    edges: FloatArray
    faces: IntArray
    mean_prob: FloatArray
    unmasked_share: FloatArray
    brier: float | None

    @property
    def expected_error(self) -> float | None:
        """Expected calibration error: the bins' gaps between probability and share, weighted by their faces."""
        total = int(self.faces.sum())
        filled = self.faces > 0
        gaps = np.abs(self.mean_prob[filled] - self.unmasked_share[filled])
        return float(np.sum(gaps * self.faces[filled])) / total if total else None


def calibration(prob: FloatArray, unmasked: BoolArray, bins: int = 10) -> Calibration:
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, prob, side="right") - 1, 0, bins - 1)
    faces = np.bincount(place, minlength=bins)
    filled = np.where(faces > 0, faces, np.nan)
    mean_prob = np.bincount(place, weights=prob, minlength=bins) / filled
    share = np.bincount(place, weights=unmasked, minlength=bins) / filled
    brier = float(np.mean((prob - unmasked) ** 2)) if len(prob) else None
    return Calibration(edges, faces, mean_prob, share, brier)


@dataclass(frozen=True)
class Confusion:
    """Verdicts on faces that were found: rows truly masked, unmasked; columns judged masked, unmasked, unknown."""

    table: IntArray  # (2, 3)

    @classmethod
    def of(cls, truth: IntArray, verdicts: IntArray) -> Confusion:
        table = np.zeros((2, 3), np.int64)
        np.add.at(table, (truth, verdicts), 1)
        return cls(table)

    @property
    def faces(self) -> int:
        return int(self.table.sum())

    @property
    def right(self) -> int:
        return int(np.trace(self.table[:, :2]))

    @property
    def unknown(self) -> int:
        return int(self.table[:, Verdict.UNKNOWN].sum())

    @property
    def accuracy(self) -> float | None:
        """Of the faces judged masked or unmasked."""
        return _ratio(self.right, self.faces - self.unknown)

    @property
    def accuracy_of_all(self) -> float | None:
        """Of all faces, where unknown is as bad as wrong."""
        return _ratio(self.right, self.faces)

    @property
    def unknown_share(self) -> float | None:
        return _ratio(self.unknown, self.faces)

    def hits(self, verdict: Verdict) -> Hits:
        """Of one class among the faces found; an unknown face is a missed one."""
        right = int(self.table[verdict, verdict])
        return Hits(right, int(self.table[1 - verdict, verdict]), int(self.table[verdict].sum()) - right)

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.table + other.table)


@dataclass(frozen=True)
class CountError:
    """How far the counts per picture are off."""

    pictures: int
    mean_absolute: float | None
    mean_signed: float | None  # above 0 where too many are counted
    exact_share: float | None
    largest: int


def count_error(counted: Sequence[int] | IntArray, labelled: Sequence[int] | IntArray) -> CountError:
    off = np.asarray(counted, np.int64) - np.asarray(labelled, np.int64)
    if not len(off):
        return CountError(0, None, None, None, 0)
    size = np.abs(off)
    return CountError(len(off), float(size.mean()), float(off.mean()), float(np.mean(off == 0)), int(size.max()))


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
