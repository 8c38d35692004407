"""The verdicts' colours by palette, and which ink reads on them; `annotate` and the report draw with them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from crowdmask.verdicts import Bgr, Verdict

WHITE: Bgr = (255, 255, 255)
BLACK: Bgr = (16, 16, 16)


@dataclass(frozen=True)
class Palette:
    """The colours of one name in the table of verdicts."""

    name: str

    def of(self, verdict: Verdict) -> Bgr:
        return verdict.row.colours[self.name]


PALETTES = {name: Palette(name) for name in ("safe", "classic")}


def luminance(colour: Bgr) -> float:
    """Relative luminance, 0 to 1 (WCAG 2, with a plain gamma of 2.2)."""
    blue, green, red = (math.pow(c / 255.0, 2.2) for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Bgr, other: Bgr) -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@lru_cache(maxsize=16)
def ink_on(paper: Bgr) -> Bgr:
    """Black or white, whichever reads better on the colour."""
    return max((WHITE, BLACK), key=lambda ink: contrast(ink, paper))
