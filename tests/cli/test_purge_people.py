"""`crowdmask purge --persons`: the tables of people go, and whoever counts them afterwards says so and counts on."""

from __future__ import annotations

import csv
import json
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from crowdmask.jobs.networks import Pair
from crowdmask.settings import AnalysisSettings, RuntimeSettings
from tests.cli.conftest import Crowdmask
from tests.factories import write_clip
from tests.people import LENGTH, PEOPLE, SCENE, picture
from tests.schemas import assert_fits
from tests.unit.jobs.batch.cctv import still

OLD = "in/gate/20200101_100000.mp4"
SAID = "the people in {} were purged: faces are counted there, and no people"


def no_networks(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    raise AssertionError("a network was asked for")


@pytest.fixture
def recent(here: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A video that was recorded long ago, and one of an hour ago by another camera."""
    monkeypatch.delenv("CROWDMASK_FOLLOW")
    monkeypatch.setenv("CROWDMASK_TIMEZONE", "UTC")
    new = f"in/hall/{datetime.now(timezone.utc) - timedelta(hours=1):%Y%m%d_%H%M%S}.mp4"
    for path in (OLD, new):
        Path(path).parent.mkdir(parents=True)
        write_clip(path, size_wh=(256, 160), frames=[picture(SCENE, i) for i in range(LENGTH)])
        os.utime(path, (1.5e9, 1.5e9))
    return new.removeprefix("in/")


def analyzed(crowdmask: Crowdmask, run: str = "run", *options: object, **how: Any) -> None:
    ran = crowdmask(
        "analyze", "in", "--out-dir", run, "--detections", "faces.parquet", "--keep-free", 0, *options, **how
    )
    assert ran.code == 0, ran.err


def rows(path: str) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def statistics(crowdmask: Crowdmask, *runs: str) -> tuple[dict[str, Any], str]:
    """The people of each camera, and what was said."""
    ran = crowdmask("stats", *runs, "--every", "1d", "--no-empty", "--format", "json")
    assert ran.code == 0, ran.err
    return {row["camera"]: row["people"] for row in json.loads(ran.out)["rows"]}, ran.err


def test_without_being_asked_for_they_stay(crowdmask: Crowdmask, recent: str) -> None:
    analyzed(crowdmask)
    before = Path("run/persons.csv").read_bytes()
    assert crowdmask("purge", "run", "--older-than", "0d", "--yes").code == 0
    assert Path("run/persons.csv").read_bytes() == before and Path("run/persons.parquet").is_file()
    assert statistics(crowdmask, "run")[0] == {"gate": PEOPLE, "hall": PEOPLE}


def test_those_of_old_recordings_go_and_every_command_says_so(crowdmask: Crowdmask, recent: str) -> None:
    analyzed(crowdmask)
    frames = Path("run/frames.csv").read_bytes()
    counted = json.loads(Path("run/summary.json").read_text())["people"]
    looked = crowdmask("purge", "run", "--older-than", "30d", "--persons", "--dry-run")
    assert "1 tables of people" in looked.out and f"persons.csv: {PEOPLE} rows" in looked.out
    assert len(rows("run/persons.csv")) == 2 * PEOPLE
    assert crowdmask("purge", "run", "--older-than", "30d", "--persons", "--yes").code == 0

    assert {row["source"] for row in rows("run/persons.csv")} == {recent}
    assert set(pq.read_table("run/persons.parquet").column("source").to_pylist()) == {recent}
    assert [path.name for path in Path("run/videos").rglob("*.persons.csv")] == [f"{Path(recent).name}.persons.csv"]
    assert Path("run/frames.csv").read_bytes() == frames

    def all_say_it() -> None:
        people, said = statistics(crowdmask, "run")
        assert people == {"gate": None, "hall": PEOPLE}  # not 0: nobody knows
        assert SAID.format("1 recording") in said
        assert SAID.format("1 recording") in crowdmask("status", "run").out
        status = json.loads(crowdmask("status", "run", "--json").out)
        assert status["people_purged"] == 1
        assert_fits("status", status)
        assert crowdmask("report", "run", "--overwrite", "--no-pictures").code == 0
        assert SAID.format("1 recording") in Path("run/report.html").read_text()

    all_say_it()
    left = Path("run/persons.csv").read_bytes()
    analyzed(crowdmask, networks=no_networks)  # goes on, and does nothing anew
    assert Path("run/persons.csv").read_bytes() == left and Path("run/frames.csv").read_bytes() == frames
    assert json.loads(Path("run/summary.json").read_text())["people"] == counted  # these were counted, and stay
    all_say_it()
    again = crowdmask("purge", "run", "--older-than", "30d", "--persons", "--yes")
    assert again.code == 0 and "nothing is old enough" in again.err


def test_when_all_are_gone_no_zero_is_said(crowdmask: Crowdmask, recent: str) -> None:
    analyzed(crowdmask)
    assert crowdmask("purge", "run", "--older-than", "0d", "--persons", "--yes").code == 0
    assert not Path("run/persons.csv").exists() and not Path("run/persons.parquet").exists()
    for _ in range(2):
        people, said = statistics(crowdmask, "run")
        assert people == {"gate": None, "hall": None} and SAID.format("2 recordings") in said
        analyzed(crowdmask, networks=no_networks)  # which writes a table of people without any
    assert rows("run/persons.csv") == []
    line = next(json.loads(line) for line in Path("run/purge.log").read_text().splitlines() if "persons.csv" in line)
    assert line["kind"] == "people" and line["rows"] == 2 * PEOPLE and len(line["sources"]) == 2


def test_analyzed_anew_with_other_settings_they_are_known_again(crowdmask: Crowdmask, recent: str) -> None:
    analyzed(crowdmask)
    assert crowdmask("purge", "run", "--older-than", "30d", "--persons", "--yes").code == 0
    analyzed(crowdmask, "run", "--detect-every", 1)
    people, said = statistics(crowdmask, "run")
    assert people == {"gate": PEOPLE, "hall": PEOPLE} and "purged" not in said


def test_joined_runs_know_it_of_their_parts(crowdmask: Crowdmask, recent: str) -> None:
    for n in range(8):  # so that each shard has something
        still(Path(f"in/lift/{n}.png"), n)
    for n in (1, 2):
        analyzed(crowdmask, f"part{n}", "--shard", f"{n}/2")
    assert sum(len(rows(f"part{n}/persons.csv")) for n in (1, 2)) == 2 * PEOPLE
    for n in (1, 2):
        assert crowdmask("purge", f"part{n}", "--older-than", "30d", "--persons", "--yes").code == 0
    ran = crowdmask("merge", "part1", "part2", "--out", "joined")
    assert ran.code == 0, ran.err
    assert SAID.format("1 recording") in json.loads(Path("joined/summary.json").read_text())["notes"]
    people, said = statistics(crowdmask, "joined")
    assert people == {"gate": None, "hall": PEOPLE, "lift": None} and SAID.format("1 recording") in said
    assert len(rows("joined/persons.csv")) == PEOPLE
    together, said = statistics(crowdmask, "part1", "part2")
    assert together == people and SAID.format("1 recording") in said


def test_of_an_input_by_itself(crowdmask: Crowdmask, recent: str) -> None:
    ran = crowdmask("analyze", OLD, "--detections", "in/gate/faces.parquet")
    assert ran.code == 0, ran.err
    mine = Path(OLD).with_suffix("")
    ran = crowdmask("purge", f"{mine}.crowdmask.json", "--older-than", "0d", "--yes")
    assert ran.code == 0 and not Path(f"{mine}.crowdmask.mp4").exists() and not Path("in/gate/faces.parquet").exists()
    assert len(rows(f"{mine}.crowdmask.persons.csv")) == PEOPLE
    ran = crowdmask("purge", f"{mine}.crowdmask.csv", "--older-than", "0d", "--persons", "--yes")
    assert ran.code == 0 and f"recorded in {Path(f'{mine}.crowdmask.purge.log').resolve()}" in ran.err
    left = {path.name for path in Path("in/gate").iterdir() if path.is_file()}
    assert left == {Path(OLD).name, *(f"{mine.name}.crowdmask.{ending}" for ending in ("csv", "json", "purge.log"))}
    people, said = statistics(crowdmask, f"{mine}.crowdmask.csv")
    assert list(people.values()) == [None] and SAID.format("1 recording") in said
    assert crowdmask("report", f"{mine}.crowdmask.csv", "--no-pictures").code == 0
    assert SAID.format("1 recording") in Path(f"{mine}.crowdmask.html").read_text()
    assert crowdmask("analyze", OLD, "--overwrite").code == 0
    people, said = statistics(crowdmask, f"{mine}.crowdmask.csv")
    assert list(people.values()) == [PEOPLE] and "purged" not in said


def test_what_lies_elsewhere_or_belongs_to_a_batch_is_left(crowdmask: Crowdmask, recent: str) -> None:
    assert crowdmask("analyze", OLD, "--detections", "faces.csv").code == 0
    name = str(Path(OLD).with_suffix(".crowdmask.json"))
    ran = crowdmask("purge", name, "--older-than", "0d", "--yes")
    assert ran.code == 0 and "faces.csv: it lies elsewhere: delete it by hand" in ran.err and Path("faces.csv").exists()
    analyzed(crowdmask)
    ran = crowdmask("purge", f"run/videos/{recent}.json", "--older-than", "0d", "--yes")
    assert ran.code == 2 and len(ran.lines) == 1 and "give the run folder" in ran.err
    assert (Path("run/videos") / f"{recent}.persons.csv").is_file()


def test_judged_anew_their_old_counts_are_not_handed_on(crowdmask: Crowdmask, recent: str) -> None:
    assert crowdmask("analyze", OLD, "--detections", "faces.csv").code == 0
    name = str(Path(OLD).with_suffix(".crowdmask.json"))
    assert crowdmask("purge", name, "--older-than", "0d", "--persons", "--yes").code == 0
    assert crowdmask("rejudge", name, "--mask-threshold", 0.6, "--out-dir", "anew").code == 0
    told = json.loads(next(Path("anew").glob("*.json")).read_text())
    assert "people" not in told and SAID.format("1 recording") in told["notes"]
    people, said = statistics(crowdmask, str(next(Path("anew").glob("*.crowdmask.csv"))))
    assert list(people.values()) == [None] and SAID.format("1 recording") in said
