"""Decodes one video stream packet by packet, goes on after errors, and accounts for every frame that does not come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any

import av
import av.container
import av.error
import av.packet
import av.video.stream

from crowdmask.media.losses import LossAccount
from crowdmask.media.opening import READ_TIMEOUT_S
from crowdmask.media.seeking import one_packet_one_frame
from crowdmask.records import Gap

_MOST_FAILED_READS = 100  # in a row: a demuxer that gives nothing but errors has no more to give
_TELLS_DURATION = ("matroska", "flv", "asf", "mxf")  # containers whose header says how long they ought to be
BROKE_OFF = "reading broke off: "
_SHORT_S = 0.2  # less may be the sound's last packet, or rounding

Opener = Callable[[], av.container.InputContainer]


class Decoding:
    """One pass over a stream; `gaps` grows as it goes, `last_index` is kept up to date by whoever counts the frames."""

    def __init__(
        self, container: av.container.InputContainer, stream_index: int, threads: int, reopen: Opener | None
    ) -> None:
        self._container = container
        self._stream = _prepared(container, stream_index, threads)
        self._reopen = reopen
        self._last_stamp: int | None = None
        self._last_dts: int | None = None
        self._reached_s = 0.0
        self._broken_off = False
        # AVI has one time for each packet, and FFmpeg's guess at when it is shown is a frame late. Pictures that are
        # stored out of order come out in their order: the first has the first packet's time
        self._one_time = "avi" in container.format.name
        self.by_order = self._one_time and bool(self._stream.codec_context.has_b_frames)
        self._stamps: deque[int] = deque()
        exact = one_packet_one_frame(self._stream) and not self.by_order
        self._account = LossAccount(self.seconds_of, exact=exact)
        # MP4 keeps each frame's length, AVI leaves out frames that repeat, and streams stutter: no holes in these
        self._constant_rate = (
            reopen is not None
            and not any(word in container.format.name for word in ("mov", "avi"))
            and bool(self._stream.average_rate)
            and self._stream.average_rate == self._stream.base_rate
        )
        self.gaps: list[Gap] = []
        self.last_index: int | None = None
        self.start = self._stream.start_time or 0

    def seconds_of(self, stamp: int) -> float:
        return float((stamp - self.start) * self._stream.time_base) if self._stream.time_base else 0.0

    def frames(self) -> Generator[av.VideoFrame, None, None]:
        """Every frame that can be had, in the order they are shown."""
        for packet in self._packets():
            yield from self._arrived(self._decode(packet))
        yield from self._arrived(self._decode(None))
        if self._account.unfinished and self._reopen and self._last_stamp is not None:
            yield from self._tail(self._reopen())
        self.gaps += self._account.ended(self.last_index)
        self._note_shortfall()

    def _packets(self) -> Iterator[av.packet.Packet[Any]]:
        """The stream's packets; a read that fails is tried again, for the next packet may be sound."""
        streams = [s for s in self._container.streams if s.type in ("video", "audio")]
        failed_reads = 0
        while True:
            try:
                for packet in self._container.demux(streams):
                    failed_reads = 0
                    if packet.size == 0:
                        continue  # PyAV's sign to flush, which `frames` does itself
                    self._note_reach(packet)
                    if packet.stream_index == self._stream.index:
                        packet.pts = packet.dts if self._one_time else packet.pts
                        self._last_dts = packet.dts if packet.dts is not None else self._last_dts
                        if self.by_order:
                            if packet.dts is not None:
                                self._stamps.append(packet.dts)
                        elif not packet.is_discard:
                            self._account.fed(packet.pts)
                        yield packet
                return
            except av.error.InvalidDataError as error:
                failed_reads += 1
                self._account.failed(str(error.strerror))
                if failed_reads > _MOST_FAILED_READS:
                    return
            except av.error.FFmpegError as error:
                seconds = self.seconds_of(self._last_stamp) if self._last_stamp is not None else None
                silent = isinstance(error, av.error.ExitError)  # FFmpeg's word for it is that an exit was requested
                why = f"nothing came for {READ_TIMEOUT_S:g} s" if silent else str(error.strerror)
                self.gaps.append(Gap(self.last_index, seconds, f"{BROKE_OFF}{why}"))
                self._broken_off = True
                return

    def _decode(self, packet: av.packet.Packet[Any] | None) -> list[av.VideoFrame]:
        return self._decode_by(self._stream, packet)

    def _decode_by(
        self, stream: av.video.stream.VideoStream, packet: av.packet.Packet[Any] | None
    ) -> list[av.VideoFrame]:
        try:
            return stream.decode(packet)
        except av.error.EOFError:
            return []
        except av.error.FFmpegError as error:
            self._account.failed(str(error.strerror))
            return []

    def _arrived(self, frames: list[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        for frame in frames:
            if self.by_order:
                frame.pts = self._stamps.popleft() if self._stamps else None
            stamp = frame.pts if frame.pts is not None else frame.dts
            lost = self._account.came(None if self.by_order else frame.pts, self.last_index)
            self.gaps += lost
            if not lost:
                self._note_hole(stamp)
            if frame.is_corrupt:
                self._note_doubtful(stamp)
            self._last_stamp = stamp if stamp is not None else self._last_stamp
            yield frame

    def _tail(self, container: av.container.InputContainer) -> Iterator[av.VideoFrame]:
        """Decode the last frames again on one thread: with several, an error while flushing takes the good ones too."""
        with container:
            after = self._last_stamp
            stream = _prepared(container, self._stream.index, 1)
            try:
                container.seek(after or 0, stream=stream)
                packets = [*container.demux(stream)]  # from the last keyframe to the end
            except av.error.FFmpegError:
                return
            for packet in packets:
                for frame in self._decode_by(stream, packet if packet.size else None):
                    if frame.pts is not None and after is not None and frame.pts > after:
                        yield from self._arrived([frame])

    def _note_reach(self, packet: av.packet.Packet[Any]) -> None:
        at = packet.pts if packet.pts is not None else packet.dts
        if at is not None and packet.time_base:
            self._reached_s = max(self._reached_s, float((at + (packet.duration or 0)) * packet.time_base))

    def _note_hole(self, stamp: int | None) -> None:
        """Damage can make a demuxer skip packets without a word: at a constant rate the stamps tell."""
        stream, last = self._stream, self._last_stamp
        if stamp is None or last is None or not self._constant_rate:
            return
        if stream.time_base is None or stream.average_rate is None:
            return
        missing = round((stamp - last) * stream.time_base * stream.average_rate) - 1
        if missing > 0:
            what = "1 frame is" if missing == 1 else f"{missing} frames are"
            reason = f"{what} missing from the file before {self.seconds_of(stamp):.3f} s"
            self.gaps.append(Gap(self.last_index, self.seconds_of(last), reason))

    def _note_doubtful(self, stamp: int | None) -> None:
        index = 0 if self.last_index is None else self.last_index + 1
        self.gaps.append(
            Gap(
                self.last_index,
                None if stamp is None else self.seconds_of(stamp),
                f"frame {index} was decoded with errors: parts of it may be wrong",
            )
        )

    def _note_shortfall(self) -> None:
        """A file that ends before what its header says has been cut off."""
        if self._reopen is None or self._broken_off:
            return
        missing = ""
        name, container, stream = self._container.format.name, self._container, self._stream
        if "mov" in name and self._last_dts is not None:
            late = _entries_after(stream, self._last_dts)
            missing = f"{late} frames are" if late > 1 else "1 frame is" if late else ""
        elif any(word in name for word in _TELLS_DURATION) and container.duration:
            # files cut out of a longer one begin late, and some say when they end and not how long they are
            short = container.duration / av.time_base - self._reached_s
            missing = f"{short:.2f} s are" if short > _SHORT_S else ""
        elif name == "avi" and stream.average_rate:
            # AVI counts frames in its header; encoders that drop one or two count them as well
            late = stream.frames - (self.last_index or 0) - 1
            missing = f"about {late} frames are" if late > max(2, stream.frames // 100) else ""
        if missing:
            end_s = self.seconds_of(self._last_stamp) if self._last_stamp is not None else None
            self.gaps.append(
                Gap(self.last_index, end_s, f"by the file's header {missing} missing: it is cut off or damaged")
            )


def _prepared(container: av.container.InputContainer, stream_index: int, threads: int) -> av.video.stream.VideoStream:
    stream = container.streams[stream_index]
    assert isinstance(stream, av.video.stream.VideoStream)
    if not stream.codec_context.is_open:
        stream.thread_type, stream.thread_count = "AUTO", threads
    return stream


def _entries_after(stream: av.video.stream.VideoStream, dts: int) -> int:
    entries = stream.index_entries
    count = 0
    for at in range(len(entries) - 1, -1, -1):
        if entries[at].timestamp <= dts:
            break
        count += 1
    return count
