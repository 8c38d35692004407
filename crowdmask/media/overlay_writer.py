"""Copies a video's own packets into Matroska beside a subtitle track whose events come while the video is analysed.

Nothing is decoded or encoded. While it grows, `NAME.part` is a Matroska file that plays; it is counted once more and
given its name when it is whole. Matroska counts time in whole milliseconds: pictures and events are rounded alike.
"""

from __future__ import annotations

import errno
import heapq
import io
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import av.container
import av.error
import av.packet
import av.stream
import av.video.stream
from typing_extensions import Self

from crowdmask.errors import OutputError
from crowdmask.media.describing import pick_stream
from crowdmask.media.opening import open_container
from crowdmask.media.parts import as_output_error, commit, forget_link, part_of, refuse_own_input
from crowdmask.records import Frame, VideoInfo

MILLISECOND = Fraction(1, 1000)
_REORDERED_S = 2  # more than any codec lets a picture wait for those it is made from
LONGEST_MS = 1000  # an event that stays is said anew: whoever jumps into the file sees it soon
_REMEDY = "leave --video-overlay out, to have it drawn into a new video"


class OverlayWriter:
    """Takes each frame's events in order; leaving the context without an error gives the file its name.

    `header` is the ASS script's head, with its styles. An event is what ASS in Matroska has after its read order:
    layer, style and text. One that comes again with the next frame goes on without a seam.
    """

    def __init__(self, path: str | os.PathLike[str], info: VideoInfo, source: str, header: str) -> None:
        refuse_own_input(path, source)
        self._path, self._info, self._name = Path(path), info, source
        self.notes: list[str] = []
        self.frames_written = 0
        self._origin: Fraction | None = None
        self._open_events: dict[str, int] = {}  # since when each is shown
        self._ready: list[tuple[int, int, int, str]] = []  # start, number, end, event: a heap
        self._number = 0
        self._last: Frame | None = None
        self._last_ms = -1
        self._offset = 0.0
        self._pictures = 0
        self._last_dts: dict[int, int] = {}
        self._held: av.packet.Packet[Any] | None = None
        self._source, _ = open_container(source)
        try:
            video = self._source.streams[pick_stream(self._source, source)]
            assert isinstance(video, av.video.stream.VideoStream)
            self._video = video
            self._refuse_what_matroska_cannot_hold(header)
            with self._as_output_errors():
                if self._path.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                forget_link(part_of(path))
                part_of(path).open("wb").close()
                self._out = av.open(f"file:{part_of(path)}", "w", format="matroska")
                self._tracks, self._events = _tracks(self._out, [self._video, *self._sounds], header)
            self._packets = self._source.demux([self._video, *self._sounds])
        except BaseException:
            self._source.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OutputError) if error is not None else nullcontext():
            self._finish()
        if self._last is None:
            part_of(self._path).unlink(missing_ok=True)
            if error is None:
                raise OutputError(
                    f"cannot write {self._path}: no frame was analysed: check --start, --end and --duration"
                )
        elif error is None:
            self._check()
            commit(self._path)

    def write(self, frame: Frame, events: Iterable[str]) -> None:
        """What is shown from this frame until the next."""
        with self._as_output_errors():
            if self._origin is None:
                self._begin(frame)
            now = max(self._ms(frame.seconds), self._last_ms + 1)
            self._show(now, set(events))
            self._last, self._last_ms = frame, now
            self.frames_written += 1
            self._flush(min(self._open_events.values(), default=now))

    # Events

    def _show(self, now: int, events: set[str]) -> None:
        for event, since in list(self._open_events.items()):
            if event not in events or now - since >= LONGEST_MS:
                self._close(event, since, now)
        for event in sorted(events):
            self._open_events.setdefault(event, now)

    def _close(self, event: str, since: int, now: int) -> None:
        del self._open_events[event]
        heapq.heappush(self._ready, (since, self._number, now, event))
        self._number += 1

    def _flush(self, before_ms: int) -> None:
        """Write the events that begin up to then, each after the pictures before it."""
        while self._ready and self._ready[0][0] <= before_ms:
            since, number, until, event = heapq.heappop(self._ready)
            self._copy_until(since)
            layer, style, text = event.split(",", 2)
            packet: av.packet.Packet[Any] = av.packet.Packet(f"{number},{layer},{style},,0,0,0,,{text}".encode())
            packet.pts = packet.dts = since
            packet.duration, packet.time_base, packet.stream = until - since, MILLISECOND, self._events
            self._out.mux_one(packet)

    # The source's packets

    def _begin(self, frame: Frame) -> None:
        """Second zero is the source's own, or the first frame that was chosen."""
        self._origin = Fraction(self._info.starts_at_s + (frame.seconds if frame.index else 0.0))
        self._offset = frame.seconds if frame.index else 0.0
        if frame.index:
            base = self._video.time_base or MILLISECOND
            with suppress(av.error.FFmpegError):
                self._source.seek(int(self._origin / base), stream=self._video)
                self._packets = self._source.demux([self._video, *self._sounds])

    def _copy_until(self, until_ms: int | None) -> None:
        assert self._origin is not None
        while (packet := self._held or next(self._packets, None)) is not None:
            self._held = None
            if packet.size == 0 or (packet.dts is None and packet.pts is None):
                continue
            dts, pts = self._stamps(packet)
            if until_ms is not None and (dts * packet.time_base - self._origin) / MILLISECOND >= until_ms:
                self._held = packet
                return
            self._copy(packet, dts, pts)

    def _stamps(self, packet: av.packet.Packet[Any]) -> tuple[int, int]:
        """Decoding and presentation time; Matroska leaves out the former where pictures are stored out of order."""
        dts, pts = packet.dts, packet.pts
        if dts is None:
            assert pts is not None
            early = pts - math.ceil(_REORDERED_S / packet.time_base)
            dts = max(early, self._last_dts.get(packet.stream_index, early - 1) + 1)
        return dts, dts if pts is None else pts

    def _copy(self, packet: av.packet.Packet[Any], dts: int, pts: int) -> None:
        assert self._origin is not None
        index = packet.stream_index
        shift = round(self._origin / packet.time_base)
        if dts <= self._last_dts.get(index, dts - 1):
            raise OutputError(f"cannot write {self._path}: the clock of {self._name} steps back: {_REMEDY}")
        self._last_dts[index] = dts
        packet.pts, packet.dts = pts - shift, dts - shift
        packet.stream = self._tracks[index]
        self._pictures += index == self._video.index
        self._out.mux_one(packet)

    def _finish(self) -> None:
        try:
            self._end()
        finally:
            self._source.close()
            with self._as_output_errors():
                self._out.close()

    def _end(self) -> None:
        if self._last is None:
            return
        with self._as_output_errors():
            last_s = self._last.lasts_s or (float(1 / self._info.rate) if self._info.rate else 0.04)
            end = self._ms(self._last.seconds + last_s)
            for event, since in list(self._open_events.items()):
                self._close(event, since, max(end, since + 1))
            self._flush(end)
            stopped_s, whole_s = self._last.seconds + last_s, self._info.ends_at_s or self._info.duration_s
            reached = whole_s is None or stopped_s >= whole_s - max(1.0, 2 * last_s)
            self._copy_until(None if reached and self._info.ends_at_s is None else end)

    def _ms(self, seconds: float) -> int:
        return round((Fraction(seconds) - Fraction(self._offset)) / MILLISECOND)

    # Before and after

    def _refuse_what_matroska_cannot_hold(self, header: str) -> None:
        """Tried in memory with the first packets, before hours of work are spent."""
        codec = self._video.codec_context.name
        self._sounds = [s for s in self._source.streams.audio if s.codec_context is not None]
        for sound in [*self._sounds]:
            if not self._fits([sound], header):
                self._sounds.remove(sound)
                self.notes.append(f"a sound track of {self._name} is left out: Matroska cannot hold it as it is")
        # AVI does not keep the times of pictures that are stored out of order, and Matroska needs them
        lacks_times = "avi" in self._source.format.name and bool(self._video.codec_context.has_b_frames)
        if lacks_times or not self._fits([self._video], header):
            raise OutputError(
                f"cannot write {self._path}: Matroska cannot hold the {codec} of {self._name} as it is: {_REMEDY}"
            )

    def _fits(self, streams: list[av.stream.Stream], header: str) -> bool:
        try:
            with open_container(self._name)[0] as source, av.open(io.BytesIO(), "w", format="matroska") as trial:
                chosen = [source.streams[stream.index] for stream in streams]
                tracks, _ = _tracks(trial, chosen, header)
                for count, packet in enumerate(p for p in source.demux(chosen) if p.size):
                    hidden = packet.is_discard and packet.stream_index == self._video.index  # by an edit list
                    if hidden or (packet.pts is None and packet.dts is None):
                        return False
                    packet.dts, packet.pts = self._stamps(packet)
                    packet.stream = tracks[packet.stream_index]
                    trial.mux_one(packet)
                    if count >= 3:
                        break
        except (av.error.FFmpegError, ValueError):
            return False
        return True

    def _check(self) -> None:
        """Count what was written: a name stands for a whole file."""
        found = 0
        with self._as_output_errors(), av.open(f"file:{part_of(self._path)}") as written:
            found = sum(packet.size > 0 for packet in written.demux(written.streams.video[0]))
        if found != self._pictures:
            raise OutputError(
                f"cannot finish {self._path}: of {self._pictures} pictures, {found} were found when it was read back: "
                f"what there is stays in {part_of(self._path)}; check the disk"
            )

    @contextmanager
    def _as_output_errors(self) -> Iterator[None]:
        try:
            yield
        except OutputError:
            raise
        except (OSError, av.error.FFmpegError) as error:
            raise as_output_error(error, self._path) from error


def _tracks(
    out: av.container.OutputContainer, streams: list[Any], header: str
) -> tuple[dict[int, av.stream.Stream], av.stream.Stream]:
    """The tracks of the streams that are copied, by their index there, and that of the events."""
    tracks: dict[int, av.stream.Stream] = {}
    for stream in streams:
        tracks[stream.index] = out.add_stream_from_template(stream, opaque=True)
        if stream.language:
            tracks[stream.index].metadata["language"] = stream.language
    with av.open(io.BytesIO(header.encode()), format="ass") as script:
        events = out.add_stream_from_template(script.streams[0])
    events.time_base = MILLISECOND
    events.disposition = av.stream.Disposition.default
    events.metadata["title"] = "crowdmask"
    return tracks, events
