"""Writes per-frame CSVs with hand-made or drawn numbers, for the tests of statistics, report and purge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from crowdmask.records import Counts, SourceKind, Stream
from crowdmask.results.frames_csv import FrameRow, FramesCsv


@dataclass(frozen=True)
class Row:
    """One frame: what was seen, where and when; `at` is ISO 8601 with an offset, or empty."""

    at: str = ""
    masked: int = 0
    unmasked: int = 0
    unknown: int = 0
    camera: str = "north"
    source: str = "north/a.mp4"
    frame: int = 0
    seconds: float = 0.0

    @property
    def counts(self) -> Counts:
        return Counts(self.masked, self.unmasked, self.unknown)


def write_frames(path: Path, rows: Iterable[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with FramesCsv(path, of_run=True) as sink:
        for row in rows:
            taken = datetime.fromisoformat(row.at) - timedelta(seconds=row.seconds) if row.at else None
            stream = Stream(row.source, SourceKind.VIDEO, row.camera, taken, "name" if taken else "")
            sink.add(FrameRow(stream, row.frame, row.seconds, row.counts))
    return path


def write_run(folder: Path, rows: Sequence[Row]) -> Path:
    """A run folder with nothing in it but the frames."""
    write_frames(folder / "frames.csv", rows)
    return folder
