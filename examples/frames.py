"""Judges frames that come as arrays, and saves the picture with the most unmasked faces."""

import sys
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask import Analyzer, draw


def frames(path: str) -> Iterator[NDArray[np.uint8]]:
    video = cv2.VideoCapture(path)
    while True:
        more, image = video.read()
        if not more:
            return
        yield image


worst = max(Analyzer().stream(frames(sys.argv[1])), key=lambda result: result.counts.against)
cv2.imwrite("worst.jpg", draw(worst))
print(worst)
