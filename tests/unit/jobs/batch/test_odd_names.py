"""Names that are no UTF-8, that steer tables and terminals, that meet each other, or that change between two starts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crowdmask.jobs.manifest.entries import Kind, readable
from crowdmask.jobs.naming import annotated_file, faces_file_of, frames_file_of, summary_file_of
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.timeline.frames_table import FramesTable
from crowdmask.settings import OutputSettings
from tests.unit.jobs.batch.cctv import aged, batch, clip, rows, sources, still
from tests.unit.jobs.batch.test_running import seen_by

NOT_UTF8 = os.fsdecode(b"caf\xe9")


def test_failures_of_any_name_are_written_down(tmp_path: Path) -> None:
    """A torn picture, a torn video and a link to nowhere, none of whose names is UTF-8; at every start."""
    folder = tmp_path / "in"
    still(folder / "good.png", 1)
    for name in (f"{NOT_UTF8}.png", f"{NOT_UTF8}.mp4"):
        (folder / name).write_bytes(b"\x89PNG\r\n\x1a\ntorn")
        aged(folder / name)
    (folder / f"{NOT_UTF8}-link.png").symlink_to("nowhere")
    for _ in range(2):
        outcome = batch(folder, tmp_path / "run", retries=0)
        assert (outcome.totals.done, outcome.totals.failed) == (1, 3)
        assert {source for source, _ in outcome.failures} == {
            r"caf\xe9.png", r"caf\xe9.mp4", r"caf\xe9-link.png"
        }  # fmt: skip


def test_a_run_below_a_folder_whose_name_is_not_utf8(tmp_path: Path) -> None:
    folder = tmp_path / NOT_UTF8
    still(folder / "1.png", 1)
    clip(folder / "v.mp4")
    for _ in range(2):
        assert batch(folder, tmp_path / "run", detections="detections.csv").totals.done == 2


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "a\r\nb", "\x1b[31mred", "tab\there", "line\u2028end"])
def test_what_steers_a_table_is_escaped_and_the_run_can_be_read(tmp_path: Path, name: str) -> None:
    still(tmp_path / "in" / f"{name}.png", 2)
    clip(tmp_path / "in" / f"{name}.mp4")
    batch(tmp_path / "in", tmp_path / "run", detections="detections.csv")
    data = (tmp_path / "run" / "frames.csv").read_text(encoding="utf-8")
    assert all(line.isprintable() for line in data.splitlines()) and data.count("\n") == 1 + 1 + 6
    with FramesTable([tmp_path / "run" / "frames.csv"]) as table:
        assert table.execute(f"SELECT count(*) FROM ({table.rows()})").fetchall() == [(7,)]


@given(st.lists(st.text(st.characters(codec="utf-8") | st.sampled_from("\\xr\udce9\r\x1b"), max_size=8), min_size=2))
@example(["\udce9", "\\xe9", "\\x5cxe9", "\\"])
def test_no_two_names_become_one(names: list[str]) -> None:
    assert len({readable(name) for name in names}) == len(set(names))
    for name in names:
        assert not any(letter in readable(name) for letter in "\r\n\x1b\udce9")


def test_no_two_inputs_have_one_file() -> None:
    found = ["a/b.mp4", "/a/b.mp4", "@/a/b.mp4", "@@/a/b.mp4", "/@/a/b.mp4", "a/b", "a/b.avi", "a/b.avi.mp4", "a/b.png"]
    for place in (frames_file_of, summary_file_of, faces_file_of):
        assert len({place(Path("run"), source) for source in found}) == len(found)
    kinds = [Kind.PICTURE if source.endswith("png") else Kind.VIDEO for source in found]
    assert len({annotated_file(Path("run"), source, kind) for source, kind in zip(found, kinds, strict=True)}) == len(
        found
    )


def test_an_input_outside_and_its_mirror_below_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named on stdin, the one is below the folder that sources are relative to, and the other is not."""
    here = tmp_path / "here"
    inside, outside = here / str(tmp_path).lstrip("/") / "x" / "v.mp4", tmp_path / "x" / "v.mp4"
    clip(inside, frames=3)
    clip(outside, frames=5)
    from crowdmask.jobs.batch.inputs import Inputs
    from crowdmask.jobs.batch.running import run_batch
    from crowdmask.jobs.batch.units import Plan
    from crowdmask.settings import BatchSettings
    from tests.unit.jobs.batch.cctv import PLACE, fakes

    monkeypatch.chdir(here)
    inputs = Inputs.of([str(here), str(outside)])
    inputs = Inputs((str(here),), (), (str(outside),), False, str(here))
    plan = Plan(tmp_path / "run", here, place=PLACE, batch=BatchSettings(keep_free=0))
    for _ in range(2):
        outcome = run_batch(inputs, plan, networks=fakes)
        assert (outcome.totals.done, outcome.totals.frames) == (2, 8)
    assert len(list((tmp_path / "run" / "annotated").rglob("*.mp4"))) == 2
    assert len(rows(tmp_path / "run" / "frames.csv")) == 8


def test_a_renamed_input_is_counted_once(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for n in range(3):
        still(folder / f"{n}.png", n)
    clip(folder / "v.mp4")
    batch(folder, tmp_path / "run", annotate="all")
    (folder / "0.png").rename(folder / "zero.png")
    (folder / "v.mp4").rename(folder / "w.mp4")
    _, outcome = seen_by(folder, tmp_path / "run", annotate="all")
    assert sources(tmp_path / "run") == ["1.png", "2.png", "w.mp4", "zero.png"] and outcome.totals.frames == 3 + 6
    assert sorted(p.name for p in (tmp_path / "run" / "annotated").iterdir()) == ["1.png", "2.png", "w.mp4", "zero.png"]
    assert sorted(p.name for p in (tmp_path / "run" / "videos").iterdir()) == ["w.mp4.csv", "w.mp4.json"]
    assert outcome.stats.frames == 9 and isinstance(outcome.stats, ComplianceStats)


def test_a_copy_of_an_input_is_counted_as_well(tmp_path: Path) -> None:
    still(tmp_path / "in" / "0.png", 1)
    batch(tmp_path / "in", tmp_path / "run")
    shutil.copy2(tmp_path / "in" / "0.png", tmp_path / "in" / "copy.png")
    assert batch(tmp_path / "in", tmp_path / "run").totals.done == 2


def test_other_settings_at_another_mount_are_the_same_settings(tmp_path: Path) -> None:
    """What a settings file holds decides, not where it lies; `--overwrite` decides nothing."""
    from crowdmask.jobs.batch.units import Plan, with_digests
    from crowdmask.settings import AnalysisSettings

    def digest(**more: object) -> str:
        plan = Plan(tmp_path / "run", tmp_path, AnalysisSettings(**more))  # type: ignore[arg-type]
        return with_digests(plan, (), "UTC").settings_digest

    assert digest(weights="/mnt/a") == digest(weights="/srv/b") == digest()
    assert digest(mask_threshold=0.6) != digest()
    plan = Plan(tmp_path / "run", tmp_path, output=OutputSettings(overwrite=True))
    assert with_digests(plan, (), "UTC").settings_digest == digest()
