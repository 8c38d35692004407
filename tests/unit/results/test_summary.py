from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from crowdmask import __version__
from crowdmask.errors import OutputError
from crowdmask.records import Counts, Gap, SourceKind, VideoInfo
from crowdmask.results import summary as module
from crowdmask.results.people import PeopleStats
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.summary import WeightsUsed, Work, digest_of, summarise, versions, write_summary
from crowdmask.settings import AnalysisSettings, OutputSettings, RuntimeSettings

INFO = VideoInfo("crowd.mp4", SourceKind.VIDEO, 1280, 720, Fraction(30000, 1001), Fraction(1, 30000), 300, 10.01)


def make_summary(stats: ComplianceStats, work: Work, **more: Any) -> dict[str, Any]:
    settings = {"analysis": AnalysisSettings(every=2), "runtime": RuntimeSettings(), "output": OutputSettings()}
    return summarise(INFO, stats, work, **{**settings, **more})


def test_an_empty_run_has_nulls_and_is_valid_json(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    write_summary(path, make_summary(ComplianceStats(), Work(wall_s=0.0)))
    read = json.loads(path.read_text())
    assert read["state"] == "whole"
    assert read["counts"]["frames"] == 0
    assert read["compliance"] == {"rate": None, "low": None, "high": None, "weighted_by": "frames"}
    assert read["per_frame"] == {"faces": None, "unmasked": None, "peak_unmasked": None}
    assert read["worst_moments"] == []
    assert read["not_analysed"]["gaps"] == []
    assert read["speed"]["fps"] is None


def test_the_rate_counts_people_where_they_were_followed_and_faces_of_one_picture() -> None:
    stats = ComplianceStats()
    stats.add(0, 0.0, Counts(8, 2, 1))
    one = make_summary(stats, Work(wall_s=1.0))["compliance"]
    assert (one["rate"], one["weighted_by"]) == (0.8, "frames")
    assert (one["low"], one["high"]) == pytest.approx((0.4902, 0.9433), abs=5e-5)  # Wilson's of 8 in 10, by hand
    stats.add(1, 0.04, Counts(0, 20, 0))
    found = make_summary(stats, Work(wall_s=1.0), people=PeopleStats(Counts(8, 2, 3), 11))["compliance"]
    assert found == {**one, "weighted_by": "people"}
    nobody = make_summary(stats, Work(wall_s=1.0), people=PeopleStats())["compliance"]
    assert (nobody["weighted_by"], nobody["low"]) == ("frames", None)


def test_the_numbers_by_hand(tmp_path: Path) -> None:
    stats = ComplianceStats()
    stats.add(0, 0.0, Counts(5, 0, 1))
    stats.add(1, 1 / 30, Counts(3, 2, 0))
    stats.add(2, 2 / 30, Counts())
    work = Work(
        1.5, {"detect": 1.23456}, [Gap(1, 0.05, "damaged"), Gap(None, None, "no keyframe")], True, 2 / 30, ["no sound"]
    )
    used = [WeightsUsed("detector", "d.npz", "ab" * 32, "openvino", "float32", "cd" * 32)]
    path = tmp_path / "s.json"
    write_summary(path, make_summary(stats, work, weights=used, outputs={"frames_csv": "crowd.crowdmask.csv"}))
    read = json.loads(path.read_text())
    assert read["state"] == "interrupted"
    assert read["until_s"] == 0.066667
    assert read["source"]["path"] == "crowd.mp4"
    assert read["source"]["fps"] == 29.97003
    assert read["counts"] == {
        "frames": 3,
        "frames_with_faces": 2,
        "faces": 11,
        "masked": 8,
        "unmasked": 2,
        "incorrect": 0,
        "unknown": 1,
        "judged": 10,
    }
    # the same faces stand in several frames: sums over them have no interval
    assert read["compliance"] == {"rate": 0.8, "low": None, "high": None, "weighted_by": "frames"}
    assert read["per_frame"]["peak_unmasked"]["frame"] == 1
    assert read["per_frame"]["faces"] == 3.6667
    assert [m["frame"] for m in read["worst_moments"]] == [1]
    assert read["not_analysed"]["gaps"] == [
        {"after_frame": 1, "seconds": 0.05, "reason": "damaged"},
        {"after_frame": None, "seconds": None, "reason": "no keyframe"},
    ]
    assert read["not_analysed"]["by_request"]["every"] == 2
    assert read["settings"]["analysis"]["every"] == 2
    ran = {"runtime": "openvino", "precision": "float32", "ran": "cd" * 32}
    assert read["weights"] == [{"name": "detector", "file": "d.npz", "sha256": "ab" * 32, **ran, "origin": ""}]
    assert read["speed"]["fps"] == 2.0
    assert read["speed"]["busy_s"] == {"detect": 1.235}
    assert read["notes"] == ["no sound"]
    assert read["outputs"] == {"frames_csv": "crowd.crowdmask.csv"}


def test_the_digest_changes_with_whatever_decides_a_result() -> None:
    used = WeightsUsed("detector", "d.npz", "ab" * 32, "openvino", "float32", "cd" * 32)
    digest = digest_of(AnalysisSettings(), [used])
    assert len(digest) == 64
    assert digest == digest_of(AnalysisSettings(), [replace(used, file="elsewhere.npz")])
    others = [replace(used, runtime="tensorflow"), replace(used, precision="int8"), replace(used, ran="ef" * 32)]
    found = {digest_of(AnalysisSettings(), [other]) for other in others}
    found |= {digest_of(AnalysisSettings(every=2), [used]), digest}
    assert len(found) == 5


def test_energy_for_an_hour_and_for_a_thousand_faces() -> None:
    stats = ComplianceStats()
    stats.add(0, 0.0, Counts(30, 10, 0))
    told = {"estimated": True, "watt_hours": 0.5, "method": "a test"}
    work = Work(1.0, until_s=1800.0, energy=told)
    energy = make_summary(stats, work)["energy"]
    # half an hour took half a watt-hour, and so did 40 faces
    assert energy == {**told, "watt_hours_per_video_hour": 1.0, "watt_hours_per_1000_faces": 12.5}
    later = make_summary(stats, work, analysis=AnalysisSettings(start_s=900.0))["energy"]
    assert later["watt_hours_per_video_hour"] == 2.0  # a quarter of an hour was looked at
    nobody = make_summary(ComplianceStats(), Work(1.0, energy=told))["energy"]
    assert (nobody["watt_hours_per_video_hour"], nobody["watt_hours_per_1000_faces"]) == (None, None)
    assert make_summary(stats, Work(1.0))["energy"] is None


def test_every_field_is_documented() -> None:
    told = module.__doc__ or ""
    for name in make_summary(ComplianceStats(), Work(0.0)):
        assert f"`{name}`" in told


def test_versions_are_told_without_importing_tensorflow() -> None:
    found = versions()
    assert found["crowdmask"] == __version__
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert all(found[name] for name in ("tensorflow", "keras", "numpy", "opencv", "av"))
    code = (
        "import sys; from crowdmask.results.summary import versions; versions();"
        "print(sorted(set(sys.modules) & {'tensorflow', 'keras'}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_what_is_not_installed_is_null() -> None:
    assert module._version_of(("no-such-distribution-of-crowdmask",)) is None


def test_the_file_is_whole_or_not_there(tmp_path: Path) -> None:
    summary = make_summary(ComplianceStats(), Work(0.0))
    with pytest.raises(ValueError, match="JSON"):
        write_summary(tmp_path / "s.json", {**summary, "until_s": float("nan")})
    assert os.listdir(tmp_path) == []
    with pytest.raises(OutputError, match="no-such"):
        write_summary(tmp_path / "no-such" / "s.json", summary)


def test_a_name_that_is_no_utf8_leaves_valid_json(tmp_path: Path) -> None:
    write_summary(tmp_path / "s.json", {"path": os.fsdecode(b"caf\xe9.mp4"), "cause": "été"})
    read = json.loads((tmp_path / "s.json").read_text("utf-8"))
    assert read == {"path": "caf\udce9.mp4", "cause": "été"}
