"""The panel that `annotate` puts into a frame's corner: its counts, which are the legend too, and the rate so far."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.results.boxes import Rectangle, draw_box
from crowdmask.results.lettering import coverage, line_height
from crowdmask.results.palette import Palette
from crowdmask.verdicts import VERDICTS, Counts, Verdict

Image = NDArray[np.uint8]

DARKEN = 0.35  # what is left of the picture beneath
LARGEST = 0.5  # of the frame, either way; where the panel needs more it is left out


def draw(
    image: Image, counts: Counts, totals: Counts, palette: Palette, capitals: int, *, running: bool
) -> list[Rectangle]:
    """Draw the panel at the top left, in place; gives its place, or nothing where the frame has no room for it."""
    rows: list[tuple[Verdict | None, str, str]] = [
        *((row.verdict, row.word, str(counts[row.verdict])) for row in VERDICTS),
        (None, "compliance so far" if running else "compliance", rate_text(totals)),
    ]
    pad, line = capitals, line_height(capitals)
    indent = 2 * capitals
    words = [coverage(word, capitals) for _, word, _ in rows]
    numbers = [coverage(number, capitals) for _, _, number in rows]
    # room for the widest numbers there can reasonably be, so that the panel keeps its size through a video
    room = coverage("100.0%", capitals).shape[1]
    lefts = [indent if verdict is not None else 0 for verdict, _, _ in rows]
    widths = [
        left + w.shape[1] + capitals + max(room, n.shape[1]) for left, w, n in zip(lefts, words, numbers, strict=True)
    ]
    wide, high = max(widths) + 2 * pad, len(rows) * line + 2 * (pad // 2)
    if wide + pad > LARGEST * image.shape[1] or high + pad > LARGEST * image.shape[0]:
        return []
    x, y = pad // 2, pad // 2
    region = image[y : y + high, x : x + wide]
    cv2.convertScaleAbs(region, dst=region, alpha=DARKEN)
    top = y + pad // 2
    for (verdict, _, _), left, word, number in zip(rows, lefts, words, numbers, strict=True):
        if verdict is not None:
            side = capitals
            swatch_x, swatch_y = x + pad, top + (line - side) // 2
            swatch = (swatch_x, swatch_y, swatch_x + side, swatch_y + side)
            draw_box(image, swatch, verdict, palette.of(verdict), max(1, capitals // 9))
        _ink(image, word, x + pad + left, top)
        _ink(image, number, x + wide - pad - number.shape[1], top)
        top += line
    return [(x, y, x + wide, y + high)]


def rate_text(totals: Counts) -> str:
    """One decimal, cut and not rounded up: 100.0% means that nobody was unmasked."""
    if totals.compliance is None:
        return "n/a"
    per_mille = totals.supporting * 1000 // totals.judged
    return f"{per_mille / 10:.1f}%"


def _ink(image: Image, text: Image, x: int, y: int) -> None:
    region = image[y : y + text.shape[0], x : x + text.shape[1]]
    np.maximum(region, text[..., None], out=region)
