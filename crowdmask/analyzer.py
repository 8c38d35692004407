"""The Python door: `Analyzer().stream(path)` gives one FrameResult after another, and nothing is written anywhere."""

from __future__ import annotations

import os
from collections.abc import Iterator

from crowdmask.engine.protocols import FaceDetector, MaskClassifier, Source
from crowdmask.records import FrameResult
from crowdmask.settings import AnalysisSettings, RuntimeSettings


class Analyzer:
    """Finds and judges faces with one pair of networks, loaded at the first frame and kept for every further input.

    `detector` and `classifier` take the place of the project's own networks; see `crowdmask.engine.protocols`.
    """

    def __init__(
        self,
        settings: AnalysisSettings | None = None,
        runtime: RuntimeSettings | None = None,
        *,
        detector: FaceDetector | None = None,
        classifier: MaskClassifier | None = None,
    ) -> None:
        self.settings = settings or AnalysisSettings()
        self.runtime = runtime or RuntimeSettings()
        self._detector = detector
        self._classifier = classifier

    def stream(self, source: str | os.PathLike[str] | int) -> Iterator[FrameResult]:
        """One result for every frame of a video, picture, camera (its number) or stream address, in order.

        A generator: closing it, or leaving the loop and letting go of it, ends its threads and closes the source.
        """
        from crowdmask.engine.judging import Judge
        from crowdmask.engine.pictures_again import PicturesAgain
        from crowdmask.engine.spine import analyse
        from crowdmask.media.ahead import ahead

        path = str(source) if isinstance(source, int) else os.fspath(source)
        with self._open(path) as opened:
            detector, classifier = self._networks()
            # following knows more of a frame once it has seen what comes after it, and waits without its picture
            with ahead(opened, self.runtime.window) as frames, PicturesAgain(lambda: self._open(path)) as pictures:
                for result in analyse(frames, Judge(detector, classifier, self.settings, self.runtime)):
                    yield pictures.of(result)

    def _open(self, path: str) -> Source:
        from crowdmask.media.sources import open_source

        return open_source(path, self.settings, threads=self.runtime.threads)

    def _networks(self) -> tuple[FaceDetector, MaskClassifier]:
        if self._detector is None:
            from crowdmask.engine.load import load_detector

            self._detector = load_detector(self.settings, self.runtime)
        if self._classifier is None:
            from crowdmask.engine.load import load_classifier

            self._classifier = load_classifier(self.settings, self.runtime)
        return self._detector, self._classifier
