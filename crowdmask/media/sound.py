"""Copies a source's sound into a video being written: packet by packet, undecoded, in step with the pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import av.container
import av.error
import av.packet
import av.stream

from crowdmask.errors import SourceError
from crowdmask.media.opening import is_address, is_camera, open_container, shown


class Sound:
    """The audio tracks of one file on their way into an MP4; `notes` says which could not come along."""

    def __init__(self, source: str, out: av.container.OutputContainer) -> None:
        self.notes: list[str] = []
        self.starts_at_s: float | None = None  # where the source's clock stands when the first of its tracks begins
        self._out = out
        self._tracks: dict[int, av.stream.Stream] = {}
        self._last_dts: dict[int, int] = {}
        self._source: av.container.InputContainer | None = None
        self._packets: Iterator[av.packet.Packet[Any]] = iter(())
        self._next: av.packet.Packet[Any] | None = None
        self._origin_s = 0.0
        self._from_s: float | None = None
        if is_address(source) or is_camera(source):
            self.notes.append(f"the sound of {shown(source)} is not kept: a stream can be read only once")
            return
        try:
            self._source, _ = open_container(source)
        except SourceError as error:
            self.notes.append(f"no sound: {error}")
            return
        self._add_tracks(shown(source))

    def begin(self, origin_s: float, from_s: float | None) -> None:
        """Set second zero of the output in the source's clock; with `from_s`, leave out what ends before it."""
        self._origin_s, self._from_s = origin_s, from_s
        if self._source is not None and self._tracks:
            wanted = [s for s in self._source.streams.audio if s.index in self._tracks]
            self._packets = self._source.demux(wanted)
            self._advance()

    def copy_until(self, seconds: float | None) -> None:
        """Copy what begins before this time of the output, or all that is left."""
        while self._next is not None:
            packet = self._next
            stamp = packet.pts if packet.pts is not None else packet.dts
            begins_s = float((stamp or 0) * packet.time_base) - self._origin_s
            if seconds is not None and begins_s >= seconds:
                return
            ends_s = begins_s + self._origin_s + float((packet.duration or 0) * packet.time_base)
            if self._from_s is None or ends_s > self._from_s:
                self._copy(packet)
            self._advance()

    def close(self) -> None:
        self._next, self._packets = None, iter(())
        if self._source is not None:
            self._source.close()

    def _add_tracks(self, name: str) -> None:
        assert self._source is not None
        for stream in self._source.streams:
            if stream.type != "audio":
                stream.discard = av.stream.Discard.all  # so that the pictures are not read a second time
        for stream in self._source.streams.audio:
            if stream.codec_context is None or not _fits_mp4(name, stream):
                codec = stream.codec_context.name if stream.codec_context else "an unknown codec"
                self.notes.append(f"a sound track of {name} is left out: MP4 cannot hold {codec} as it is")
                continue
            self._tracks[stream.index] = self._out.add_stream_from_template(stream)
            if stream.language:
                self._tracks[stream.index].metadata["language"] = stream.language
        if self._tracks and self._source.start_time is not None:
            self.starts_at_s = self._source.start_time / av.time_base

    def _advance(self) -> None:
        self._next = None
        try:
            self._next = next((p for p in self._packets if p.size and (p.dts is not None or p.pts is not None)), None)
        except av.error.FFmpegError as error:
            self.notes.append(f"the sound ends early: {error.strerror}")

    def _copy(self, packet: av.packet.Packet[Any]) -> None:
        track = packet.stream_index
        shift = round(Fraction(self._origin_s) / packet.time_base)
        dts = (packet.dts if packet.dts is not None else packet.pts or 0) - shift
        pts = packet.pts - shift if packet.pts is not None else dts
        dts = max(dts, self._last_dts.get(track, dts - 1) + 1)  # a damaged source may step back, MP4 may not
        self._last_dts[track] = dts
        packet.pts, packet.dts = max(pts, dts), dts
        packet.stream = self._tracks[track]
        self._out.mux_one(packet)


def _fits_mp4(name: str, stream: av.stream.Stream) -> bool:
    """Whether MP4 takes this track as it is: tried on its first packet, in memory."""
    try:
        with open_container(name)[0] as source, av.open(io.BytesIO(), "w", format="mp4") as trial:
            track = trial.add_stream_from_template(source.streams[stream.index])
            for packet in source.demux(source.streams[stream.index]):
                if packet.size:
                    packet.stream = track
                    trial.mux_one(packet)
                    return True
    except (av.error.FFmpegError, ValueError, SourceError):
        pass
    return False
