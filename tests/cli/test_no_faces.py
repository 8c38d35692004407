"""Finds that the classifier takes for no face: in no count, and in the detections where that is asked for."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.jobs.networks import Pair
from crowdmask.settings import AnalysisSettings, RuntimeSettings
from crowdmask.verdicts import Outcome
from tests.cli.conftest import Crowdmask
from tests.factories import FakeClassifier, FakeDetector, write_clip
from tests.people import Walker, picture

# two who stand, and a lamp that is there as long as they are
HALL = (Walker(0, 80, (20, 20)), Walker(0, 80, (100, 100), masked=False), Walker(0, 80, (200, 30), masked=False))


class Lamps(FakeClassifier):
    """What stands at the right, where the background is bright, is no face."""

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = super().probabilities(crops)
        lamp = crops[:, 1, 1].astype(int).sum(axis=1) > 3 * 150
        found[lamp] = 0.0
        found[lamp, Outcome.NO_FACE] = 1.0
        return found


def networks(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    return Pair(FakeDetector(), Lamps())


def rows(path: str) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("follow", ["--follow", "--no-follow"])
def test_one_video(follow: str, crowdmask: Crowdmask) -> None:
    write_clip("hall.mp4", size_wh=(256, 160), frames=[picture(HALL, i) for i in range(30)])
    call = ("analyze", "hall.mp4", "--detections", "d.csv", "--overwrite", follow)
    assert crowdmask(*call, "--no-video", networks=networks).code == 0
    usual = rows("d.csv")
    assert Counter(row["verdict"] for row in usual).keys() <= {"masked", "unmasked", "unknown"}
    frames = Path("hall.crowdmask.csv").read_bytes()
    assert crowdmask(*call, "--keep-no-faces", networks=networks).code == 0
    kept = rows("d.csv")
    assert [row for row in kept if row["verdict"] != "no_face"] == usual
    none = [row for row in kept if row["verdict"] == "no_face"]
    assert all(abs(float(row["x1"]) - 200) < 9 and row["person"] == "" and row["unmasked_prob"] == "" for row in none)
    told = json.loads(Path("hall.crowdmask.json").read_text())
    assert told["no_faces"] == len(none) > 0 and Path("hall.crowdmask.csv").read_bytes() == frames
    assert max(int(row["faces"]) for row in rows("hall.crowdmask.csv")) == 2
    if follow == "--no-follow":
        assert len(none) == 30
    drawn = crowdmask("draw", "hall.crowdmask.json", "--out", "drawn.mp4")  # which leaves them out too
    assert drawn.code == 0, drawn.err


def test_a_batch_counts_and_keeps_them(crowdmask: Crowdmask) -> None:
    Path("in").mkdir()
    write_clip("in/hall.mp4", size_wh=(256, 160), frames=[picture(HALL, i) for i in range(10)])
    cv2.imwrite("in/hall.png", picture(HALL, 0))
    call = ("analyze", "in", "--out-dir", "run", "--detections", "d.csv", "--keep-no-faces", "--no-video")
    assert crowdmask(*call, networks=networks).code == 0
    (path,) = Path("run").glob("detections.csv")
    none = Counter(row["source"] for row in rows(str(path)) if row["verdict"] == "no_face")
    assert none == {"hall.mp4": 10, "hall.png": 1}
    assert json.loads(Path("run/summary.json").read_text())["no_faces"] == 11
    assert crowdmask(*call, networks=networks).code == 0  # and nothing is done anew
    assert json.loads(Path("run/summary.json").read_text())["no_faces"] == 11
