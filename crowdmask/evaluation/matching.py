"""Pairs what was found in one picture with what is labelled there; the first step of every measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import FloatArray, areas, intersections, iou

IGNORED_SHARE = 0.5  # of a find's own area; an IoU of 0.5 with the region implies it


@dataclass(frozen=True)
class Pairing:
    """For each find, (n,): the index of its face or -1, and whether it counts for nothing."""

    face: NDArray[np.intp]
    ignored: NDArray[np.bool_]

    @property
    def right(self) -> NDArray[np.bool_]:
        return np.asarray(self.face >= 0)


def pair(
    boxes_xyxy: FloatArray,
    scores: NDArray[np.floating],
    faces_xyxy: FloatArray,
    ignored_xyxy: FloatArray,
    match_iou: float = 0.5,
) -> Pairing:
    """Best score first, each find takes the free face that it overlaps most, from `match_iou` on.

    A find without a face counts for nothing where half of its area or more lies in one ignored region. Pairing in
    the order of the scores means that the finds above any cut are paired as if those below it had not been made.
    """
    face = np.full(len(boxes_xyxy), -1, np.intp)
    overlap = iou(boxes_xyxy, faces_xyxy)
    overlap[overlap < match_iou] = 0.0
    hopeful = np.asarray(overlap.any(axis=1))
    for i in np.argsort(-scores, kind="stable"):
        if not hopeful[i]:
            continue
        best = int(np.argmax(overlap[i]))
        if overlap[i, best] > 0:
            face[i] = best
            overlap[:, best] = 0.0
    ignored = (face < 0) & in_region(boxes_xyxy, ignored_xyxy)
    return Pairing(face, np.asarray(ignored))


def in_region(boxes_xyxy: FloatArray, regions_xyxy: FloatArray) -> NDArray[np.bool_]:
    """Which boxes have half of their area or more in one of the regions, (n,)."""
    shared = intersections(boxes_xyxy, regions_xyxy).max(axis=1, initial=0.0)
    return np.asarray((shared >= IGNORED_SHARE * areas(boxes_xyxy)) & (shared > 0))
