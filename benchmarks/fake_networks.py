"""`crowdmask` with the tests' fake networks in place of the real ones, for what is measured apart from them.

`python -m benchmarks.fake_networks analyze FOLDER --out-dir RUN` takes what `crowdmask` takes. FAKE_MS in the
environment makes each picture take so many milliseconds.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crowdmask.cli.main import main
from crowdmask.jobs.networks import Pair
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings, RuntimeSettings
from tests.factories import FakeClassifier, FakeDetector

COARSE = 60  # pixels of the shorter side


class SlowDetector(FakeDetector):
    """The tests' detector, which takes the time that is asked for and little more; it does not note its calls.

    In large pictures it looks at every few pixels only: its own time is not what is to be measured.
    """

    def __init__(self, ms: float) -> None:
        super().__init__()
        self._ms = ms

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        time.sleep(self._ms * len(images) / 1000)
        return [self._found(image) for image in images]

    def _found(self, image: NDArray[np.uint8]) -> Faces:
        step = max(1, min(image.shape[:2]) // COARSE)
        faces = self._one(image[::step, ::step])
        return Faces(faces.boxes * step, faces.scores, faces.landmarks * step)


class QuietClassifier(FakeClassifier):
    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.calls.clear()
        return super().probabilities(crops)


def fakes(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    """At the top of a module, so that worker processes find it."""
    return Pair(SlowDetector(float(os.environ.get("FAKE_MS", "0"))), QuietClassifier())


if __name__ == "__main__":
    main(sys.argv[1:], networks=fakes)
