"""What is drawn of a video: the results kept for it by segment, the pieces of a segment drawn at once, and their order.

One segment is drawn at a time, so that an end costs no more than that: its pieces, cut at key frames, use the cores.
Where they lie follows from the video and the settings alone, and so does every byte of them.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import dropwhile, groupby, takewhile
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Any

from crowdmask.engine.memory import give_memory_back
from crowdmask.engine.watching import zones_file
from crowdmask.jobs import naming
from crowdmask.jobs.batch.units import Plan
from crowdmask.jobs.forecast import Beat, Beating, Work
from crowdmask.jobs.manifest.entries import Entry, stream_of
from crowdmask.jobs.manifest.packing import PackedFile, pack, unpack
from crowdmask.media.ahead import ahead
from crowdmask.media.segments import WHOLE, Span
from crowdmask.media.video_source import VideoSource
from crowdmask.records import Frame, FrameResult
from crowdmask.results.annotate import most_people
from crowdmask.results.annotated import AnnotatedVideo
from crowdmask.results.anonymise import LINGER_SECONDS, looking_ahead
from crowdmask.tracking.zones import Zones
from crowdmask.verdicts import Counts

PIECE_THREADS = 1  # of x264: with more, what it writes may depend on their number and, seldom, on chance


def zones_of(plan: Plan, entry: Entry) -> Zones | None:
    file = zones_file(plan.analysis)
    return None if file is None else file.of(entry.camera)


def before_file_of(plan: Plan, entry: Entry) -> Path:
    return naming.segment_file_of(plan.run, entry.source, WHOLE.number, naming.BEFORE)


class Pieces:
    """Of one worker. `opened` opens a part of a video, on so many threads; `go_on` raises where the work is to end."""

    def __init__(
        self,
        plan: Plan,
        opened: Callable[[Entry, Span, int], VideoSource],
        go_on: Callable[[], None],
        beat: Callable[[Beat], None],
    ) -> None:
        self.plan, self.opened, self.go_on, self.beat = plan, opened, go_on, beat

    def are_to_draw(self, concluded: Entry) -> bool:
        """Whether what it takes to draw on the video was kept."""
        before = before_file_of(self.plan, concluded).relative_to(self.plan.run).as_posix()
        return any(output.path == before for output in concluded.outputs)

    def draw(self, entry: Entry, span: Span) -> tuple[list[Path], int]:
        """A segment's pieces, and how many frames they have; none where it has no frame."""
        before = json.loads(before_file_of(self.plan, entry).read_text())
        pieces = [(n, piece) for n, piece in enumerate(span.pieces, 1) if str(piece.first_index) in before]
        cores = self.plan.runtime.cores
        # a piece takes little more than a core: decoding it, drawing and encoding wait for each other
        at_once = max(1, min(len(pieces), max(min(2, cores), cores // 2)))
        drawing = _Drawing(self, entry, span, before, at_once)
        pool = ThreadPoolExecutor(at_once, thread_name_prefix="crowdmask-draw")
        try:
            drawn = [pool.submit(drawing.draw, number, piece) for number, piece in pieces]
            frames = sum(piece.result() for piece in drawn)
        finally:
            pool.shutdown(cancel_futures=True)
        return [self.file(entry, span, number) for number, _ in pieces], frames

    def in_order(self, entry: Entry, span: Span) -> Iterator[tuple[Path, Iterator[Frame]]]:
        """A segment's pieces with the frames in each, of which only index and time are known."""
        frames = (result.frame for result in self.results(entry, span))
        for number, mine in groupby(frames, partial(_piece_of, span)):
            yield self.file(entry, span, number), mine

    def file(self, entry: Entry, span: Span, number: int) -> Path:
        return naming.piece_file_of(self.plan.run, entry.source, span.number, number)

    def results(self, entry: Entry, span: Span) -> Iterator[FrameResult]:
        with open(naming.segment_file_of(self.plan.run, entry.source, span.number, "results"), "rb") as file:
            yield from unpack(file, stream_of(entry))


class _Drawing:
    """One segment under way; `before` has what was counted before each of its pieces."""

    def __init__(self, pieces: Pieces, entry: Entry, span: Span, before: Mapping[str, Any], at_once: int) -> None:
        self._of, self._entry, self._span, self._before = pieces, entry, span, before
        self._at_once = at_once

    def draw(self, number: int, piece: Span) -> int:
        """One of its pieces, on any thread; how many frames it has."""
        frames = self._draw(number, piece)
        # FFmpeg's containers and their streams hold each other: tens of MB of each piece of a 1080p video would stay
        # until the rare collection of what is old
        give_memory_back()
        return frames

    def _draw(self, number: int, piece: Span) -> int:
        of, entry, plan = self._of, self._entry, self._of.plan
        share = replace(plan.runtime, threads=max(1, plan.runtime.cores // self._at_once))
        first, following = piece.first_index, _following(self._span, piece)
        before = self._before[str(first)]
        beating = Beating(Work.DRAW, entry.source, self._beat)
        with ExitStack() as stack:
            source = stack.enter_context(of.opened(entry, piece, share.decoding_threads))
            video = stack.enter_context(
                AnnotatedVideo(
                    of.file(entry, self._span, number),
                    source.info,
                    plan.output,
                    threads=PIECE_THREADS,
                    totals=Counts(*before["counts"]),
                    people=before["people"],
                    lately=self._lately(first),
                    zones=zones_of(plan, entry),
                )
            )
            frames = stack.enter_context(ahead(source, plan.runtime.decoded_ahead))
            mine = takewhile(lambda one: one.frame.index < following, self._from(first))
            for frame, (result, coming) in zip(frames, looking_ahead(mine, self._soon(following)), strict=True):
                of.go_on()
                video.write(result.with_picture(frame), coming)
                beating.saw()
        beating.end()
        return beating.frames

    def _beat(self, beat: Beat) -> None:
        self._of.beat(replace(beat, busy_s=beat.busy_s / self._at_once))  # all at once are one worker's work

    def _from(self, first: float) -> Iterator[FrameResult]:
        return dropwhile(lambda result: result.frame.index < first, self._of.results(self._entry, self._span))

    def _soon(self, first: float) -> Iterator[FrameResult]:
        """The results from a frame on, also of the next segment: who is about to be found is hidden a moment before."""
        yield from self._from(first)
        after = replace(self._span, number=self._span.number + 1)
        if naming.segment_file_of(self._of.plan.run, self._entry.source, after.number, "results").exists():
            yield from self._of.results(self._entry, after)

    def _lately(self, first: int) -> list[FrameResult]:
        """The results shortly before a frame: where a face just was, it stays hidden a moment longer."""
        of, entry, span = self._of, self._entry, self._span
        found = deque(takewhile(lambda result: result.frame.index < first, of.results(entry, span)))
        if span.number > 1 and (not found or found[-1].frame.seconds - found[0].frame.seconds < 2 * LINGER_SECONDS):
            found.extendleft(reversed(list(of.results(entry, replace(span, number=span.number - 1)))))
        return [result for result in found if found[-1].frame.seconds - result.frame.seconds <= 2 * LINGER_SECONDS]


class KeptForDrawing:
    """A sink of packed results, each into its segment's file.

    `before` has what was counted before each piece that has a frame, by the index at which the piece begins.
    """

    def __init__(self, spans: Sequence[Span], path_of: Callable[[Span], Path]) -> None:
        self._coming, self._path_of = list(spans), path_of
        self._starts, self._piece = deque(piece.first_index for span in spans for piece in span.pieces), ""
        self._span: Span | None = None
        self._stack = ExitStack()
        self._file: PackedFile | None = None
        self._totals = Counts()
        self.paths: list[Path] = []
        self._people = 0
        self.before: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> KeptForDrawing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, result: FrameResult) -> None:
        while self._coming and (self._span is None or result.frame.index >= self._coming[0].first_index):
            self._span = self._coming.pop(0)
            self._stack.close()
            path = self._path_of(self._span)
            self._file = self._stack.enter_context(PackedFile(path))
            self.paths.append(path)
        assert self._file is not None and self._span is not None
        self._file.add(pack(result))
        while self._starts and result.frame.index >= self._starts[0]:
            self._piece = str(self._starts.popleft())
        self.before.setdefault(self._piece, {"counts": self._totals.numbers, "people": self._people})
        self._totals = self._totals + result.counts
        self._people = max(self._people, most_people(result))


def _piece_of(span: Span, frame: Frame) -> int:
    """In which piece of a segment a frame is, counted from 1."""
    return 1 + bisect_right([index for _, index in span.further], frame.index)


def _following(span: Span, piece: Span) -> float:
    """The index at which the next piece of a segment begins."""
    return next((index for _, index in span.further if index > piece.first_index), inf)
