"""Says of an opened video what it is: which of its streams is meant, its size, rate, length, colours and clock."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import av.container
import av.stream
import av.video.stream

from crowdmask.errors import SourceError
from crowdmask.media.colour import colour_of
from crowdmask.media.opening import open_container
from crowdmask.media.orientation import orientation_of
from crowdmask.records import SourceKind, VideoInfo
from crowdmask.settings import AnalysisSettings


def pick_stream(container: av.container.InputContainer, name: str) -> int:
    """The video to analyse: FFmpeg's choice, but never the cover of a piece of music."""
    videos = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
    if not videos:
        raise SourceError(f"{name} has no video stream: check that it is the right file")
    best = container.streams.best("video")
    stream = best if best in videos else videos[0]
    if stream.codec_context is None:
        raise SourceError(f"{name}: this FFmpeg has no decoder for its video: convert it to H.264 first")
    return stream.index


def span_of(settings: AnalysisSettings) -> tuple[float, float | None]:
    """First and last second of the part that is analysed; None is the end of the video."""
    start_s = settings.start_s or 0.0
    if settings.duration_s is not None:
        return start_s, start_s + settings.duration_s
    return start_s, settings.end_s


def start_stamp(stream: av.video.stream.VideoStream, first: av.VideoFrame) -> int:
    """Where the stream's clock stands at second zero of a file."""
    stamp = first.pts if first.pts is not None else first.dts
    if stamp is None:
        return stream.start_time or 0
    if stream.start_time is None:
        return stamp
    return min(stamp, stream.start_time)


def describe(
    name: str,
    kind: SourceKind,
    *,
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream,
    first: av.VideoFrame,
    start: int,
    settings: AnalysisSettings,
) -> VideoInfo:
    """What is known before the frames are read, from the header and the first of them."""
    base = stream.time_base
    duration_s = _duration_s(container, stream) if kind is SourceKind.VIDEO else None
    orientation = orientation_of(first)
    width, height = orientation.upright_size((first.width, first.height))
    info = VideoInfo(
        source=name,
        kind=kind,
        width=width,
        height=height,
        rate=stream.average_rate or stream.guessed_rate,
        time_base=base,
        duration_s=duration_s,
        rotation=orientation.rotation,
        codec=stream.codec_context.name,
        has_audio=bool(container.streams.audio),
        pixel_aspect=stream.sample_aspect_ratio or Fraction(1),
        colour=colour_of(first),
        ends_at_s=span_of(settings)[1],
        starts_at_s=float(start * base) if base else 0.0,
    )
    return replace(info, frames_expected=_frames_expected(duration_s, info.rate, stream.frames, settings))


def frames_announced(path: str, settings: AnalysisSettings) -> int | None:
    """How many frames of a video file will be analysed, as far as its header says; nothing is decoded."""
    with open_container(path)[0] as container:
        stream = container.streams[pick_stream(container, path)]
        if not isinstance(stream, av.video.stream.VideoStream):
            return None
        rate = stream.average_rate or stream.guessed_rate
        return _frames_expected(_duration_s(container, stream), rate, stream.frames, settings)


def seconds_announced(path: str) -> float | None:
    """How long a video file lasts, as its header says."""
    with open_container(path)[0] as container:
        stream = container.streams[pick_stream(container, path)]
        return _duration_s(container, stream) if isinstance(stream, av.video.stream.VideoStream) else None


def _duration_s(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _frames_expected(
    duration_s: float | None, rate: Fraction | None, frames: int, settings: AnalysisSettings
) -> int | None:
    """How many frames will be delivered, as far as the header tells."""
    total = frames or (round(duration_s * rate) if duration_s and rate else 0)
    if not total:
        return None
    start_s, end_s = span_of(settings)
    if duration_s:
        length = duration_s
        analysed_s = max(0.0, min(length if end_s is None else end_s, length) - start_s)
        total = round(total * analysed_s / length)
    if settings.apart_s is not None:
        if not rate:
            return None
        return min(total, max(1, -int(-total / float(rate) // settings.apart_s)))
    return -(-total // settings.every_nth)
