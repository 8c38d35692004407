"""Turns a finished `.part` in fragments into the fast-start MP4 that gets the name, checked on the way."""

from __future__ import annotations

from pathlib import Path

import av
import av.container

from crowdmask.errors import OutputError
from crowdmask.media.parts import commit


def finish(part: Path, path: Path, frames: int) -> None:
    """Copy `part` into a fast-start MP4, check that it holds `frames` pictures, and give it the name `path`."""
    whole = path.with_name(path.name + ".whole.part")
    try:
        copied = _copy(part, whole)
        if copied != frames or not _plays(whole, frames):
            raise OutputError(
                f"cannot finish {path}: of {frames} frames, {copied} were found when it was read back: "
                f"what there is stays in {part}; check the disk"
            )
        commit(path, whole)
    except BaseException:
        whole.unlink(missing_ok=True)
        raise
    part.unlink(missing_ok=True)


def _copy(part: Path, whole: Path) -> int:
    """Packets of both kinds into a new file, the index in front; how many pictures there were."""
    pictures = 0
    with (
        av.open(f"file:{part}") as source,
        av.open(f"file:{whole}", "w", format="mp4", options={"movflags": "faststart"}) as out,
    ):
        tracks = [out.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        for track, stream in zip(tracks, source.streams, strict=True):
            track.metadata.update({k: v for k, v in stream.metadata.items() if k == "language"})
        for packet in source.demux():
            if packet.dts is None:
                continue
            pictures += packet.stream.type == "video"
            packet.stream = tracks[packet.stream_index]
            out.mux_one(packet)
    return pictures


def _plays(path: Path, frames: int) -> bool:
    """Whether the file can be opened, counts its pictures right, and shows its first."""
    with av.open(f"file:{path}") as container:
        stream = container.streams.video[0]
        return stream.frames == frames and next(container.decode(stream), None) is not None
