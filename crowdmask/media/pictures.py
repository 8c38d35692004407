"""Reads pictures upright in BGR and writes them, with OpenCV alone.

OpenCV reads JPEG (CMYK too), PNG, WebP, BMP and TIFF at any depth into 8-bit BGR and honours the EXIF orientation in
all that carry one, as the tests hold it to; so Pillow is not needed. Transparency is dropped: what an eraser made
transparent in a PNG is often still there, and is analysed. A picture that is cut off is an error, never half a picture.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from crowdmask.errors import OutputError, SourceError
from crowdmask.media.opening import check_file
from crowdmask.media.parts import write_whole, writing
from crowdmask.records import Frame, Gap, SourceKind, Stream, VideoInfo

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_QUALITY = {".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95], ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95]}
_MOTION = (".mjpg", ".mjpeg")  # pictures end to end are a video, and start like a picture
_LARGEST_SIDE = {".jpg": 65535, ".jpeg": 65535, ".webp": 16383}


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a picture by its first bytes, whatever its name says."""
    path = Path(path)
    if path.suffix.lower() in _MOTION:
        return False
    with path.open("rb") as file:
        return starts_picture(file.read(16))


def starts_picture(head: bytes) -> bool:
    """Whether a file that starts with these 16 bytes is a picture."""
    return (
        head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"))
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[:2] == b"BM" and head[6:10] == b"\x00\x00\x00\x00")
    )


def read_picture(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """The picture as a viewer shows it: upright BGR uint8 (h, w, 3)."""
    path = Path(path)
    check_file(path)
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the disk") from error
    return decode_picture(data, path)


def decode_picture(data: NDArray[np.uint8], path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """The picture in a file's bytes; `path` is for the error."""
    path = Path(path)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise SourceError(
            f"{path} cannot be decoded ({error.err or 'OpenCV refused it'}): save it anew as PNG"
        ) from error
    if image is None:
        raise SourceError(f"{path} is damaged or cut off, or of an unusual kind: copy it again or save it anew as PNG")
    return np.ascontiguousarray(image, np.uint8)


def write_picture(path: str | os.PathLike[str], image: NDArray[np.uint8]) -> None:
    """Write a BGR picture in the format of its name; it has that name only when it is whole."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OutputError(f"cannot write {path}: name it {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    if max(image.shape[:2]) > _LARGEST_SIDE.get(suffix, 1 << 30):
        raise OutputError(f"cannot write {path}: it is too large for {suffix}: write .png instead")
    try:
        good, data = cv2.imencode(suffix, image, _QUALITY.get(suffix, []))
    except cv2.error as error:
        raise OutputError(f"cannot write {path} ({error.err}): try .png") from error
    if not good:
        raise OutputError(f"cannot write {path}: OpenCV could not encode it: try .png")
    with writing(path):
        write_whole(path, data.tobytes())


class PictureSource:
    """A picture as a `Source` of one frame at second zero, whatever part of a video the settings choose."""

    def __init__(self, path: str, *, stream: Stream | None = None) -> None:
        image = read_picture(path)
        image.flags.writeable = False
        self._frame: Frame | None = Frame(0, 0.0, image, stream=stream or Stream(path, SourceKind.PICTURE))
        height, width = image.shape[:2]
        self._info = VideoInfo(path, SourceKind.PICTURE, width, height, frames_expected=1)

    @property
    def info(self) -> VideoInfo:
        return self._info

    @property
    def gaps(self) -> list[Gap]:
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._frame = None

    def __iter__(self) -> Iterator[Frame]:
        frame, self._frame = self._frame, None
        if frame is not None:
            yield frame
