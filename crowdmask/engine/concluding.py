"""Makes the results of looks, each frame by itself: what stills get, and videos whose faces are not followed."""

from __future__ import annotations

import numpy as np

from crowdmask.engine.verdicts import against, are_no_face, decide
from crowdmask.records import FrameResult, Look
from crowdmask.settings import AnalysisSettings
from crowdmask.verdicts import Outcome


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
        columns = {"incorrect_prob": probabilities[:, Outcome.INCORRECT]}
        separate = self._settings.sets_apart
        return [FrameResult(look.frame, faces, against(probabilities), verdicts, columns, int(none.sum()), separate)]

    def finish(self) -> list[FrameResult]:
        return []
