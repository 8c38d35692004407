"""How sharp the faces are that go to the classifier, so that a blurred one counts less in its person's verdict."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

COMPARED_AT = 48  # pixels: crops are compared at one size, in which a small face, enlarged, is blurred
HALF_SHARP = (
    80.0  # variance of the Laplacian that counts as 0.5: portraits have 300 to 1500, faces of 24 pixels about 80
)


def sharpness(crops_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    """0..1 for each crop (n, s, s, 3): the variance of its Laplacian against its contrast, squashed."""
    out = np.zeros(len(crops_bgr), np.float32)
    for k, crop in enumerate(crops_bgr):
        small = cv2.resize(crop, (COMPARED_AT, COMPARED_AT), interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.float32)
        contrast = max(20.0, float(grey.std())) / 40.0  # a dark picture is not a blurred one
        edges = float(np.asarray(cv2.Laplacian(grey, cv2.CV_32F)).var()) / contrast**2
        out[k] = edges / (edges + HALF_SHARP)
    return out
