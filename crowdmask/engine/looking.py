"""Looks at a stream whose faces are followed: not at every frame, and not at every face that it knows for sure.

The detector looks at every k-th frame (`detect_every`). Where what it finds at both ends of a stretch does not agree,
or something begins or ends there, it looks at the frames between too, and there at the places in question alone. A
face that is known for sure is judged only every so often. Which frames, places and faces these are follows from the
frames alone, never from how many are taken at a time.

Three steps, each on a thread of its own, so that all cores have work: the frames that are due whatever is in them are
looked at, then those between them, and then faces are judged, while the steps before have the next frames at hand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.camera_motion import CameraMotion
from crowdmask.engine.following import rules_of
from crowdmask.engine.judging import Answers, Judge, judged
from crowdmask.engine.protocols import found_at
from crowdmask.engine.verdicts import judgeable, not_asked
from crowdmask.geometry import FloatArray
from crowdmask.records import Faces, Frame, Look
from crowdmask.tracking.between import Between, agree, settle
from crowdmask.tracking.observations import Finds
from crowdmask.tracking.schedule import Schedule

LONGEST_BLIND_S = 0.15  # the first frame that is so much later than a look is looked at, whatever `detect_every` says
AHEAD = 1  # stretches that are looked at while one is judged
Motion = NDArray[np.float64]


@dataclass(frozen=True)
class _Stretch:
    """Frames up to one that is looked at, what is seen on those looked at, and the camera's motion to each frame."""

    frames: Sequence[Frame]
    found: dict[int, Faces]
    motions: Sequence[Motion | None]


class Looking:
    """For one recording: give it its frames in order, then `finish`, and `close` it in any case.

    The looks come a few frames later.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._due_faces = DueFaces(judge)
        self._camera = CameraMotion()
        self._waiting: list[Frame] = []
        self._at: list[int] = []  # which of them are due
        self._passed = 0  # frames since one was due
        self._due_s: float | None = None  # when the next one is due at the latest
        self._known = Faces.none()  # at the last look that was due
        self._before: tuple[Frame, Faces] | None = None  # the last look of the last whole stretch, without its picture
        # one thread each: a step has the stretches one after the other, in their order
        self._first_step, self._second_step = (ThreadPoolExecutor(1, f"crowdmask-look-{i}") for i in (1, 2))
        self._under_way: deque[Future[_Stretch]] = deque()

    def take(self, frame: Frame) -> Iterator[Look]:
        """The looks that are settled by now."""
        self._waiting.append(frame)
        if self._is_due(frame):
            self._at.append(len(self._waiting) - 1)
            if len(self._waiting) >= self._judge.runtime.window:
                self._begin()
        yield from self._settled(AHEAD)

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
            last = len(self._waiting) - 1
            self._at = [*self._at, last] if last not in self._at else self._at
            self._begin()
        yield from self._settled(0)

    def close(self) -> None:
        """End the threads; what is under way and not given yet is left."""
        for step in (self._first_step, self._second_step):
            step.shutdown(cancel_futures=True)

    def _begin(self) -> None:
        """Send the waiting frames on their way; the last of them is due."""
        frames, self._waiting, at, self._at = self._waiting, [], self._at, []
        seen = self._first_step.submit(self._seen, frames, at)
        self._under_way.append(self._second_step.submit(lambda: self._whole(seen.result())))

    def _settled(self, keeping: int) -> Iterator[Look]:
        """The looks of all stretches under way but so many."""
        while len(self._under_way) > keeping:
            yield from self._looks(self._under_way.popleft().result())

    def _seen(self, frames: Sequence[Frame], at: Sequence[int]) -> _Stretch:
        """The first step: what is seen where it is due, and how the camera moved."""
        found = dict(zip(at, self._judge.detector.detect([frames[i].image for i in at]), strict=True))
        motions = []
        for i, frame in enumerate(frames):
            self._known = found.get(i, self._known)
            motions.append(self._camera.step(frame.picture, self._known.boxes))
        return _Stretch(frames, found, motions)

    def _whole(self, stretch: _Stretch) -> _Stretch:
        """The second step: what is seen on the frames between, where that is needed."""
        found = dict(stretch.found)
        self._look_between(stretch.frames, found, stretch.motions)
        last = len(stretch.frames) - 1
        self._before = stretch.frames[last].without_picture(), found[last]
        # only what was looked at is judged, and following waits without pictures
        frames = [frame if i in found else frame.without_picture() for i, frame in enumerate(stretch.frames)]
        return _Stretch(frames, found, stretch.motions)

    def _looks(self, stretch: _Stretch) -> Iterator[Look]:
        """The third step: faces are judged."""
        found, motions = stretch.found, stretch.motions
        answers = self._due_faces.judged(stretch.frames, found, motions)
        for i, frame in enumerate(stretch.frames):
            if i in found:
                yield Look(frame, found[i], answers[i].probabilities, answers[i].sharpness, camera=motions[i])
            else:
                yield _not_looked_at(frame, motions[i])

    def _look_between(self, frames: Sequence[Frame], found: dict[int, Faces], motions: Sequence[Motion | None]) -> None:
        """Adds to `found` what is seen between two looks that do not agree, at the places where they do not."""
        before = {} if self._before is None else {-1: self._before}
        ends = {at: _finds(faces) for at, faces in found.items()} | {
            at: _finds(seen) for at, (_, seen) in before.items()
        }

        def clock(at: int) -> float:
            return before[at][0].seconds if at < 0 else frames[at].seconds

        def camera(start: int, stop: int) -> Motion | None:
            return composed(motions[start + 1 : stop + 1])

        def look(asked: Sequence[tuple[int, FloatArray]]) -> list[Finds]:
            pictures = [frames[at].picture for at, _ in asked]
            faces = found_at(self._judge.detector, pictures, [places for _, places in asked])
            found.update(zip([at for at, _ in asked], faces, strict=True))
            return [_finds(one) for one in faces]

        stretches = [Between.of_all(a, b, ends[a], ends[b]) for a, b in pairwise(sorted(ends))]
        settle(stretches, clock, camera, look, self._judge.settings.confidence)


class LiveLooking:
    """For a live stream: each frame's look at once. Nobody knows what comes, so it cannot look again.

    After a look that does not agree with the one before, as somebody came or left, it looks at every frame until two
    agree; else at every k-th.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._due_faces = DueFaces(judge)
        self._camera = CameraMotion()
        self._before: tuple[float, Faces] | None = None  # the last look
        self._motions: list[Motion | None] = []  # since then
        self._alert = True

    def take(self, frame: Frame) -> Iterator[Look]:
        yield self._looked_at(frame) if self._is_due(frame) else self._passed(frame)

    def finish(self) -> Iterator[Look]:
        return iter(())

    def close(self) -> None:
        """It has no threads."""

    def _is_due(self, frame: Frame) -> bool:
        if self._alert or self._before is None:
            return True
        passed = len(self._motions) + 1
        return passed >= self._judge.settings.detect_every or frame.seconds >= self._before[0] + LONGEST_BLIND_S - 1e-6

    def _passed(self, frame: Frame) -> Look:
        assert self._before is not None  # the first frame is always due
        self._motions.append(self._camera.step(frame.picture, self._before[1].boxes))
        return _not_looked_at(frame, self._motions[-1])

    def _looked_at(self, frame: Frame) -> Look:
        (faces,) = self._judge.detector.detect([frame.image])
        motion = self._camera.step(frame.picture, faces.boxes)
        motions = [*self._motions, motion]
        self._alert = self._before is None or not agree(
            _finds(self._before[1]),
            _finds(faces),
            frame.seconds - self._before[0],
            self._judge.settings.confidence,
            composed(motions),
        )
        answer = self._due_faces.judged([frame], {0: faces}, [composed(motions)])[0]
        self._before, self._motions = (frame.seconds, faces), []
        return Look(frame, faces, answer.probabilities, answer.sharpness, camera=motion)


def _not_looked_at(frame: Frame, motion: Motion | None) -> Look:
    return Look(frame, Faces.none(), not_asked(0), np.zeros(0, np.float32), looked=False, camera=motion)


class DueFaces:
    """Judges of each look the faces that are due by what was answered before."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._schedule = Schedule(
            rules_of(judge.settings),
            sure_score=judge.settings.confidence,
            judge_score=judge.settings.judge_confidence,
        )

    def _may_be_asked(self, faces: Faces) -> NDArray[np.bool_]:
        """Faces large enough to be judged, and finds that would be shown: of unsure ones whether they are faces."""
        settings = self._judge.settings
        return judgeable(faces.boxes, settings) & (faces.scores >= settings.confidence)

    def judged(
        self, frames: Sequence[Frame], found: dict[int, Faces], motions: Sequence[Motion | None]
    ) -> dict[int, Answers]:
        """The answers of every look; a few looks' faces are judged together."""
        looks, answers, since = sorted(found), {}, 0
        for first in range(0, len(looks), Schedule.LAG):
            some = looks[first : first + Schedule.LAG]
            asked = []
            for i in some:
                due = self._schedule.due(frames[i].seconds, _finds(found[i]), composed(motions[since : i + 1]))
                asked.append(due & self._may_be_asked(found[i]))
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
