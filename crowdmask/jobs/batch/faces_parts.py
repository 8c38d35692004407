"""Keeps detections packed until the run's detections file is made of them: of pictures in the manifest, of videos here.

A frame is its header (number, seconds, faces, checksum), then of all faces boxes, scores, probabilities and verdicts.
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
from typing import BinaryIO

import numpy as np
from typing_extensions import Self

from crowdmask.errors import SourceError
from crowdmask.media.parts import commit, part_of, writing
from crowdmask.records import Faces, Frame, FrameResult, Stream

HEADER = struct.Struct("<qdII")
_NO_IMAGE = np.zeros((1, 1, 3), np.uint8)
_FACE = np.dtype([("box", "<f4", 4), ("score", "<f4"), ("prob", "<f4"), ("verdict", "i1")])


def pack(result: FrameResult) -> bytes:
    faces = np.zeros(len(result.faces), _FACE)
    faces["box"], faces["score"] = result.faces.boxes, result.faces.scores
    faces["prob"], faces["verdict"] = result.unmasked_prob, result.verdicts
    data = faces.tobytes()
    return HEADER.pack(result.frame.index, result.frame.seconds, len(faces), zlib.crc32(data)) + data


def unpack(file: BinaryIO, stream: Stream) -> Iterator[FrameResult]:
    """The frames of a packed file of a stream, without their pictures and landmarks."""
    while head := file.read(HEADER.size):
        if len(head) == HEADER.size:
            index, seconds, count, checksum = HEADER.unpack(head)
            data = file.read(count * _FACE.itemsize)
            if len(data) == count * _FACE.itemsize and zlib.crc32(data) == checksum:
                yield _result(Frame(index, seconds, _NO_IMAGE, stream=stream), np.frombuffer(data, _FACE))
                continue
        raise SourceError(f"{stream.source}: the detections kept of it are damaged: analyse it again with --no-resume")


def unpack_bytes(data: bytes, stream: Stream) -> Iterator[FrameResult]:
    return unpack(BytesIO(data), stream)


def _result(frame: Frame, found: np.ndarray) -> FrameResult:
    landmarks = np.zeros((len(found), 5, 2), np.float32)
    faces = Faces(found["box"].astype(np.float32), found["score"].astype(np.float32), landmarks)
    return FrameResult(frame, faces, found["prob"].astype(np.float32), found["verdict"].copy())


class FacesPart:
    """The packed detections of one video, as a sink."""

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
