"""Reads pictures upright in BGR and writes them.

OpenCV reads PNG, WebP, BMP, AVIF and TIFF at any depth into 8-bit BGR and honours the EXIF orientation in all that
carry one, as the tests hold it to. JPEG is read by simplejpeg: the same libjpeg-turbo gives the same pixels in three
quarters of the time, and its warnings can be read, which OpenCV prints and forgets: a zeroed sector can hide ten of
twelve faces. CMYK and damaged JPEG are left to OpenCV. Transparency is dropped: what an eraser made
transparent in a PNG is often still there, and is analysed. A picture that is cut off is an error, never half a picture.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from typing_extensions import Self

from crowdmask.errors import OutputError, SourceError
from crowdmask.media.camera_names import camera_of
from crowdmask.media.opening import check_file, is_ordinary
from crowdmask.media.parts import write_whole, writing
from crowdmask.media.picture_kinds import jpeg_orientation, pictures_in, starts_picture
from crowdmask.records import Frame, Gap, SourceKind, Stream, VideoInfo

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_QUALITY = {".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95], ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95]}
_DAMAGE = ("Corrupt", "Premature", "Bogus", "Invalid", "extraneous", "Inconsistent", "Unsupported marker")
_MOTION = (".mjpg", ".mjpeg")  # pictures end to end are a video, and start like a picture
_LARGEST_SIDE = {".jpg": 65535, ".jpeg": 65535, ".webp": 16383}


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a picture by its first bytes, whatever its name says."""
    path = Path(path)
    if path.suffix.lower() in _MOTION or not is_ordinary(path):
        return False
    with path.open("rb") as file:
        return starts_picture(file.read(16))


def read_picture(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """The picture as a viewer shows it: upright BGR uint8 (h, w, 3)."""
    path = Path(path)
    check_file(path)
    return decode_picture(_bytes_of(path), path)


def _bytes_of(path: Path) -> NDArray[np.uint8]:
    try:
        return np.fromfile(path, np.uint8)
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the disk") from error


def decode_picture(data: NDArray[np.uint8], path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """The picture in a file's bytes; `path` is for the error."""
    return decode_with_doubts(data, path)[0]


def decode_with_doubts(
    data: NDArray[np.uint8], path: str | os.PathLike[str]
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """The picture in a file's bytes, and what may be wrong or missing in it: damage, or pictures that were left out."""
    path = Path(path)
    whole = data.tobytes()
    doubts = []
    if (pictures := pictures_in(whole)) > 1:
        doubts.append(f"it holds {pictures} pictures: only the first was analysed")
    image: NDArray[np.uint8] | None = None
    if whole.startswith(b"\xff\xd8\xff"):
        image, damage = _strict_jpeg(whole)
        if damage:
            doubts.append(f"the picture is damaged ({damage}): parts of it may be wrong")
    if image is None:
        image = _by_opencv(data, path)
    return image, tuple(doubts)


def _strict_jpeg(data: bytes) -> tuple[NDArray[np.uint8] | None, str]:
    """A sound JPEG upright, or what libjpeg says of its damage; neither for kinds that are left to OpenCV."""
    try:
        colours = simplejpeg.decode_jpeg_header(data, strict=False)[2]
        if colours not in ("YCbCr", "Gray", "RGB"):
            return None, ""
        image = simplejpeg.decode_jpeg(data, "BGR", strict=True)
    except KeyError:  # cut off within its header: there are no colours yet that it could name
        return None, ""
    except ValueError as error:
        said = str(error)
        return None, said if any(word in said for word in _DAMAGE) else ""
    return np.ascontiguousarray(_upright(image, jpeg_orientation(data)), np.uint8), ""


def _upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """By EXIF's numbers: 5 to 8 are stored lying, and 2, 4, 5 and 7 mirrored."""
    if orientation >= 5:
        image = np.swapaxes(image, 0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image


def _by_opencv(data: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
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
        check_file(Path(path))
        image, doubts = decode_with_doubts(_bytes_of(Path(path)), path)
        image.flags.writeable = False
        self._gaps = [Gap(None, 0.0, doubt) for doubt in doubts]
        origin = stream or Stream(path, SourceKind.PICTURE, camera_of(path))
        self._frame: Frame | None = Frame(0, 0.0, image, stream=origin)
        height, width = image.shape[:2]
        self._info = VideoInfo(path, SourceKind.PICTURE, width, height, frames_expected=1)

    @property
    def info(self) -> VideoInfo:
        return self._info

    @property
    def gaps(self) -> list[Gap]:
        return self._gaps

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
