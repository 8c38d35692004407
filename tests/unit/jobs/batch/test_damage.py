"""From any damage to any single file of a run folder, the same command ends whole, with what it would have written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from crowdmask.jobs.batch.running import FINISHED
from tests.unit.jobs.batch.cctv import batch, night
from tests.unit.jobs.batch.test_aggregate import aggregate


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    """A bit of the byte in the middle, with size and time as they were."""
    status, data = path.stat(), bytearray(path.read_bytes())
    if data:
        data[len(data) // 2] ^= 4
    path.write_bytes(data)
    _set_times(path, status.st_mtime_ns)


def deleted(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    path.write_bytes(b"something else entirely, from another program\n" * 40)


def digit_changed(path: Path) -> None:
    """Every 1 a 7, which leaves a CSV or a JSON as readable as it was."""
    status = path.stat()
    path.write_bytes(path.read_bytes().replace(b"1", b"7"))
    _set_times(path, status.st_mtime_ns)


def _set_times(path: Path, mtime_ns: int) -> None:
    os.utime(path, ns=(mtime_ns, mtime_ns))


HARMS: list[Callable[[Path], None]] = [truncated, flipped, deleted, replaced, digit_changed]
TABLES = ("frames.csv", "detections.csv")


def results(run: Path) -> dict[str, bytes]:
    """What a run is for; the annotated video and the summaries with their times are looked at apart."""
    files = [run / name for name in TABLES]
    files += sorted((run / "annotated").rglob("*.png")) + sorted((run / "videos").rglob("*.csv"))
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in files}


def packets(path: Path) -> Iterator[tuple[int, int]]:
    with av.open(str(path)) as opened:
        yield from ((p.pts or 0, p.duration or 0) for p in opened.demux(video=0) if p.size)


def files_of(run: Path) -> Iterator[Path]:
    return (path for path in sorted(run.rglob("*")) if path.is_file())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, beside its inputs."""
    folder = tmp_path_factory.mktemp("damage")
    night(folder / "in", stills=4, frames=5)
    outcome = batch(folder / "in", folder / "run", detections="detections.csv")
    assert outcome.ending == FINISHED
    return folder


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_the_same_command_ends_whole(finished: Path, tmp_path: Path, harm: Callable[[Path], None]) -> None:
    expected = results(finished / "run")
    names = [path.relative_to(finished / "run") for path in files_of(finished / "run")]
    assert {"manifest.sqlite", "frames.csv", "annotated/cam10/v.mp4", "parts/cam10/v.mp4.faces"} <= set(map(str, names))
    for name in names:
        run = tmp_path / "run"
        shutil.copytree(finished / "run", run)
        harm(run / name)
        outcome = batch(finished / "in", run, detections="detections.csv")
        assert outcome.ending == FINISHED and (outcome.totals.done, outcome.totals.failed) == (5, 0), name
        assert results(run) == expected, name
        assert not list(run.rglob("*.part")), name
        copy, whole = run / "annotated/cam10/v.mp4", finished / "run/annotated/cam10/v.mp4"
        assert len(list(packets(copy))) == 5 and list(packets(copy)) == list(packets(whole)), name
        shutil.rmtree(run)


@pytest.mark.parametrize("at", range(0, 100, 7))
def test_a_flipped_bit_anywhere_in_the_manifest(finished: Path, tmp_path: Path, at: int) -> None:
    """In a page of the tables as much as in the header; wherever it is, no number changes."""
    run = tmp_path / "run"
    shutil.copytree(finished / "run", run)
    data = bytearray((run / "manifest.sqlite").read_bytes())
    data[len(data) * at // 100 + 9] ^= 1
    (run / "manifest.sqlite").write_bytes(data)
    outcome = batch(finished / "in", run, detections="detections.csv")
    assert outcome.ending == FINISHED and (outcome.totals.done, outcome.totals.failed) == (5, 0)
    assert results(run) == results(finished / "run")


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_counts_by_period_are_those_of_a_sound_run(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    night(tmp_path / "in", stills=24)
    whole = aggregate(tmp_path / "in", tmp_path / "whole", min_count=2).run.aggregate.read_bytes()
    for path in files_of(tmp_path / "whole"):
        run = tmp_path / "run"
        shutil.copytree(tmp_path / "whole", run)
        harm(run / path.relative_to(tmp_path / "whole"))
        outcome = aggregate(tmp_path / "in", run, min_count=2)
        assert outcome.ending == FINISHED and outcome.run.aggregate.read_bytes() == whole, path
        shutil.rmtree(run)


@pytest.mark.parametrize("at", range(0, 100, 9))
def test_a_flipped_bit_anywhere_in_the_manifest_of_sums(tmp_path: Path, at: int) -> None:
    night(tmp_path / "in", stills=12, frames=0)
    whole = aggregate(tmp_path / "in", tmp_path / "run", min_count=2).run
    before, path = whole.aggregate.read_bytes(), whole.manifest
    data = bytearray(path.read_bytes())
    data[min(len(data) * at // 100 + 4000, len(data) - 1)] ^= 1  # near a page's end, where the rows are
    path.write_bytes(data)
    assert aggregate(tmp_path / "in", tmp_path / "run", min_count=2).run.aggregate.read_bytes() == before


def test_a_damaged_result_of_an_input_that_is_gone_is_a_failure(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=2)
    batch(folder, tmp_path / "run")
    (folder / "cam10" / "v.mp4").unlink()
    digit_changed(tmp_path / "run" / "videos" / "cam10" / "v.mp4.csv")
    outcome = batch(folder, tmp_path / "run")
    assert outcome.ending == FINISHED and outcome.totals.done == 2
    ((source, reason),) = outcome.failures
    assert source == "cam10/v.mp4" and "damaged, and it is not there any more" in reason
