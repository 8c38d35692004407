"""The batch benchmarks' own workings, on small numbers: stills, links, turns, and a soak that tells a difference."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import batch_memory, batch_overhead, soak
from benchmarks.fake_networks import fakes
from crowdmask.settings import RuntimeSettings


def test_stills_have_their_size_and_each_its_own_bytes(tmp_path: Path) -> None:
    batch_overhead.make_stills(tmp_path / "in", 5, None)
    found = sorted((tmp_path / "in").iterdir())
    assert len({path.read_bytes() for path in found}) == 5
    assert batch_overhead.read_picture(found[0]).shape == (480, 640, 3)


def test_turns_measure_engine_and_batch(tmp_path: Path) -> None:
    batch_overhead.make_stills(tmp_path / "in", 4, None)
    measured = batch_overhead.turns(tmp_path, 2, fakes, RuntimeSettings(window=2, threads=1))
    assert len(measured) == 2 and all(turn.engine > 0 and turn.batch > 0 for turn in measured)
    assert batch_overhead.Turn(2.0, 2.1).overhead == pytest.approx(0.05)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_links_are_stills_of_few_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_memory, "LINKS_OF_ONE", 4)
    monkeypatch.setattr(batch_memory, "IN_A_FOLDER", 3)
    batch_memory.make_links(tmp_path / "in", 10)
    found = list((tmp_path / "in").rglob("*.jpg"))
    assert len(found) == 10 and len({path.stat().st_ino for path in found}) == 3
    assert len({path.parent for path in found}) == 4


def test_peak_of_a_small_batch(tmp_path: Path) -> None:
    ran = batch_memory.peak(3, fakes=True)
    assert 30e6 < ran.peak_bytes < 1.5e9 and ran.seconds > 0


def test_soak_tells_a_difference_and_what_was_left_under_way(tmp_path: Path) -> None:
    for run, text in (("whole", "1\n"), ("disturbed", "2\n")):
        (tmp_path / run / "videos").mkdir(parents=True)
        (tmp_path / run / "frames.csv").write_text(text)
        (tmp_path / run / "videos" / "same.csv").write_text("same")
    (tmp_path / "disturbed" / "frames.csv.part").write_text("")
    result = soak.Soak(1.0)
    assert not result.is_good, "nothing was compared"
    soak._compare(tmp_path / "whole", tmp_path / "disturbed", result)
    assert result.compared == ["frames.csv", "videos/same.csv"]
    assert result.differing == ["frames.csv", "frames.csv.part"] and not result.is_good


def test_soak_copies_samples_over_and_over(tmp_path: Path) -> None:
    soak.copy_inputs(soak.ROOT / "samples", tmp_path / "in", 7, 1)
    assert len([path for path in (tmp_path / "in").rglob("*") if path.is_file()]) == 8
    with pytest.raises(SystemExit, match="there is no video in it"):
        soak.copy_inputs(tmp_path / "in" / "cam2", tmp_path / "again", 1, 1)
