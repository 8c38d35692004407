"""Looks at a stream whose faces are followed: not at every frame, and not at every face that it knows for sure.

The detector looks at every k-th frame (`detect_every`). Where what it finds at both ends of a stretch does not agree,
or something begins or ends there, it looks at the frames between too. A face that is known for sure is judged only
every so often. Which frames and faces these are follows from the frames alone, never from how many are taken at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.camera_motion import CameraMotion
from crowdmask.engine.following import rules_of
from crowdmask.engine.judging import Answers, Judge, judged
from crowdmask.engine.verdicts import judgeable, not_asked
from crowdmask.records import Faces, Frame, Look
from crowdmask.tracking.observations import Finds
from crowdmask.tracking.schedule import Schedule, look_again

LONGEST_BLIND_S = 0.1  # the first frame that is so much later than a look is looked at, whatever `detect_every` says
Motion = NDArray[np.float64]


class Looking:
    """For one stream: give it its frames in order, any number at a time, and then `finish`."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._schedule = Schedule(rules_of(judge.settings), sure_score=judge.settings.confidence)
        self._camera = CameraMotion()
        self._waiting: list[Frame] = []  # after the last look
        self._passed = 0  # frames since the last look
        self._due_s: float | None = None  # when the next one is due at the latest
        self._before: tuple[Frame, Faces] | None = None  # the last look, without its picture

    def take(self, frames: Sequence[Frame]) -> Iterator[Look]:
        """The looks that are settled by these frames: all up to the last one that is looked at."""
        first = len(self._waiting)
        self._waiting += frames
        at = [i for i, frame in enumerate(frames, start=first) if self._is_due(frame)]
        if at:
            yield from self._settle(at)

    def _is_due(self, frame: Frame) -> bool:
        """Whether the detector looks at this frame whatever is in it; asked of every frame in order."""
        self._passed += 1
        due = self._passed >= self._judge.settings.detect_every
        due |= self._due_s is None or frame.seconds >= self._due_s
        if due:
            self._passed, self._due_s = 0, frame.seconds + LONGEST_BLIND_S - 1e-6
        return due

    def finish(self) -> Iterator[Look]:
        """The stream has ended: its last frame is always looked at."""
        if self._waiting:
            yield from self._settle([len(self._waiting) - 1])

    def _settle(self, at: list[int]) -> Iterator[Look]:
        """Looks at the frames at these places, and between them where needed; the last of them ends what is settled."""
        frames, self._waiting = self._waiting[: at[-1] + 1], self._waiting[at[-1] + 1 :]
        found = dict(zip(at, self._judge.detector.detect([frames[i].image for i in at]), strict=True))
        motions = self._motions(frames, found)
        self._look_between(frames, found, motions)
        answers = self._judged(frames, found, motions)
        for i, frame in enumerate(frames):
            if i in found:
                yield Look(frame, found[i], answers[i].probabilities, answers[i].sharpness, camera=motions[i])
            else:
                yield Look(frame, Faces.none(), not_asked(0), np.zeros(0, np.float32), looked=False, camera=motions[i])
        last = len(frames) - 1
        self._before = frames[last].without_picture(), found[last]

    def _motions(self, frames: Sequence[Frame], found: dict[int, Faces]) -> list[Motion | None]:
        """The camera's own motion to each frame from the one before it."""
        known = self._before[1] if self._before is not None else Faces.none()
        motions = []
        for i, frame in enumerate(frames):
            known = found.get(i, known)
            motions.append(self._camera.step(frame.image, known.boxes))
        return motions

    def _look_between(self, frames: Sequence[Frame], found: dict[int, Faces], motions: Sequence[Motion | None]) -> None:
        """Adds to `found` what is seen where the ends of a stretch do not agree, until they do."""
        before = {} if self._before is None else {-1: self._before}
        while True:
            ends = sorted([*before, *found])
            missing = []
            for start, stop in pairwise(ends):
                if stop - start < 2:
                    continue
                first, seen = before[start] if start < 0 else (frames[start], found[start])
                times = [first.seconds, *(frame.seconds for frame in frames[start + 1 : stop + 1])]
                camera = composed(motions[start + 1 : stop + 1])
                sure = self._judge.settings.confidence
                asked = look_again(_finds(seen), _finds(found[stop]), times, sure, camera)
                missing += [start + place for place in asked]
            if not missing:
                return
            images = [frames[i].image for i in missing]
            found.update(zip(missing, self._judge.detector.detect(images), strict=True))

    def _may_vote(self, faces: Faces) -> NDArray[np.bool_]:
        """Faces large enough to be judged, and so surely faces that a verdict on them may count."""
        settings = self._judge.settings
        return judgeable(faces.boxes, settings) & (faces.scores >= settings.judge_confidence)

    def _judged(
        self, frames: Sequence[Frame], found: dict[int, Faces], motions: Sequence[Motion | None]
    ) -> dict[int, Answers]:
        """The answers of every look; a few looks' faces are judged together."""
        looks, answers, since = sorted(found), {}, 0
        for first in range(0, len(looks), Schedule.LAG):
            some = looks[first : first + Schedule.LAG]
            asked = []
            for i in some:
                due = self._schedule.due(frames[i].seconds, _finds(found[i]), composed(motions[since : i + 1]))
                asked.append(due & self._may_vote(found[i]))
                since = i + 1
            mine = judged([frames[i] for i in some], [found[i] for i in some], asked, self._judge, with_sharpness=True)
            for i, answer in zip(some, mine, strict=True):
                self._schedule.answered(answer.probabilities)
                answers[i] = answer
        return answers


def composed(motions: Sequence[Motion | None]) -> Motion | None:
    """One motion after the other as one; None where the camera stood."""
    whole = None
    for motion in motions:
        if motion is not None:
            whole = motion if whole is None else _after(whole, motion)
    return whole


def _after(first: Motion, then: Motion) -> Motion:
    turned: Motion = then[:, :2] @ first
    turned[:, 2] += then[:, 2]
    return turned


def _finds(faces: Faces) -> Finds:
    return Finds(faces.boxes, faces.scores)
