"""The per-frame CSV, the core promise: one row for every analysed frame, whether anybody is in it or not.

SCHEMA_VERSION stands in the summary JSON and not in the file, whose first line stays the header. It rises when a
column changes its meaning, its place or its form; columns added at the end do not raise it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType

from typing_extensions import Self  # in typing from Python 3.11 on

from crowdmask.records import Counts, FrameResult
from crowdmask.results.csv_part import CsvPart, decimals

SCHEMA_VERSION = 1

COLUMNS = {
    "frame": "number of the frame in its source, counted from 0 over all decoded frames, also those not analysed",
    "time_s": "seconds, from the stream's own time stamps; six decimals",
    "faces": "faces found: masked + unmasked + unknown",
    "masked": "faces with a mask rightly worn",
    "unmasked": "faces without a mask, or with one wrongly worn",
    "unknown": "faces too small or too unsure to judge",
    "compliance": "masked / (masked + unmasked), four decimals; empty where no face was judged",
}
RUN_COLUMNS = {  # after the others, so that a column has one place in either file
    "source": "the input, as it was given or found",
    "camera": "the camera's name",
    "captured_at": "when the frame was taken, ISO 8601 with milliseconds and offset; empty where nothing tells",
    "captured_from": "what tells captured_at: exif, container, name or file; empty where nothing does",
}


@dataclass(frozen=True)
class Origin:
    """Where and when a frame of a whole run was taken."""

    source: str
    camera: str = ""
    captured_at: datetime | None = None  # with a time zone
    captured_from: str = ""

    def __post_init__(self) -> None:
        if self.captured_at is not None and self.captured_at.utcoffset() is None:
            raise ValueError(f"captured_at must have a time zone, {self.captured_at.isoformat()} has none")


class FramesCsv:
    """A sink: rows are on disk as they are made, in NAME.part until the file is whole.

    With `of_run` the file holds the frames of many sources, and each row tells its origin.
    """

    def __init__(self, path: str | os.PathLike[str], *, of_run: bool = False) -> None:
        self._of_run = of_run
        self._part = CsvPart(path, [*COLUMNS, *RUN_COLUMNS] if of_run else COLUMNS)

    def __enter__(self) -> Self:
        self._part.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._part.__exit__(kind, error, trace)

    def write(self, result: FrameResult, origin: Origin | None = None) -> None:
        self.add(result.frame.index, result.frame.seconds, result.counts, origin)

    def add(self, frame: int, seconds: float, counts: Counts, origin: Origin | None = None) -> None:
        """Write a frame of which only the numbers are at hand."""
        if (origin is not None) != self._of_run:
            raise ValueError("rows have an origin in the CSV of a run, and only there")
        self._part.row(row_of(frame, seconds, counts, origin))


def row_of(frame: int, seconds: float, counts: Counts, origin: Origin | None = None) -> list[str]:
    """The cells of a frame's row, in the order of the columns."""
    rate = counts.compliance
    row = [str(n) for n in (counts.faces, counts.masked, counts.unmasked, counts.unknown)]
    row = [str(frame), decimals(seconds, 6), *row, "" if rate is None else decimals(rate, 4)]
    if origin is not None:
        taken = origin.captured_at
        shown = "" if taken is None else taken.isoformat(timespec="milliseconds")
        row += [origin.source, origin.camera, shown, origin.captured_from]
    return row
