"""The Python door: `Analyzer().stream(path)` gives one FrameResult after another, and nothing is written anywhere."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.protocols import FaceDetector, MaskClassifier, Source
from crowdmask.errors import SourceError
from crowdmask.records import Frame, FrameResult, SourceKind, Stream
from crowdmask.settings import AnalysisSettings, RuntimeSettings

Given = str | os.PathLike[str] | int | NDArray[np.uint8]


def checked_picture(image: object) -> NDArray[np.uint8]:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        shape = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise SourceError(f"a frame must be an array (height, width, 3) of uint8 in BGR, it is {shape}: convert it")
    return image


def _no_source(given: object) -> SourceError:
    return SourceError(
        f"{reprlib.repr(given)} is no source: give a path, a camera's number, a stream's address, "
        "a picture as an array, or an iterable of paths or arrays"
    )


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

    def __repr__(self) -> str:
        return f"Analyzer({self.settings.detector}, {'loaded' if self._detector else 'not loaded yet'})"

    def stream(self, source: Given | Iterable[Given], *, fps: float = 25.0) -> Iterator[FrameResult]:
        """One result for every frame, in order.

        `source` is a video, a picture, a camera (its number) or a stream's address; or one picture as an array (BGR,
        uint8); or an iterable, which may be an open generator: of paths, which are taken one after another, or of
        arrays, which are the frames of one video at `fps`.

        A generator: closing it, or leaving the loop, ends its threads and closes the source.
        """
        if isinstance(source, np.ndarray):
            yield from self._frames(iter([source]), Stream("array", SourceKind.PICTURE), fps)
        elif isinstance(source, (str, os.PathLike, int)):
            yield from self._file(source)
        elif isinstance(source, bytes) or not isinstance(source, Iterable):
            raise _no_source(source)
        else:
            coming = iter(source)
            for first in coming:
                if isinstance(first, np.ndarray):
                    yield from self._frames(chain([first], coming), Stream("arrays"), fps)
                elif isinstance(first, (str, os.PathLike, int)):
                    yield from self._file(first)
                else:
                    raise _no_source(first)

    def _frames(self, images: Iterator[Given], stream: Stream, fps: float) -> Iterator[FrameResult]:
        """Following waits for what comes after a frame, so the pictures of what it holds back are kept until then."""
        from crowdmask.engine.judging import Judge
        from crowdmask.engine.spine import analyse

        kept: dict[int, Frame] = {}

        def frames() -> Iterator[Frame]:
            for index, image in enumerate(images):
                kept[index] = Frame(index, index / fps, checked_picture(image), 1 / fps, stream)
                yield kept[index]

        detector, classifier = self._networks()
        for result in analyse(frames(), Judge(detector, classifier, self.settings, self.runtime)):
            frame = kept.pop(result.frame.index)
            yield result if result.frame.has_picture else result.with_picture(frame)

    def _file(self, source: str | os.PathLike[str] | int) -> Iterator[FrameResult]:
        from crowdmask.engine.judging import Judge
        from crowdmask.engine.pictures_again import PicturesAgain
        from crowdmask.engine.spine import analyse
        from crowdmask.media.ahead import ahead

        path = str(source) if isinstance(source, int) else os.fspath(source)
        with self._open(path) as opened:
            detector, classifier = self._networks()
            # following knows more of a frame once it has seen what comes after it, and waits without its picture
            with (
                ahead(opened, self.runtime.decoded_ahead) as frames,
                PicturesAgain(lambda: self._open(path)) as pictures,
            ):
                for result in analyse(frames, Judge(detector, classifier, self.settings, self.runtime)):
                    yield pictures.of(result)

    def _open(self, path: str) -> Source:
        from crowdmask.media.sources import open_source

        return open_source(path, self.settings, threads=self.runtime.decoding_threads)

    def _networks(self) -> tuple[FaceDetector, MaskClassifier]:
        if self._detector is None:
            from crowdmask.engine.load import load_detector

            self._detector = load_detector(self.settings, self.runtime)
        if self._classifier is None:
            from crowdmask.engine.load import load_classifier

            self._classifier = load_classifier(self.settings, self.runtime)
        return self._detector, self._classifier
