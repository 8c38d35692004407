"""A CSV that is on disk row by row: what the frames and detections files have in common."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from typing_extensions import Self  # in typing from Python 3.11 on

from crowdmask.media.parts import commit, open_alone, part_of, writing

SYNC_SECONDS = 5.0


class CsvPart:
    """Grows as NAME.part and gets its name when it is left without an error; UTF-8, LF, quoted where needed.

    Every row is handed to the system as it is made, so that a killed process loses none, and at most SYNC_SECONDS of
    them wait to be forced to the disk. Of a row that no longer fits on a full disk nothing is left behind.
    """

    def __init__(self, path: str | os.PathLike[str], columns: Iterable[str]) -> None:
        self.path = Path(path)
        self._columns = tuple(columns)
        self._handle = -1
        self._whole_bytes = 0
        self._synced_at = 0.0
        self._writer = csv.writer(self, lineterminator="\n")

    def __enter__(self) -> Self:
        with writing(self.path):
            self._handle = open_alone(part_of(self.path))
        self._synced_at = time.monotonic()
        try:
            self.row(self._columns)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None:
            commit(self.path)

    def row(self, values: Sequence[object]) -> None:
        self._writer.writerow(values)

    def rows(self, several: Iterable[Sequence[object]]) -> None:
        """All of them in one writing."""
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows(several)
        self.write(lines.getvalue())

    def write(self, line: str) -> None:
        """Whole lines, their ends included, as the csv module makes them."""
        if self._handle < 0:
            raise ValueError(f"{self.path} is not open: rows are written inside of its `with` block")
        # names that are no valid UTF-8 are shown with their bytes escaped: a CSV that no reader opens helps nobody
        rest = memoryview(line.encode("utf-8", "backslashreplace"))
        size = len(rest)
        with writing(self.path):
            try:
                while rest:
                    rest = rest[os.write(self._handle, rest) :]
            except OSError:
                os.ftruncate(self._handle, self._whole_bytes)
                os.lseek(self._handle, self._whole_bytes, os.SEEK_SET)
                raise
            self._whole_bytes += size
            if time.monotonic() - self._synced_at > SYNC_SECONDS:
                os.fsync(self._handle)
                self._synced_at = time.monotonic()

    def close(self) -> None:
        """No more rows, and no name yet."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


def decimals(value: float, places: int) -> str:
    """Fixed decimals, never with a minus before nothing but zeros."""
    return f"{round(value, places) + 0.0:.{places}f}"
