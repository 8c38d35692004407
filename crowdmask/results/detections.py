"""The detections: a row for every face of every input of a call, as CSV or Parquet by the file's suffix."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from typing_extensions import Self  # in typing from Python 3.11 on

from crowdmask.errors import OutputError
from crowdmask.records import FrameResult, LeftOut, Verdict
from crowdmask.results.columns import Column, Kind, Table
from crowdmask.results.table_files import open_table
from crowdmask.verdicts import WORDS

NO_FACE = "no_face"


class DetectionsError(OutputError):
    """The file that all inputs of a call share cannot be written, so that none of them can be done as asked."""


@dataclass(frozen=True)
class FaceRow:
    """One face of a result."""

    result: FrameResult
    face: int
    is_none: bool = False  # a find that is no face

    def column(self, name: str, otherwise: Any = None) -> Any:
        """What a further stage knows of the face."""
        found = self.result.columns.get(name)
        return otherwise if found is None else found[self.face].item()

    def edge(self, number: int) -> float:
        return float(self.result.faces.boxes[self.face, number])


def known(value: float) -> float | None:
    """A number, or nothing where it is NaN."""
    return None if math.isnan(value) else float(value)


def _number(name: str, meaning: str) -> Column[FaceRow]:
    """What a further stage knows of the face under that name; nothing where it does not."""
    return Column(name, Kind.SINGLE, meaning, lambda row: known(row.column(name, math.nan)), places=4)


def _seen(row: FaceRow) -> str:
    if row.column("behind"):
        return "behind"
    return "interpolated" if row.column("observed") is False else "observed"


DETECTIONS: Table[FaceRow] = Table(
    "detections",
    2,
    (
        Column("source", Kind.TEXT, "the input, as it was given or found", lambda row: row.result.frame.stream.source),
        Column("frame", Kind.COUNT, "number of the frame in its source, from 0", lambda row: row.result.frame.index),
        Column(
            "time_s",
            Kind.NUMBER,
            "seconds, from the stream's own time stamps",
            lambda row: row.result.frame.seconds,
            places=6,
        ),
        Column(
            "x1",
            Kind.SINGLE,
            "left edge of the face, in pixels of the upright frame; two decimals in CSV",
            lambda row: row.edge(0),
            places=2,
        ),
        Column("y1", Kind.SINGLE, "top edge", lambda row: row.edge(1), places=2),
        Column("x2", Kind.SINGLE, "right edge, the first pixel that is outside", lambda row: row.edge(2), places=2),
        Column("y2", Kind.SINGLE, "bottom edge, likewise", lambda row: row.edge(3), places=2),
        Column(
            "score",
            Kind.SINGLE,
            "how sure the detector is of the face, 0 to 1, all looks at it taken together; four decimals in CSV; "
            "empty where it was interpolated",
            lambda row: known(row.result.faces.scores[row.face]),
            places=4,
        ),
        Column(
            "unmasked_prob",
            Kind.SINGLE,
            "probability of unmasked in this frame, 0 to 1; empty where the face was not judged in it, as a small one",
            lambda row: known(row.result.unmasked_prob[row.face]),
            places=4,
        ),
        Column(
            "verdict",
            Kind.TEXT,
            f"{', '.join(WORDS[:-1])} or {WORDS[-1]}; {NO_FACE} with --keep-no-faces of finds that are in no count",
            lambda row: NO_FACE if row.is_none else Verdict(row.result.verdicts[row.face]).word,
        ),
        Column(
            "person",
            Kind.COUNT,
            "number of the appearance it belongs to, as in the table of people; empty where faces were not followed",
            lambda row: row.column("person"),
        ),
        Column(
            "seen",
            Kind.TEXT,
            "observed; interpolated where the face was filled in between two frames in which it was found; behind "
            "where it was filled in and is behind another face, and therefore not drawn",
            _seen,
        ),
        _number(
            "steady_prob",
            "probability of unmasked from all frames so far, by which a followed face has its verdict",
        ),
        _number(
            "incorrect_prob",
            "probability of a mask wrongly worn, which is a part of unmasked_prob",
        ),
        Column(
            "zones",
            Kind.TEXT,
            "the zones that it stands in, with semicolons between; empty without --zones",
            lambda row: ";".join(name for name, inside in row.result.zones.items() if inside[row.face]),
        ),
        _number(
            "no_face_prob",
            "probability, by the classifier, that it is no face at all; empty where it was not judged in this frame",
        ),
        _number(
            "vote_weight",
            "how much this frame's answer counts for a followed face's verdict, 0 to 1; `crowdmask rejudge` needs it",
        ),
    ),
)


@contextlib.contextmanager
def _shared() -> Iterator[None]:
    try:
        yield
    except OutputError as error:
        raise DetectionsError(*error.args) from error


class DetectionsFile:
    """A sink that the inputs of a call may share."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = open_table(path, DETECTIONS)

    def __enter__(self) -> Self:
        with _shared():
            self._file.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _shared():
            self._file.__exit__(kind, error, trace)

    def write(self, result: FrameResult) -> None:
        with _shared():
            self._file.add_all(FaceRow(result, face) for face in range(len(result.faces)))
            if result.left_out is not None:
                none = _result_of(result, result.left_out)
                self._file.add_all(FaceRow(none, face, is_none=True) for face in range(len(none.faces)))


def _result_of(result: FrameResult, left_out: LeftOut) -> FrameResult:
    """What there is to say of finds that are no face, as of faces."""
    n = len(left_out.faces)
    unknown = np.full(n, Verdict.UNKNOWN, np.int8)
    columns = {"no_face_prob": left_out.no_face_prob}
    return FrameResult(result.frame, left_out.faces, np.full(n, np.nan, np.float32), unknown, columns)
