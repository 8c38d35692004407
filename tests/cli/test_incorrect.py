"""Masks wrongly worn: a verdict of their own everywhere, unmasked in the rate, or apart from it with `separate`."""

from __future__ import annotations

import csv
import json
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
from tests.people import LENGTH, SCENE, Walker, picture

# one masked, and of the bare ones every second is worn wrongly: by where it is in the picture
ROOM = (
    Walker(0, 80, (20, 20)),
    Walker(0, 80, (100, 20), masked=False),
    Walker(0, 80, (180, 20), masked=False),
    Walker(0, 80, (20, 100), masked=False),
)


class Wrongly(FakeClassifier):
    """Whatever is half as bare as can be is worn wrongly: the last of each call's crops."""

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = super().probabilities(crops)
        grey = crops[:, 1, 1].astype(int).sum(axis=1)  # of the background beside the face, which is a ramp
        worn = (found[:, Outcome.UNMASKED] > 0.5) & (grey > np.median(grey) if len(grey) > 1 else grey > 400)
        found[worn, Outcome.INCORRECT], found[worn, Outcome.UNMASKED] = found[worn, Outcome.UNMASKED], 0.0
        return found


def networks(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    return Pair(FakeDetector(), Wrongly())


def rows(path: str) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


IN_STATISTICS = {
    "rate": "compliance",
    "low": "compliance_low",
    "high": "compliance_high",
    "weighted_by": "weighted_by",
}
OUTCOMES = ("masked", "unmasked", "incorrect")


def rates(masked: float, unmasked: float, incorrect: float) -> dict[str, float]:
    return {"unmasked": masked / (masked + unmasked + incorrect), "separate": masked / (masked + unmasked)}


@pytest.mark.parametrize("how", ["unmasked", "separate"])
def test_a_still(how: str, crowdmask: Crowdmask) -> None:
    cv2.imwrite("room.png", picture(ROOM, 0))
    ran = crowdmask("analyze", "room.png", "--incorrect", how, networks=networks)
    (row,) = rows("room.crowdmask.csv")
    counts = [int(row[word]) for word in ("masked", "unmasked", "incorrect")]
    assert counts[2] > 0 and sum(counts) == int(row["faces"]) == 4
    rate = rates(*counts)[how]
    assert rates(*counts)["unmasked"] != rates(*counts)["separate"]
    assert row["compliance"] == f"{rate:.4f}" and f"{100 * rate:.1f} %" in ran.out
    told = json.loads(Path("room.crowdmask.json").read_text())
    judged = sum(counts) if how == "unmasked" else sum(counts[:2])
    assert told["counts"]["incorrect"] == counts[2] and told["counts"]["judged"] == judged
    assert told["compliance"]["rate"] == pytest.approx(rate, abs=1e-6)
    against = counts[1] + counts[2] if how == "unmasked" else counts[1]
    assert told["worst_moments"][0]["unmasked"] == counts[1] and against <= judged


def test_a_batch_of_followed_videos_alone_counts_people(crowdmask: Crowdmask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROWDMASK_FOLLOW")
    Path("in").mkdir()
    write_clip("in/walk.mp4", size_wh=(256, 160), frames=[picture(ROOM, i) for i in range(40)], gop=12)
    assert crowdmask("analyze", "in", "--out-dir", "run", "--no-video", networks=networks).code == 0
    told = json.loads(Path("run/summary.json").read_text())
    assert told["compliance"] == {**told["people"]["compliance"], "weighted_by": "people"}
    assert told["compliance"]["low"] < told["compliance"]["rate"] < told["compliance"]["high"]


def test_the_digest_knows_it(crowdmask: Crowdmask) -> None:
    assert AnalysisSettings(incorrect="separate").digest != AnalysisSettings().digest
    ran = crowdmask("analyze", "room.png", "--incorrect", "masked")
    assert ran.code == 2 and "unmasked, separate" in ran.err


@pytest.mark.parametrize("how", ["unmasked", "separate"])
def test_a_batch_of_followed_people_and_stills(how: str, crowdmask: Crowdmask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROWDMASK_FOLLOW")
    Path("in").mkdir()
    cv2.imwrite("in/room.png", picture(ROOM, 0))
    write_clip("in/walk.mp4", size_wh=(256, 160), frames=[picture(ROOM, i) for i in range(40)], gop=12)
    write_clip("in/more.mp4", size_wh=(256, 160), frames=[picture(SCENE, i) for i in range(LENGTH)], gop=12)
    ran = crowdmask("analyze", "in", "--out-dir", "run", "--incorrect", how, "--no-video", networks=networks)
    assert ran.code == 0, ran.err
    told = json.loads(Path("run/summary.json").read_text())
    people, found = rows("run/persons.csv"), [told["people"][word] for word in ("masked", "unmasked", "incorrect")]
    assert found == [sum(p["verdict"] == word for p in people) for word in ("masked", "unmasked", "incorrect")]
    assert found[2] > 0 and told["people"]["compliance"]["rate"] == pytest.approx(rates(*found)[how], abs=1e-6)
    for row in rows("run/frames.csv"):
        counts = [int(row[word]) for word in ("masked", "unmasked", "incorrect")]
        assert row["compliance"] == f"{rates(*counts)[how]:.4f}", row
    counts = [told["counts"][word] for word in ("masked", "unmasked", "incorrect")]
    total = json.loads(crowdmask("stats", "run", "--every", "1d", "--by", "none", "--format", "json", "--total").out)[
        "rows"
    ][-1]
    of_stats = {key: total[name] for key, name in IN_STATISTICS.items()}
    assert told["compliance"] == of_stats and of_stats["weighted_by"] == "time"  # as of a still nobody can say people
    weighed = [0.0, 0.0, 0.0]  # the lone still stands for a minute, each frame of the videos for 0.04 s
    for row in rows("run/frames.csv"):
        stands_s = 60 if row["source"] == "room.png" else 0.04
        weighed = [sum_s + stands_s * int(row[word]) for sum_s, word in zip(weighed, OUTCOMES, strict=True)]
    assert of_stats["rate"] == pytest.approx(rates(*weighed)[how], abs=2e-3)
    assert of_stats["rate"] != pytest.approx(rates(*counts)[how], abs=2e-2)
    closing, status = (
        [line.strip() for line in said.splitlines()] for said in (ran.out, crowdmask("status", "run").out)
    )
    rate = f"{100 * of_stats['rate']:.1f} % wore a mask, by time in view (95 % interval "
    headlines = [line for line in closing if line.startswith("compliance")]
    assert len(headlines) == 2 and "judged people wore a mask (95 % interval" in headlines[0] and rate in headlines[1]
    assert [line for line in status if line.startswith("compliance")] == headlines
    again = crowdmask("analyze", "in", "--out-dir", "run", "--incorrect", how, "--no-video", networks=networks)
    assert again.code == 0 and "analysed with other settings" not in again.err
