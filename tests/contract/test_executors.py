"""The contract that every executor holds: each unit comes back once, and one that dies costs what it had in hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.cli.main import EXIT_INTERRUPTED
from crowdmask.errors import CrowdmaskError, WeightsError
from crowdmask.jobs.batch.executors import InProcess, Processes
from crowdmask.jobs.batch.units import Broken, Done, Executor, Plan, Step, Unit
from crowdmask.jobs.forecast import Beat, Work
from crowdmask.jobs.manifest.database import Manifest
from crowdmask.jobs.manifest.entries import Entry, Identity, Kind, State
from crowdmask.jobs.networks import Pair
from crowdmask.jobs.stopping import Stop
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings, BatchSettings, RuntimeSettings, TimeAndPlaceSettings
from tests.factories import FakeClassifier, FakeDetector, read_index
from tests.unit.jobs.batch.cctv import batch, fakes, night, rows

ROOT = Path(__file__).parents[2]
DEADLY = 7


def has_ray() -> bool:
    try:
        import ray  # noqa: F401
    except ImportError:
        return False
    return True


NEEDS_RAY = pytest.mark.skipif(not has_ray(), reason="Ray is not installed: pip install 'crowdmask[cluster]'")


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    os.environ["PYTHONPATH"] = str(ROOT)  # before: its workers get the environment of this moment
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=80_000_000,
    )
    yield ray
    ray.shutdown()


@pytest.fixture(params=["in process", "processes", pytest.param("ray", marks=NEEDS_RAY)])
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Executor]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    if request.param == "in process":
        return InProcess
    if request.param == "processes":
        return Processes
    request.getfixturevalue("ray_cluster")
    from crowdmask.jobs.batch.cluster import Cluster

    return Cluster


def plan_for(run: Path, root: Path) -> Plan:
    return Plan(
        run,
        root,
        runtime=RuntimeSettings(threads=1),
        place=TimeAndPlaceSettings(timezone="UTC"),
        batch=BatchSettings(workers=2, annotate="none"),
    )


def units_of(folder: Path, each: int = 2) -> list[Unit]:
    entries = []
    for path in sorted(folder.rglob("*.png")):
        status = path.stat()
        look = Identity(status.st_size, status.st_mtime_ns)
        entries.append(Entry(path.relative_to(folder).as_posix(), str(path), Kind.PICTURE, look))
    return [Unit(n + 1, Step.STILLS, tuple(entries[n : n + each])) for n in range(0, len(entries), each)]


def through(executor: Executor, units: Sequence[Unit]) -> list[Done | Broken]:
    """Give all of them out, and take until all are back."""
    waiting, found = list(units), []
    end = time.monotonic() + 400  # a machine that many share may stand still for long
    while waiting or executor.in_hand:
        assert time.monotonic() < end, "it does not end"
        while waiting and executor.fits(waiting[0]):
            executor.put(waiting.pop(0))
        found += executor.take(0.2)
    return found


def test_every_unit_comes_back_once(make: Callable[..., Executor], tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=12, frames=0)
    units = units_of(folder)
    with make(plan_for(tmp_path / "run", folder), fakes, Stop()) as executor:
        found = through(executor, units)
        again = through(executor, units[:1])
    assert len(again) == 1 and executor.in_hand == 0
    done = [message for message in found if isinstance(message, Done)]
    assert sorted(message.unit.number for message in done) == [unit.number for unit in units] and len(done) == len(
        found
    )
    worked = [one.entry for message in done for one in message.worked]
    assert {entry.source for entry in worked} == {entry.source for unit in units for entry in unit.entries}
    assert all(entry.state is State.DONE and entry.frames == 1 for entry in worked)


def without_weights(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    raise WeightsError("there are none")


def test_what_meets_every_unit_ends_the_work(make: Callable[..., Executor], tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=2, frames=0)
    with (
        pytest.raises(WeightsError, match="there are none"),
        make(plan_for(tmp_path / "run", folder), without_weights, Stop()) as executor,
    ):
        through(executor, units_of(folder))


class Slow(FakeDetector):
    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        time.sleep(0.25 * len(images))
        return super().detect(images)


def slow(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    return Pair(Slow(), FakeClassifier())


def test_beats_come_while_a_unit_is_done(make: Callable[..., Executor], tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=24, frames=0)
    beats: list[Beat] = []
    with make(plan_for(tmp_path / "run", folder), slow, Stop(), beats.append) as executor:
        through(executor, units_of(folder, 24))
    assert len(beats) >= 2 and {(beat.work, beat.unit) for beat in beats} == {(Work.STILLS, 1)}
    assert 8 <= sum(beat.amount for beat in beats) <= 24 and all(beat.busy_s > 0 for beat in beats)


class Deadly(FakeDetector):
    """Is killed, as the system does for want of memory, at one picture."""

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        if any(read_index(image) == DEADLY for image in images):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().detect(images)


def deadly(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    return Pair(Deadly(), FakeClassifier())


def test_a_worker_that_is_killed_breaks_what_it_had_in_hand(make: Callable[..., Executor], tmp_path: Path) -> None:
    if make is InProcess:
        pytest.skip("it would take this very process with it")
    folder = night(tmp_path / "in", stills=12, frames=0)
    units = units_of(folder, 1)
    with make(plan_for(tmp_path / "run", folder), deadly, Stop()) as executor:
        found = through(executor, units)
        broken = [message.unit for message in found if isinstance(message, Broken)]
        assert 1 <= len(broken) <= 2 and len(found) == len(units)
        guilty = [unit for unit in broken if unit.entries[0].source.endswith(f"/{DEADLY}.png")]
        innocent = [unit for unit in broken if unit not in guilty]
        assert len(guilty) == 1 and all(isinstance(one, Done) for one in through(executor, innocent))


def test_the_stop_brings_back_all_that_is_in_hand(make: Callable[..., Executor], tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=12, frames=0)
    stop = Stop()
    with make(plan_for(tmp_path / "run", folder), fakes, stop) as executor:
        for unit in units_of(folder, 6):
            if executor.fits(unit):
                executor.put(unit)
        stop.ask()
        end = time.monotonic() + 60
        while executor.in_hand:
            executor.take(0.2)
            assert time.monotonic() < end


@NEEDS_RAY
def test_a_whole_run_on_a_cluster_gives_what_one_process_gives(ray_cluster: Any, tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=14, frames=30)
    batch(folder, tmp_path / "one", detections="detections.csv", segment_s=1.0)
    outcome = batch(folder, tmp_path / "ray", detections="detections.csv", segment_s=1.0, cluster="auto", workers=2)
    assert outcome.totals.failed == 0
    for name in ("frames.csv", "detections.csv"):
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    assert not list((tmp_path / "ray" / "log").glob("shared-*"))


@NEEDS_RAY
def test_killed_actors_cost_only_the_deadly_file(ray_cluster: Any, tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=10, frames=0)
    outcome = batch(folder, tmp_path / "run", networks=deadly, cluster="auto", workers=2, retries=0)
    assert (outcome.totals.done, outcome.totals.failed) == (9, 1)
    assert "died" in outcome.failures[0][1] and len(rows(tmp_path / "run" / "frames.csv")) == 9
    assert batch(folder, tmp_path / "run", networks=fakes, cluster="auto", workers=2).totals.done == 10


@NEEDS_RAY
def test_a_driver_that_is_asked_to_end_keeps_what_is_done_and_goes_on_later(ray_cluster: Any, tmp_path: Path) -> None:
    folder, run = night(tmp_path / "in", stills=60, frames=0), tmp_path / "run"
    address = ray_cluster.get_runtime_context().gcs_address
    options = ("--cluster", address, "--threads", "1", "--workers", "2", "--window", "2", "--timezone", "UTC")
    command = [
        sys.executable,
        "-m",
        "benchmarks.fake_networks",
        "analyze",
        str(folder),
        "--out-dir",
        str(run),
        *options,
    ]
    slowly = {**os.environ, "PYTHONPATH": str(ROOT), "FAKE_MS": "200"}
    with subprocess.Popen(command, cwd=ROOT, env=slowly, stderr=subprocess.DEVNULL) as driver:
        while driver.poll() is None and not done_in(run):
            time.sleep(0.05)
        driver.terminate()
        assert driver.wait(120) == EXIT_INTERRUPTED
    assert 0 < done_in(run) < 60 and len(rows(run / "frames.csv")) == done_in(run)
    assert all(node["Alive"] for node in ray_cluster.nodes())
    assert subprocess.run(command, cwd=ROOT, env={**slowly, "FAKE_MS": "0"}, check=False).returncode == 0
    assert len(rows(run / "frames.csv")) == 60


def done_in(run: Path) -> int:
    with suppress(CrowdmaskError), Manifest.reading(run / "manifest.sqlite") as manifest:
        return manifest.totals().done
    return 0


def test_a_folder_that_is_not_shared_is_refused(tmp_path: Path) -> None:
    """The check that each actor makes before its first unit."""
    from crowdmask.errors import OutputError
    from crowdmask.jobs.batch.cluster import _check_shared

    plan = plan_for(tmp_path / "run", tmp_path)
    with pytest.raises(OutputError, match=r"cannot read .*share"):
        _check_shared(plan, tmp_path / "shared-1", "word")
    (tmp_path / "shared-1").write_text("another")
    with pytest.raises(OutputError, match="reads something else"):
        _check_shared(plan, tmp_path / "shared-1", "word")
    (tmp_path / "shared-1").write_text("word")
    _check_shared(plan, tmp_path / "shared-1", "word")
    assert len(list(tmp_path.glob("shared-1.*"))) == 1
