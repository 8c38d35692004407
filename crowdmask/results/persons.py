"""The table of people: a row for each appearance, which is one face followed through one recording and nothing more."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from typing_extensions import Self  # in typing from Python 3.11 on

from crowdmask import __version__
from crowdmask.engine.following import Flashes, Person
from crowdmask.engine.verdicts import against
from crowdmask.media.parts import commit, part_of, writing
from crowdmask.records import Stream
from crowdmask.results.columns import Column, Kind, Table, in_full, no_formula, unguarded
from crowdmask.results.csv_part import decimals
from crowdmask.results.detections import known
from crowdmask.results.parquet import parquet_of
from crowdmask.results.table_files import open_table
from crowdmask.tracking.zones import Crossing, Visit
from crowdmask.verdicts import WORDS, Outcome, Verdict


def _stretches(person: Person) -> str:
    found = person.appearance.stretches
    return ";".join(f"{Verdict(stretch.verdict).word}@{decimals(stretch.first_s, 3)}" for stretch in found)


def _visits(person: Person) -> str:
    visits = () if person.trace is None else person.trace.visits
    return ";".join(f"{v.zone}@{decimals(v.first_s, 3)}-{decimals(v.last_s, 3)}" for v in visits)


def _crossings(person: Person) -> str:
    crossings = () if person.trace is None else person.trace.crossings
    return ";".join(f"{c.line} {c.way}@{decimals(c.seconds, 3)}" for c in crossings)


def visits_of(text: str) -> list[Visit]:
    """The column `zones`, read back."""
    found = []
    for part in filter(None, text.split(";")):
        zone, _, times = part.rpartition("@")
        first, last = times.split("-")
        found.append(Visit(zone, float(first), float(last)))
    return found


def crossings_of(text: str) -> list[Crossing]:
    """The column `lines`, read back."""
    found = []
    for part in filter(None, text.split(";")):
        crossed, _, seconds = part.rpartition("@")
        line, _, way = crossed.rpartition(" ")
        found.append(Crossing(line, way, float(seconds)))
    return found


def cells_of_run(cells: Sequence[str], stream: Stream) -> list[str]:
    """The row of a run's file out of a row of its video's own: with the camera, and the time on its clock."""
    values = dict(zip(PERSONS.of_one.names, cells, strict=True))
    taken = stream.taken_at(float(values["first_s"]))
    values["camera"] = no_formula(stream.camera)
    values["captured_at"] = "" if taken is None else in_full(taken)
    return [values[name] for name in PERSONS.names]


def _edge(number: int) -> Column[Person]:
    name = ("x1", "y1", "x2", "y2")[number]
    meaning = ("the face in the best frame, left edge in pixels of the upright frame", "top", "right", "bottom")[number]
    return Column(
        f"best_{name}", Kind.SINGLE, meaning, lambda row: float(row.appearance.best_box_xyxy[number]), places=2
    )


PERSONS: Table[Person] = Table(
    "persons",
    1,
    (
        Column("source", Kind.TEXT, "the input, as it was given or found", lambda row: row.stream.source),
        Column(
            "person",
            Kind.COUNT,
            "number of the appearance, from 1 in each input; it says nothing of who it is, and links no two inputs",
            lambda row: row.appearance.person,
        ),
        Column(
            "first_s",
            Kind.NUMBER,
            "when it begins, in seconds of the input",
            lambda row: row.appearance.first_s,
            places=3,
        ),
        Column("last_s", Kind.NUMBER, "when it ends", lambda row: row.appearance.last_s, places=3),
        Column(
            "seen_s",
            Kind.NUMBER,
            "for how long of that it was seen or filled in between two looks",
            lambda row: row.appearance.seen_s,
            places=3,
        ),
        Column(
            "observations",
            Kind.COUNT,
            "in how many frames the face was found",
            lambda row: row.appearance.observations,
        ),
        Column(
            "verdict",
            Kind.TEXT,
            f"{', '.join(WORDS[:-1])} or {WORDS[-1]}: the one that it had for most of its frames",
            lambda row: Verdict(row.appearance.verdict).word,
        ),
        Column(
            "unmasked_prob",
            Kind.SINGLE,
            "probability of unmasked, 0 to 1, from all frames in which it was judged; empty where it never was",
            lambda row: known(against(row.appearance.probability[None])[0]),
            places=4,
        ),
        Column(
            "stretches",
            Kind.TEXT,
            "verdicts in order, each with the second from which it holds: masked@1.200;unmasked@7.640",
            _stretches,
        ),
        Column("frames", Kind.COUNT, "in how many frames it was seen or filled in", lambda row: row.appearance.frames),
        Column("judged", Kind.COUNT, "in how many frames it was judged", lambda row: row.appearance.judged),
        Column("first_frame", Kind.COUNT, "number of its first frame", lambda row: row.appearance.first_frame),
        Column("last_frame", Kind.COUNT, "number of its last frame", lambda row: row.appearance.last_frame),
        Column(
            "best_frame",
            Kind.COUNT,
            "number of the frame in which the face is largest, sharpest and surest",
            lambda row: row.appearance.best_frame,
        ),
        Column("best_s", Kind.NUMBER, "the second of that frame", lambda row: row.appearance.best_s, places=3),
        *(_edge(number) for number in range(4)),
        Column(
            "median_size",
            Kind.SINGLE,
            "size of the face in pixels, the root of its area, over all its frames",
            lambda row: row.appearance.median_size,
            places=1,
        ),
        Column(
            "incorrect_prob",
            Kind.SINGLE,
            "probability of a mask wrongly worn, which is a part of unmasked_prob",
            lambda row: known(row.appearance.probability[Outcome.INCORRECT]),
            places=4,
        ),
        Column("camera", Kind.TEXT, "the camera's name", lambda row: row.stream.camera, of_run=True),
        Column(
            "captured_at",
            Kind.INSTANT,
            "when it begins, ISO 8601 with milliseconds and offset; empty where nothing says it",
            lambda row: row.stream.taken_at(row.appearance.first_s),
            of_run=True,
        ),
        Column(
            "zones",
            Kind.TEXT,
            "visits in order, each with its first and last second: hall@1.200-7.640;queue@8.000-9.120; empty without "
            "--zones",
            _visits,
        ),
        Column(
            "lines",
            Kind.TEXT,
            "crossings in order, each with its way and second: door in@3.400;door out@9.000; empty without --zones",
            _crossings,
        ),
    ),
)


def write_persons_parquet(table: Path, *, of_run: bool = False) -> None:
    """The same table beside a CSV of people that is whole, with typed columns: where the detections are Parquet."""
    columns = PERSONS if of_run else PERSONS.of_one
    are_text = [column.kind is Kind.TEXT for column in columns.columns]
    target = table.with_suffix(".parquet")
    rows, made = part_of(target), part_of(part_of(target))
    with writing(target):
        try:
            with table.open(newline="", encoding="utf-8") as given, rows.open("w", newline="", encoding="utf-8") as out:
                writer = csv.writer(out, lineterminator="\n")
                for cells in csv.reader(given):
                    pairs = zip(cells, are_text, strict=True)
                    writer.writerow([unguarded(cell) if is_text else cell for cell, is_text in pairs])
            parquet_of(rows, made, columns.sql_kinds, columns.metadata(__version__))
            commit(target, made)
        finally:
            rows.unlink(missing_ok=True)


class PersonsFile:
    """A sink of people, as CSV or Parquet by the file's suffix; each is on disk as soon as it has left."""

    def __init__(self, path: str | os.PathLike[str], *, of_run: bool = False) -> None:
        self._file = open_table(path, PERSONS if of_run else PERSONS.of_one)

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)

    def write_person(self, person: Person) -> None:
        self._file.add(person)

    def write_flashes(self, flashes: Flashes) -> None:
        """No person, no row."""
