"""Gives the frames of a video file: upright, in BGR, with true times and indexes, whatever the file does.

The index counts every frame the file shows, from its first, in the order they are shown; frames that are damaged
beyond decoding are not counted when the video is read from its start. The time is the stream's own stamp, from the
stream's start. Settings are honoured so that they only choose: with any start, end or `every`, the frames that come
are the same frames with the same indexes and times as in a full pass, those with start <= time < end whose index is a
multiple of `every`.

What is not delivered as it should be is in `gaps`: stretches that could not be decoded or are missing, frames decoded
with errors, a file that ends before its time, and changes of size. After such a change frames are fitted into the
first size, centred on black, so that boxes and pictures written keep one size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from types import TracebackType

import av
import av.container
import av.error
import av.video.stream
from typing_extensions import Self

from crowdmask.errors import SourceError
from crowdmask.media import seeking
from crowdmask.media.camera_names import camera_of
from crowdmask.media.clock import StreamClock
from crowdmask.media.decoding import Decoding
from crowdmask.media.describing import describe, pick_stream, span_of, start_stamp
from crowdmask.media.opening import open_container, shown
from crowdmask.media.segments import WHOLE, Cut, Span, cut
from crowdmask.media.upright import Upright
from crowdmask.records import Frame, Gap, SourceKind, Stream, VideoInfo
from crowdmask.settings import AnalysisSettings

_EPSILON_S = 1e-7  # far less than a tick, far more than a float's rounding


class VideoSource:
    """A video file as a `Source`; opened, and its first frame decoded, when it is made."""

    def __init__(
        self,
        path: str,
        settings: AnalysisSettings,
        *,
        threads: int = 0,
        stream: Stream | None = None,
        span: Span | None = None,
    ) -> None:
        self._path = path
        self._span = span or WHOLE
        self._settings = settings
        self._threads = threads
        self._gaps: list[Gap] = []
        self._closed = False
        self._gaps_taken = 0
        self._container, _ = open_container(path)
        self._origin = stream or Stream(shown(path), SourceKind.VIDEO, camera_of(path))
        try:
            self._stream_index = pick_stream(self._container, shown(path))
            self._open_decoding()
            first = next(self._frames, None)
            if first is None:
                raise SourceError(f"{shown(path)}: no frame of its video can be decoded: play it or copy it again")
            self._first: av.VideoFrame | None = first
            self._start = self._decoding.start = start_stamp(self._stream, first)
            self._info = describe(
                shown(path),
                SourceKind.VIDEO,
                container=self._container,
                stream=self._stream,
                first=first,
                start=self._start,
                settings=settings,
            )
            self._upright = Upright(self._info, first, self._origin, self._gaps)
        except BaseException:
            self._container.close()
            raise

    @property
    def info(self) -> VideoInfo:
        return self._info

    @property
    def gaps(self) -> list[Gap]:
        return self._gaps

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed, self._first = True, None
        self._frames.close()
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        chosen = self._settings
        base = self._stream.time_base or Fraction(1, 1000)
        start_s, end_s = self._between(base)
        clock = StreamClock(self._start, base, self._info.rate)
        held: tuple[av.VideoFrame, int, float] | None = None  # until the next one shows how long it lasts
        for index, decoded in self._counted():
            ticks = clock.ticks(decoded.pts if decoded.pts is not None else decoded.dts)
            seconds = clock.seconds(ticks)
            if held is not None and self._is_shown_when_due(held[2], seconds):
                yield self._upright.frame(*held, seconds - held[2])
            held = None
            if end_s is not None and seconds >= end_s - _EPSILON_S:
                break
            self._keep_gaps(start_s, end_s)
            self._decoding.last_index = index
            if index % chosen.every_nth == 0 and seconds >= start_s - _EPSILON_S:
                held = decoded, index, seconds
        if held is not None and not self._closed:
            lasts_s = float(held[0].duration * base) if held[0].duration else None
            if self._is_shown_when_due(held[2], held[2] + (lasts_s or self._usual_s)):
                yield self._upright.frame(*held, lasts_s)
        self._keep_gaps(start_s, end_s)

    def _is_shown_when_due(self, from_s: float, until_s: float) -> bool:
        """Whether one of the times at which a frame is asked for lies in the time for which this one is on show.

        It follows from the frame's own times alone, so that it is the same wherever a video is cut.
        """
        apart_s = self._settings.apart_s
        return apart_s is None or math.ceil((from_s - _EPSILON_S) / apart_s) * apart_s < until_s - _EPSILON_S

    @property
    def _usual_s(self) -> float:
        return 1.0 / float(self._info.rate) if self._info.rate else 0.04

    def _between(self, base: Fraction) -> tuple[float, float | None]:
        """First and last second of what is given: the part that settings choose, as far as it is in the span."""
        start_s, end_s = span_of(self._settings)
        span = self._span
        if span.start_pts is not None:
            start_s = max(start_s, float((span.start_pts - self._start) * base))
        if span.end_pts is not None:
            span_end_s = float((span.end_pts - self._start) * base)
            end_s = span_end_s if end_s is None else min(end_s, span_end_s)
        return start_s, end_s

    def cut(self, length_s: float) -> Cut:
        """Its segments of about this length, the same wherever it is cut."""
        return cut(
            self._path,
            self._settings,
            stream_index=self._stream_index,
            clock_start=self._start,
            length_s=length_s,
            duration_s=self._info.duration_s or 0.0,
        )

    @property
    def _stream(self) -> av.video.stream.VideoStream:
        stream = self._container.streams[self._stream_index]
        assert isinstance(stream, av.video.stream.VideoStream)
        return stream

    def _open_decoding(self) -> None:
        self._decoding = Decoding(
            self._container, self._stream_index, self._threads, lambda: open_container(self._path)[0]
        )
        self._frames = self._decoding.frames()
        self._gaps_taken = 0

    def _counted(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """Every frame with its index, from the file's first or from shortly before the start that was asked for."""
        first, self._first = self._first, None
        if first is None:
            return
        if self._span.start_pts is not None:
            yield from self._from_key_frame(self._span.start_pts, self._span.first_index)
            return
        sought = self._sought()
        if sought is None:
            yield 0, first
            yield from enumerate(self._frames, start=1)
        else:
            yield from sought

    def _sought(self) -> Iterator[tuple[int, av.VideoFrame]] | None:
        """Frames from the keyframe before a late start; None where the way there cannot be counted."""
        start_s, base = self._settings.start_s or 0.0, self._stream.time_base
        if start_s <= seeking.SEEK_BEYOND_S or base is None:
            return None
        if self._decoding.by_order or not seeking.one_packet_one_frame(self._stream):
            return None
        start_pts = self._start + int(Fraction(start_s) / base)
        with open_container(self._path)[0] as counting:
            way = seeking.find_way_in(counting, self._stream_index, start_pts)
        if way is None:
            return None
        self._frames.close()
        try:
            self._container.seek(way.keyframe_pts, stream=self._stream)
        except av.error.FFmpegError:
            return self._from_the_beginning()
        self._open_decoding()
        self._decoding.start = self._start
        landed = next(self._frames, None)
        index = way.index_of(landed.pts) if landed is not None and landed.pts is not None else None
        if landed is None or index is None or (landed.pts or 0) > start_pts:
            return self._from_the_beginning()
        return self._follow(way, index, landed, start_pts)

    def _from_key_frame(self, start_pts: int, first_index: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Frames from a key frame on, whose index is known; decoded from the beginning where seeking does not lead."""
        self._frames.close()
        frames: Iterator[av.VideoFrame]
        try:
            self._container.seek(start_pts, stream=self._stream)
            self._open_decoding()
            self._decoding.start = self._start
            first = next(self._frames, None)
            landed = first is not None and first.pts is not None and first.pts <= start_pts
            frames = chain([first], self._frames) if first is not None and landed else iter(())
        except av.error.FFmpegError:
            landed, frames = False, iter(())
        if not landed:
            frames = (frame for _, frame in self._from_the_beginning())
        wanted = (frame for frame in frames if frame.pts is not None and frame.pts >= start_pts)
        self._decoding.last_index = first_index - 1
        yield from enumerate(wanted, start=first_index)

    def _follow(
        self, way: seeking.WayIn, index: int, landed: av.VideoFrame, start_pts: int
    ) -> Iterator[tuple[int, av.VideoFrame]]:
        yield index, landed
        for frame in self._frames:
            # up to the start the count tells the index, so that a frame lost on the way does not shift those after it
            known = way.index_of(frame.pts) if frame.pts is not None and index < way.index_at(start_pts) else None
            index = known if known is not None else index + 1
            yield index, frame

    def _from_the_beginning(self) -> Iterator[tuple[int, av.VideoFrame]]:
        self._container.close()
        self._container = open_container(self._path)[0]
        self._open_decoding()
        self._decoding.start = self._start
        return enumerate(self._frames)

    def _keep_gaps(self, start_s: float, end_s: float | None) -> None:
        """Take over what the decoder noted, but for what lies outside the part that is analysed."""
        for gap in self._decoding.gaps[self._gaps_taken :]:
            at = gap.seconds
            if at is None or (at >= start_s - _EPSILON_S and (end_s is None or at < end_s - _EPSILON_S)):
                self._gaps.append(gap)
        self._gaps_taken = len(self._decoding.gaps)
