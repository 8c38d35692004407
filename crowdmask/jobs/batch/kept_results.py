"""Keeps results without their pictures, packed, until the run's tables are made of them: in the manifest or in parts/.

A frame is the length and the checksum of what follows; then its number, its time, how long it is shown, and its named
arrays, each with its type and shape, so that further ones need no change here.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from crowdmask.errors import SourceError
from crowdmask.media.parts import commit, part_of, writing
from crowdmask.records import NO_STREAM, Faces, Frame, FrameResult, Stream

_ENVELOPE = struct.Struct("<II")
_HEADER = struct.Struct("<qddH")
_MOST_BYTES = 1 << 30  # of one frame: more is no length but damage
_NO_IMAGE = np.zeros((1, 1, 3), np.uint8)


class DamagedPartError(SourceError):
    """What was kept is not as it was written."""


def pack(result: FrameResult, *, landmarks: bool = False) -> bytes:
    faces = result.faces
    arrays: dict[str, NDArray[Any]]
    arrays = {"boxes": faces.boxes, "scores": faces.scores, "prob": result.unmasked_prob, "verdicts": result.verdicts}
    if landmarks:
        arrays["landmarks"] = faces.landmarks
    frame = result.frame
    lasts_s = float("nan") if frame.lasts_s is None else frame.lasts_s
    parts = [_HEADER.pack(frame.index, frame.seconds, lasts_s, len(arrays))]
    parts += [_packed(name, array) for name, array in arrays.items()]
    data = b"".join(parts)
    return _ENVELOPE.pack(len(data), zlib.crc32(data)) + data


def unpack(file: BinaryIO, stream: Stream) -> Iterator[FrameResult]:
    """The frames of a packed file of a stream, without their pictures; DamagedPartError where it is not whole."""
    while head := file.read(_ENVELOPE.size):
        if len(head) == _ENVELOPE.size:
            length, checksum = _ENVELOPE.unpack(head)
            data = file.read(length) if length < _MOST_BYTES else b""
            if len(data) == length and zlib.crc32(data, 0) == checksum:
                yield _result(data, stream)
                continue
        raise DamagedPartError(f"{stream.source}: what was kept of it is damaged: start the same command again")


def unpack_bytes(data: bytes, stream: Stream) -> Iterator[FrameResult]:
    return unpack(BytesIO(data), stream)


def is_packed_whole(data: bytes, faces: int) -> bool:
    """Whether packed frames are as they were written, and have so many faces."""
    try:
        return sum(len(result.faces) for result in unpack_bytes(data, NO_STREAM)) == faces
    except (SourceError, ValueError, KeyError, TypeError, struct.error):
        return False


def _packed(name: str, array: NDArray[Any]) -> bytes:
    kind = array.dtype.newbyteorder("<").str.encode()
    shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
    code = name.encode()
    head = bytes([len(code)]) + code + bytes([len(kind)]) + kind + shape
    return b"".join([head, np.ascontiguousarray(array).tobytes()])


def _result(data: bytes, stream: Stream) -> FrameResult:
    index, seconds, lasts_s, count = _HEADER.unpack_from(data)
    at, arrays = _HEADER.size, {}
    for _ in range(count):
        name, at = _text(data, at)
        kind, at = _text(data, at)
        ndim = data[at]
        shape = struct.unpack_from(f"<{ndim}I", data, at + 1)
        at += 1 + 4 * ndim
        array = np.frombuffer(data, np.dtype(kind), int(np.prod(shape)), at).reshape(shape)
        at += array.nbytes
        arrays[name] = array
    boxes = arrays["boxes"]
    landmarks = arrays.get("landmarks", np.zeros((len(boxes), 5, 2), np.float32))
    frame = Frame(index, seconds, _NO_IMAGE, None if np.isnan(lasts_s) else lasts_s, stream=stream)
    return FrameResult(frame, Faces(boxes, arrays["scores"], landmarks), arrays["prob"], arrays["verdicts"])


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + data[at]
    return data[at + 1 : end].decode(), end


class KeptResults:
    """The packed results of one video, as a sink."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stack = ExitStack()
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        with writing(self.path):
            os.makedirs(self.path.parent, exist_ok=True)
            self._file = self._stack.enter_context(open(part_of(self.path), "wb"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with writing(self.path):
            self._stack.close()
        if kind is None:
            commit(self.path)

    def write(self, result: FrameResult) -> None:
        assert self._file is not None
        if len(result.faces):
            with writing(self.path):
                self._file.write(pack(result))
