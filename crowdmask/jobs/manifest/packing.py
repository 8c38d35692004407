"""How looks and results are packed in an input's own files, and detections of a picture in the manifest.

They are kept without their pictures until the run's tables are made of them. A frame is the length and the checksum of
what follows; then its number, its time, how long it is shown, its size, two numbers of its kind, and its named arrays,
each with its type and shape, so that further ones need no change here.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from crowdmask.errors import SourceError
from crowdmask.media.parts import commit, forget_link, part_of, writing
from crowdmask.records import NO_STREAM, Faces, Frame, FrameResult, LeftOut, Look, Stream

_ENVELOPE = struct.Struct("<II")
_HEADER = struct.Struct("<qddIIIBH")
_MOST_BYTES = 1 << 30  # of one frame: more is no length but damage
_COLUMN = "column."
Arrays = Mapping[str, NDArray[Any]]


class DamagedPartError(SourceError):
    """What was kept is not as it was written."""


def pack(result: FrameResult) -> bytes:
    """A result, without landmarks: what tables and drawings are made of."""
    arrays: dict[str, NDArray[Any]] = {
        "boxes": result.faces.boxes,
        "scores": result.faces.scores,
        "prob": result.unmasked_prob,
        "verdicts": result.verdicts,
    }
    if result.left_out is not None:
        none = result.left_out
        arrays |= {"none.boxes": none.faces.boxes, "none.scores": none.faces.scores, "none.prob": none.no_face_prob}
    arrays |= {_COLUMN + name: np.asarray(values) for name, values in result.columns.items()}
    return _packed(result.frame, arrays, result.no_faces, result.separate)


def pack_look(look: Look) -> bytes:
    arrays: dict[str, NDArray[Any]] = {
        "boxes": look.faces.boxes,
        "scores": look.faces.scores,
        "landmarks": look.faces.landmarks,
        "probabilities": look.probabilities,
        "sharpness": look.sharpness,
    }
    if look.camera is not None:
        arrays["camera"] = look.camera
    return _packed(look.frame, arrays, 0, look.looked)


def unpack(file: BinaryIO, stream: Stream) -> Iterator[FrameResult]:
    """Results out of a file of a stream; DamagedPartError where it is not whole."""
    for frame, arrays, no_faces, separate in _frames(file, stream):
        boxes = arrays["boxes"]
        columns = {name[len(_COLUMN) :]: array for name, array in arrays.items() if name.startswith(_COLUMN)}
        faces, none = _faces(boxes, arrays["scores"]), None
        if "none.boxes" in arrays:
            none = LeftOut(_faces(arrays["none.boxes"], arrays["none.scores"]), arrays["none.prob"])
        yield FrameResult(frame, faces, arrays["prob"], arrays["verdicts"], columns, no_faces, separate, none)


def _faces(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> Faces:
    return Faces(boxes, scores, np.zeros((len(boxes), 5, 2), np.float32))


def unpack_looks(file: BinaryIO, stream: Stream) -> Iterator[Look]:
    """Looks out of a file of a stream, likewise."""
    for frame, arrays, _, looked in _frames(file, stream):
        faces = Faces(arrays["boxes"], arrays["scores"], arrays["landmarks"])
        yield Look(frame, faces, arrays["probabilities"], arrays["sharpness"], looked, arrays.get("camera"))


def unpack_bytes(data: bytes, stream: Stream) -> Iterator[FrameResult]:
    return unpack(BytesIO(data), stream)


def is_packed_whole(data: bytes, faces: int) -> bool:
    """Whether packed results are as they were written, and have so many faces."""
    try:
        return sum(len(result.faces) for result in unpack_bytes(data, NO_STREAM)) == faces
    except (SourceError, ValueError, KeyError, TypeError, struct.error):
        return False


def _packed(frame: Frame, arrays: Arrays, number: int, flag: bool) -> bytes:
    """Of a result `number` are its finds that are no face, and `flag` sets wrongly worn masks apart; of a look it says
    whether the detector looked."""
    lasts_s = float("nan") if frame.lasts_s is None else frame.lasts_s
    parts = [_HEADER.pack(frame.index, frame.seconds, lasts_s, *frame.size_wh, number, flag, len(arrays))]
    for name, array in arrays.items():
        code, kind = name.encode(), array.dtype.newbyteorder("<").str.encode()
        shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        parts += [bytes([len(code)]), code, bytes([len(kind)]), kind, shape, np.ascontiguousarray(array).tobytes()]
    data = b"".join(parts)
    return _ENVELOPE.pack(len(data), zlib.crc32(data)) + data


def _frames(file: BinaryIO, stream: Stream) -> Iterator[tuple[Frame, dict[str, NDArray[Any]], int, bool]]:
    while head := file.read(_ENVELOPE.size):
        if len(head) == _ENVELOPE.size:
            length, checksum = _ENVELOPE.unpack(head)
            data = file.read(length) if length < _MOST_BYTES else b""
            if len(data) == length and zlib.crc32(data) == checksum:
                yield _unpacked(data, stream)
                continue
        raise DamagedPartError(f"{stream.source}: what was kept of it is damaged: start the same command again")


def _unpacked(data: bytes, stream: Stream) -> tuple[Frame, dict[str, NDArray[Any]], int, bool]:
    index, seconds, lasts_s, width, height, number, flag, count = _HEADER.unpack_from(data)
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
    blank = np.broadcast_to(np.uint8(0), (height, width, 3))
    frame = Frame(index, seconds, blank, None if np.isnan(lasts_s) else lasts_s, stream=stream)
    return frame, arrays, number, bool(flag)


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + data[at]
    return data[at + 1 : end].decode(), end


class PackedFile:
    """A file that packed frames are written to; NAME.part until it is whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stack = ExitStack()
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        with writing(self.path):
            os.makedirs(self.path.parent, exist_ok=True)
            forget_link(part_of(self.path))
            self._file = self._stack.enter_context(open(part_of(self.path), "wb"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with writing(self.path):
            self._stack.close()
        if kind is None:
            commit(self.path)

    def add(self, packed: bytes) -> None:
        assert self._file is not None
        with writing(self.path):
            self._file.write(packed)
