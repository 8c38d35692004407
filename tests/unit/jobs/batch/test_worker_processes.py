"""Several processes give what one gives, and one that dies costs only the file it died of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.errors import CrowdmaskError, WeightsError
from crowdmask.jobs.batch.running import FINISHED, INTERRUPTED
from crowdmask.jobs.networks import Pair
from crowdmask.jobs.stopping import Stop
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings, RuntimeSettings
from tests.factories import FakeClassifier, FakeDetector, read_index
from tests.unit.jobs.batch.cctv import batch, clip, night, rows, wait_for

DEADLY = 7


class Deadly(FakeDetector):
    """Ends its process, as the system does for want of memory, at one picture."""

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        if any(read_index(image) == DEADLY for image in images):
            os._exit(137)
        return super().detect(images)


def deadly(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    return Pair(Deadly(), FakeClassifier())


def without_weights(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    raise WeightsError("there are none")


def sharing(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    raise WeightsError(f"threads {runtime.threads}")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[4]))


def test_two_workers_give_what_one_gives(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=20)
    clip(folder / "cam1" / "w.mp4", frames=5)
    one = batch(folder, tmp_path / "one", detections="detections.csv")
    two = batch(folder, tmp_path / "two", detections="detections.csv", workers=2, window=3)
    assert one.totals == two.totals and two.ending == FINISHED
    for name in ("frames.csv", "detections.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    copies = [
        sorted(p.relative_to(run) for p in (run / "annotated").rglob("*.*"))
        for run in (tmp_path / "one", tmp_path / "two")
    ]
    assert copies[0] == copies[1] and len(copies[0]) > 10


def test_a_worker_that_dies_costs_only_its_file(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=14, frames=4)
    outcome = batch(folder, tmp_path / "run", networks=deadly, workers=2, retries=1)
    assert outcome.totals.done == 14 and outcome.totals.failed == 1
    ((source, reason),) = outcome.failures
    assert source == f"cam2/{DEADLY}.png" and "died" in reason and "fewer --workers" in reason
    assert len(rows(tmp_path / "run" / "frames.csv")) == 13 + 4


def test_what_befalls_all_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there are none"):
        batch(night(tmp_path / "in", stills=2, frames=0), tmp_path / "run", networks=without_weights, workers=2)


def test_threads_are_shared(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=2, frames=0)
    with pytest.raises(CrowdmaskError, match=r"threads 1$"):  # of the two that the batch is given
        batch(folder, tmp_path / "run", networks=sharing, workers=2)


def test_workers_that_cannot_start_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crowdmask.jobs.batch.executors._work", os._exit)
    with pytest.raises(CrowdmaskError, match="keep dying"):
        batch(night(tmp_path / "in", stills=2, frames=0), tmp_path / "run", workers=2)


def test_stopping_ends_the_workers(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=40, frames=0)
    stop = Stop()

    class Asking:
        def moved(self, *told: object) -> None:
            stop.ask()

    outcome = batch(folder, tmp_path / "run", workers=2, stop=stop, watch=Asking(), window=1)
    assert outcome.ending == INTERRUPTED
    assert outcome.totals.frames == len(rows(tmp_path / "run" / "frames.csv"))
    wait_for(lambda: not [p for p in _children() if "spawn_main" in p], 20)
    assert batch(folder, tmp_path / "run").totals.done == 40


def _children() -> list[str]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            if status.read_text().rpartition(")")[2].split()[1] == str(os.getpid()):
                found.append((status.parent / "cmdline").read_text())
        except OSError:
            continue
    return found
