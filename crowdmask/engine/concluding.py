"""Makes the results of looks, each frame by itself: what stills get, and videos whose faces are not followed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.verdicts import against, are_no_face, decide
from crowdmask.records import FrameResult, LeftOut, Look
from crowdmask.settings import AnalysisSettings
from crowdmask.verdicts import Outcome


def left_out(look: Look, none: NDArray[np.bool_]) -> LeftOut:
    """The finds of a look that are no face."""
    return LeftOut(look.faces.take(none), look.probabilities[none, Outcome.NO_FACE])


class EachFrame:
    """A conclusion that keeps nothing."""

    def __init__(self, settings: AnalysisSettings) -> None:
        self._settings = settings

    def take(self, look: Look) -> list[FrameResult]:
        found = look.faces.scores >= self._settings.confidence
        none = are_no_face(look.probabilities) & found
        kept = np.flatnonzero(found & ~none)
        faces, probabilities = look.faces.take(kept), look.probabilities[kept]
        verdicts = decide(probabilities, faces.scores, self._settings)
        columns = {
            "incorrect_prob": probabilities[:, Outcome.INCORRECT],
            "no_face_prob": probabilities[:, Outcome.NO_FACE],
        }
        return [
            FrameResult(
                look.frame,
                faces,
                against(probabilities),
                verdicts,
                columns,
                int(none.sum()),
                self._settings.sets_apart,
                left_out(look, none) if self._settings.keep_no_faces else None,
            )
        ]

    def finish(self) -> list[FrameResult]:
        return []
