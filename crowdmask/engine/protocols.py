"""What the spine knows of networks, media and files: Protocols, so that it can be tested without any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self  # in typing from Python 3.11 on

from crowdmask.engine.following import Concluded, Flashes, Person
from crowdmask.geometry import FloatArray
from crowdmask.records import Faces, Frame, FrameResult, Gap, Look, Picture, Stream, VideoInfo, whole_of


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
        """Faces of each BGR picture, in its own pixels, best score first; several threads may ask at once."""
        ...


@runtime_checkable
class LooksAtPlaces(Protocol):
    """A detector that need not look at a whole picture to see whether a face is at a place of it."""

    def detect_at(self, pictures: Sequence[Picture], places: Sequence[FloatArray]) -> list[Faces]:
        """Of each picture the faces about the boxes (n, 4) of its places; of what else is in it, whatever it came upon.

        What it finds at a place depends on nothing but the picture and that place.
        """
        ...


def found_at(detector: FaceDetector, pictures: Sequence[Picture], places: Sequence[FloatArray]) -> list[Faces]:
    """The faces at places; a detector that cannot look at them alone looks at everything."""
    if isinstance(detector, LooksAtPlaces):
        return detector.detect_at(pictures, places)
    return detector.detect([whole_of(picture) for picture in pictures])


class MaskClassifier(Protocol):
    @property
    def input_size(self) -> int: ...
    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Of each Outcome, (n, 4), for crops (n, s, s, 3) uint8 BGR of the input size, any n; rows sum to 1."""
        ...


@runtime_checkable
class Rests(Protocol):
    """A detector or classifier that holds memory which only its work needs."""

    def rest(self) -> None:
        """Give it back for as long as nothing is asked; what is asked next takes it anew."""
        ...


class Conclusion(Protocol):
    """Makes results of looks: for each frame by itself, or following faces through their stream."""

    def take(self, look: Look) -> Iterable[Concluded]:
        """The results that are ready by now, in order; this look's may be among them or come later."""
        ...

    def finish(self) -> Iterable[Concluded]:
        """The stream has ended: all that was held back."""
        ...


class Stage(Protocol):
    """Knows more of a result or a person than the stages before it.

    It gives one of a new kind or with further columns, never the same one filled in. A stage that holds results back
    keeps them without their pictures.
    """

    def take(self, concluded: Concluded) -> Iterable[Concluded]:
        """What is ready by now, in order; this may be among it or come later."""
        ...

    def finish(self) -> Iterable[Concluded]:
        """The stream has ended: all that was held back."""
        ...


Stages = Callable[[Stream], tuple[Conclusion, Sequence[Stage]]]  # made anew for each: none sees another one's frames


class ResultTaker(Protocol):
    """All that the spine asks of a sink."""

    def write(self, result: FrameResult) -> None: ...


class PersonTaker(Protocol):
    """A sink of people: each when its appearance has ended, and at the end of a stream what was none."""

    def write_person(self, person: Person) -> None: ...
    def write_flashes(self, flashes: Flashes) -> None: ...


class Sink(ResultTaker, Protocol):
    """Takes results in order. Leaving the context without an error gives the file its name; with one, `.part` stays."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
