"""How sure a rate over time is: how many independent observations the faces of a camera are worth.

The same people stand in frame after frame, so faces are no independent trials, and an interval that takes them for
such is far too narrow. Instead:

- A judged face is counted at most once a minute (and once a still): these are `trials`.
- Time is cut into blocks of five minutes. How much the rate varies between a camera's blocks, more than it would if
  its trials were independent, is its design effect (Kish 1965; the variance is that of a ratio, linearised). One is
  measured for each camera that has BLOCKS_NEEDED blocks with judged faces, one for all cameras together
  otherwise, as strata.
- The effective number of trials is trials / design effect, lessened for the few blocks it was measured on, by
  (z / t)^2 (Korn and Graubard 1998). Wilson's interval is computed on it.
- Where the design effect cannot be measured (too few blocks, or all faces alike), every block is worth one
  observation and no more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from crowdmask.results.statistics import Z_95
from crowdmask.results.timeline.frames_table import FramesTable

BLOCKS_NEEDED = 10
MICRO = 1_000_000


@dataclass(frozen=True)
class Blocks:
    """Sums over blocks of time: x is the masked and y the judged face time of each, in milliseconds."""

    number: int = 0
    x: int = 0
    y: int = 0
    xx: int = 0
    xy: int = 0
    yy: int = 0
    trials_u: int = 0

    def spread(self, rate: float) -> float:
        """Sum over the blocks of (e - mean of e)^2, where e = x - rate * y is what a block has beyond its share."""
        mean = (self.x - rate * self.y) / self.number
        return max(0.0, self.xx - 2 * rate * self.xy + rate * rate * self.yy - self.number * mean * mean)


@dataclass(frozen=True)
class DesignEffect:
    """By how much trials are worth less than independent ones, and on how many degrees of freedom that was found."""

    effect: float
    freedom: int

    def effective(self, trials: float) -> float:
        return trials / self.effect * (Z_95 / t_quantile(self.freedom)) ** 2


@dataclass(frozen=True)
class Precision:
    """The design effects of a table: one for each camera that allows it, and one for all."""

    by_camera: Mapping[str, DesignEffect]
    overall: DesignEffect | None

    def effective(self, trials: float, blocks: float, camera: str | None = None) -> float:
        """What the trials of a row, seen in so many blocks, are worth; `camera` is None for all together."""
        found = self.overall if camera is None else self.by_camera.get(camera, self.overall)
        return min(trials, blocks) if found is None else found.effective(trials)


def precision_of(table: FramesTable) -> Precision:
    """Measured on all blocks of the table, also where a row has few of them."""
    found = table.execute("""
        WITH blocks AS (
            SELECT camera, source, block, (sum(masked_us) // 1000)::HUGEINT AS x,
                (sum(masked_us + unmasked_us) // 1000)::HUGEINT AS y, sum(trials_u)::HUGEINT AS trials
            FROM minutes GROUP BY ALL HAVING y > 0
        )
        SELECT camera, count(*), sum(x), sum(y), sum(x * x), sum(x * y), sum(y * y), sum(trials)
        FROM blocks GROUP BY camera ORDER BY camera
    """).fetchall()
    cameras = {camera: Blocks(*(int(value) for value in sums)) for camera, *sums in found}
    effects = {camera: design_effect([blocks]) for camera, blocks in cameras.items()}
    return Precision(
        {camera: effect for camera, effect in effects.items() if effect is not None},
        design_effect(list(cameras.values())),
    )


def design_effect(strata: list[Blocks]) -> DesignEffect | None:
    """Of the rate over all strata together; None where their blocks are too few or all faces are alike."""
    used = [blocks for blocks in strata if blocks.number > 1]
    freedom = sum(blocks.number - 1 for blocks in used)
    x, y = sum(blocks.x for blocks in strata), sum(blocks.y for blocks in strata)
    trials = sum(blocks.trials_u for blocks in strata) / MICRO
    if freedom < BLOCKS_NEEDED - 1 or not 0 < x < y or trials <= 0:
        return None
    rate = x / y
    variance = sum(blocks.number / (blocks.number - 1) * blocks.spread(rate) for blocks in used) / (y * y)
    return DesignEffect(max(1.0, variance * trials / (rate * (1 - rate))), freedom)


@lru_cache(maxsize=4096)  # every row of a camera asks for the same
def t_quantile(freedom: int, z: float = Z_95) -> float:
    """Student's t at the level of the normal quantile z (Abramowitz and Stegun 26.7.5); within 0.001 from 5 on."""
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, 1))
