"""The way in: a path, camera index or address becomes a source of frames."""

from __future__ import annotations

from crowdmask.media.live_source import LiveSource
from crowdmask.media.opening import check_file, is_address, is_camera, local_path
from crowdmask.media.pictures import PictureSource, is_picture
from crowdmask.media.segments import Span
from crowdmask.media.video_source import VideoSource
from crowdmask.records import Stream
from crowdmask.settings import AnalysisSettings


def open_source(
    path: str,
    settings: AnalysisSettings,
    *,
    threads: int = 0,
    stream: Stream | None = None,
    span: Span | None = None,
) -> VideoSource | PictureSource | LiveSource:
    """Open whatever `path` names: a picture or video (by content, not by name), a camera (`0`), or an address.

    `threads` is for decoding, 0 is all cores. `stream` is what the frames know of their origin; without it the path,
    the kind, and the folder as the camera.
    With `span`, only the frames of that segment come, see segments.py. Raises SourceError where there is nothing to
    analyse.
    """
    if is_camera(path) or is_address(path):
        return LiveSource(path, settings, threads=threads, stream=stream)
    file = local_path(path)
    check_file(file)
    if is_picture(file):
        return PictureSource(str(file), stream=stream)
    return VideoSource(str(file), settings, threads=threads, stream=stream, span=span)
