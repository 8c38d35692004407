"""Tells players of an MP4 to show less than is stored: the clean aperture box of ISO/IEC 14496-12, which FFmpeg reads
and copies but gives Python no way to write."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

_WAY = ((b"trak", 0), (b"mdia", 0), (b"minf", 0), (b"stbl", 0), (b"stsd", 8), (b"avc1", 78))  # box, its own fields


def hide_edge(path: Path, stored_wh: tuple[int, int], hidden_wh: tuple[int, int]) -> None:
    """Hide the last columns and rows of the video in an MP4 whose index is its last box, as in a finished `.part`."""
    with path.open("r+b") as file:
        at, size = _last_box(path)
        file.seek(at)
        index = bytearray(file.read(size))
        if index[4:8] != b"moov":
            raise ValueError(f"{path} does not end with its index")
        parents, end = [0], len(index)
        start = 8
        for name, own in _WAY:
            box, length = next((b, n) for b, n, kind in _boxes(index, start, end) if kind == name)
            parents.append(box)
            start, end = box + 8 + own, box + length
        index[end:end] = _clean_aperture(stored_wh, hidden_wh)
        for parent in parents:
            (length,) = struct.unpack_from(">I", index, parent)
            struct.pack_into(">I", index, parent, length + len(_clean_aperture(stored_wh, hidden_wh)))
        file.seek(at)
        file.write(index)


def _clean_aperture(stored_wh: tuple[int, int], hidden_wh: tuple[int, int]) -> bytes:
    """Size to show and the offset of its centre from the stored centre, each as a fraction."""
    (width, height), (right, bottom) = stored_wh, hidden_wh
    return struct.pack(">I4sIIIIiIiI", 40, b"clap", width - right, 1, height - bottom, 1, -right, 2, -bottom, 2)


def _boxes(data: bytearray, start: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    while start + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, start)
        yield start, length, kind
        start += max(8, length)


def _last_box(path: Path) -> tuple[int, int]:
    at, size, end = 0, 0, path.stat().st_size
    with path.open("rb") as file:
        while at + size < end:
            at += size
            file.seek(at)
            head = file.read(16)
            (size,) = struct.unpack_from(">I", head)
            if size == 1:
                (size,) = struct.unpack_from(">Q", head, 8)
            if size < 8:
                raise ValueError(f"{path} is no MP4")
    return at, size
