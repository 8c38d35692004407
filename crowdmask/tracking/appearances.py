"""What following gives back: each frame with the faces followed in it, and each appearance once it has ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import FloatArray


@dataclass(frozen=True)
class FollowedFrame:
    """The faces followed in one frame, by number of their person."""

    index: int
    seconds: float
    persons: NDArray[np.int32]  # (n,) 1, 2, … within the stream, ascending
    boxes_xyxy: FloatArray  # (n, 4), smoothed, not clipped
    observed: NDArray[np.bool_]  # (n,) False where the box was filled in
    behind: NDArray[np.bool_]  # (n,) of these, where it is behind another face: looked for there in vain
    finds: NDArray[np.intp]  # (n,) position among the frame's finds, -1 where it was filled in
    verdicts: NDArray[np.int8]  # (n,) values of Verdict, steady
    verdict_prob: NDArray[np.float32]  # (n, K) steady probability of each outcome; NaN before the first vote

    def __post_init__(self) -> None:
        n = len(self.persons)
        for name in ("boxes_xyxy", "observed", "behind", "finds", "verdicts", "verdict_prob"):
            if len(getattr(self, name)) != n:
                raise ValueError(f"FollowedFrame.{name} must have {n} rows, it has {len(getattr(self, name))}")

    def __len__(self) -> int:
        return len(self.persons)


@dataclass(frozen=True)
class Stretch:
    """A part of an appearance with one verdict, up to the next one."""

    first_s: float
    verdict: int


@dataclass(frozen=True)
class Appearance:
    """One face followed through one recording."""

    person: int
    first_s: float
    last_s: float
    seen_s: float  # without the time for which it was lost and not filled in
    first_frame: int
    last_frame: int
    frames: int  # it is in, observed or filled in
    observations: int
    judged: int
    verdict: int  # the known one that it had for most frames
    probability: NDArray[np.float32]  # (K,) of each outcome at its end; NaN where it was never judged
    stretches: tuple[Stretch, ...]
    best_frame: int  # where its face is largest, sharpest and surest
    best_s: float
    best_box_xyxy: NDArray[np.float32]
    median_size: float  # pixels
