"""Of people who walk at random past zones and a line, every table that an analysis writes says the same."""

from __future__ import annotations

import csv
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from crowdmask.engine.following import Person
from crowdmask.engine.spine import conclude, stages_of
from crowdmask.engine.watching import zone_names
from crowdmask.records import Faces, Frame, FrameResult, Look, Stream
from crowdmask.results.detections import DetectionsFile
from crowdmask.results.frames_csv import FramesCsv
from crowdmask.results.people import PeopleStats
from crowdmask.results.persons import PersonsFile, crossings_of, visits_of
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.timeline.buckets import Width
from crowdmask.results.timeline.frames_table import FramesTable
from crowdmask.results.timeline.statistics_columns import statistics_table
from crowdmask.results.timeline.statistics_rows import statistics_rows
from crowdmask.results.zone_stats import ZoneStats
from crowdmask.settings import AnalysisSettings
from crowdmask.tracking.zones import IN, OUT
from crowdmask.verdicts import WORDS

SIZE_WH, RATE, LENGTH = (256, 160), 10.0, 60
ZONES = """
feet_below = {feet_below}
[[camera]]
pattern = "*"
[[camera.zone]]
name = "left"
polygon = [[0, 0], [{x}, 0], [{x}, 1], [0, 1]]
[[camera.zone]]
name = "low"
polygon = [[0, {y}], [1, {y}], [1, 1], [0, 1]]
[[camera.line]]
name = "door"
from = [{x}, 1]
to = [{x}, 0]
"""


@dataclass(frozen=True)
class Walk:
    """A face that is there from one frame to another, turns back once, and is hidden in some frames."""

    first: int
    frames: int
    turns: int
    start_xy: tuple[float, float]
    step_xy: tuple[float, float]
    hidden: frozenset[int]
    unmasked: float

    def place(self, frame: int) -> tuple[float, float] | None:
        gone = frame - self.first
        if not 0 <= gone < self.frames or frame in self.hidden:
            return None
        steps = gone if gone <= self.turns else 2 * self.turns - gone
        x, y = (at + steps * step for at, step in zip(self.start_xy, self.step_xy, strict=True))
        return (x, y) if 12 <= x <= SIZE_WH[0] - 12 and 12 <= y <= SIZE_WH[1] - 12 else None


WALKS = st.builds(
    Walk,
    st.integers(0, 40),
    st.integers(2, 60),
    st.integers(5, 60),
    st.tuples(st.floats(15, 240), st.floats(15, 145)),
    st.tuples(st.floats(-6, 6), st.floats(-3, 3)),
    st.frozensets(st.integers(0, LENGTH), max_size=12),
    st.sampled_from([0.03, 0.5, 0.97]),
)
PARTS = st.sampled_from([0.2, 0.45, 0.5, 0.8])


def looks_at(walks: list[Walk], every: int, stream: Stream) -> list[Look]:
    blank = np.zeros((SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
    found = []
    for k in range(LENGTH):
        looked = k % every == 0
        seen = [(walk, place) for walk in walks if looked and (place := walk.place(k)) is not None]
        boxes = np.array([(x - 10, y - 12, x + 10, y + 12) for _, (x, y) in seen], np.float32).reshape(-1, 4)
        faces = Faces(boxes, np.full(len(seen), 0.95, np.float32), np.zeros((len(seen), 5, 2), np.float32))
        answers = np.array([(1 - w.unmasked, w.unmasked, 0, 0) for w, _ in seen], np.float32).reshape(-1, 4)
        frame = Frame(k, k / RATE, blank, stream=stream)
        found.append(Look(frame, faces, answers, np.ones(len(seen), np.float32), looked))
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True)
class Written:
    """What an analysis has written, read back."""

    frames: list[dict[str, str]]
    faces: list[dict[str, str]]
    people: list[dict[str, str]]
    counts: ComplianceStats
    sums: PeopleStats
    told: dict[str, Any]  # the summary's zones and lines
    stats: dict[str, Any]  # the one row of the statistics


def written(folder: Path, looks: list[Look], analysis: AnalysisSettings) -> Written:
    counts, people, zones = ComplianceStats(), PeopleStats(), ZoneStats()
    paths = [folder / f"walk.crowdmask{ending}" for ending in (".csv", ".faces.csv", ".persons.csv")]
    with ExitStack() as stack:
        files = (FramesCsv(paths[0], zones=zone_names(analysis)), DetectionsFile(paths[1]))
        sinks = [*map(stack.enter_context, files), people, zones]
        takers = [stack.enter_context(PersonsFile(paths[2])), people, zones]
        for found in conclude(looks, stages_of(analysis)):
            if isinstance(found, FrameResult):
                counts.update(found)
                for sink in sinks:
                    sink.write(found)
            for taker in takers if isinstance(found, Person) else ():
                taker.write_person(found)
    width = Width.parse("1mo")
    with FramesTable([paths[0]], threads=1) as table:
        columns = statistics_table(table.zones.names)
        (stats,) = (columns.values(row) for row in statistics_rows(table, width, ZoneInfo("UTC"), empty=False))
    return Written(*map(rows, paths), counts, people, zones.as_dict(), stats)


def by_word(found: list[dict[str, str]]) -> dict[str, int]:
    return {word: sum(row["verdict"] == word for row in found) for word in WORDS}


def check_people(out: Written) -> None:
    assert sum(int(row["faces"]) for row in out.frames) == len(out.faces) == out.counts.counts.faces
    assert Counter(row["person"] for row in out.faces) == {row["person"]: int(row["frames"]) for row in out.people}
    assert by_word(out.people) == out.sums.counts.by_word and out.stats["people"] == len(out.people)


def check_zone(out: Written, zone: dict[str, Any]) -> None:
    column, name = f"zone_{zone['name']}", zone["name"]
    inside = [row for row in out.faces if name in row["zones"].split(";")]
    assert sum(int(row[f"{column}_faces"]) for row in out.frames) == len(inside) == zone["faces"]["faces"]
    for word, number in by_word(inside).items():
        assert sum(int(row[f"{column}_{word}"]) for row in out.frames) == number == zone["faces"][word], word
        assert out.stats[f"{column}_{word}"] == number, word
    by_frame = Counter(row["frame"] for row in inside)
    assert all(int(row[f"{column}_faces"]) == by_frame[row["frame"]] for row in out.frames)

    visits = {row["person"]: [v for v in visits_of(row["zones"]) if v.zone == name] for row in out.people}
    there = [row for row in out.people if visits[row["person"]]]
    assert {row["person"] for row in there} == {row["person"] for row in inside}
    assert zone["people"] == len(there) == out.stats[f"{column}_people"]
    for word, number in by_word(there).items():
        assert zone[word] == number == out.stats[f"{column}_people_{word}"], word
    assert zone["visits"] == sum(map(len, visits.values())) == out.stats[f"{column}_visits"]
    dwell = [sum(v.last_s - v.first_s for v in mine) for mine in visits.values()]
    assert zone["dwell_s"]["total"] == pytest.approx(sum(dwell), abs=1e-6)
    assert zone["dwell_s"]["longest"] == pytest.approx(max(dwell, default=0.0), abs=1e-6)
    for row in inside:  # each face within a visit
        assert any(v.first_s - 1e-6 <= float(row["time_s"]) <= v.last_s + 1e-6 for v in visits[row["person"]])


def check_line(out: Written, line: dict[str, Any]) -> None:
    for way in (IN, OUT):
        column = f"line_{line['name']}_{way}"
        crossed = [
            row for row in out.people for c in crossings_of(row["lines"]) if (c.line, c.way) == (line["name"], way)
        ]
        assert sum(int(row[column]) for row in out.frames) == len(crossed) == line[way]["people"] == out.stats[column]
        for word, number in by_word(crossed).items():
            assert line[way][word] == number == out.stats[f"{column}_{word}"], word


@settings(max_examples=15, deadline=None)
@given(
    st.lists(WALKS, min_size=2, max_size=5),
    st.sampled_from([1, 2, 3]),
    st.tuples(PARTS, PARTS, st.sampled_from([0, 2])),
)
def test_frames_detections_people_summary_and_statistics_agree_by_zone(
    tmp_path_factory: pytest.TempPathFactory, walks: list[Walk], every: int, place: tuple[float, float, int]
) -> None:
    folder = tmp_path_factory.mktemp("walks")
    x, y, feet_below = place
    (folder / "zones.toml").write_text(ZONES.format(x=x, y=y, feet_below=feet_below))
    analysis = AnalysisSettings(zones=str(folder / "zones.toml"), smallest_face=4.0)
    out = written(folder, looks_at(walks, every, Stream("walk.mp4", camera="hall")), analysis)
    check_people(out)
    for zone in out.told["zones"]:
        check_zone(out, zone)
    for line in out.told["lines"]:
        check_line(out, line)
    event(f"crossings: {min(2, sum(line[way]['people'] for line in out.told['lines'] for way in (IN, OUT)))}")
    event(f"visits: {min(3, sum(zone['visits'] for zone in out.told['zones']))}")
