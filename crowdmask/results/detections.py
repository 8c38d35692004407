"""The detections file: a row for every face of every input of a call, as CSV or Parquet by the file's suffix."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from typing_extensions import Self  # in typing from Python 3.11 on

from crowdmask import __version__
from crowdmask.engine.protocols import Sink
from crowdmask.errors import OutputError, SettingsError
from crowdmask.media.parts import commit, part_of, writing
from crowdmask.records import FrameResult, Verdict
from crowdmask.results.csv_part import CsvPart, decimals
from crowdmask.results.parquet import parquet_of

SCHEMA_VERSION = 1  # in the metadata of a Parquet file and in the summary JSON

COLUMNS = {
    "source": "the input, as it was given or found",
    "frame": "number of the frame in its source, from 0",
    "time_s": "seconds, from the stream's own time stamps",
    "x1": "left edge of the face, in pixels of the upright frame; two decimals in CSV",
    "y1": "top edge",
    "x2": "right edge, the first pixel that is outside",
    "y2": "bottom edge, likewise",
    "score": "how sure the detector is of the face, 0 to 1; four decimals in CSV",
    "unmasked_prob": "probability of unmasked, 0 to 1; empty where the face was too small to ask about",
    "verdict": "masked, unmasked or unknown",
}
KINDS = {  # in a Parquet file
    "source": "VARCHAR",
    "frame": "BIGINT",
    "time_s": "DOUBLE",
    **dict.fromkeys(("x1", "y1", "x2", "y2", "score", "unmasked_prob"), "FLOAT"),
    "verdict": "VARCHAR",
}


class DetectionsError(OutputError):
    """The file that all inputs of a call share cannot be written, so that none of them can be done as asked."""


def open_detections(path: str | os.PathLike[str]) -> Sink:
    """The writer for the path's suffix, .csv or .parquet; SettingsError where there is none."""
    suffix = Path(path).suffix.lower()
    if suffix == ".csv":
        return DetectionsCsv(path)
    if suffix == ".parquet":
        return DetectionsParquet(path)
    raise SettingsError(f"cannot tell the format of {os.fspath(path)}: let its name end in .csv or .parquet")


@contextlib.contextmanager
def _shared() -> Iterator[None]:
    try:
        yield
    except OutputError as error:
        raise DetectionsError(*error.args) from error


class DetectionsCsv:
    """Rows are on disk as they are made, in NAME.part until the file is whole."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._part = CsvPart(path, COLUMNS)

    def __enter__(self) -> Self:
        with _shared():
            self._part.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _shared():
            self._part.__exit__(kind, error, trace)

    def write(self, result: FrameResult) -> None:
        faces, shown = result.faces, self._shown
        place = [result.frame.stream.source, result.frame.index, shown(result.frame.seconds, 6)]
        for box, score, prob, verdict in zip(
            faces.boxes.tolist(),
            faces.scores.tolist(),
            result.unmasked_prob.tolist(),
            result.verdicts.tolist(),
            strict=True,
        ):
            edges = [shown(edge, 2) for edge in box]
            unmasked = "" if math.isnan(prob) else shown(prob, 4)
            with _shared():
                self._part.row([*place, *edges, shown(score, 4), unmasked, Verdict(verdict).word])

    def _shown(self, value: float, places: int) -> str:
        return decimals(value, places)


class DetectionsParquet(DetectionsCsv):
    """Typed columns with every digit, zstd.

    A Parquet file is read from its end, so one that still grows cannot be read. Therefore NAME.part is a CSV with all
    digits until the work is done; whatever ends it earlier, the rows so far are there.
    """

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._part.close()
        if kind is None:
            path = self._part.path
            rows = part_of(path)
            made = part_of(rows)
            with _shared(), writing(path):
                parquet_of(rows, made, KINDS, _words())
                commit(path, made)
                rows.unlink()

    def _shown(self, value: float, places: int) -> str:
        return repr(value)


def _words() -> dict[str, str]:
    """A Parquet file's metadata."""
    return {
        "crowdmask": __version__,
        "crowdmask.schema": "detections",
        "crowdmask.schema_version": str(SCHEMA_VERSION),
        **{f"crowdmask.column.{name}": meaning for name, meaning in COLUMNS.items()},
    }
