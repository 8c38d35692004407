"""How the camera itself moved from one frame to the next, seen on the background, for following to take off.

Corners of the background, faces and what is below them left out, are followed from one small grey picture to the next
(Shi and Tomasi 1994; Lucas and Kanade 1981, in pyramids); the turn, shift and zoom that most of them share is taken.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import FloatArray
from crowdmask.records import Picture

LONGEST = 320  # pixels of the small picture's longer side: about a millisecond a frame on one core
CORNERS = 120
FEWEST = 12  # corners that must agree; with fewer the camera is taken to stand still
AGREEING = 0.5  # part of the corners that must
STILL = 0.15  # pixels of the small picture below which a motion is none: noise would add up


class CameraMotion:
    """For one stream; give it every frame in order."""

    def __init__(self) -> None:
        self._before: NDArray[np.uint8] | None = None
        self._corners: NDArray[np.float32] | None = None

    def step(self, picture: Picture, boxes_xyxy: FloatArray | None = None) -> NDArray[np.float64] | None:
        """(2, 3) from pixels of the frame before to pixels of this one; None where the camera stood still, or nobody
        can say. `boxes_xyxy` are the faces of this frame, if they are known."""
        height, width = picture.shape[:2]
        scale = min(1.0, LONGEST / max(height, width))
        grey = _grey(picture, (max(1, round(width * scale)), max(1, round(height * scale))))
        before, corners = self._before, self._corners
        self._before, self._corners = grey, background_corners(grey, boxes_xyxy, scale)
        if before is None or before.shape != grey.shape or corners is None or len(corners) < FEWEST:
            return None
        return _motion(before, grey, corners, scale)


def _grey(picture: Picture, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    if not isinstance(picture, np.ndarray):
        grey = picture.grey(size_wh)
        if grey is not None:
            return grey
        picture = picture.bgr()
    small = cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)


def background_corners(
    grey: NDArray[np.uint8], boxes_xyxy: FloatArray | None, scale: float
) -> NDArray[np.float32] | None:
    """Corners (n, 1, 2) of a small picture outside of the people whose faces are given."""
    mask = np.full(grey.shape, 255, np.uint8)
    for x1, y1, x2, y2 in np.zeros((0, 4)) if boxes_xyxy is None else np.asarray(boxes_xyxy) * scale:
        wide, tall = x2 - x1, y2 - y1  # a body is about three faces wide and seven tall
        low = (max(0, int(x1 - wide)), max(0, int(y1 - 0.3 * tall)))
        cv2.rectangle(mask, low, (int(x2 + wide), int(y2 + 6 * tall)), 0, -1)
    found = cv2.goodFeaturesToTrack(grey, CORNERS, 0.01, 7, mask=mask)
    return None if found is None else np.asarray(found, np.float32)


def _motion(
    before: NDArray[np.uint8], now: NDArray[np.uint8], corners: NDArray[np.float32], scale: float
) -> NDArray[np.float64] | None:
    nowhere = np.zeros_like(corners)
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, now, corners, nowhere, winSize=(15, 15), maxLevel=3)
    good = np.asarray(found).reshape(-1) == 1
    if np.count_nonzero(good) < FEWEST:
        return None
    from_xy, to_xy = corners[good, 0], np.asarray(there)[good, 0]
    cv2.setRNGSeed(1)  # the sampling is random: the same pictures give the same motion
    matrix, agree = cv2.estimateAffinePartial2D(
        from_xy, to_xy, method=cv2.RANSAC, ransacReprojThreshold=0.8, maxIters=200
    )
    if matrix is None or np.count_nonzero(agree) < max(FEWEST, AGREEING * len(from_xy)):
        return None
    moved = np.abs(from_xy @ matrix[:, :2].T + matrix[:, 2] - from_xy).max()
    if moved < STILL:
        return None
    out = np.array(matrix, np.float64)
    out[:, 2] /= scale
    return out
