"""Writes frames as an H.264 MP4 that plays where and how the source did: its size, times, rotation, colours and sound.

While it grows, `NAME.part` is an MP4 in fragments: it plays whatever happens, a full disk and a power cut included.
When it is whole it is copied, packet by packet, into a fast-start MP4, read back, and only then given its name. That
takes as much disk again for the time of the copy, and is what lets `.part` be playable at any moment.

A frame that carries its decoded picture (`Frame.stored`) is not converted to BGR and back: only the places that were
drawn are, into a copy of the decoded YUV, and a frame that nobody drew upon goes to the encoder as it was decoded.

A source of odd width or height is stored with its last column or row twice, as yuv420p has only even sizes, and the
file says how much of it to show (the clean aperture of MP4): players that heed it show the source's size to the pixel.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import av.container
import av.error
import av.packet
import av.video.stream
import cv2
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray
from typing_extensions import Self

from crowdmask.errors import OutputError
from crowdmask.geometry import Rectangle
from crowdmask.media.clean_aperture import hide_edge
from crowdmask.media.colour import (
    LIMITED,
    STORED_FORMAT,
    bgr_of,
    copy_into,
    draw_into,
    is_as_written,
    new_picture,
    writable_matrix,
)
from crowdmask.media.finishing import finish
from crowdmask.media.orientation import rotate, rotate_place
from crowdmask.media.parts import as_output_error, forget_link, part_of, refuse_own_input
from crowdmask.media.sound import MP4_OPTIONS, Sound
from crowdmask.records import Frame, VideoInfo

FALLBACK_TIME_BASE = Fraction(1, 90_000)
FINEST = 1_000_000_000  # ticks a second that x264 and MP4 can count
_AVX512 = 256  # of OpenCV's numbers of what a CPU can (CV_CPU_AVX512_SKX), which Python has no name for
_FRAGMENT_US = 2_000_000  # what a crash can cost of `.part`


def encoder_options(preset: str, crf: int) -> dict[str, str]:
    """What x264 is told."""
    # without B-frames, frames are stored in the order they are shown, and MP4 can tell each one's length exactly
    # nor captions of the source, which only the frames that nobody drew upon would still have
    # and without looking ahead on a thread of its own: with one, of 150 times that the same frames were encoded about
    # one gave other bytes; it is no slower without
    params = "sync-lookahead=0"
    if preset == "superfast":
        # the preset leaves out the one step that pays where a camera stands still: with it, files are as small and as
        # good as veryfast's, in about half of its time. Looking ahead over ten frames, not four, saves at most 5 % of
        # the size at the same quality, and takes 60 MB more for 1080p
        params += ":mbtree=1:rc-lookahead=4"
    if cv2.checkHardwareSupport(_AVX512):
        # x264's mbtree for AVX-512 gave other bytes for the same frames in one of a hundred encodings (libx264 165,
        # small pictures, several encoders at work); that for AVX2 never did in 6 000, and is 10 % faster besides
        params += ":asm=avx2"
    return {"preset": preset, "crf": str(crf), "bf": "0", "a53cc": "0", "x264-params": params}


class VideoWriter:
    """Takes frames in order; leaving the context without an error gives the file its name, with one `.part` stays.

    The first frame written is second zero. Sound is copied from `audio_from`, limited to the part of the source that
    was written. `notes` tells what could not be kept.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        info: VideoInfo,
        *,
        audio_from: str | None = None,
        preset: str = "superfast",
        crf: int = 23,
        threads: int = 0,
    ) -> None:
        refuse_own_input(path, info.source)
        refuse_own_input(path, audio_from)
        self._path = Path(path)
        self._info = info
        self._audio_from = audio_from
        self._options = encoder_options(preset, crf)
        self._threads = threads
        self._sound: Sound | None = None
        self._first: Frame | None = None
        self._last: Frame | None = None
        self._last_ticks = -1
        self._lead = 0
        self._encoded: deque[av.packet.Packet[Any]] = deque()
        self._lengths: dict[int, int] = {}
        self._drawn: av.VideoFrame | None = None
        self.frames_written = 0
        self.notes: list[str] = []
        with self._as_output_errors():
            if self._path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            forget_link(part_of(path))
            part_of(path).open("wb").close()  # FFmpeg opens it only for the first packet, much too late to complain
            self._out = av.open(
                f"file:{part_of(path)}",
                "w",
                format="mp4",
                options={**MP4_OPTIONS, "frag_duration": str(_FRAGMENT_US), "flush_packets": "1"},
            )
            self._stream = self._video_stream()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            # the trailer makes `.part` a plain MP4; should that fail as well, its fragments still play
            with suppress(OutputError):
                self._end()
            if self._first is None:
                part_of(self._path).unlink(missing_ok=True)
            return
        self._end()
        if self._first is None:
            part_of(self._path).unlink(missing_ok=True)
            raise OutputError(f"cannot write {self._path}: no frame was analysed: check --start, --end and --duration")
        with self._as_output_errors():
            if any(self._odd_by):
                hide_edge(part_of(self._path), (self._stream.width, self._stream.height), self._odd_by)
            finish(part_of(self._path), self._path, self.frames_written)

    def write(self, frame: Frame, touched: Sequence[Rectangle] | None = None) -> None:
        """Encode one upright BGR frame of the source's size, later than the one before.

        `touched` are the places where the image is another than the decoded picture that the frame carries; the
        image is looked at there and a pixel beside, and nowhere else. Without, or without a decoded picture, all of the
        image is taken.
        """
        if frame.size_wh != (self._info.width, self._info.height):
            raise ValueError(f"frame is {frame.size_wh}, the video is {(self._info.width, self._info.height)}")
        with self._as_output_errors():
            ticks = self._take_place(frame)
            picture = self._picture(frame, touched)
            picture.pts, picture.time_base = ticks, self._time_base
            picture.color_primaries, picture.color_trc = self._info.colour[:2]
            picture.pict_type = PictureType.NONE  # else x264 would follow the source's key frames
            self._encoded.extend(self._stream.encode(picture))
            self._mux_ready()

    def image_at(self, frame: Frame, place: Rectangle) -> NDArray[np.uint8]:
        """BGR of a place of an upright frame that carries its decoded picture, without converting all of it."""
        assert isinstance(frame.stored, av.VideoFrame)
        turn, stored_wh = -self._info.rotation, self._stored_size
        x1, y1, x2, y2 = rotate_place(place, frame.size_wh, turn)
        even_x, even_y = x1 // 2 * 2, y1 // 2 * 2
        part = bgr_of(frame.stored, self._matrix, (even_x, even_y, min(x2, stored_wh[0]), min(y2, stored_wh[1])))
        return rotate(part[y1 - even_y :, x1 - even_x :], -turn)

    def _take_place(self, frame: Frame) -> int:
        """The frame's time in the file; by it the one before knows how long it lasts."""
        if self._first is None:
            self._begin(frame)
        ticks = max(self._ticks(frame.seconds), self._last_ticks + 1)
        if self._last is not None:
            self._lengths[self._last_ticks] = ticks - self._last_ticks
        self._last, self._last_ticks = frame, ticks
        self.frames_written += 1
        return ticks

    @property
    def _odd_by(self) -> tuple[int, int]:
        """Columns and rows that were added to make the stored size even."""
        width, height = self._stored_size
        return width % 2, height % 2

    @property
    def _stored_size(self) -> tuple[int, int]:
        info = self._info
        return (info.height, info.width) if info.rotation % 180 else (info.width, info.height)

    def _video_stream(self) -> av.video.stream.VideoStream:
        info = self._info
        base = info.time_base
        self._time_base = base if base and base.denominator <= FINEST else FALLBACK_TIME_BASE
        self._matrix = writable_matrix(info.colour[2], (info.width, info.height))
        stream = self._out.add_stream("libx264", rate=info.rate or Fraction(25), options=self._options)
        width, height = self._stored_size
        odd_w, odd_h = self._odd_by
        stream.width, stream.height, stream.pix_fmt = width + odd_w, height + odd_h, STORED_FORMAT
        context = stream.codec_context
        context.time_base = stream.time_base = self._time_base
        context.sample_aspect_ratio = info.pixel_aspect
        context.color_primaries, context.color_trc = info.colour[:2]
        context.colorspace, context.color_range = self._matrix, LIMITED
        context.thread_type, context.thread_count = "AUTO", self._threads
        if info.rotation:
            stream.set_display_rotation(info.rotation)
        return stream

    def _begin(self, frame: Frame) -> None:
        """Settle second zero by the first frame, and bring the sound in step with it."""
        self._first = frame
        if self._audio_from is None:
            return
        self._sound = Sound(self._audio_from, self._out)
        self.notes = self._sound.notes
        origin_s, from_s = self._info.starts_at_s + frame.seconds, None
        if frame.index > 0:
            from_s = origin_s
        elif self._sound.starts_at_s is not None and self._sound.starts_at_s < origin_s:
            # sound that begins before the first picture is heard before it, as in the source
            self._lead = round(Fraction(origin_s - self._sound.starts_at_s) / self._time_base)
            origin_s = self._sound.starts_at_s
        self._sound.begin(origin_s, from_s)

    def _ticks(self, seconds: float) -> int:
        assert self._first is not None
        base = self._time_base
        return round(Fraction(seconds) / base) - round(Fraction(self._first.seconds) / base) + self._lead

    def _picture(self, frame: Frame, touched: Sequence[Rectangle] | None) -> av.VideoFrame:
        """The frame as it goes to the encoder: turned back, of even size, in YUV."""
        decoded = frame.stored
        if touched is None or not isinstance(decoded, av.VideoFrame) or not self._goes_on_from(decoded):
            picture = self._sheet()
            self._draw(picture, frame.image, (0, 0, *frame.size_wh))
            return picture
        if not touched and not any(self._odd_by):
            return decoded
        picture = self._sheet()
        copy_into(picture, decoded)
        for place in touched:
            self._draw(picture, frame.image, place)
        return picture

    def _sheet(self) -> av.VideoFrame:
        """One picture for all frames: x264 has copied it when it has it, and new memory costs as much as the copy."""
        if self._drawn is None:
            self._drawn = new_picture((self._stream.width, self._stream.height))
        self._drawn.make_writable()  # another one, should FFmpeg still hold it
        return self._drawn

    def _goes_on_from(self, decoded: av.VideoFrame) -> bool:
        return (decoded.width, decoded.height) == self._stored_size and is_as_written(decoded, self._matrix)

    def _draw(self, picture: av.VideoFrame, image: NDArray[np.uint8], place: Rectangle) -> None:
        """Convert a place of the upright image into the stored picture, grown to whole chroma samples."""
        turn, (width, height) = -self._info.rotation, self._stored_size
        x1, y1, x2, y2 = rotate_place(place, (image.shape[1], image.shape[0]), turn)
        x1, y1, x2, y2 = max(0, x1) // 2 * 2, max(0, y1) // 2 * 2, min(width, x2), min(height, y2)
        x2, y2 = min(width, x2 + x2 % 2), min(height, y2 + y2 % 2)
        if x2 <= x1 or y2 <= y1:
            return
        left, top, right, bottom = rotate_place((x1, y1, x2, y2), (width, height), -turn)
        part = rotate(image[top:bottom, left:right], turn)
        odd_w, odd_h = x2 % 2, y2 % 2  # at the far edges of a picture of odd size only
        if odd_w or odd_h:
            part = np.asarray(cv2.copyMakeBorder(part, 0, odd_h, 0, odd_w, cv2.BORDER_REPLICATE), np.uint8)
        draw_into(picture, part, self._matrix, (x1, y1, x2 + odd_w, y2 + odd_h))

    def _mux_ready(self) -> None:
        """Write the packets whose length is known by now, each after the sound that is heard before it."""
        while self._encoded:
            length = self._lengths.pop(self._encoded[0].pts or 0, None)
            if length is None:
                return
            packet = self._encoded.popleft()
            packet.duration = length
            if self._sound is not None and packet.dts is not None:
                self._sound.copy_until(float(packet.dts * packet.time_base))
            self._out.mux_one(packet)

    def _end(self) -> None:
        """Write all that is still held back, and the trailer."""
        try:
            with self._as_output_errors():
                if self._first is not None and self._last is not None:
                    length_s = self._last_length()
                    self._lengths[self._last_ticks] = max(1, round(Fraction(length_s) / self._time_base))
                    self._flush()
                    self._mux_ready()
                    self._copy_last_sound(length_s)
        finally:
            if self._sound is not None:
                self._sound.close()
            with self._as_output_errors():
                self._out.close()

    def _flush(self) -> None:
        """Get out of the encoder what it still holds."""
        self._encoded.extend(self._stream.encode(None))

    def _last_length(self) -> float:
        """How long the last frame is shown: as the source tells, else one frame's time."""
        assert self._last is not None
        return self._last.lasts_s or (float(1 / self._info.rate) if self._info.rate else 0.04)

    def _copy_last_sound(self, length_s: float) -> None:
        """The rest of the sound: to the end of the part that was chosen, or where the writing stopped before it."""
        if self._sound is None or self._first is None or self._last is None:
            return
        stopped_s = self._last.seconds + length_s
        chosen_s, source_s = self._info.ends_at_s, self._info.duration_s
        until_s: float | None = stopped_s
        if chosen_s is not None and stopped_s >= chosen_s - self._slack():
            until_s = chosen_s
        elif chosen_s is None and (source_s is None or stopped_s >= source_s - self._slack()):
            until_s = None  # all of it: sound may well be longer than the pictures
        lead_s = float(self._lead * self._time_base)
        self._sound.copy_until(None if until_s is None else until_s - self._first.seconds + lead_s)
        self._sound.end()

    def _slack(self) -> float:
        """How much too early the last picture may end: headers are rough, and with `every` frames are left out."""
        assert self._first is not None and self._last is not None
        between_s = (self._last.seconds - self._first.seconds) / max(1, self.frames_written - 1)
        return max(1.0, 2 * between_s)

    @contextmanager
    def _as_output_errors(self) -> Iterator[None]:
        try:
            yield
        except OutputError:
            raise
        except (OSError, av.error.FFmpegError) as error:
            raise as_output_error(error, self._path) from error
