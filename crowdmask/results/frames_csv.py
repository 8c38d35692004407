"""The per-frame table, the core promise: one row for every analysed frame, whether anybody is in it or not.

One declaration and one writer for the CSV of one input and for that of a whole run, whose rows say also where and when
the frame was taken. The version stands in the summary JSON and not in the file, whose first line stays the header.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import TracebackType

from typing_extensions import Self  # in typing from Python 3.11 on

from crowdmask.records import FrameResult, Stream
from crowdmask.results.columns import Column, Kind, Table
from crowdmask.results.table_files import TableCsv
from crowdmask.tracking.zones import IN, OUT, ZoneNames
from crowdmask.verdicts import VERDICTS, WORDS, Counts, Share, Verdict, VerdictRow, verdicts_that_are


@dataclass(frozen=True)
class FrameRow:
    """A frame of which only the numbers are at hand."""

    stream: Stream
    frame: int
    seconds: float
    counts: Counts
    zones: Mapping[str, Counts] = field(default_factory=dict)  # of the zones of its camera
    lines: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # of its lines, by way

    @classmethod
    def of(cls, result: FrameResult) -> FrameRow:
        zones = {name: result.counts_where(inside) for name, inside in result.zones.items()}
        lines = {
            name: {IN: int((crossed > 0).sum()), OUT: int((crossed < 0).sum())}
            for name, crossed in result.crossings.items()
        }
        return cls(result.frame.stream, result.frame.index, result.frame.seconds, result.counts, zones, lines)


def count_column(row: VerdictRow) -> Column[FrameRow]:
    return Column(row.word, Kind.COUNT, row.meaning, lambda frame: frame.counts[row.verdict])


def _words_of(share: Share) -> str:
    return " + ".join(verdict.word for verdict in verdicts_that_are(share))


_JUDGED = f"{_words_of(Share.FOR)} + {_words_of(Share.AGAINST)}"

FRAMES: Table[FrameRow] = Table(
    "frames",
    2,
    (
        Column(
            "frame",
            Kind.COUNT,
            "number of the frame in its source, counted from 0 over all decoded frames, also those not analysed",
            lambda row: row.frame,
        ),
        Column(
            "time_s",
            Kind.NUMBER,
            "seconds, from the stream's own time stamps; six decimals",
            lambda row: row.seconds,
            places=6,
        ),
        Column("faces", Kind.COUNT, f"faces found: {' + '.join(WORDS)}", lambda row: row.counts.faces),
        *(count_column(verdict.row) for verdict in (Verdict.MASKED, Verdict.UNMASKED, Verdict.UNKNOWN)),
        Column(
            "compliance",
            Kind.NUMBER,
            f"{_words_of(Share.FOR)} / ({_JUDGED}), four decimals; empty where no face was judged",
            lambda row: row.counts.compliance,
            places=4,
        ),
        Column(
            "source",
            Kind.TEXT,
            "the input, as it was given or found",
            lambda row: row.stream.source,
            of_run=True,
        ),
        Column("camera", Kind.TEXT, "the camera's name", lambda row: row.stream.camera, of_run=True),
        Column(
            "captured_at",
            Kind.INSTANT,
            "when the frame was taken, ISO 8601 with milliseconds and offset; empty where nothing says it",
            lambda row: row.stream.taken_at(row.seconds),
            of_run=True,
        ),
        Column(
            "captured_from",
            Kind.TEXT,
            "what captured_at was read from: exif, container, name or file; empty where nothing does",
            lambda row: row.stream.timed_by,
            of_run=True,
        ),
        count_column(Verdict.INCORRECT.row),
    ),
)
FRAMES_OF_ONE = FRAMES.of_one
_FACES = "faces"


@lru_cache(maxsize=16)
def frames_table(zones: ZoneNames) -> Table[FrameRow]:
    """FRAMES with columns by zone and by line after all others; empty where a frame's camera has no such zone."""
    columns: list[Column[FrameRow]] = []
    for name in zones.zones:
        columns += [_zone_column(name, None), *(_zone_column(name, row) for row in VERDICTS)]
    columns += [_line_column(name, way) for name in zones.lines for way in (IN, OUT)]
    return replace(FRAMES, columns=(*FRAMES.columns, *columns))


def _zone_column(zone: str, row: VerdictRow | None) -> Column[FrameRow]:
    def value(frame: FrameRow) -> int | None:
        counts = frame.zones.get(zone)
        if counts is None:
            return None
        return counts.faces if row is None else counts[row.verdict]

    word, meaning = (_FACES, "faces") if row is None else (row.word, row.meaning)
    return Column(f"zone_{zone}_{word}", Kind.COUNT, f"{meaning}, in the zone {zone}", value)


def _line_column(line: str, way: str) -> Column[FrameRow]:
    def value(frame: FrameRow) -> int | None:
        crossed = frame.lines.get(line)
        return None if crossed is None else crossed[way]

    return Column(f"line_{line}_{way}", Kind.COUNT, f"people who have crossed {line} {way} with this frame", value)


class FramesCsv:
    """A sink: rows are on disk as they are made, in NAME.part until the file is whole.

    With `of_run` the file holds the frames of many sources, and each row says where it is from.
    """

    def __init__(self, path: str | os.PathLike[str], *, of_run: bool = False, zones: ZoneNames | None = None) -> None:
        table = frames_table(zones or ZoneNames())
        self._file = TableCsv(path, table if of_run else table.of_one)

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)

    def write(self, result: FrameResult) -> None:
        self.add(FrameRow.of(result))

    def add(self, row: FrameRow) -> None:
        """Write a frame of which only the numbers are at hand."""
        self._file.add(row)


def row_of(cells: list[str], stream: Stream, zones: ZoneNames | None = None) -> FrameRow:
    """The row of the CSV of one input, read back; ValueError where it is none or its parts do not add up."""
    zones = zones or ZoneNames()
    table = frames_table(zones).of_one
    values = dict(zip(table.names, cells, strict=True))
    counts = Counts.shown(int(values[word]) for word in WORDS)
    row = FrameRow(
        stream,
        int(values["frame"]),
        float(values["time_s"]),
        counts,
        {
            name: Counts.shown(int(values[f"zone_{name}_{w}"]) for w in WORDS)
            for name in zones.zones
            if values[f"zone_{name}_{_FACES}"]
        },
        {
            name: {way: int(values[f"line_{name}_{way}"]) for way in (IN, OUT)}
            for name in zones.lines
            if values[f"line_{name}_{IN}"]
        },
    )
    if table.cells(row) == cells:
        return row
    apart = replace(row, counts=counts.counted(separate=True))  # in the other way to count masks wrongly worn
    if table.cells(apart) == cells:
        return apart
    raise ValueError("the parts of a row do not add up")
