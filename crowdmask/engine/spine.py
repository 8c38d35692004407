"""The one way through the house: frames through both networks, the stages of their stream, into the sinks.

One video, a batch's stills, a camera and the Python API all go through `analyse`; nobody else has a loop over frames.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from crowdmask.engine.concluding import EachFrame
from crowdmask.engine.following import Concluded, Flashes, Following, Person
from crowdmask.engine.judging import Judge, judged
from crowdmask.engine.looking import LiveLooking, Looking
from crowdmask.engine.protocols import Conclusion, PersonTaker, ResultTaker, Stage, Stages
from crowdmask.engine.verdicts import judgeable
from crowdmask.engine.watching import Watching, zones_file
from crowdmask.records import Frame, FrameResult, Look, SourceKind, Stream
from crowdmask.settings import AnalysisSettings

Waiting = Callable[[], AbstractContextManager[object]]


def stages_of(settings: AnalysisSettings) -> Stages:
    """What the settings ask for: faces are followed in whatever has more than one frame, and zones watched."""
    file = zones_file(settings)

    def course(stream: Stream) -> tuple[Conclusion, Sequence[Stage]]:
        zones = None if file is None else file.of(stream.camera)
        further = () if zones is None else (Watching(zones),)
        if not is_followed(stream.kind, settings):
            return EachFrame(settings), further
        return Following(stream, settings, live=stream.kind is SourceKind.STREAM), further

    return course


def is_followed(kind: SourceKind, settings: AnalysisSettings) -> bool:
    return settings.follow and kind is not SourceKind.PICTURE


def analyse(
    source: Iterable[Frame],
    judge: Judge,
    stages: Stages | None = None,
    sinks: Sequence[ResultTaker] = (),
    people: Sequence[PersonTaker] = (),
    *,
    waiting: Waiting = nullcontext,
) -> Generator[FrameResult, None, None]:
    """One result for every frame, those of a stream in order; all sinks have a result before it is given.

    `stages` is asked for each stream once; what it gives may hold results back. Where the source fails or a `waiting`
    (it is entered for every wait for the networks, and never while a sink writes) is broken off, what came before is
    given first, that which was held back included, and then the error is raised.
    """
    for concluded in conclude(look(source, judge), stages or stages_of(judge.settings), waiting=waiting):
        if isinstance(concluded, FrameResult):
            for sink in sinks:
                sink.write(concluded)
            yield concluded
        for taker in people:
            if isinstance(concluded, Person):
                taker.write_person(concluded)
            elif isinstance(concluded, Flashes):
                taker.write_flashes(concluded)


def conclude(looks: Iterable[Look], stages: Stages, *, waiting: Waiting = nullcontext) -> Iterator[Concluded]:
    """The second half of the spine: results of looks, through the stages of their streams. It needs no pictures."""
    by_stream: dict[Stream, _Course] = {}
    coming = iter(looks)
    try:
        while True:
            with waiting():
                seen = next(coming, None)
            if seen is None:
                break
            stream = seen.frame.stream
            course = by_stream.get(stream) or _Course(*stages(stream))
            if stream.kind is not SourceKind.PICTURE:  # one frame is all of it: a batch has millions of stills
                by_stream[stream] = course
            yield from course.take(seen)
            if stream.kind is SourceKind.PICTURE:
                yield from course.finish()
    except (Exception, KeyboardInterrupt):
        yield from _flushed(by_stream.values())
        raise
    yield from _flushed(by_stream.values())


@dataclass(frozen=True)
class _Course:
    """One stream's way from looks to results."""

    conclusion: Conclusion
    stages: Sequence[Stage]

    def take(self, seen: Look) -> Iterable[Concluded]:
        return self._through(self.conclusion.take(seen))

    def finish(self) -> Iterator[Concluded]:
        """What is still held back, each stage's through those after it."""
        yield from self._through(self.conclusion.finish())
        for position, stage in enumerate(self.stages):
            yield from self._through(stage.finish(), position + 1)

    def _through(self, results: Iterable[Concluded], first: int = 0) -> Iterable[Concluded]:
        for stage in self.stages[first:]:
            results = [ready for result in results for ready in stage.take(result)]
        return results


def _flushed(courses: Iterable[_Course]) -> Iterator[Concluded]:
    for course in courses:
        yield from course.finish()


def look(source: Iterable[Frame], judge: Judge) -> Iterator[Look]:
    """The first half of the spine: what the networks see of each frame. It needs nothing from before the source.

    Frames by themselves are taken a window at a time; those of a followed stream each go on their way at once. What
    came before an error of the source is given before it is raised.
    """
    followed: dict[Stream, Looking | LiveLooking] = {}
    try:
        yield from _looks(source, judge, followed)
    finally:
        for looking in followed.values():
            looking.close()


def _looks(source: Iterable[Frame], judge: Judge, followed: dict[Stream, Looking | LiveLooking]) -> Iterator[Look]:
    window: list[Frame] = []
    iterator = iter(source)
    while True:
        try:
            frame = next(iterator, None)
        except Exception:
            yield from _last_looks(window, followed, judge)
            raise
        if frame is None:
            yield from _last_looks(window, followed, judge)
            return
        if is_followed(frame.stream.kind, judge.settings):
            if frame.stream not in followed:
                live = frame.stream.kind is SourceKind.STREAM
                followed[frame.stream] = LiveLooking(judge) if live else Looking(judge)
            yield from followed[frame.stream].take(frame)
            continue
        window.append(frame)
        if len(window) == judge.runtime.window or frame.stream.kind is SourceKind.STREAM:  # live ones at once
            yield from _each(window, judge)
            window = []


def _last_looks(window: Sequence[Frame], followed: dict[Stream, Looking | LiveLooking], judge: Judge) -> Iterator[Look]:
    if window:
        yield from _each(window, judge)
    for looking in followed.values():
        yield from looking.finish()


def _each(frames: Sequence[Frame], judge: Judge) -> Iterator[Look]:
    settings = judge.settings
    found = judge.detector.detect([frame.image for frame in frames])
    asked = [judgeable(faces.boxes, settings) & (faces.scores >= settings.confidence) for faces in found]
    for frame, faces, mine in zip(frames, found, judged(frames, found, asked, judge), strict=True):
        yield Look(frame, faces, mine.probabilities, mine.sharpness)
