"""A damaged manifest is put aside and told of, and what is whole in it is not done again."""

from __future__ import annotations

from pathlib import Path

import pytest

from crowdmask.jobs.manifest.claims import RunLock, holder_of
from crowdmask.jobs.manifest.database import Manifest
from tests.unit.jobs.batch.cctv import batch, night, sources, still


@pytest.mark.parametrize("harm", ["text", "cut", "page"])
def test_a_damaged_manifest_is_rebuilt(tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    folder = night(tmp_path / "in", stills=3)
    for n in range(150):  # so that it fills some pages
        still(folder / "more" / f"{n}.png", n, (24, 16))
    batch(folder, tmp_path / "run", detections="detections.csv", annotate="none")
    before = [(tmp_path / "run" / name).read_bytes() for name in ("frames.csv", "detections.csv")]
    path = tmp_path / "run" / "manifest.sqlite"
    data = bytearray(path.read_bytes())
    assert len(data) > 20 * 4096
    if harm == "page":
        data[10 * 4096 : 11 * 4096] = bytes(4096)
    path.write_bytes(
        {"text": b"no database" * 500, "cut": bytes(data[: len(data) * 3 // 4]), "page": bytes(data)}[harm]
    )
    outcome = batch(folder, tmp_path / "run", detections="detections.csv", annotate="none")
    assert "put aside as manifest.damaged-1.sqlite" in caplog.text
    assert (tmp_path / "run" / "manifest.damaged-1.sqlite").is_file()
    assert outcome.totals.done == 154
    assert outcome.tally.done == 154 if harm == "text" else outcome.tally.done < 154
    assert [(tmp_path / "run" / name).read_bytes() for name in ("frames.csv", "detections.csv")] == before


def test_a_row_whose_seal_is_broken_is_not_trusted(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=4, frames=0)
    batch(folder, tmp_path / "run")
    path = tmp_path / "run" / "manifest.sqlite"
    data = path.read_bytes()
    assert data.count(b"cam1/2.png") >= 1
    path.write_bytes(data.replace(b"/cam1/2.png", b"/cam1/9.png"))  # sound for SQLite, and wrong
    with Manifest(path) as manifest:
        manifest.put_meta("schema_version", "1")
    outcome = batch(folder, tmp_path / "run")
    assert outcome.totals.done >= 4 and set(sources(tmp_path / "run")) >= {"cam1/0.png", "cam1/2.png"}


def test_the_lock_of_a_dead_run_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "lock.json").write_text('{"pid": 1, "host": "gone", "since": "2020"}')
    assert holder_of(tmp_path) is None and holder_of(tmp_path / "none") is None
    with RunLock(tmp_path):
        pass
