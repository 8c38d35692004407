"""Counts by period of long videos: a kill costs a segment, workers share one, and nothing of it is ever on the disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.jobs.batch import counting
from crowdmask.jobs.batch.counting import LooksInMemory, is_memory
from crowdmask.jobs.batch.inputs import Inputs
from crowdmask.jobs.batch.running import FINISHED, INTERRUPTED, BatchOutcome, run_batch
from crowdmask.jobs.batch.units import Plan
from crowdmask.jobs.manifest.database import Manifest
from crowdmask.jobs.networks import Networks, Pair
from crowdmask.jobs.stopping import Stop
from crowdmask.records import Faces
from crowdmask.settings import AggregateSettings, AnalysisSettings, BatchSettings, OutputSettings, RuntimeSettings
from tests.factories import FakeClassifier, FakeDetector, read_index, write_clip
from tests.unit.jobs.batch.cctv import PLACE, Seeing, aged, fakes, rows

FRAMES = 100
BEGINS = (0, 36, 60, 84)  # of segments of a second or more, with a key frame every 12 frames


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film") / "cam1"
    folder.mkdir()
    aged(Path(write_clip(folder / "v.mp4", frames=FRAMES, gop=12)))
    return folder.parent


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A memory file system of the test's own."""
    (tmp_path / "memory").mkdir()
    (tmp_path / "mounts").write_text(f"tmpfs {tmp_path / 'memory'} tmpfs rw,nosuid 0 0\n")
    monkeypatch.setattr(counting, "MEMORY", tmp_path / "memory")
    monkeypatch.setattr(counting, "MOUNTS", tmp_path / "mounts")
    yield tmp_path / "memory"


def counted(
    folder: Path,
    run: Path,
    *,
    networks: Networks = fakes,
    stop: Stop | None = None,
    every: str = "20m",
    follow: bool = True,
    **batch: Any,
) -> BatchOutcome:
    inputs = Inputs.of([str(folder)])
    plan = Plan(
        run,
        Path(inputs.root),
        analysis=AnalysisSettings(follow=follow, detect_every=1),
        runtime=RuntimeSettings(window=4, threads=2),
        output=OutputSettings(video=False),
        place=PLACE,
        batch=BatchSettings(**{"keep_free": 0, "segment_s": 1.0, **batch}),
        aggregate=AggregateSettings(every, 10),
    )
    return run_batch(inputs, plan, networks=networks, stop=stop)


def pair(detector: FakeDetector) -> Networks:
    return lambda analysis, runtime: Pair(detector, FakeClassifier())


@pytest.mark.parametrize(("workers", "follow"), [(1, False), (1, True), (2, True)])
def test_segments_give_the_counts_of_one_pass(film: Path, tmp_path: Path, workers: int, follow: bool) -> None:
    """In the memory of the system, which the processes of workers have too; people are counted once where followed."""
    whole = counted(film, tmp_path / "whole", segment_s=60.0, follow=follow)
    cut = counted(film, tmp_path / "cut", workers=workers, follow=follow)
    assert whole.ending == cut.ending == FINISHED and cut.totals.done == 1
    assert cut.run.aggregate.read_bytes() == whole.run.aggregate.read_bytes()
    counts = [row for row in rows(cut.run.aggregate) if not row.get("zone")]
    assert int(counts[0]["frames"]) == FRAMES and cut.totals.frames == whole.totals.frames
    assert not LooksInMemory(tmp_path / "cut").folder.exists()


def test_where_memory_is_short_a_video_is_counted_in_one_piece_and_it_says_so(
    film: Path, tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "FRAME_BYTES", 1 << 50)
    outcome = counted(film, tmp_path / "run", follow=True)
    assert outcome.ending == FINISHED and outcome.totals.done == 1
    assert any("one piece" in note for note in outcome.summary["notes"]), outcome.summary["notes"]


@pytest.mark.parametrize("at", [10, 40, 70, 99])
def test_an_end_costs_at_most_one_segment_and_leaves_nothing_on_the_disk(
    film: Path, tmp_path: Path, memory: Path, at: int
) -> None:
    expected = counted(film, tmp_path / "whole").run.aggregate.read_bytes()
    stop, run = Stop(), tmp_path / "run"
    outcome = counted(film, run, networks=pair(Seeing(stop, at)), stop=stop)
    assert outcome.ending == INTERRUPTED and not outcome.run.aggregate.exists()
    assert {path.name for path in run.iterdir()} <= {"manifest.sqlite", "log", "summary.json", "lock.json"}
    assert b'"segment"' not in b"".join(path.read_bytes() for path in run.rglob("*") if path.is_file())
    with Manifest.reading(run / "manifest.sqlite") as manifest:
        assert manifest.segments_of("cam1/v.mp4") == []
        assert manifest.select("SELECT count(*) FROM period_sums") == [(0,)]
    second = Seeing()
    outcome = counted(film, run, networks=pair(second))
    assert outcome.ending == FINISHED and outcome.run.aggregate.read_bytes() == expected
    begun = max(begin for begin in BEGINS if begin <= at)
    assert min(second.seen, default=FRAMES) >= begun, "what was counted was counted again"
    assert not list(memory.iterdir())


@pytest.mark.parametrize("harm", ["looks", "list"])
def test_what_is_damaged_or_of_other_settings_is_counted_anew(
    film: Path, tmp_path: Path, memory: Path, harm: str
) -> None:
    stop = Stop()
    counted(film, tmp_path / "run", networks=pair(Seeing(stop, 70)), stop=stop)
    (folder,) = memory.iterdir()
    (video,) = folder.iterdir()
    file = video / "segments"
    assert {path.name for path in video.iterdir()} == {"segments", "0001.looks", "0002.looks"}
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    lines = file.read_bytes().splitlines(keepends=True)
    assert [json.loads(line.partition(b" ")[2])["segment"] for line in lines] == [1, 2]
    file.write_bytes(
        lines[0].replace(b'"frames": 36', b'"frames": 37') + (lines[1] if harm == "looks" else lines[1][:-9])
    )
    if harm == "looks":
        (video / "0002.looks").write_bytes((video / "0002.looks").read_bytes()[:-9])
    second = Seeing()
    counted(film, tmp_path / "run", networks=pair(second))
    assert sorted(set(second.seen)) == list(range(FRAMES))
    stop = Stop()
    counted(film, tmp_path / "other", networks=pair(Seeing(stop, 70)), stop=stop)
    third = Seeing()
    outcome = counted(film, tmp_path / "other", networks=pair(third), every="30m")
    assert outcome.ending == FINISHED and len(rows(outcome.run.aggregate)) == 1


@pytest.mark.parametrize("taken", ["nowhere", "by a link", "open to all"])
def test_without_memory_of_its_own_it_counts_as_well(
    film: Path, tmp_path: Path, memory: Path, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = counted(film, tmp_path / "whole").run.aggregate.read_bytes()
    stop = Stop()
    counted(film, tmp_path / "run", networks=pair(Seeing(stop, 40)), stop=stop)
    (folder,) = memory.iterdir()
    if taken == "nowhere":
        monkeypatch.setattr(counting, "MEMORY", tmp_path / "none")
    elif taken == "by a link":
        folder.rename(tmp_path / "elsewhere")
        os.symlink(tmp_path / "elsewhere", folder)
    else:
        folder.chmod(0o777)
    second = Seeing()
    outcome = counted(film, tmp_path / "run", networks=pair(second))
    assert outcome.run.aggregate.read_bytes() == expected and min(second.seen) == 0


def test_a_video_that_changes_between_two_segments_is_counted_as_it_then_is(
    film: Path, tmp_path: Path, memory: Path
) -> None:
    folder = tmp_path / "in" / "cam1"
    folder.mkdir(parents=True)
    path = folder / "v.mp4"
    path.write_bytes((film / "cam1" / "v.mp4").read_bytes())
    aged(path)

    class Changing(FakeDetector):
        def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
            if any(read_index(image) == 40 for image in images) and path.stat().st_size:
                aged(Path(write_clip(path, frames=50, gop=12)), 5)
            return super().detect(images)

    outcome = counted(tmp_path / "in", tmp_path / "run", networks=pair(Changing()), settle_s=0.0)
    if outcome.totals.done:  # else it is said to be written to still, and done by the next start
        assert sum(int(row["frames"]) for row in rows(outcome.run.aggregate)) == 50
    else:
        outcome = counted(tmp_path / "in", tmp_path / "run")
        assert sum(int(row["frames"]) for row in rows(outcome.run.aggregate)) == 50


def test_only_a_file_system_of_memory_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mounts").write_text("tmpfs /run tmpfs rw 0 0\n/dev/sda1 /dev/shm ext4 rw 0 0\n")
    monkeypatch.setattr(counting, "MOUNTS", tmp_path / "mounts")
    assert is_memory(Path("/run")) and not is_memory(Path("/dev/shm")) and not is_memory(Path("/"))
    monkeypatch.setattr(counting, "MOUNTS", tmp_path / "none")
    assert not is_memory(Path("/run"))
