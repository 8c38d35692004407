"""`crowdmask rejudge`: tables made anew are those of an analysis with the same settings, and no network runs."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from crowdmask.jobs.networks import Pair
from crowdmask.settings import AnalysisSettings, RuntimeSettings
from tests.cli.conftest import Crowdmask, fake_networks
from tests.factories import make_image, write_clip
from tests.people import LENGTH, SCENE, picture
from tests.schemas import assert_fits


class Wavering:
    """A classifier that is less and less sure, of all four outcomes, the more faces it has seen."""

    def __init__(self, classifier: Any) -> None:
        self._classifier, self._seen = classifier, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._classifier, name)

    def probabilities(self, crops: Sequence[Any]) -> np.ndarray:
        found = self._classifier.probabilities(crops).astype(np.float32).copy()
        for row in found:
            self._seen += 1
            unsure = 0.15 + 0.3 * (self._seen % 7) / 7
            row[:] = (1 - unsure) * row + unsure * np.array([0.3, 0.4, 0.2, 0.1], np.float32)
        return found


def wavering(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    pair = fake_networks(analysis, runtime)
    return type(pair)(pair.detector, Wavering(pair.classifier), pair.weights)


def no_networks(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    raise AssertionError("a network was asked for")


@pytest.fixture(autouse=True)
def material(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROWDMASK_FOLLOW")
    Path("in/cam").mkdir(parents=True)
    write_clip("walk.mp4", size_wh=(256, 160), frames=[picture(SCENE, i) for i in range(LENGTH)])
    shutil.copy("walk.mp4", "in/cam/20261120_200000.mp4")
    for minute in range(5):
        cv2.imwrite(f"in/cam/20261120_21{minute:02}00.png", make_image(minute, (256, 160)))


def rows(path: str | Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kept", ["faces.csv", "faces.parquet"])
def test_unchanged_settings_give_the_tables_of_the_analysis(crowdmask: Crowdmask, kept: str) -> None:
    assert crowdmask("analyze", "in", "--out-dir", "run", "--detections", kept, networks=wavering).code == 0
    ran = crowdmask("rejudge", "run", networks=no_networks)
    assert (ran.code, ran.out) == (0, "") and "0 faces judged otherwise" in ran.err
    assert Path("run-rejudged/frames.csv").read_bytes() == Path("run/frames.csv").read_bytes()
    again, before = rows("run-rejudged/persons.csv"), rows("run/persons.csv")
    exact = kept.endswith(".parquet")
    for one, other in zip(again, before, strict=True):
        loose = () if exact else ("unmasked_prob", "incorrect_prob")  # of CSV, in which probabilities have four digits
        assert {k: v for k, v in one.items() if k not in loose} == {k: v for k, v in other.items() if k not in loose}
    told, first = (json.loads(Path(run, "summary.json").read_text()) for run in ("run-rejudged", "run"))
    for key in ("counts", "people", "peak", "worst_moments", "compliance"):
        assert told[key] == first[key], key
    assert told["rejudged_from"] == str(Path("run").absolute())
    if not exact:
        faces = [rows(f"{run}/detections.csv") for run in ("run-rejudged", "run")]
        for face, first_face in zip(*faces, strict=True):
            assert face | {"steady_prob": ""} == first_face | {"steady_prob": ""}


def test_of_stills_another_threshold_gives_what_an_analysis_with_it_gives(crowdmask: Crowdmask) -> None:
    stricter = ("--mask-threshold", 0.9, "--unsure-band", 0.05, "--incorrect", "separate")
    for run, how in (("run", ()), ("fresh", stricter)):
        where = ("--out-dir", run, "--detections", "faces.parquet", "--include", "*.png")
        assert crowdmask("analyze", "in", *where, *how, networks=wavering).code == 0
    ran = crowdmask("rejudge", "run", "--out-dir", "new", *stricter, networks=no_networks)
    assert ran.code == 0 and "judged otherwise" in ran.err
    assert rows("new/frames.csv") == rows("fresh/frames.csv") != rows("run/frames.csv")
    assert (
        json.loads(Path("new/summary.json").read_text())["counts"]
        == (json.loads(Path("fresh/summary.json").read_text())["counts"])
    )


def test_a_single_video_is_judged_anew_and_reported_on(crowdmask: Crowdmask) -> None:
    assert crowdmask("analyze", "walk.mp4", "--detections", "faces.parquet", "--no-video", networks=wavering).code == 0
    assert crowdmask("rejudge", "walk.crowdmask.json", networks=no_networks).code == 0
    assert rows("walk-rejudged/walk.crowdmask.csv") == rows("walk.crowdmask.csv")
    ran = crowdmask("rejudge", "walk.crowdmask.json", "--mask-threshold", 0.97, "--out-dir", "w", networks=no_networks)
    assert ran.code == 0
    people = rows("w/walk.crowdmask.persons.csv")
    assert {row["verdict"] for row in people} <= {"masked", "unknown"}
    assert {row["verdict"] for row in rows("walk.crowdmask.persons.csv")} == {"masked", "unmasked"}
    found = json.loads(Path("w/walk.crowdmask.json").read_text())
    assert found["settings"]["analysis"]["mask_threshold"] == 0.97 and found["people"]["unmasked"] == 0
    assert_fits("summary", found)
    faces = sum(int(row["faces"]) for row in rows("w/walk.crowdmask.csv"))
    assert faces == found["counts"]["faces"] == sum(int(row["faces"]) for row in rows("walk.crowdmask.csv"))
    ran = crowdmask("stats", "w/walk.crowdmask.csv", "--format", "json", "-q")
    assert json.loads(ran.out)["rows"][0]["people"] == len(people)
    assert crowdmask("report", "w/walk.crowdmask.csv", "--no-pictures").code == 0


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (("rejudge", "walk.crowdmask.json", "--judge-confidence", "0.1"), "faces between were not judged"),
        (("rejudge", "walk.crowdmask.json", "--smallest-face", "1"), "faces between were not judged"),
        (("rejudge", "walk.crowdmask.json", "--out-dir", "."), "the tables of the analysis are there"),
        (("rejudge", "walk.crowdmask.json", "--out-dir", "in"), "there is something in it"),
        (("rejudge", "walk.crowdmask.csv"), "it is no summary"),
        (("rejudge", "in"), "there is no frames.csv in it"),
        (("rejudge", "walk.crowdmask.json", "--detections", "gone.csv"), "without which nothing can be judged anew"),
    ],
)
def test_what_cannot_be_done_is_one_line(crowdmask: Crowdmask, how: tuple[str, ...], words: str) -> None:
    assert crowdmask("analyze", "walk.mp4", "--detections", "faces.csv", "--no-video").code == 0
    ran = crowdmask(*how, networks=no_networks)
    assert ran.code in (1, 2) and words in ran.err and len(ran.lines) == 1


def test_detections_of_another_analysis_are_refused(crowdmask: Crowdmask) -> None:
    assert crowdmask("analyze", "walk.mp4", "--detections", "faces.csv", "--no-video").code == 0
    lines = Path("faces.csv").read_text().splitlines(keepends=True)
    Path("faces.csv").write_text("".join(lines[:-1]))
    ran = crowdmask("rejudge", "walk.crowdmask.json", networks=no_networks)
    assert ran.code == 1 and "give the detections of this analysis" in ran.err
