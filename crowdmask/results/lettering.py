"""Small text for `annotate`: set once at four times its size, shrunk, kept, and then only copied into frames."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.verdicts import Bgr

Image = NDArray[np.uint8]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FINER = 4
_STROKE = 0.14  # of the capitals' height
SMALLEST_CAPITALS = 7  # pixels; below it figures run together


@lru_cache(maxsize=64)
def _scale_for(tall: int, stroke: int) -> float:
    """OpenCV's font scale for capitals of a height in pixels, stroke included.

    It is measured, for OpenCV 5 sets another face than OpenCV 4 under the same name, and only 4 adds the stroke.
    """
    scale = tall / 22.0
    for _ in range(2):
        canvas = np.zeros((3 * tall, 4 * tall), np.uint8)
        cv2.putText(canvas, "M", (tall, 2 * tall), _FONT, scale, 255, stroke, cv2.LINE_AA)
        rows = np.flatnonzero((canvas > 127).any(axis=1))
        scale *= tall / (rows[-1] - rows[0] + 1)
    return float(scale)


def line_height(capitals: int) -> int:
    """Height in pixels of a line whose capitals have the given height: room above, and for g and p below."""
    return capitals + 2 * descent(capitals)


def descent(capitals: int) -> int:
    return max(2, round(capitals * 0.4))


@lru_cache(maxsize=1024)
def coverage(text: str, capitals: int) -> Image:
    """How much of each pixel the text covers, (line height, w) uint8; read only."""
    tall = capitals * _FINER
    stroke = max(1, round(tall * _STROKE))
    scale = _scale_for(tall, stroke)
    (width, _), _ = cv2.getTextSize(text, _FONT, scale, stroke)
    rows = line_height(capitals) * _FINER
    canvas = np.zeros((rows, width + 2 * tall), np.uint8)
    baseline = rows - descent(capitals) * _FINER
    cv2.putText(canvas, text, (tall, baseline), _FONT, scale, 255, stroke, cv2.LINE_AA)
    inked = np.flatnonzero(canvas.any(axis=0))
    first, last = (inked[0], inked[-1] + 1) if len(inked) else (0, 1)
    columns = -(-(last - first) // _FINER)
    whole = canvas[:, first : first + columns * _FINER]
    return _read_only(
        np.asarray(cv2.resize(whole, (columns, line_height(capitals)), interpolation=cv2.INTER_AREA), np.uint8)
    )


def plate_wh(text: str, capitals: int) -> tuple[int, int]:
    """Width and height that `plate` will have."""
    words = [coverage(word, capitals).shape[1] for word in text.split()]
    return sum(words) + (len(words) - 1) * _space(capitals) + 2 * _side(capitals), line_height(capitals)


def plate(text: str, capitals: int, ink: Bgr, paper: Bgr) -> Image:
    """The text on a plate of its own colour, (h, w, 3) BGR.

    It is put together from words, so that what is kept stays small: the numbers change with every frame.
    """
    width, height = plate_wh(text, capitals)
    image = np.empty((height, width, 3), np.uint8)
    image[:] = paper
    left = _side(capitals)
    for word in text.split():
        inked = _inked(word, capitals, ink, paper)
        image[:, left : left + inked.shape[1]] = inked
        left += inked.shape[1] + _space(capitals)
    return image


def _side(capitals: int) -> int:
    return max(2, capitals // 2)


def _space(capitals: int) -> int:
    return max(3, round(capitals * 0.5))


@lru_cache(maxsize=1024)
def _inked(word: str, capitals: int, ink: Bgr, paper: Bgr) -> Image:
    share = coverage(word, capitals)[..., None] / 255.0
    return _read_only(np.rint(share * np.array(ink) + (1.0 - share) * np.array(paper)).astype(np.uint8))


def _read_only(image: Image) -> Image:
    image.flags.writeable = False
    return image
