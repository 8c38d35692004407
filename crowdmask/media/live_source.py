"""A camera or address as a `Source`: the frames that live.py reads, upright in BGR, and when second zero was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from types import TracebackType

import av.video.stream
from typing_extensions import Self

from crowdmask.media.camera_names import camera_of
from crowdmask.media.describing import describe, span_of
from crowdmask.media.live import LiveReader
from crowdmask.media.opening import shown
from crowdmask.media.upright import Upright
from crowdmask.records import Frame, Gap, SourceKind, Stream, VideoInfo
from crowdmask.settings import AnalysisSettings

_TICK = Fraction(1, 90_000)


class LiveSource:
    """Opened, and its first frame decoded, when it is made; `ended_early` where it ended before it was asked to."""

    def __init__(
        self,
        path: str,
        settings: AnalysisSettings,
        *,
        threads: int = 0,
        stream: Stream | None = None,
    ) -> None:
        from_s, until_s = span_of(settings)
        self._reader = LiveReader(
            path,
            threads=threads,
            every=settings.every_nth,
            apart_s=settings.apart_s,
            from_s=from_s,
            until_s=until_s,
            every_frame=settings.every_frame,
        )
        try:
            opened = self._reader.opened()
        except BaseException:
            self._reader.stop()
            raise
        video = opened.container.streams[opened.stream_index]
        assert isinstance(video, av.video.stream.VideoStream)
        self._gaps: list[Gap] = []
        said = describe(
            shown(path),
            SourceKind.STREAM,
            container=opened.container,
            stream=video,
            first=opened.first,
            start=0,
            settings=settings,
        )
        self._info = replace(said, time_base=_TICK)  # times of arrival fall between a stream's own ticks
        origin = stream or Stream(shown(path), SourceKind.STREAM, camera_of(path))
        if origin.starts_at is None:
            origin = replace(origin, starts_at=opened.at, timed_by="arrival")
        self._began = origin.starts_at
        self._upright = Upright(self._info, opened.first, origin, self._gaps)
        self._reader.go()

    @property
    def info(self) -> VideoInfo:
        return self._info

    @property
    def gaps(self) -> list[Gap]:
        return sorted([*self._gaps, *self._reader.gaps], key=lambda gap: gap.seconds or 0.0)

    @property
    def ended_early(self) -> bool:
        return self._reader.ended_early

    @property
    def notes(self) -> list[str]:
        """When it began, and what was passed over."""
        notes = (
            [] if self._began is None else [f"second 0 was {self._began.astimezone().isoformat(' ', 'milliseconds')}"]
        )
        if self._reader.dropped:
            notes.append(
                f"{self._reader.dropped:,} frames came while others were being analysed and were passed over: "
                "--every-frame keeps them in line, --every or a smaller --detection-size takes less time"
            )
        return notes

    def break_off(self) -> None:
        """Wake whoever waits for the next frame: there is none any more."""
        self._reader.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.stop()

    def __iter__(self) -> Iterator[Frame]:
        for arrival in self._reader.arrivals():
            yield self._upright.frame(arrival.frame, arrival.index, arrival.seconds, None)
