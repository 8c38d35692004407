"""Tells every anchor of a crop what it should answer: face, background or no matter, and which box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import FloatArray, areas, intersections, iou
from crowdmask.nets.anchors import AnchorGrid

FACE, BACKGROUND, NO_MATTER = 1, 0, -1


def anchor_targets(
    grid: AnchorGrid,
    side: int,
    faces: FloatArray,
    ignored: FloatArray,
    *,
    match: float = 0.35,
    background_below: float = 0.3,
) -> tuple[NDArray[np.int8], FloatArray]:
    """Per anchor of a square crop: FACE, BACKGROUND or NO_MATTER (a,), and box offsets (a, 4) where FACE.

    An anchor takes the face that it overlaps best from `match` on; every face gets its best anchor whatever the
    overlap; an anchor that lies by half or more in an ignored region does not matter.
    """
    anchors = grid.boxes_cxcywh((side, side))
    corners = np.concatenate([anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], axis=1)
    kinds = np.zeros(len(anchors), np.int8)
    offsets = np.zeros((len(anchors), 4), np.float32)
    if len(ignored):
        share = intersections(corners, ignored).max(axis=1) / areas(corners)
        kinds[(share >= 0.5) | (iou(corners, ignored).max(axis=1) >= background_below)] = NO_MATTER
    if len(faces):
        overlap = iou(corners, faces)
        best_face = overlap.argmax(axis=1)
        best = overlap.max(axis=1)
        forced = overlap.argmax(axis=0)
        # where two faces want one anchor, the one that it fits better is written last
        by_fit = np.argsort(overlap[forced, np.arange(len(faces))], kind="stable")
        best_face[forced[by_fit]] = by_fit
        best[forced] = 1.0
        kinds[(best >= background_below) & (best < match)] = NO_MATTER
        positive = best >= match
        kinds[positive] = FACE
        offsets[positive] = grid.encode_boxes(faces[best_face[positive]], anchors[positive])
    return kinds, offsets
