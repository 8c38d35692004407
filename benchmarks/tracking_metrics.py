"""HOTA, IDF1, identity switches and the error of the count of people, for boxes with identities against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import iou
from crowdmask.tracking.assignment import assign

ALPHAS = np.arange(0.05, 0.99, 0.05)
MATCH_IOU = 0.5


@dataclass(frozen=True)
class Labelled:
    """The boxes of one frame and whose they are."""

    ids: NDArray[np.int64]
    boxes_xyxy: NDArray[np.float32]


@dataclass(frozen=True)
class Scores:
    hota: float
    detection: float  # DetA
    association: float  # AssA
    idf1: float
    switches: int
    recall: float  # of boxes, at IoU 0.5
    precision: float
    people: int  # in the truth
    counted: int

    @property
    def count_error(self) -> float:
        return (self.counted - self.people) / max(1, self.people)


def dense(frames: Sequence[Labelled]) -> tuple[list[NDArray[np.intp]], int]:
    """Identities as 0, 1, 2, …, and how many there are."""
    known = np.unique(np.concatenate([f.ids for f in frames])) if frames else np.zeros(0, np.int64)
    return [np.searchsorted(known, f.ids) for f in frames], len(known)


def score(truth: Sequence[Labelled], found: Sequence[Labelled]) -> Scores:
    """Both go over the same frames."""
    assert len(truth) == len(found)
    true_ids, people = dense(truth)
    found_ids, counted = dense(found)
    overlaps = [
        np.round(np.asarray(iou(t.boxes_xyxy, f.boxes_xyxy), np.float64), 6) for t, f in zip(truth, found, strict=True)
    ]
    hota, detection, association = _hota(true_ids, found_ids, overlaps, people, counted)
    true_boxes, found_boxes = sum(map(len, true_ids)), sum(map(len, found_ids))
    shared = _identity_matches(true_ids, found_ids, overlaps, people, counted)
    matched, switches = _clear(true_ids, found_ids, overlaps, people)
    return Scores(
        hota=hota,
        detection=detection,
        association=association,
        idf1=2 * shared / max(1, true_boxes + found_boxes),
        switches=switches,
        recall=matched / max(1, true_boxes),
        precision=matched / max(1, found_boxes),
        people=people,
        counted=counted,
    )


def _identity_matches(
    true_ids: list[NDArray[np.intp]],
    found_ids: list[NDArray[np.intp]],
    overlaps: list[NDArray[np.float64]],
    people: int,
    counted: int,
) -> int:
    """Boxes in common under the best one-to-one pairing of identities (Ristani et al. 2016)."""
    together = np.zeros((people, counted))
    for t, f, overlap in zip(true_ids, found_ids, overlaps, strict=True):
        i, j = np.nonzero(overlap >= MATCH_IOU)
        np.add.at(together, (t[i], f[j]), 1)
    i, j = assign(-together, 0.0)
    return int(together[i, j].sum())


def _clear(
    true_ids: list[NDArray[np.intp]],
    found_ids: list[NDArray[np.intp]],
    overlaps: list[NDArray[np.float64]],
    people: int,
) -> tuple[int, int]:
    """Matched boxes and identity switches as CLEAR MOT counts them: a pairing that held before is kept while it can."""
    last = np.full(people, -1)  # identity that each person had last
    before = np.full(people, -1)  # and in the frame just before
    matched = switches = 0
    for t, f, overlap in zip(true_ids, found_ids, overlaps, strict=True):
        keeps = (before[t][:, None] == f[None, :]) & (before[t][:, None] >= 0)
        i, j = assign(np.where(overlap >= MATCH_IOU, -1000.0 * keeps - overlap, np.inf), 0.0)
        matched += len(i)
        switches += int(np.count_nonzero((last[t[i]] >= 0) & (last[t[i]] != f[j])))
        before[:] = -1
        before[t[i]] = last[t[i]] = f[j]
    return matched, switches


def _hota(
    true_ids: list[NDArray[np.intp]],
    found_ids: list[NDArray[np.intp]],
    overlaps: list[NDArray[np.float64]],
    people: int,
    counted: int,
) -> tuple[float, float, float]:
    """HOTA, DetA, AssA: means over the thresholds (Luiten et al. 2021, sections 3 to 5)."""
    true_counts = np.bincount(np.concatenate([*true_ids, np.zeros(0, np.intp)]), minlength=people)
    found_counts = np.bincount(np.concatenate([*found_ids, np.zeros(0, np.intp)]), minlength=counted)
    likely = np.zeros((people, counted))
    for t, f, overlap in zip(true_ids, found_ids, overlaps, strict=True):
        total = overlap.sum(axis=0)[None, :] + overlap.sum(axis=1)[:, None] - overlap
        share = np.divide(overlap, total, out=np.zeros_like(overlap), where=total > 0)
        np.add.at(likely, (t[:, None], f[None, :]), share)
    alignment = likely / np.maximum(1e-9, true_counts[:, None] + found_counts[None, :] - likely)
    matches = np.zeros((len(ALPHAS), people, counted))
    for t, f, overlap in zip(true_ids, found_ids, overlaps, strict=True):
        if not len(t) or not len(f):
            continue
        i, j = assign(np.where(overlap > 0, -alignment[np.ix_(t, f)] * overlap, np.inf), 0.0)
        good = overlap[i, j][None, :] >= ALPHAS[:, None] - 1e-9
        for a in range(len(ALPHAS)):
            np.add.at(matches[a], (t[i][good[a]], f[j][good[a]]), 1)
    hota, detection, association = [], [], []
    for shared in matches:
        hits = shared.sum()
        union = true_counts.sum() + found_counts.sum() - hits
        det = hits / max(1.0, union)
        jaccard = shared / np.maximum(1.0, true_counts[:, None] + found_counts[None, :] - shared)
        ass = float((shared * jaccard).sum() / max(1.0, hits))
        hota.append(np.sqrt(det * ass))
        detection.append(det)
        association.append(ass)
    return float(np.mean(hota)), float(np.mean(detection)), float(np.mean(association))
