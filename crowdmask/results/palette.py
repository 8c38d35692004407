"""Colours and line styles of the verdicts, as `annotate` draws them: nobody has to tell them apart by colour alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from crowdmask.records import Verdict

Bgr = tuple[int, int, int]

WHITE: Bgr = (255, 255, 255)
BLACK: Bgr = (16, 16, 16)


class Line(Enum):
    """The second cue: it survives grey printing, compression and any kind of colour vision."""

    SOLID = "solid"
    CORNERED = "cornered"  # a thin box with heavy corners outside of it
    DASHED = "dashed"


LINES = {Verdict.MASKED: Line.SOLID, Verdict.UNMASKED: Line.CORNERED, Verdict.UNKNOWN: Line.DASHED}


@dataclass(frozen=True)
class Palette:
    masked: Bgr
    unmasked: Bgr
    unknown: Bgr

    def of(self, verdict: Verdict) -> Bgr:
        return (self.masked, self.unmasked, self.unknown)[verdict]


PALETTES = {
    # sky blue and vermillion of Okabe and Ito (2008), told apart with every common colour vision deficiency
    "safe": Palette(masked=(233, 180, 86), unmasked=(0, 94, 213), unknown=(190, 190, 190)),
    "classic": Palette(masked=(80, 176, 0), unmasked=(40, 40, 220), unknown=(190, 190, 190)),
}


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
