"""NumPy on boxes: every box is (x1, y1, x2, y2) in half-open pixels, float32, shape (n, 4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Rectangle = tuple[int, int, int, int]  # x1, y1, x2, y2 in half-open whole pixels


def empty_boxes() -> FloatArray:
    return np.zeros((0, 4), np.float32)


def sizes_wh(boxes_xyxy: FloatArray) -> FloatArray:
    """Width and height of each box, (n, 2), never negative."""
    sizes: FloatArray = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0.0)
    return sizes


def areas(boxes_xyxy: FloatArray) -> FloatArray:
    sizes = sizes_wh(boxes_xyxy)
    products: FloatArray = sizes[:, 0] * sizes[:, 1]
    return products


def face_sizes(boxes_xyxy: FloatArray) -> FloatArray:
    """The size of a face, (n,): the square root of its box's area, so that a turned, narrow face keeps its rank."""
    return np.sqrt(areas(boxes_xyxy))


def clip(boxes_xyxy: FloatArray, size_wh: tuple[float, float]) -> FloatArray:
    """Boxes cut to a picture of the given size; one wholly outside comes back without area."""
    width, height = size_wh
    limit = np.array([width, height, width, height], np.float32)
    return np.clip(boxes_xyxy, 0.0, limit).astype(np.float32)


def enlarge(boxes_xyxy: FloatArray, proportion: FloatArray | float) -> FloatArray:
    """Boxes grown about their centres, each side by `proportion` of its length in all; not clipped."""
    grow = sizes_wh(boxes_xyxy) * (np.asarray(proportion, np.float32).reshape(-1, 1) / 2.0)
    return np.concatenate([boxes_xyxy[:, :2] - grow, boxes_xyxy[:, 2:] + grow], axis=1).astype(np.float32)


def intersections(a_xyxy: FloatArray, b_xyxy: FloatArray) -> FloatArray:
    """Area that each box of `a` shares with each of `b`, (len(a), len(b))."""
    top_left = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    bottom_right = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    sides = np.maximum(bottom_right - top_left, 0.0)
    shared: FloatArray = sides[..., 0] * sides[..., 1]
    return shared


def iou(a_xyxy: FloatArray, b_xyxy: FloatArray) -> FloatArray:
    """Intersection over union, (len(a), len(b)); boxes without area have none with anything."""
    shared = intersections(a_xyxy, b_xyxy)
    union = areas(a_xyxy)[:, None] + areas(b_xyxy)[None, :] - shared
    ratios: FloatArray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratios


def nms(boxes_xyxy: FloatArray, scores: FloatArray, iou_threshold: float) -> NDArray[np.intp]:
    """Indices kept by greedy non-maximum suppression, best score first; equal scores keep their order."""
    order = np.argsort(-scores, kind="stable")
    boxes = boxes_xyxy[order]
    alive = np.ones(len(order), bool)
    box_areas = areas(boxes)
    for i in range(len(order)):
        if not alive[i]:
            continue
        rest = np.flatnonzero(alive[i + 1 :]) + i + 1
        shared = intersections(boxes[i : i + 1], boxes[rest])[0]
        union = box_areas[i] + box_areas[rest] - shared
        alive[rest[shared > iou_threshold * union]] = False
    return order[alive]


def averaged(
    kept_xyxy: FloatArray, boxes_xyxy: FloatArray, scores: NDArray[np.float32], overlap: FloatArray, least: float
) -> FloatArray:
    """Each kept box replaced by the mean of the finds that overlap it at least so far, weighted by overlap and score.

    `overlap` is their intersection over union, (kept, finds).
    """
    weights = np.where(overlap >= least, overlap * scores[None, :], 0.0)
    total = weights.sum(axis=1, keepdims=True)
    # no matrix product: how that adds up depends on how many boxes are kept beside
    summed = np.stack([(weights * side).sum(axis=1) for side in boxes_xyxy.T], axis=1)
    mean = np.divide(summed, total, out=kept_xyxy.astype(np.float64), where=total > 0)
    return np.asarray(mean, np.float32)


def crop_boxes(
    boxes_xyxy: FloatArray,
    size_wh: tuple[int, int],
    *,
    margin: float,
    undersized_below: float,
    undersized_margin: float,
) -> NDArray[np.int32]:
    """What is cut out to judge each face, (n, 4) whole pixels inside the picture, at least one pixel each.

    A square about the face's centre over its longer side, grown by `margin`, and by `undersized_margin` more where
    the face is smaller than `undersized_below`; then clamped to the picture.
    """
    sides = sizes_wh(boxes_xyxy).max(axis=1, initial=0.0)
    undersized = face_sizes(boxes_xyxy) < undersized_below
    half = sides * (1.0 + margin + undersized * undersized_margin) / 2.0
    centres = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2.0
    low = np.floor(centres - half[:, None] + 0.5)
    high = np.floor(centres + half[:, None] + 0.5)
    limit = np.array(size_wh, np.float32)
    low = np.clip(low, 0, limit - 1)
    high = np.clip(np.maximum(high, low + 1), 1, limit)
    return np.concatenate([low, high], axis=1).astype(np.int32)
