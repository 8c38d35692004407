"""What the bytes of a picture file say before it is decoded: its kind, its orientation, how many pictures it holds."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import simplejpeg
from numpy.typing import NDArray

GUESSED = 20  # bytes of the decoded picture for one of the file, where its kind does not say it at its beginning
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"mif1")


def starts_picture(head: bytes) -> bool:
    """Whether a file that starts with these 16 bytes is a picture that can be read."""
    return (
        head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"))
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[:2] == b"BM" and head[6:10] == b"\x00\x00\x00\x00")
        or (head[4:8] == b"ftyp" and head[8:12] == b"avif")
    )


def is_heic(head: bytes) -> bool:
    """Whether it is a picture in HEIF as phones write it, of which FFmpeg gives the tiles one by one."""
    return head[4:8] == b"ftyp" and head[8:12] in _HEIC


def pictures_in(data: bytes) -> int:
    """How many pictures a PNG, WebP or TIFF holds; 1 for all else, and where that cannot be said."""
    if data.startswith(b"\x89PNG"):
        for kind, body in _png_chunks(data):
            if kind == b"acTL" and len(body) == 8:
                return max(1, int.from_bytes(body[:4], "big"))
            if kind == b"IDAT":
                break
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return max(1, sum(kind == b"ANMF" for kind, _ in _riff_chunks(data)))
    elif data[:4] in (b"II*\x00", b"MM\x00*"):
        return max(1, _tiff_pages(data))
    return 1


def jpeg_orientation(data: bytes) -> int:
    """The EXIF orientation of a JPEG, 1 to 8; 1 where it has none."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] not in (0xD9, 0xDA):
        if data[at + 1] == 0xFF:  # bytes to fill up
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return _tiff_orientation(data[at + 10 : at + 2 + length])
        at += 2 + length
    return 1


def _tiff_orientation(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if order is not None:
            (at,) = struct.unpack_from(f"{order}I", tiff, 4)
            (entries,) = struct.unpack_from(f"{order}H", tiff, at)
            for entry in range(entries):
                tag, kind, count, value = struct.unpack_from(f"{order}HHIH", tiff, at + 2 + 12 * entry)
                if tag == 0x0112 and kind == 3 and count == 1:
                    return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + min(length, 64)]
        at += 12 + length


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], length
        at += 8 + length + length % 2


def _tiff_pages(data: bytes) -> int:
    """Directories of full pictures; a preview beside a picture is no page."""
    order = "<" if data[:2] == b"II" else ">"
    seen: set[int] = set()
    pages = 0
    try:
        (at,) = struct.unpack_from(f"{order}I", data, 4)
        while at and at not in seen and len(seen) < 65536:
            seen.add(at)
            (entries,) = struct.unpack_from(f"{order}H", data, at)
            tags = [struct.unpack_from(f"{order}HHII", data, at + 2 + 12 * entry) for entry in range(entries)]
            pages += not any(tag == 0x00FE and value & 1 for tag, _, _, value in tags)
            (at,) = struct.unpack_from(f"{order}I", data, at + 2 + 12 * entries)
    except struct.error:
        pass
    return pages


def decoded_bytes(data: NDArray[np.uint8]) -> int:
    """About how much memory the decoded picture takes, by its header; a guess where that is not of a common kind."""
    head = data[:32].tobytes()
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        width, height = struct.unpack(">II", head[16:24])
        return 3 * int(width) * int(height)
    if head.startswith(b"\xff\xd8"):
        with suppress(ValueError, KeyError):
            height, width, _, _ = simplejpeg.decode_jpeg_header(data.tobytes(), strict=False)
            return 3 * int(width) * int(height)
    return GUESSED * len(data)
