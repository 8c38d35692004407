"""`--zones` in analyze and in a batch: columns in every table, summary and drawing, worked out by hand."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from crowdmask.results.persons import crossings_of, visits_of
from crowdmask.tracking.zones import Crossing, Visit
from tests.cli.conftest import Crowdmask
from tests.factories import write_clip
from tests.people import LENGTH, SCENE, picture
from tests.schemas import assert_fits

# a face stands at its lower edge; the walker of SCENE is at x = 19 + 2 t of 256, the one who stands at 114, and the
# third comes from the right as far as 160
ZONES = """
feet_below = 0
[[camera]]
pattern = "hall*"
[[camera.zone]]
name = "left part"
polygon = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
[[camera.zone]]
name = "roof"
polygon = [[0, 0], [1, 0], [1, 0.1], [0, 0.1]]
[[camera.line]]
name = "door"
from = [0.4, 1]
to = [0.4, 0]
[[camera]]
pattern = "ward"
[[camera.zone]]
name = "beds"
polygon = [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]
"""
WORDS = ("masked", "unmasked", "incorrect", "unknown")


@pytest.fixture(autouse=True)
def halls(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROWDMASK_FOLLOW")
    Path("zones.toml").write_text(ZONES)
    for folder in ("in/hall-1", "in/ward", "in/lift"):
        Path(folder).mkdir(parents=True)
    pictures = [picture(SCENE, i) for i in range(LENGTH)]
    write_clip("in/hall-1/walk.mp4", size_wh=(256, 160), frames=pictures, gop=12)
    write_clip("in/ward/walk.mp4", size_wh=(256, 160), frames=pictures[:40], gop=12)
    cv2.imwrite("in/ward/still.png", pictures[25])
    cv2.imwrite("in/lift/still.png", pictures[25])


def rows(path: str) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_every_table_of_one_video_says_the_same(crowdmask: Crowdmask) -> None:
    ran = crowdmask("analyze", "in/hall-1/walk.mp4", "--zones", "zones.toml", "--detections", "faces.csv", "--no-video")
    assert ran.code == 0 and ran.err.count("\n") == 1 and "no camera matches 'ward'" in ran.err
    frames, faces = rows("in/hall-1/walk.crowdmask.csv"), rows("faces.csv")
    people = rows("in/hall-1/walk.crowdmask.persons.csv")
    walker, standing = (next(p for p in people if p["verdict"] == v and p["first_frame"] == "0") for v in WORDS[:2])
    visits, (crossed,) = visits_of(walker["zones"]), crossings_of(walker["lines"])
    assert [v.zone for v in visits] == ["left part"] and visits[0].first_s == 0.0
    assert visits[0].last_s == pytest.approx(54 / 25, abs=0.1)  # 19 + 2 t < 128
    assert (crossed.line, crossed.way) == ("door", "in")
    assert crossed.seconds == pytest.approx((102.4 - 19 + 0.35 * 28) / 50, abs=0.1)  # a third of a face past the line
    assert visits_of(standing["zones"]) == [Visit("left part", 0.0, 79 / 25)] and standing["lines"] == ""
    (other,) = (p for p in people if p not in (walker, standing))
    assert other["zones"] == other["lines"] == ""
    for row in frames:
        mine = [face for face in faces if face["frame"] == row["frame"] and face["zones"] == "left part"]
        assert int(row["zone_left part_faces"]) == len(mine) == sum(int(row[f"zone_left part_{w}"]) for w in WORDS)
        assert all(int(row[f"zone_left part_{w}"]) == sum(f["verdict"] == w for f in mine) for w in WORDS)
        assert row["zone_roof_faces"] == "0" and row["zone_beds_faces"] == ""  # nobody; and no such zone here
    assert [row["frame"] for row in frames if row["line_door_in"] == "1"] == [str(round(crossed.seconds * 25))]
    assert all(row["line_door_out"] == "0" for row in frames)
    told = json.loads(Path("in/hall-1/walk.crowdmask.json").read_text())
    left, roof = told["zones"]
    assert (left["name"], left["people"], left["masked"], left["unmasked"], left["visits"]) == ("left part", 2, 1, 1, 2)
    dwell = visits[0].last_s + 79 / 25
    assert left["dwell_s"] == {"total": pytest.approx(dwell), "mean": pytest.approx(dwell / 2), "longest": 3.16}
    assert left["compliance"]["rate"] == 0.5 and left["faces"]["faces"] == sum(f["zones"] != "" for f in faces)
    assert (roof["people"], roof["dwell_s"]["mean"]) == (0, None)
    (door,) = told["lines"]
    assert (door["in"]["people"], door["in"]["masked"], door["out"]["people"]) == (1, 1, 0)


def test_a_batch_has_all_zones_and_no_cut_changes_them(crowdmask: Crowdmask) -> None:
    told: list[Any] = []
    for run, segment_s in (("whole", 60), ("cut", 1)):
        ran = crowdmask(
            "analyze",
            "in",
            "--out-dir",
            run,
            "--zones",
            "zones.toml",
            "--detections",
            "d.csv",
            "--segment",
            segment_s,
        )
        assert ran.code == 0, ran.err
        told.append(json.loads(Path(run, "summary.json").read_text()))
        assert any(note.endswith("has no zones for the cameras lift") for note in told[-1]["notes"])
    assert Path("whole/frames.csv").read_bytes() == Path("cut/frames.csv").read_bytes()
    places = (
        "source",
        "person",
        "first_s",
        "last_s",
        "verdict",
        "zones",
        "lines",
    )  # how often it was judged may differ
    whole, cut = ([[row[name] for name in places] for row in rows(f"{run}/persons.csv")] for run in ("whole", "cut"))
    assert whole == cut
    assert told[0]["zones"] == told[1]["zones"] and told[0]["lines"] == told[1]["lines"]
    assert {zone["name"]: zone["people"] for zone in told[0]["zones"]} == {"left part": 2, "roof": 0, "beds": 1}
    assert told[0]["people"] == told[1]["people"] and told[0]["people"]["appearances"] == 6
    by_source = {row["source"]: row for row in rows("whole/frames.csv")}
    still, elsewhere = by_source["ward/still.png"], by_source["lift/still.png"]
    assert still["zone_beds_faces"] == "1" and still["zone_left part_faces"] == "" and still["line_door_in"] == ""
    assert elsewhere["zone_beds_faces"] == ""
    people = rows("whole/persons.csv")
    assert {row["camera"] for row in people} == {"hall-1", "ward"}
    assert [crossings_of(row["lines"]) for row in people if row["lines"]] == [[Crossing("door", "in", 1.88)]]
    counted = crowdmask("stats", "whole", "--by", "none", "--every", "1mo", "--format", "json", "--no-empty", "-q")
    sums = json.loads(counted.out)["rows"]
    for zone in told[0]["zones"]:
        assert sum(row[f"zone_{zone['name']}_people"] or 0 for row in sums) == zone["people"]
        assert sum(row[f"zone_{zone['name']}_faces"] or 0 for row in sums) == zone["faces"]["faces"]
    assert [sum(row[f"line_door_{way}"] or 0 for row in sums) for way in ("in", "out")] == [1, 0]
    assert_fits("stats", json.loads(counted.out))


def test_counts_by_period_have_the_same_people_and_zones_and_keep_nothing_else(crowdmask: Crowdmask) -> None:
    options = ("--zones", "zones.toml", "--timezone", "UTC", "--no-video")
    assert crowdmask("analyze", "in", "--out-dir", "plain", *options).code == 0
    ran = crowdmask("analyze", "in", "--out-dir", "run", *options, "--aggregate", "1mo", "--min-count", 1)
    assert ran.code == 0, ran.err
    files = {path.relative_to("run").as_posix() for path in Path("run").rglob("*") if path.is_file()}
    kept = {"aggregate.csv", "lock.json", "log/batch.log", "log/written.txt", "manifest.sqlite", "summary.json"}
    assert files == kept
    told = json.loads(Path("run/summary.json").read_text())
    assert not {"people", "zones", "lines", "counts"} & told.keys()
    counted = crowdmask("stats", "plain", "--every", "1mo", "--format", "json", "--no-empty", "-q")
    plain = json.loads(counted.out)["rows"]
    found = {row["camera"]: row for row in rows("run/aggregate.csv")}
    assert {row["camera"] for row in plain} == set(found) == {"hall-1", "ward", "lift"}
    never = ("_visits", "_dwell_s", "_longest_s", "_incorrect")
    for row in plain:
        same = [name for name in row if name.startswith(("people", "zone_", "line_")) and not name.endswith(never)]
        assert len(same) > 40
        for name in same:
            wanted = "" if row[name] is None else str(row[name])
            assert found[row["camera"]][name] == wanted, (row["camera"], name)
    assert found["hall-1"]["weighted_by"] == "people" and found["hall-1"]["zone_left part_people"] == "2"
    cut = crowdmask(
        "analyze", "in", "--out-dir", "cut", *options, "--aggregate", "1mo", "--min-count", 1, "--segment", 1
    )
    assert cut.code == 0 and Path("cut/aggregate.csv").read_bytes() == Path("run/aggregate.csv").read_bytes()
    strict = crowdmask("analyze", "in", "--out-dir", "strict", *options, "--aggregate", "1mo", "--min-count", 5)
    assert strict.code == 0
    for row in rows("strict/aggregate.csv"):
        assert not {row[f"people_{word}"] for word in WORDS} - {"", "0"}
        assert not {row[f"line_door_{way}_masked"] for way in ("in", "out")} - {"", "0"}
    with sqlite3.connect("strict/manifest.sqlite") as database:
        small = database.execute("SELECT * FROM period_sums WHERE 1 IN (masked, unmasked, unknown)").fetchall()
    assert small == []


def test_another_file_of_zones_makes_other_results_and_the_same_one_elsewhere_does_not(crowdmask: Crowdmask) -> None:
    def run(zones: str) -> str:
        ran = crowdmask("analyze", "in/ward", "--out-dir", "run", "--zones", zones, "--no-video")
        assert ran.code == 0, ran.err
        return ran.err

    run("zones.toml")
    Path("zones.toml").rename("moved.toml")
    assert "analysed anew" not in run("moved.toml")
    Path("moved.toml").write_text(ZONES.replace("[0.5, 0], [1, 0]", "[0.6, 0], [1, 0]"))
    assert "analysed with other settings" in run("moved.toml")


@pytest.mark.parametrize("how", ["--video", "--video-overlay"])
def test_the_outlines_are_in_the_video(how: str, crowdmask: Crowdmask) -> None:
    def copy(*more: str) -> bytes:
        ran = crowdmask("analyze", "in/hall-1/walk.mp4", how, "--no-panel", "--overwrite", *more)
        assert ran.code == 0, ran.err
        return Path(f"in/hall-1/walk.crowdmask.{'mp4' if how == '--video' else 'mkv'}").read_bytes()

    without, drawn = copy(), copy("--zones", "zones.toml")
    if how == "--video-overlay":
        with av.open("in/hall-1/walk.crowdmask.mkv") as made:
            texts = b"".join(bytes(p) for p in made.demux(made.streams.subtitles[0]) if p.size)
        assert b"m 0 0 l 128 0 128 159 0 159" in texts
        return
    pictures = []
    for data in (without, drawn):
        Path("copy.mp4").write_bytes(data)
        with av.open("copy.mp4") as made:
            pictures.append(next(made.decode(video=0)).to_ndarray(format="bgr24").astype(int))
    apart = np.abs(pictures[0] - pictures[1]).max(axis=2)
    assert np.median(apart[:, 127:129].max(axis=1)) > 20  # the right edge of the zone
    assert np.median(apart[:, 200:]) < 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[zone]]\nname = 'a'\npolygon = [[0, 0], [1, 1], [1, 0], [0, 1]]", "crosses itself"),
        ("[[camera]]\npattern = 'x'\n[[camera.line]]\nname = 'a'\nfrom = [0, 0]\nto = [1, 1]", "no camera matches 'x'"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_before_anything_is_done(text: str, says: str, crowdmask: Crowdmask) -> None:
    Path("zones.toml").write_text(text)
    ran = crowdmask("analyze", "in/hall-1/walk.mp4", "--zones", "zones.toml")
    assert ran.code != 0 and says in ran.err and ran.err.count("\n") == 1
    assert not list(Path("in/hall-1").glob("*.crowdmask*"))
