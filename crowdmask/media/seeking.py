"""Finds the way to a late start without decoding all that lies before it, and without losing count of the frames.

A frame's index is its place among all frames of the file, in the order they are shown. Decoding three hours to know
it takes most of an hour; counting the packets takes as long as reading the file, and each packet of the codecs named
here is one frame. So the packets are counted, then the decoder starts at the keyframe before.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import av
import av.container
import av.error
import av.video.stream

SEEK_BEYOND_S = 10.0  # nearer starts are decoded up to: counting would cost as much
_NEVER_IN_FIELDS = {"vp9", "av1", "libdav1d", "mpeg4", "mjpeg"}
_MAY_HAVE_FIELDS = {"h264", "hevc", "mpeg2video", "prores", "dnxhd"}
_REORDERED = 32  # packets by which a frame's place in the file may differ from its place in time


@dataclass(frozen=True)
class WayIn:
    """Where to seek, and the stamps of all frames up to some beyond the start, sorted."""

    keyframe_pts: int
    stamps: list[int]

    def index_at(self, pts: int) -> int:
        """The index of the first frame shown at this stamp or after it."""
        return bisect_left(self.stamps, pts)

    def index_of(self, pts: int) -> int | None:
        """The index of the frame with this stamp; None where the count does not know it."""
        at = bisect_left(self.stamps, pts)
        return at if at < len(self.stamps) and self.stamps[at] == pts else None


def one_packet_one_frame(stream: av.video.stream.VideoStream) -> bool:
    """Whether packets can be counted for frames: not with hidden frames, nor with fields in packets of their own."""
    context = stream.codec_context
    if context.name in _NEVER_IN_FIELDS:
        return True
    # PyAV tells of fields from version 18 on; where it does not, there may be some
    return context.name in _MAY_HAVE_FIELDS and getattr(context, "field_order", None) in (0, 1)


def find_way_in(container: av.container.InputContainer, stream_index: int, start_pts: int) -> WayIn | None:
    """Count through a freshly opened file up to the start; None where only decoding it all gives true indexes."""
    stream = container.streams[stream_index]
    stamps: list[int] = []
    keyframe: int | None = None
    beyond = 0
    try:
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                continue
            if packet.pts is None or packet.is_corrupt:
                return None
            stamps.append(packet.pts)
            if packet.pts > start_pts:
                beyond += 1
                if beyond > _REORDERED:
                    break
            elif packet.is_keyframe:
                if keyframe is not None and packet.pts < keyframe:
                    return None  # a clock that began anew: stamps do not tell the order
                keyframe = packet.pts
    except av.error.FFmpegError:
        return None
    if keyframe is None or len(set(stamps)) != len(stamps):
        return None
    return WayIn(keyframe, sorted(stamps))
