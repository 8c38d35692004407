"""`crowdmask analyze` as it is by default for video: faces are followed, and people counted."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import av
import duckdb
import pytest

from crowdmask.jobs import long_videos
from crowdmask.results.persons import write_persons_parquet
from tests.cli.conftest import Crowdmask
from tests.factories import write_clip
from tests.people import LENGTH, PEOPLE, SCENE, picture


@pytest.fixture(autouse=True)
def followed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROWDMASK_FOLLOW")
    write_clip("walk.mp4", size_wh=(256, 160), frames=[picture(SCENE, i) for i in range(LENGTH)])


def rows(path: str) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_people_frames_detections_summary_and_screen_agree(crowdmask: Crowdmask) -> None:
    # every third frame: of the default, every fourth, none shows the lamp
    ran = crowdmask("analyze", "walk.mp4", "--detections", "faces.csv", "--detect-every", 3)
    assert (ran.code, ran.err) == (0, "")
    people, frames, faces = rows("walk.crowdmask.persons.csv"), rows("walk.crowdmask.csv"), rows("faces.csv")
    assert list(people[0])[:8] == [
        "source", "person", "first_s", "last_s", "seen_s", "observations", "verdict", "unmasked_prob"
    ]  # fmt: skip
    assert len(people) == PEOPLE and len(frames) == LENGTH
    assert sorted(row["verdict"] for row in people) == ["masked", "unmasked", "unmasked"]
    assert sum(int(row["faces"]) for row in frames) == len(faces) == sum(int(row["frames"]) for row in people)
    for row in people:
        mine = [face for face in faces if face["person"] == row["person"]]
        assert len(mine) == int(row["frames"])
        assert sum(face["seen"] == "observed" for face in mine) == int(row["observations"])
    filled = [face for face in faces if face["seen"] == "interpolated"]
    assert filled and all(
        face["score"] == "" and face["unmasked_prob"] == "" and face["steady_prob"] for face in filled
    )
    told = json.loads(Path("walk.crowdmask.json").read_text())["people"]
    assert (told["appearances"], told["at_least"], told["masked"], told["unmasked"]) == (3, 3, 1, 2)
    assert told["flashes"] == 1
    assert "people" in ran.out and "3 of them at once" in ran.out


def test_every_frame_is_in_the_annotated_video(crowdmask: Crowdmask) -> None:
    assert crowdmask("analyze", "walk.mp4").code == 0
    with av.open("walk.crowdmask.mp4") as made:
        assert sum(1 for _ in made.decode(video=0)) == LENGTH


@pytest.mark.parametrize("how", [("--window", 1), ("--window", 9, "--batch", 2), ("--threads", 1)])
def test_no_way_of_working_changes_a_byte(how: tuple[object, ...], crowdmask: Crowdmask) -> None:
    names = ("walk.crowdmask.csv", "walk.crowdmask.persons.csv", "faces.csv")
    assert crowdmask("analyze", "walk.mp4", "--no-video", "--detections", "faces.csv").code == 0
    once = [Path(name).read_bytes() for name in names]
    assert crowdmask("analyze", "walk.mp4", "--no-video", "--detections", "faces.csv", "--overwrite", *how).code == 0
    assert [Path(name).read_bytes() for name in names] == once


def test_without_following_there_are_no_people(crowdmask: Crowdmask) -> None:
    ran = crowdmask("analyze", "walk.mp4", "--no-follow", "--no-video")
    assert ran.code == 0
    assert not Path("walk.crowdmask.persons.csv").exists()
    assert json.loads(Path("walk.crowdmask.json").read_text())["people"] is None
    frames = rows("walk.crowdmask.csv")
    assert [int(row["faces"]) for row in frames] == [sum(w.is_seen(i) for w in SCENE) for i in range(LENGTH)]


def test_a_still_has_no_people(crowdmask: Crowdmask) -> None:
    import cv2

    cv2.imwrite("still.png", picture(SCENE, 0))
    assert crowdmask("analyze", "still.png").code == 0
    assert not list(Path().glob("*persons*"))


def test_people_are_parquet_too_where_the_detections_are(crowdmask: Crowdmask) -> None:
    Path("in").mkdir()
    Path("walk.mp4").rename("in/walk.mp4")
    assert crowdmask("analyze", "in/walk.mp4", "--detections", "f.parquet", "--no-video").code == 0
    assert json.loads(Path("in/walk.crowdmask.json").read_text())["outputs"]["persons_parquet"].endswith(".parquet")
    ran = crowdmask("analyze", "in/walk.mp4", "--detections", "f.parquet", "--no-video")
    assert ran.code != 0 and "--overwrite" in ran.err
    assert crowdmask("analyze", "in", "--out-dir", "run", "--detections", "d.parquet", "--no-video").code == 0
    for table in ("in/walk.crowdmask.persons", "run/persons"):
        given = rows(f"{table}.csv")
        with duckdb.connect() as connection:
            described = connection.execute(f"DESCRIBE SELECT * FROM '{table}.parquet'").fetchall()
            kind_of = {row[0]: row[1] for row in described}
            chosen = ("person", "first_s", "verdict", "zones", "source")
            found = connection.execute(f"SELECT {', '.join(chosen)} FROM '{table}.parquet'").fetchall()
            told = connection.execute(f"SELECT decode(value) FROM parquet_kv_metadata('{table}.parquet')").fetchall()
        typed = [dict(zip(chosen, row, strict=True)) for row in found]
        assert list(kind_of) == list(given[0]) and len(typed) == len(given) == PEOPLE
        assert (kind_of["person"], kind_of["first_s"], kind_of["source"]) == ("BIGINT", "DOUBLE", "VARCHAR")
        for row, text in zip(typed, given, strict=True):
            assert (str(row["person"]), f"{row['first_s']:.3f}", row["verdict"]) == (
                *(text["person"], text["first_s"], text["verdict"]),
            )
            assert row["zones"] is None and row["source"] == text["source"]
        assert ("persons",) in told
    assert not list(Path().rglob("*.part"))
    assert not Path("in/walk.crowdmask.persons.parquet.part").exists()


def in_parquet(path: str) -> list[tuple[str, str, str]]:
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT source, person, first_s, verdict FROM '{path}'").fetchall()
    return [(f"{source} {person}", f"{first:.3f}", verdict) for source, person, first, verdict in found]


def in_csv(path: str) -> list[tuple[str, str, str]]:
    return [(f"{row['source']} {row['person']}", row["first_s"], row["verdict"]) for row in rows(path)]


def test_people_of_a_video_in_segments_are_parquet_too(crowdmask: Crowdmask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also without an annotated video, where nothing is to be drawn once the counts are made."""
    cut: list[object] = []
    monkeypatch.setattr(long_videos, "write_persons_parquet", lambda path: cut.append(write_persons_parquet(path)))
    write_clip("walk.mp4", size_wh=(256, 160), frames=[picture(SCENE, i) for i in range(LENGTH)], gop=12)
    options = ("--no-video", "--detections", "f.parquet")
    assert crowdmask("analyze", "walk.mp4", *options, "--segment", 1).code == 0
    assert len(cut) == 1, "it went in segments"
    people = in_csv("walk.crowdmask.persons.csv")
    assert in_parquet("walk.crowdmask.persons.parquet") == people and len(people) == PEOPLE
    assert crowdmask("analyze", "walk.mp4", *options, "--segment", 60, "--overwrite").code == 0
    assert in_parquet("walk.crowdmask.persons.parquet") == in_csv("walk.crowdmask.persons.csv") == people


def test_people_of_merged_runs_are_parquet_too(crowdmask: Crowdmask) -> None:
    Path("in").mkdir()
    for name in ("hall", "door"):
        Path(f"in/{name}.mp4").write_bytes(Path("walk.mp4").read_bytes())
    options = ("--no-video", "--detections", "d.parquet")
    assert crowdmask("analyze", "in", "--out-dir", "whole", *options).code == 0
    for n in (1, 2):
        assert crowdmask("analyze", "in", "--out-dir", f"part{n}", *options, "--shard", f"{n}/2").code == 0
    ran = crowdmask("merge", "part1", "part2", "--out", "joined")
    assert ran.code == 0, ran.err
    people = in_csv("joined/persons.csv")
    assert in_parquet("joined/persons.parquet") == people == in_csv("whole/persons.csv") and len(people) == 2 * PEOPLE
    assert in_parquet("whole/persons.parquet") == people
