"""Makes faces unrecognisable in a picture that `annotate` may write to."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask import geometry

MARGIN = 0.4  # added to each side's length in all: hair, ears and chin tell a person too
CELLS = 4  # along the shorter side. Networks still recognise faces in mosaics of 16 and more (McPherson et al. 2016)


def blur_faces(image: NDArray[np.uint8], boxes_xyxy: NDArray[np.float32]) -> None:
    """Overwrite each box and a margin with a few averages of it, run into one another; nothing finer is left."""
    height, width = image.shape[:2]
    grown = geometry.clip(geometry.enlarge(boxes_xyxy, MARGIN), (width, height))
    corners = np.concatenate([np.floor(grown[:, :2]), np.ceil(grown[:, 2:])], axis=1).astype(int).tolist()
    for x1, y1, x2, y2 in corners:
        if x2 <= x1 or y2 <= y1:
            continue
        region = image[y1:y2, x1:x2]
        cell = max(min(x2 - x1, y2 - y1) / CELLS, 2.0)
        cells_wh = (max(1, round((x2 - x1) / cell)), max(1, round((y2 - y1) / cell)))
        averages = cv2.resize(region, cells_wh, interpolation=cv2.INTER_AREA)
        region[:] = cv2.resize(averages, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
