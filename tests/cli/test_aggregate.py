"""`crowdmask analyze --aggregate` leaves counts by period and nothing else, also of single files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Crowdmask
from tests.schemas import assert_fits
from tests.unit.jobs.batch.cctv import clip, night

OPTIONS = ("--timezone", "Europe/Paris", "--keep-free", 0)


def test_a_folder(crowdmask: Crowdmask, here: Path) -> None:
    night(here / "in", stills=6, frames=0)
    ran = crowdmask("analyze", "in", "--out-dir", "run", "--aggregate", "20m", "--min-count", 3, *OPTIONS)
    assert ran.code == 0, ran.err
    assert "unmasked" not in ran.out and "aggregate.csv" in ran.out
    files = {path.relative_to(here / "run").as_posix() for path in (here / "run").rglob("*") if path.is_file()}
    assert files == {
        "aggregate.csv",
        "lock.json",
        "log/batch.log",
        "log/written.txt",
        "manifest.sqlite",
        "summary.json",
    }
    status = crowdmask("status", "run")
    assert "faces are counted by period only" in status.out and "finished" in status.out


def test_its_statistics(crowdmask: Crowdmask, here: Path) -> None:
    night(here / "in", stills=12, frames=0)
    ran = crowdmask("analyze", "in", "--out-dir", "run", "--aggregate", "20m", "--min-count", 1, *OPTIONS)
    assert ran.code == 0, ran.err
    with (here / "run/aggregate.csv").open(newline="") as file:
        kept = list(csv.DictReader(file))
    ran = crowdmask("stats", "run", "--format", "csv", "--no-empty")
    assert ran.code == 0 and list(csv.DictReader(ran.out.splitlines())) == kept
    assert ran.err == "crowdmask: 12 frames of aggregate-only runs\n"
    ran = crowdmask("stats", "run", "--every", "1d", "--by", "none", "--format", "json")
    (day,) = json.loads(ran.out)["rows"]
    assert_fits("stats", json.loads(ran.out))
    assert (day["frames"], day["masked"]) == (12, sum(int(row["masked"]) for row in kept)) and day["masked"] > 0
    assert day["weighted_by"] == "frames" and day["compliance"] == pytest.approx(day["frame_compliance"])
    ran = crowdmask("stats", "run", "--every", "1d", "--out", "day.xlsx")
    assert ran.code == 0 and Path("day.xlsx").stat().st_size > 0
    for options, what in (
        (("--every", "10m"), "of which nothing finer was kept: give 20m or a multiple of it"),
        (("--by", "source"), "keeps nothing of single files"),
        (("--gap", 300), "no times within its periods"),
    ):
        ran = crowdmask("stats", "run", *options)
        assert ran.code == 2 and len(ran.lines) == 1 and what in ran.err, ran.err


def test_its_statistics_say_what_was_too_small(crowdmask: Crowdmask, here: Path) -> None:
    night(here / "in", stills=12, frames=0)
    assert crowdmask("analyze", "in", "--out-dir", "run", "--aggregate", "20m", "--min-count", 90, *OPTIONS).code == 0
    ran = crowdmask("stats", "run", "--every", "1d", "--format", "table")
    assert "3 of 3 rows lack a count, which was too small to be told" in ran.err
    assert [line.split()[-3:] for line in ran.out.splitlines()[1:]] == [["–", "–", "–"]] * 3  # two cameras and all


def test_a_single_file(crowdmask: Crowdmask, here: Path) -> None:
    clip(here / "in" / "20261120_221501.mp4", frames=10)
    ran = crowdmask("analyze", "in/20261120_221501.mp4", "--out-dir", "run", "--aggregate", "1h", *OPTIONS)
    assert ran.code == 0, ran.err
    (row,) = csv.DictReader((here / "run/aggregate.csv").open())
    assert row["bucket_start"] == "2026-11-20T22:00:00+01:00" and row["frames"] == "10"
    assert sorted(path.name for path in (here / "in").iterdir()) == ["20261120_221501.mp4"]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--detections", "f.csv"), "--detections keeps every face's box"),
        (("--annotate", "unmasked"), "--annotate unmasked keeps pictures"),
        (("--video",), "--video keeps pictures"),
        (("--out", "v.mp4"), "--out names one result"),
        (("--min-count", "0"), "it must be 1 to 1000000"),
    ],
)
def test_what_would_keep_more_is_refused(crowdmask: Crowdmask, here: Path, options: tuple[str, ...], what: str) -> None:
    night(here / "in", stills=1, frames=0)
    out = () if "--out" in options else ("--out-dir", "run")
    ran = crowdmask("analyze", "in", *out, "--aggregate", "20m", *options, *OPTIONS)
    assert ran.code == 2 and len(ran.lines) == 1 and what in ran.err
    assert not (here / "run").exists()


def test_a_stream_and_a_missing_folder_are_refused(crowdmask: Crowdmask, here: Path) -> None:
    ran = crowdmask("analyze", "rtsp://camera/live", "--out-dir", "run", "--aggregate", "20m")
    assert ran.code == 2 and "a camera or a stream has no end" in ran.err
    night(here / "in", stills=1, frames=0)
    assert "a batch needs a folder for its results" in crowdmask("analyze", "in", "--aggregate", "20m").err
