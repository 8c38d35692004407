"""What is analysed for the goldens, how, and how it is read back: the command itself, with the real networks."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest

from crowdmask.cli.main import main
from crowdmask.jobs.networks import Networks, Pair
from crowdmask.settings import AnalysisSettings, RuntimeSettings

SAMPLES = Path(__file__).parents[2] / "samples"
EXPECTED = Path(__file__).parent / "expected"
CLIP, STILLS = "crowd.mp4", ("hall.jpg", "small.png", "turned.jpg", "grey.jpg")
PART = (
    "--every",
    25,
    "--duration",
    5,
    "--no-follow",
)  # of the clip's 250 frames five are looked at: whoever runs this has two cores
WALK, WALK_S, ZONES = "crossing.mp4", 4, Path(__file__).parent / "zones.toml"  # followed with the default settings
FACES, FRAMES, PEOPLE = "detections.csv", "frames.csv", "persons.csv"
COUNTS = ("frame", "time_s", "faces", "masked", "unmasked", "unknown")
EDGES, SCORES, WORDS = ("x1", "y1", "x2", "y2"), ("score", "unmasked_prob"), ("source", "frame", "verdict")

Row = dict[str, str]


@dataclass(frozen=True)
class Written:
    """The rows of every face and of every frame, sources by their bare names; other columns are left out."""

    faces: list[Row]
    frames: list[Row]


def shared_networks(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    """As the command loads them; compiled networks are kept by `load` for the cases that can share them."""
    from crowdmask.engine.load import load_classifier, load_detector

    return Pair(load_detector(analysis, runtime), load_classifier(analysis, runtime))


def crowdmask(*args: object, networks: Networks = shared_networks) -> None:
    with pytest.raises(SystemExit) as left:
        main([*map(str, args)], networks=networks)
    assert left.value.code == 0, args


def analyse(folder: Path, *options: object) -> Written:
    """The clip and the stills, one by one."""
    names = (CLIP, *STILLS)
    inputs = [SAMPLES / name for name in names]
    where = ("--out-dir", folder, "--detections", folder / FACES, "--no-video", "--quiet")
    crowdmask("analyze", *inputs, *PART, *where, *options)
    frames = [
        {"source": name, **row} for name in names for row in rows(folder / f"{Path(name).stem}.crowdmask.csv", COUNTS)
    ]
    return Written(rows(folder / FACES, (*WORDS, *EDGES, *SCORES)), frames)


def analyse_as_batch(folder: Path, *options: object, networks: Networks = shared_networks) -> Written:
    """The stills alone, as one run."""
    inputs = [SAMPLES / name for name in STILLS]
    where = ("--run", "--out-dir", folder, "--detections", folder / FACES, "--no-video", "--quiet")
    crowdmask("analyze", *inputs, *where, *options, networks=networks)
    return Written(rows(folder / FACES, (*WORDS, *EDGES, *SCORES)), rows(folder / FRAMES, ("source", *COUNTS)))


def follow(folder: Path, *options: object) -> list[Row]:
    """The people of a clip, followed with the default settings, and where they were."""
    where = ("--out-dir", folder, "--no-video", "--quiet", "--zones", ZONES, "--duration", WALK_S)
    crowdmask("analyze", SAMPLES / WALK, *where, *options)
    return rows(folder / f"{Path(WALK).stem}.crowdmask.persons.csv")


def expected() -> Written:
    return Written(rows(EXPECTED / FACES), rows(EXPECTED / FRAMES))


def rows(path: Path, columns: tuple[str, ...] | None = None) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        found = [{name: row[name] for name in columns or row} for row in csv.DictReader(file)]
    return [{**row, "source": Path(row["source"]).name} if "source" in row else row for row in found]
