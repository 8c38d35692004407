"""Anchor boxes: the grid of squares that the detector's outputs are told from, in NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class AnchorGrid:
    """Square anchors per pyramid level; `variances` scale the offsets of centre and size."""

    strides: tuple[int, ...] = (8, 16, 32)
    sizes: tuple[tuple[float, ...], ...] = ((10, 20), (32, 64), (128, 256))
    variances: tuple[float, float] = (0.1, 0.2)

    def __post_init__(self) -> None:
        if len(self.strides) != len(self.sizes) or len({len(s) for s in self.sizes}) != 1:
            raise ValueError(f"every stride needs the same number of anchor sizes: {self.strides} and {self.sizes}")

    @property
    def per_cell(self) -> int:
        return len(self.sizes[0])

    def boxes_cxcywh(self, size_wh: tuple[int, int]) -> FloatArray:
        """All anchors of a picture, (n, 4): level by level, row by row, cell by cell, size by size."""
        return _boxes_cxcywh(self, size_wh)

    def decode_boxes(self, offsets: FloatArray, anchors_cxcywh: FloatArray) -> FloatArray:
        """Network offsets (..., n, 4) into boxes xyxy."""
        centre_variance, size_variance = self.variances
        centres = anchors_cxcywh[..., :2] + offsets[..., :2] * centre_variance * anchors_cxcywh[..., 2:]
        half = anchors_cxcywh[..., 2:] * np.exp(offsets[..., 2:] * size_variance) / 2
        return np.concatenate([centres - half, centres + half], axis=-1).astype(np.float32)

    def encode_boxes(self, boxes_xyxy: FloatArray, anchors_cxcywh: FloatArray) -> FloatArray:
        """The inverse: boxes (n, 4), one per anchor, into offsets."""
        centre_variance, size_variance = self.variances
        centres = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
        sizes = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 1e-3)
        offsets = (centres - anchors_cxcywh[:, :2]) / anchors_cxcywh[:, 2:] / centre_variance
        scales = np.log(sizes / anchors_cxcywh[:, 2:]) / size_variance
        return np.concatenate([offsets, scales], axis=1).astype(np.float32)

    def decode_landmarks(self, offsets: FloatArray, anchors_cxcywh: FloatArray) -> FloatArray:
        """Network offsets (n, 10) into five points (n, 5, 2): eyes, nose, corners of the mouth."""
        points = offsets.reshape(len(offsets), 5, 2)
        scaled = points * self.variances[0] * anchors_cxcywh[:, None, 2:]
        return (anchors_cxcywh[:, None, :2] + scaled).astype(np.float32)


@lru_cache(maxsize=32)
def _boxes_cxcywh(grid: AnchorGrid, size_wh: tuple[int, int]) -> FloatArray:
    levels = []
    for stride, sizes in zip(grid.strides, grid.sizes, strict=True):
        columns, rows = (-(-side // stride) for side in size_wh)
        x, y = np.meshgrid((np.arange(columns) + 0.5) * stride, (np.arange(rows) + 0.5) * stride)
        centres = np.stack([x, y], axis=-1).reshape(-1, 1, 2).repeat(len(sizes), axis=1)
        sides = np.broadcast_to(np.array(sizes)[None, :, None], centres.shape)
        levels.append(np.concatenate([centres, sides], axis=-1).reshape(-1, 4))
    boxes = np.concatenate(levels).astype(np.float32)
    boxes.flags.writeable = False
    return boxes
