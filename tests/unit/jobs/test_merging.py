"""Runs of shards join into the run of one machine, byte for byte; runs that do not belong together are refused."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import pytest

from crowdmask.errors import OutputError, SettingsError
from crowdmask.jobs.manifest.claims import RunLock
from crowdmask.jobs.manifest.database import META_SETTINGS, Manifest
from crowdmask.jobs.manifest.entries import State
from crowdmask.jobs.merging import merge
from crowdmask.settings import AnalysisSettings
from tests.unit.jobs.batch.cctv import batch, night, still


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night with one broken still, analysed whole and in three shards."""
    folder = tmp_path_factory.mktemp("split")
    night(folder / "in", stills=12, frames=4)
    (folder / "in" / "cam1" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\nand nothing more")
    os.utime(folder / "in" / "cam1" / "torn.png", (1.7e9, 1.7e9))
    batch(folder / "in", folder / "whole", detections="detections.csv", retries=0)
    for n in (1, 2, 3):
        batch(folder / "in", folder / f"part{n}", detections="detections.csv", retries=0, shard=f"{n}/3")
    return folder


def copied(split: Path, tmp_path: Path) -> list[Path]:
    """The three runs, for a test that changes them."""
    for n in (1, 2, 3):
        shutil.copytree(split / f"part{n}", tmp_path / f"part{n}")
    return [tmp_path / f"part{n}" for n in (1, 2, 3)]


def parts(split: Path) -> list[Path]:
    return [split / f"part{n}" for n in (1, 2, 3)]


def test_is_byte_for_byte_the_run_of_one_machine(split: Path, tmp_path: Path) -> None:
    merged = merge(parts(split), tmp_path / "joined")
    whole, joined = split / "whole", tmp_path / "joined"
    assert not merged.notes and merged.twice == 0
    for name in ("frames.csv", "detections.csv"):
        assert (joined / name).read_bytes() == (whole / name).read_bytes(), name
    told, expected = (json.loads((run / "summary.json").read_text()) for run in (joined, whole))
    for key in ("counts", "compliance", "peak", "worst_moments", "captured_from", "inputs", "input_root", "timezone"):
        assert told[key] == expected[key], key
    assert [f["source"] for f in told["failures"]] == ["cam1/torn.png"]
    assert told["settings"]["batch"]["shard"] is None
    assert not (tmp_path / "joined.part").exists()


def test_manifest_and_files_are_those_of_one_machine(split: Path, tmp_path: Path) -> None:
    merge(reversed_parts(split), tmp_path / "joined")
    whole, joined = split / "whole", tmp_path / "joined"
    with Manifest.reading(whole / "manifest.sqlite") as one, Manifest.reading(joined / "manifest.sqlite") as two:
        for mine, theirs in zip(one.in_order(*State), two.in_order(*State), strict=True):
            assert (mine.source, mine.identity, mine.state, mine.counts) == (
                theirs.source,
                theirs.identity,
                theirs.state,
                theirs.counts,
            )
            for output in theirs.outputs:
                assert (joined / output.path).stat().st_size == output.size

    def annotated(run: Path) -> list[str]:
        return sorted(p.relative_to(run).as_posix() for p in (run / "annotated").rglob("*") if p.is_file())

    assert annotated(whole) and annotated(joined) == annotated(whole)


def reversed_parts(split: Path) -> list[Path]:
    return parts(split)[::-1]


def test_a_joined_run_goes_on_as_if_it_were_one_machines(split: Path, tmp_path: Path) -> None:
    merge(parts(split), tmp_path / "joined")
    outcome = batch(split / "in", tmp_path / "joined", detections="detections.csv", retries=0)
    assert outcome.tally.done == 0, "what the shards did was done again"
    assert (tmp_path / "joined/frames.csv").read_bytes() == (split / "whole/frames.csv").read_bytes()


def test_without_annotated_copies(split: Path, tmp_path: Path) -> None:
    merge(parts(split), tmp_path / "joined", annotated=False)
    assert not (tmp_path / "joined" / "annotated").exists()
    assert (tmp_path / "joined/frames.csv").read_bytes() == (split / "whole/frames.csv").read_bytes()


def test_missing_shards_are_named(split: Path, tmp_path: Path) -> None:
    merged = merge([split / "part2", split / "part1"], tmp_path / "joined")
    assert merged.notes == ("shard 3/3 missing: the joined run holds only a part of the inputs",)
    assert "shard 3/3 missing" in json.loads((tmp_path / "joined/summary.json").read_text())["notes"][-1]
    kept = {row["source"] for row in csv.DictReader((tmp_path / "joined/frames.csv").open())}
    lost = {row["source"] for row in csv.DictReader((split / "part3/frames.csv").open())}
    assert kept and lost and not kept & lost


def test_a_shard_may_have_none_of_the_inputs(tmp_path: Path) -> None:
    still(tmp_path / "in" / "cam" / "1.png", 1)
    for name, shard in (("whole", None), ("part1", "1/3"), ("part2", "2/3"), ("part3", "3/3")):
        batch(tmp_path / "in", tmp_path / name, detections="detections.parquet", shard=shard)
    merged = merge([tmp_path / f"part{n}" for n in (1, 2, 3)], tmp_path / "joined")
    assert merged.notes == ()
    assert (tmp_path / "joined/frames.csv").read_bytes() == (tmp_path / "whole/frames.csv").read_bytes()
    assert (tmp_path / "part1/frames.csv").read_text().count("\n") == 1, "the header alone"


def test_the_same_input_in_two_runs_is_taken_once_and_said_so(split: Path, tmp_path: Path) -> None:
    merged = merge([split / "part1", split / "whole"], tmp_path / "joined")
    assert merged.twice > 0 and f"{merged.twice} inputs were done by more than one run" in merged.notes[-1]
    assert (tmp_path / "joined/frames.csv").read_bytes() == (split / "whole/frames.csv").read_bytes()


def test_another_file_of_the_same_name_is_refused(tmp_path: Path) -> None:
    for name, index in (("a", 1), ("b", 2)):
        still(tmp_path / name / "in" / "cam" / "1.png", index)
        batch(tmp_path / name / "in", tmp_path / name / "run")
    with pytest.raises(SettingsError, match=r"cam/1\.png: .* analysed different files of this name"):
        merge([tmp_path / "a/run", tmp_path / "b/run"], tmp_path / "joined")
    assert not (tmp_path / "joined").exists()


def test_settings_that_differ_are_named(split: Path, tmp_path: Path) -> None:
    batch(split / "in", tmp_path / "other", analysis=AnalysisSettings(mask_threshold=0.6), shard="2/3", retries=0,
          detections="detections.csv")  # fmt: skip
    with pytest.raises(SettingsError, match=r"the setting mask-threshold is 0\.5 in the one and 0\.6 in the other"):
        merge([split / "part1", tmp_path / "other"], tmp_path / "joined")


def test_weights_that_differ_are_named(split: Path, tmp_path: Path) -> None:
    runs = copied(split, tmp_path)
    for run, sha256 in zip(runs, ("aa", "aa", "bb"), strict=True):
        told = json.loads((run / "summary.json").read_text())
        told["weights"] = [{"name": "classifier", "file": "c.npz", "sha256": sha256}]
        (run / "summary.json").write_text(json.dumps(told))
    with pytest.raises(SettingsError, match="the weights of classifier is aa in the one and bb in the other"):
        merge(runs, tmp_path / "joined")


def test_shards_of_two_splits_are_refused(split: Path, tmp_path: Path) -> None:
    batch(split / "in", tmp_path / "half", shard="1/2", detections="detections.csv", retries=0)
    with pytest.raises(SettingsError, match=r"of 3 shards and .* of 2"):
        merge([split / "part1", tmp_path / "half"], tmp_path / "joined")


def test_an_unfinished_run_and_one_at_work_are_refused(split: Path, tmp_path: Path) -> None:
    runs = copied(split, tmp_path)
    with RunLock(runs[1]), pytest.raises(SettingsError, match=r"part2: the run is still at work \(process \d+"):
        merge(runs, tmp_path / "joined")
    with Manifest(runs[2] / "manifest.sqlite") as manifest:
        number = manifest.begin_session(1, "here")
        manifest.put_session(number, active_s=1, listed=True, done=0, failed=0, frames=0, ending="interrupted")
    with pytest.raises(SettingsError, match="part3: the run is not finished"):
        merge(runs, tmp_path / "joined")


def test_names_are_checked_before_anything_is_made(split: Path, tmp_path: Path) -> None:
    one, two, _ = parts(split)
    with pytest.raises(SettingsError, match="named twice"):
        merge([one, one], tmp_path / "joined")
    with pytest.raises(SettingsError, match="one run only"):
        merge([one], tmp_path / "joined")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="it is there already"):
        merge([one, two], tmp_path / "full")
    (tmp_path / "joined.part").mkdir()
    (tmp_path / "joined.part" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="in the way"):
        merge([one, two], tmp_path / "joined")
    assert (tmp_path / "joined.part" / "mine.txt").exists()


def test_what_a_broken_off_merge_left_is_made_anew(split: Path, tmp_path: Path) -> None:
    shutil.copytree(split / "part1", tmp_path / "joined.part")
    merge(parts(split), tmp_path / "joined")
    assert (tmp_path / "joined/frames.csv").read_bytes() == (split / "whole/frames.csv").read_bytes()
    with Manifest.reading(tmp_path / "joined/manifest.sqlite") as manifest:
        assert json.loads(manifest.meta(META_SETTINGS) or "")["batch"]["shard"] is None
