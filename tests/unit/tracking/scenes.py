"""Small worlds of moving faces, and a stream of them through a `Follower`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from crowdmask.records import Verdict
from crowdmask.settings import FollowSettings
from crowdmask.tracking.appearances import Appearance, FollowedFrame
from crowdmask.tracking.following import Follower
from crowdmask.tracking.observations import NO_FACE, Finds
from crowdmask.tracking.verdicts import VerdictRules

RATE = 25
SIZE_WH = (640, 480)
OUTCOMES = (Verdict.MASKED, Verdict.UNMASKED)


@dataclass(frozen=True)
class Face:
    """A square face that moves straight; there in frames first..last, but for those in `hidden`."""

    x: float
    y: float
    dx: float = 0.0  # pixels a frame
    dy: float = 0.0
    size: float = 30.0
    first: int = 0
    last: int = 10_000
    hidden: frozenset[int] = frozenset()
    score: float | Callable[[int], float] = 0.9
    unmasked: float | Callable[[int], float] = 0.05  # the classifier's answer
    mirror: bool = False

    def at(self, frame: int) -> tuple[float, ...] | None:
        if not self.first <= frame <= self.last or frame in self.hidden:
            return None
        x, y = self.x + self.dx * (frame - self.first), self.y + self.dy * (frame - self.first)
        if self.mirror:
            x = SIZE_WH[0] - x
        return (x - self.size / 2, y - self.size / 2, x + self.size / 2, y + self.size / 2)


def value(given: float | Callable[[int], float], frame: int) -> float:
    return given(frame) if callable(given) else given


def seen(faces: Sequence[Face], frame: int) -> tuple[Finds, np.ndarray]:
    """Finds of a frame, and what the classifier says of them."""
    boxes, scores, answers = [], [], []
    for face in faces:
        box = face.at(frame)
        if box is not None:
            boxes.append(box)
            scores.append(value(face.score, frame))
            answers.append(value(face.unmasked, frame))
    unmasked = np.array(answers, np.float32)
    finds = Finds(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32))
    return finds, np.stack([1 - unmasked, unmasked], axis=1).reshape(-1, 2)


def follower(size_wh: tuple[int, int] = SIZE_WH, **settings: object) -> Follower:
    rules = VerdictRules(OUTCOMES, against=(1,))
    return Follower(FollowSettings(**settings), size_wh, rules, sure_score=0.6)


def follow(
    faces: Sequence[Face], frames: int, *, every: int = 1, rate: float = RATE, **settings: object
) -> tuple[list[FollowedFrame], list[Appearance], Follower]:
    one = follower(**settings)
    done = []
    for k in range(frames):
        finds, answers = seen(faces, k)
        looked = k % every == 0 or k == frames - 1
        done += one.frame(k, k / rate, finds if looked else None, answers if looked else None)
    done += one.finish()
    return done, one.take_appearances(), one


def follower_of_four() -> tuple[Follower, tuple[int, ...]]:
    outcomes = (Verdict.MASKED, Verdict.UNMASKED, Verdict.UNKNOWN, NO_FACE)
    return Follower(FollowSettings(), SIZE_WH, VerdictRules(outcomes), sure_score=0.6), outcomes
