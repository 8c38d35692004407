"""The detections file: a row for every face of every input of a call, as CSV or Parquet by the file's suffix."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self  # in typing from Python 3.11 on

from crowdmask import __version__
from crowdmask.errors import OutputError, SettingsError
from crowdmask.media.parts import commit, part_of, writing
from crowdmask.records import FrameResult, Verdict
from crowdmask.results.csv_part import CsvPart, decimals

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
ROW_GROUP = 65_536  # rows held back until they are written to Parquet; about 4 MB


class DetectionsError(OutputError):
    """The file that all inputs of a call share cannot be written, so that none of them can be done as asked."""


class Detections(Protocol):
    """Takes the results of one source after the other. Left without an error the file gets its name."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def write(self, source: str, result: FrameResult) -> None: ...


def open_detections(path: str | os.PathLike[str]) -> Detections:
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

    def write(self, source: str, result: FrameResult) -> None:
        place = [source, result.frame.index, decimals(result.frame.seconds, 6)]
        faces = result.faces
        for box, score, prob, verdict in zip(
            faces.boxes.tolist(),
            faces.scores.tolist(),
            result.unmasked_prob.tolist(),
            result.verdicts.tolist(),
            strict=True,
        ):
            edges = [decimals(edge, 2) for edge in box]
            shown = "" if math.isnan(prob) else decimals(prob, 4)
            with _shared():
                self._part.row([*place, *edges, decimals(score, 4), shown, Verdict(verdict).word])


class DetectionsParquet:
    """Typed columns in row groups of bounded size, zstd; needs pyarrow.

    A Parquet file is read from its end. So it is finished also when the work breaks off, and NAME.part can be read up
    to there; only a killed process leaves one that cannot. Where that matters, choose CSV.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise SettingsError(
                f"{self._path} needs pyarrow, which is not installed: "
                "pip install 'crowdmask[parquet]', or let the name end in .csv"
            ) from error
        self._pa, self._pq = pa, pq
        self._schema = _schema(pa)
        self._stack = contextlib.ExitStack()
        self._writer: Any = None
        self._held: list[dict[str, NDArray[Any]]] = []
        self._sources: list[tuple[str, int]] = []  # source and how many of the rows held are its
        self._rows = 0

    def __enter__(self) -> Self:
        with _shared(), writing(self._path):
            file: BinaryIO = self._stack.enter_context(open(part_of(self._path), "wb"))
            self._writer = self._pq.ParquetWriter(file, self._schema, compression="zstd")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                with _shared():
                    with writing(self._path), self._stack:
                        self._finish()
                    commit(self._path)
            else:
                # the error under way is the one to tell; what can be saved besides is
                with contextlib.suppress(OSError, self._pa.ArrowException), self._stack:
                    self._finish()
        finally:
            self._writer = None

    def _finish(self) -> None:
        try:
            self._flush()
        finally:
            self._writer.close()

    def write(self, source: str, result: FrameResult) -> None:
        if self._writer is None:
            raise ValueError(f"{self._path} is not open: results are written inside of its `with` block")
        n = len(result.faces)
        if n == 0:
            return
        boxes = result.faces.boxes
        self._held.append(
            {
                "frame": np.full(n, result.frame.index, np.int64),
                "time_s": np.full(n, result.frame.seconds, np.float64),
                **{name: boxes[:, i] for i, name in enumerate(("x1", "y1", "x2", "y2"))},
                "score": result.faces.scores,
                "unmasked_prob": result.unmasked_prob,
                "verdict": result.verdicts,
            }
        )
        self._sources.append((source, n))
        self._rows += n
        if self._rows >= ROW_GROUP:
            with _shared(), writing(self._path):
                self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        pa = self._pa
        held, sources = self._held, self._sources
        self._held, self._sources, self._rows = [], [], 0
        columns = {name: np.concatenate([part[name] for part in held]) for name in held[0]}
        names = list(dict.fromkeys(source for source, _ in sources))
        at = {name: i for i, name in enumerate(names)}
        which = np.repeat([at[source] for source, _ in sources], [n for _, n in sources]).astype(np.int32)
        readable = [name.encode("utf-8", "backslashreplace").decode() for name in names]
        words = pa.array([verdict.word for verdict in Verdict])
        arrays = {name: pa.array(values) for name, values in columns.items()}
        arrays["source"] = pa.DictionaryArray.from_arrays(which, pa.array(readable)).dictionary_decode()
        arrays["verdict"] = pa.DictionaryArray.from_arrays(columns["verdict"].astype(np.int8), words)
        prob = columns["unmasked_prob"]
        arrays["unmasked_prob"] = pa.array(prob, mask=np.isnan(prob))
        table = pa.Table.from_arrays([arrays[f.name].cast(f.type) for f in self._schema], schema=self._schema)
        self._writer.write_table(table, row_group_size=2 * ROW_GROUP)


def _schema(pa: Any) -> Any:
    kinds = {
        "source": pa.string(),
        "frame": pa.int64(),
        "time_s": pa.float64(),
        "verdict": pa.dictionary(pa.int8(), pa.string()),
    }
    nullable = "unmasked_prob"
    fields = [
        pa.field(name, kinds.get(name, pa.float32()), nullable=name == nullable, metadata={"meaning": meaning})
        for name, meaning in COLUMNS.items()
    ]
    return pa.schema(
        fields,
        metadata={
            "crowdmask.schema": "detections",
            "crowdmask.schema_version": str(SCHEMA_VERSION),
            "crowdmask": __version__,
        },
    )
