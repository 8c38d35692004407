"""Makes results of looks by following each face through its stream: steady boxes and verdicts, and people."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from crowdmask.engine.concluding import left_out
from crowdmask.engine.verdicts import DOUBTED_FROM, against, are_no_face, not_asked, sureness
from crowdmask.geometry import face_sizes
from crowdmask.records import Faces, FrameResult, Look, Stream
from crowdmask.settings import AnalysisSettings
from crowdmask.tracking.appearances import Appearance, FollowedFrame
from crowdmask.tracking.following import Follower
from crowdmask.tracking.observations import NO_FACE, Finds
from crowdmask.tracking.verdicts import VerdictRules, vote_weights
from crowdmask.tracking.zones import Trace
from crowdmask.verdicts import Counts, Outcome, Verdict

OUTCOMES = (Verdict.MASKED, Verdict.UNMASKED, Verdict.INCORRECT, NO_FACE)  # what each Outcome is for the follower


@dataclass(frozen=True)
class Person:
    """One appearance: a face followed through one recording. Its number begins anew in every other."""

    stream: Stream
    appearance: Appearance
    trace: Trace | None = None  # where it stood and what it crossed, where zones are watched
    separate: bool = False  # whether a mask wrongly worn is in no rate

    @property
    def counts(self) -> Counts:
        """One, by the verdict of the whole appearance."""
        return Counts.of([(Verdict(self.appearance.verdict), 1)], separate=self.separate)


@dataclass(frozen=True)
class Flashes:
    """What was seen too shortly in a stream to count as people, told when it has ended."""

    stream: Stream
    count: int


Concluded = FrameResult | Person | Flashes


def rules_of(settings: AnalysisSettings) -> VerdictRules:
    """How answers add up to a steady verdict under these settings."""
    return VerdictRules(
        OUTCOMES,
        counts_as=(Outcome.MASKED, Outcome.UNMASKED, Outcome.UNMASKED, Outcome.NO_FACE),
        threshold=settings.mask_threshold,
        against=(Outcome.UNMASKED, Outcome.INCORRECT),
        no_face_from=DOUBTED_FROM,  # as each frame by itself is judged: with less, nobody is left out
        unsure_band=settings.unsure_band,
    )


class Following:
    """A conclusion for one stream. Looks that wait for the follower are kept without their pictures.

    `live` gives each result at once, with its picture, and knows nothing of what comes after it.
    """

    def __init__(self, stream: Stream, settings: AnalysisSettings, *, live: bool) -> None:
        self._stream, self._settings, self._live = stream, settings, live
        self._follower: Follower | None = None
        self._waiting: deque[Look] = deque()

    def take(self, look: Look) -> Iterator[Concluded]:
        if self._follower is None:
            settings = replace(self._settings, look_ahead_s=0.0) if self._live else self._settings
            rules = rules_of(self._settings)
            self._follower = Follower(
                settings,
                look.frame.size_wh,
                rules,
                sure_score=self._settings.confidence,
                judge_score=self._settings.judge_confidence,
            )
        self._waiting.append(look if self._live else look.without_picture())
        finds = Finds(look.faces.boxes, look.faces.scores) if look.looked else None
        frame = look.frame
        yield from self._concluded(
            self._follower.frame(
                frame.index,
                frame.seconds,
                finds,
                look.probabilities,
                sureness=sureness(look.probabilities, look.faces.scores),
                sharpness=look.sharpness,
                camera=look.camera,
            )
        )

    def finish(self) -> Iterator[Concluded]:
        if self._follower is None:
            return
        yield from self._concluded(self._follower.finish())
        yield Flashes(self._stream, self._follower.flashes)

    def _concluded(self, frames: Sequence[FollowedFrame]) -> Iterator[Concluded]:
        assert self._follower is not None  # whoever calls this has made it
        for followed in frames:
            yield result_of(self._waiting.popleft(), followed, self._settings)
        for appearance in self._follower.take_appearances():
            yield Person(self._stream, appearance, separate=self._settings.sets_apart)


def result_of(look: Look, followed: FollowedFrame, settings: AnalysisSettings) -> FrameResult:
    """A frame's followed faces, with what was found of each in this frame."""
    if followed.index != look.frame.index:
        raise ValueError(f"frame {followed.index} was followed where frame {look.frame.index} was waiting")
    n, found = len(followed), np.flatnonzero(followed.observed)
    at = followed.finds[found]
    scores, landmarks = np.full(n, np.nan, np.float32), np.full((n, 5, 2), np.nan, np.float32)
    probabilities = not_asked(n)
    scores[found], landmarks[found] = look.faces.scores[at], look.faces.landmarks[at]
    probabilities[found] = look.probabilities[at]
    weights = np.full(n, np.nan, np.float32)
    sizes, sure_score = face_sizes(look.faces.boxes[at]).astype(np.float64), settings.confidence
    weights[found] = vote_weights(sizes, look.faces.scores[at], look.sharpness[at], sure_score)
    weights[~np.isfinite(probabilities[:, Outcome.MASKED])] = np.nan
    columns = {
        "person": followed.persons,
        "observed": followed.observed,
        "behind": followed.behind,
        "steady_prob": against(followed.verdict_prob),
        "incorrect_prob": probabilities[:, Outcome.INCORRECT],
        "no_face_prob": probabilities[:, Outcome.NO_FACE],
        "vote_weight": weights,
    }
    faces = Faces(followed.boxes_xyxy, scores, landmarks)
    none = are_no_face(look.probabilities)
    none[at] = False  # one doubt about somebody who is followed leaves nobody out
    return FrameResult(
        look.frame,
        faces,
        against(probabilities),
        followed.verdicts,
        columns,
        int(np.count_nonzero(none)),
        settings.sets_apart,
        left_out(look, none) if settings.keep_no_faces else None,
    )
