"""Joins the encoded pieces of a video into one file, without encoding anything anew: packets, times and sound."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import av
import av.packet
import av.video.stream

from crowdmask.errors import OutputError
from crowdmask.media.video_writer import FALLBACK_TIME_BASE, FINEST, VideoWriter
from crowdmask.records import Frame, VideoInfo


class PieceJoiner(VideoWriter):
    """A `VideoWriter` whose pictures come encoded, in files that other writers wrote of the same video.

    All pieces have one set of parameters, for they were encoded under the same settings; one that has not is refused.
    """

    def __init__(
        self, path: str | os.PathLike[str], info: VideoInfo, first_piece: Path, *, audio_from: str | None = None
    ) -> None:
        self._template = av.open(f"file:{first_piece}")
        try:
            super().__init__(path, info, audio_from=audio_from)
        except BaseException:
            self._template.close()
            raise

    def add(self, piece: Path, frames: Iterable[Frame]) -> None:
        """Append a piece; `frames` are those in it, of which only index and time are looked at."""
        with self._as_output_errors(), av.open(f"file:{piece}") as source:
            video = source.streams.video[0]
            if video.codec_context.extradata != self._parameters:
                raise OutputError(f"{piece}: it was encoded in another way than the pieces before it")
            packets = (packet for packet in source.demux(video) if packet.size)
            for frame, packet in zip(frames, packets, strict=True):
                packet.pts = packet.dts = self._take_place(frame)
                packet.time_base, packet.stream = self._time_base, self._stream
                self._encoded.append(packet)
                self._mux_ready()

    def _video_stream(self) -> av.video.stream.VideoStream:
        base, given = self._info.time_base, self._template.streams.video[0]
        self._time_base = base if base and base.denominator <= FINEST else FALLBACK_TIME_BASE
        self._parameters = given.codec_context.extradata
        stream = self._out.add_stream_from_template(given, opaque=True)
        assert isinstance(stream, av.video.stream.VideoStream)
        stream.time_base = self._time_base
        return stream

    @property
    def _odd_by(self) -> tuple[int, int]:
        return 0, 0  # the pieces say themselves what of them is to be shown

    def _flush(self) -> None:
        """Nothing is held back."""

    def _end(self) -> None:
        with closing(self._template):
            super()._end()
