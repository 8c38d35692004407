"""Decodes an input once more, in step with its results: those that waited for what follows kept no pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType

from typing_extensions import Self  # in typing from Python 3.11 on

from crowdmask.engine.protocols import Source
from crowdmask.errors import SourceError
from crowdmask.records import Frame, FrameResult


class PicturesAgain:
    """Puts pictures back into results, which come in order. The input is opened at the first that needs one."""

    def __init__(self, open_input: Callable[[], Source]) -> None:
        self._open_input = open_input
        self._source: Source | None = None
        self._frames: Iterator[Frame] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._frames = iter(())
        source, self._source = self._source, None
        if source is not None:
            source.__exit__(kind, error, trace)

    def of(self, result: FrameResult) -> FrameResult:
        """The result with its picture; as it is where it has it."""
        if result.frame.has_picture:
            return result
        if self._source is None:
            self._source = self._open_input().__enter__()
            self._frames = iter(self._source)
        for frame in self._frames:
            if frame.index == result.frame.index:
                return result.with_picture(frame)
            if frame.index > result.frame.index:
                break
        name = result.frame.stream.source
        raise SourceError(
            f"{name}: frame {result.frame.index} cannot be decoded a second time, to be drawn on: if the file was "
            "still being written, analyse it when it is whole; --no-video and --no-follow need it once only"
        )
