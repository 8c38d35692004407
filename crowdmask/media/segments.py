"""Cuts a video by its own time into segments that are decoded one without the other, and says where it cannot.

A segment begins at the first key frame at or after a multiple of its length, and ends where the next one begins. So a
video is cut in the same places on every machine, and no frame is decoded twice. In the same way a segment is cut into
the pieces that are drawn at once. For all this the packets are counted once, without decoding them, which takes as long
as reading the file.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

import av
import av.error

from crowdmask.media.describing import span_of
from crowdmask.media.opening import open_container
from crowdmask.media.seeking import one_packet_one_frame
from crowdmask.settings import AnalysisSettings

SHORTEST = 0.25  # of a segment: what is less at the end stays with the segment before
PIECES_EACH, MOST_PIECES = 8, 12  # of a segment: it may be longer than it is asked to be


@dataclass(frozen=True)
class Span:
    """One segment of a video, in its own time stamps: from a key frame to where the next segment begins."""

    number: int = 1
    start_pts: int | None = None  # None: from the beginning, or the start that was asked for
    end_pts: int | None = None  # None: to the end
    first_index: int = 0  # of the frame at start_pts
    frames: int = 0  # about
    further: tuple[tuple[int, int], ...] = ()  # stamp and index of where its pieces but the first begin

    @property
    def pieces(self) -> tuple[Span, ...]:
        """What of it is decoded, drawn and encoded by itself."""
        starts = [(self.start_pts, self.first_index), *self.further]
        ends = [*(stamp for stamp, _ in self.further), self.end_pts]
        return tuple(
            replace(self, start_pts=start, end_pts=end, first_index=first, further=())
            for (start, first), end in zip(starts, ends, strict=True)
        )


WHOLE = Span()


@dataclass(frozen=True)
class Cut:
    """The segments of a video in order; `why_whole` says why there is only one where its length asks for more."""

    spans: tuple[Span, ...] = (WHOLE,)
    why_whole: str = ""


@dataclass(frozen=True)
class _Count:
    """The stamps of all frames, sorted, and those of the key frames among them."""

    stamps: Sequence[int]
    keys: Sequence[int]


def may_be_cut(duration_s: float, length_s: float) -> bool:
    """Whether a video is long enough for more than one segment."""
    return duration_s >= (1 + SHORTEST) * length_s


def cut(
    path: str, settings: AnalysisSettings, *, stream_index: int, clock_start: int, length_s: float, duration_s: float
) -> Cut:
    """Cut a file that lasts about `duration_s`; `clock_start` is the stamp at its second zero."""
    if not may_be_cut(duration_s, length_s):
        return Cut()
    with open_container(path)[0] as container:
        stream = container.streams[stream_index]
        base = stream.time_base
        if base is None or not isinstance(stream, av.video.stream.VideoStream) or not one_packet_one_frame(stream):
            return Cut(why_whole="its frames cannot be counted without decoding them")
        count = _counted(container, stream)
    if isinstance(count, str):
        return Cut(why_whole=count)
    start_s, end_s = span_of(settings)
    seconds_of = [(key, float((key - clock_start) * Fraction(base))) for key in count.keys]
    last_s = float((count.stamps[-1] - clock_start) * base)
    until_s = last_s if end_s is None else min(last_s, end_s)
    bounds = _bounds(seconds_of, length_s, start_s, until_s)
    further = _bounds(seconds_of, length_s / PIECES_EACH, start_s, until_s)
    return Cut(_spans(bounds, further, count), "" if bounds else "it has no key frames to begin at")


def _bounds(keys: Sequence[tuple[int, float]], length_s: float, start_s: float, until_s: float) -> list[int]:
    """The first key frame, of all with their seconds, at or after each multiple of a length, but for a short end."""
    bounds: list[int] = []
    wanted_s = length_s
    for key, seconds in keys:
        if seconds < wanted_s:
            continue
        wanted_s = (floor(seconds / length_s) + 1) * length_s
        if seconds > start_s and until_s - seconds >= SHORTEST * length_s:
            bounds.append(key)
    return bounds


def _spans(bounds: Sequence[int], further: Sequence[int], count: _Count) -> tuple[Span, ...]:
    places = [0, *(bisect_left(count.stamps, bound) for bound in bounds), len(count.stamps)]
    starts: list[int | None] = [None, *bounds]
    ends: list[int | None] = [*bounds, None]
    inside = [(stamp, bisect_left(count.stamps, stamp)) for stamp in further]
    return tuple(
        Span(number, start, end, place, following - place, _further(inside, place, following))
        for number, (start, end, place, following) in enumerate(
            zip(starts, ends, places[:-1], places[1:], strict=True), start=1
        )
    )


def _further(inside: Sequence[tuple[int, int]], first: int, following: int) -> tuple[tuple[int, int], ...]:
    return tuple(start for start in inside if first < start[1] < following)[: MOST_PIECES - 1]


def _counted(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> _Count | str:
    """All stamps, or why they do not tell where the frames are."""
    stamps: list[int] = []
    keys: list[int] = []
    try:
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                continue
            if packet.pts is None or packet.is_corrupt:
                return "it has frames without a time, or damaged ones"
            if packet.is_keyframe:
                if keys and packet.pts <= keys[-1]:
                    return "its clock begins anew on the way"
                keys.append(packet.pts)
            stamps.append(packet.pts)
    except av.error.FFmpegError:
        return "it cannot be read to its end"
    if not stamps or len(set(stamps)) != len(stamps):
        return "it has several frames of one time"
    return _Count(sorted(stamps), keys)
