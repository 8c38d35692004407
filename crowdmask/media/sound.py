"""Takes a source's sound along into a video being written: copied where MP4 can hold it, encoded to AAC where not."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Protocol, TypeAlias

import av
import av.audio.frame
import av.audio.resampler
import av.audio.stream
import av.container
import av.error
import av.packet
import av.stream
import numpy as np
from av.bitstream import BitStreamFilterContext

from crowdmask.errors import SourceError
from crowdmask.media.clock import JUMP_S
from crowdmask.media.opening import is_address, is_camera, open_container, shown

MP4_OPTIONS = {"movflags": "hybrid_fragmented+delay_moov"}  # the index comes when each track has shown what it is
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_AAC_BITS_A_SAMPLE = 1.4  # of each channel: 128 kbit/s for stereo at 48 kHz
_HOLE_S = 0.1  # sound that is missing for longer is silence; less is rounding

Packet: TypeAlias = "av.packet.Packet[Any]"


class Track(Protocol):
    """One track on its way: packets of the source in, packets for the output out, their times in the output's."""

    stream: av.stream.Stream

    def take(self, packet: Packet, begins_s: Fraction) -> Iterator[Packet]: ...
    def end(self) -> Iterator[Packet]: ...


class Sound:
    """The audio tracks of one file on their way into an MP4; `notes` says what became of those that do not fit."""

    def __init__(self, source: str, out: av.container.OutputContainer) -> None:
        self.notes: list[str] = []
        self.starts_at_s: float | None = None  # where the source's clock stands when the first of its tracks begins
        self._out = out
        self._tracks: dict[int, Track] = {}
        self._last_dts: dict[int, int] = {}
        self._ends: dict[int, int] = {}  # where the last packet of each ended, by its repaired clock
        self._moved: dict[int, int] = {}
        self._source: av.container.InputContainer | None = None
        self._packets: Iterator[Packet] = iter(())
        self._next: Packet | None = None
        self._next_begins = Fraction(0)
        self._origin = Fraction(0)
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
        self._origin, self._from_s = Fraction(origin_s), from_s
        if self._source is not None and self._tracks:
            wanted = [s for s in self._source.streams.audio if s.index in self._tracks]
            self._packets = self._source.demux(wanted)
            self._advance()

    def copy_until(self, seconds: float | None) -> None:
        """Take along what begins before this time of the output, or all that is left."""
        while self._next is not None:
            packet, begins = self._next, self._next_begins - self._origin
            if seconds is not None and begins >= seconds:
                return
            if self._from_s is None or self._next_begins + (packet.duration or 0) * packet.time_base > self._from_s:
                index = packet.stream_index  # asked now: a filter takes the packet's insides
                for made in self._tracks[index].take(packet, begins):
                    self._mux(made, index)
            self._advance()

    def end(self) -> None:
        """Write what the encoders still hold; nothing comes after it."""
        for index, track in self._tracks.items():
            for made in track.end():
                self._mux(made, index)

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
            track = self._track_of(name, stream)
            if track is None:
                codec = stream.codec_context.name if stream.codec_context else "an unknown codec"
                self.notes.append(f"a sound track of {name} is left out: its {codec} can neither be kept nor decoded")
                continue
            self._tracks[stream.index] = track
            if stream.language:
                track.stream.metadata["language"] = stream.language
        if self._tracks and self._source.start_time is not None:
            self.starts_at_s = self._source.start_time / av.time_base

    def _track_of(self, name: str, stream: av.audio.stream.AudioStream) -> Track | None:
        if stream.codec_context is None:
            return None
        if _fits_mp4(name, stream):
            return CopiedTrack(stream, self._out)
        if not _decodes(name, stream):
            return None
        self.notes.append(f"a sound track of {name} is encoded to AAC: MP4 cannot hold {stream.codec_context.name}")
        return EncodedTrack(stream, self._out)

    def _advance(self) -> None:
        self._next = None
        try:
            self._next = next((p for p in self._packets if p.size and (p.dts is not None or p.pts is not None)), None)
        except av.error.FFmpegError as error:
            self.notes.append(f"the sound ends early: {error.strerror}")
        if self._next is not None:
            self._repair_clock(self._next)

    def _repair_clock(self, packet: Packet) -> None:
        """A clock that steps back went on, as that of the pictures did (see clock.py): times follow without a seam."""
        index = packet.stream_index
        stamp = packet.pts if packet.pts is not None else packet.dts
        assert stamp is not None
        at, ended = stamp + self._moved.get(index, 0), self._ends.get(index)
        if ended is not None and at < ended - JUMP_S / packet.time_base:
            self._moved[index] = self._moved.get(index, 0) + ended - at
            at = ended
        self._ends[index] = at + (packet.duration or 0)
        self._next_begins = at * Fraction(packet.time_base)

    def _mux(self, packet: Packet, index: int) -> None:
        """Later than the one before: a damaged source may step back somewhat, MP4 may not."""
        assert packet.dts is not None
        dts = max(packet.dts, self._last_dts.get(index, packet.dts - 1) + 1)
        self._last_dts[index] = dts
        packet.pts, packet.dts = max(packet.pts or dts, dts), dts
        packet.stream = self._tracks[index].stream
        self._out.mux_one(packet)


class CopiedTrack:
    """Packets as they are, but for the headers of AAC in a transport stream, which a file keeps in one place."""

    def __init__(self, stream: av.audio.stream.AudioStream, out: av.container.OutputContainer) -> None:
        self.stream: av.stream.Stream = out.add_stream_from_template(stream)
        self._filter = _without_adts(stream)

    def take(self, packet: Packet, begins_s: Fraction) -> Iterator[Packet]:
        packet.pts = packet.dts = round(begins_s / packet.time_base)
        yield from [packet] if self._filter is None else self._filter.filter(packet)

    def end(self) -> Iterator[Packet]:
        return iter(())


class EncodedTrack:
    """Decoded and encoded to AAC, without a hole: where sound is missing there is silence, so that it stays in step."""

    def __init__(self, stream: av.audio.stream.AudioStream, out: av.container.OutputContainer) -> None:
        source = stream.codec_context
        self._source = stream
        self._rate = source.sample_rate if source.sample_rate in _AAC_RATES else 48000
        channels = min(2, max(1, source.channels))
        self._layout = "mono" if channels == 1 else "stereo"
        encoder = out.add_stream("aac", rate=self._rate, layout=self._layout)
        self._encoder = encoder
        encoder.codec_context.bit_rate = round(self._rate * channels * _AAC_BITS_A_SAMPLE)
        encoder.codec_context.time_base = Fraction(1, self._rate)
        self.stream: av.stream.Stream = encoder
        self._resampler = av.audio.resampler.AudioResampler("fltp", self._layout, self._rate)
        self._kept: list[np.ndarray] = []
        self._samples = 0  # how many of them
        self._written: int | None = None  # where the next block begins, in samples of the output

    def take(self, packet: Packet, begins_s: Fraction) -> Iterator[Packet]:
        try:
            frames = self._source.decode(packet)
        except av.error.FFmpegError:
            return  # silence takes its place
        for frame in frames:
            frame.pts = None
            parts = [made.to_ndarray() for made in self._resampler.resample(frame)]
            if parts:
                yield from self._at(round(begins_s * self._rate), np.concatenate(parts, axis=1))
            begins_s += Fraction(frame.samples, frame.sample_rate)

    def _at(self, begins: int, samples: np.ndarray) -> Iterator[Packet]:
        if self._written is None:
            samples, begins = samples[:, max(0, -begins) :], max(0, begins)
            self._written = begins
        missing = begins - self._written - self._samples
        while missing > _HOLE_S * self._rate:
            silence = min(missing, self._rate)
            missing -= silence
            yield from self._add(np.zeros((samples.shape[0], silence), np.float32))
        yield from self._add(samples)

    def _add(self, samples: np.ndarray, *, last: bool = False) -> Iterator[Packet]:
        self._kept.append(samples)
        self._samples += samples.shape[1]
        block = self._encoder.codec_context.frame_size or 1024
        if self._samples < block and not last:
            return
        whole = np.concatenate(self._kept, axis=1)
        upto = whole.shape[1] if last else whole.shape[1] // block * block
        for start in range(0, upto, block):
            yield from self._encode(whole[:, start : min(start + block, upto)])
        self._kept = [whole[:, upto:]]
        self._samples = whole.shape[1] - upto

    def _encode(self, samples: np.ndarray) -> Iterator[Packet]:
        assert self._written is not None
        frame = av.audio.frame.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples, np.float32), format="fltp", layout=self._layout
        )
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._written, Fraction(1, self._rate)
        self._written += samples.shape[1]
        yield from self._encoder.encode(frame)

    def end(self) -> Iterator[Packet]:
        if self._written is None:
            return
        if self._samples:
            yield from self._add(np.zeros((self._kept[0].shape[0], 0), np.float32), last=True)
        yield from self._encoder.encode(None)


def _without_adts(stream: av.audio.stream.AudioStream) -> BitStreamFilterContext | None:
    """The filter for AAC that says in each packet what it is, which MP4 says once; None for all else."""
    if stream.codec_context.name not in ("aac", "aac_latm") or stream.codec_context.extradata:
        return None
    return BitStreamFilterContext("aac_adtstoasc", stream)


def _fits_mp4(name: str, stream: av.audio.stream.AudioStream) -> bool:
    """Whether MP4 takes this track as it is: tried on its first packets, in memory."""
    try:
        with (
            open_container(name)[0] as source,
            av.open(io.BytesIO(), "w", format="mp4", options=MP4_OPTIONS) as trial,
        ):
            chosen = source.streams[stream.index]
            assert isinstance(chosen, av.audio.stream.AudioStream)
            track = CopiedTrack(chosen, trial)
            packets = (p for p in source.demux(chosen) if p.size)
            for count, packet in enumerate(packets):
                for made in track.take(packet, Fraction(count)):
                    made.stream = track.stream
                    trial.mux_one(made)
                if count == 2:
                    break
    except (av.error.FFmpegError, ValueError, SourceError):
        return False
    return True


def _decodes(name: str, stream: av.audio.stream.AudioStream) -> bool:
    try:
        with open_container(name)[0] as source:
            return next(source.decode(source.streams[stream.index]), None) is not None
    except (av.error.FFmpegError, ValueError, SourceError):
        return False
