"""What the pipeline knows of networks and media: four Protocols, so that it can be tested without any of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self  # in typing from Python 3.11 on

from crowdmask.records import Faces, Frame, FrameResult, Gap, VideoInfo


class Source(Protocol):
    """Gives its frames in order, once; `gaps` grows while it is read and is complete at the end."""

    @property
    def info(self) -> VideoInfo: ...
    @property
    def gaps(self) -> Sequence[Gap]: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def __iter__(self) -> Iterator[Frame]: ...


class FaceDetector(Protocol):
    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        """Faces of each BGR picture, in its own pixels, best score first."""
        ...


class MaskClassifier(Protocol):
    @property
    def input_size(self) -> int: ...
    def unmasked_prob(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probability of unmasked for crops (n, s, s, 3) uint8 BGR of the input size, any n."""
        ...


class Sink(Protocol):
    """Takes results in order. Leaving the context without an error gives the file its name; with one, `.part` stays."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def write(self, result: FrameResult) -> None: ...
