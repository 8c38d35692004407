"""One task from its first frame to its files, in this process and in another."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from crowdmask.errors import OutputError
from crowdmask.jobs.analysis import analyse_file
from crowdmask.jobs.destinations import Destinations
from crowdmask.jobs.planning import plan
from crowdmask.jobs.run import run
from crowdmask.jobs.stopping import Stop
from crowdmask.jobs.tasks import Outcome, State, Task
from crowdmask.jobs.watching import Watch
from crowdmask.records import FrameResult, VideoInfo
from crowdmask.results.statistics import ComplianceStats
from crowdmask.settings import AnalysisSettings, OutputSettings, RuntimeSettings
from tests.cli.conftest import fake_networks
from tests.factories import write_clip


def tasks_for(*sources: Path, window: int = 4, video: bool = False) -> list[Task]:
    output = OutputSettings(video=video, overwrite=True)
    inputs = [str(source) for source in sources]
    return list(plan(inputs, Destinations(), AnalysisSettings(follow=False), RuntimeSettings(window=window), output))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return Path(write_clip(tmp_path / "a.mp4", frames=10, size_wh=(192, 128)))


class Diary(Watch):
    def __init__(self) -> None:
        self.entries: list[str] = []

    def opened(self, task: Task, info: VideoInfo) -> None:
        self.entries.append(f"opened {info.frames_expected}")

    def saw(self, result: FrameResult, stats: ComplianceStats) -> None:
        self.entries.append(f"saw {result.frame.index} {stats.frames}")

    def ended(self, outcome: Outcome) -> None:
        self.entries.append(f"ended {outcome.state.value}")


def test_the_outcome_tells_what_was_done(video: Path) -> None:
    (task,) = tasks_for(video)
    outcome = analyse_file(task, networks=fake_networks)
    assert (outcome.state, outcome.error, outcome.gaps) == (State.DONE, "", ())
    assert (outcome.stats.frames, outcome.stats.faces, outcome.until_s) == (10, 19, pytest.approx(9 / 25))
    assert {"decode", "detect", "classify", "hand_over", "other"} <= set(outcome.busy_s)
    assert outcome.summary is not None and outcome.summary["counts"]["faces"] == 19
    assert outcome.wall_s > 0


def test_who_watches_hears_of_each_step(video: Path) -> None:
    diary = Diary()
    assert len(list(run(tasks_for(video), networks=fake_networks, watch=diary))) == 1
    assert diary.entries == ["opened 10", *(f"saw {i} {i + 1}" for i in range(10)), "ended done"]


def test_another_process_does_the_same(video: Path, tmp_path: Path) -> None:
    (task,) = tasks_for(video)
    here = analyse_file(task, networks=fake_networks)
    rows = task.outputs.frames_csv.read_bytes()
    task.outputs.frames_csv.unlink()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = pool.submit(partial(analyse_file, networks=fake_networks), task).result(timeout=300)
    assert (there.state, there.stats) == (here.state, here.stats)
    assert task.outputs.frames_csv.read_bytes() == rows


def test_tasks_and_outcomes_can_be_sent(video: Path) -> None:
    (task,) = tasks_for(video, Path("none.mp4"))[:1]
    assert pickle.loads(pickle.dumps(task)) == task
    failed = analyse_file(tasks_for(Path("none.mp4"))[0])
    assert failed.state is State.FAILED and "none.mp4 does not exist" in failed.error
    assert pickle.loads(pickle.dumps(failed)) == failed


def test_a_stop_that_was_asked_for_before_leaves_nothing(video: Path) -> None:
    stop = Stop()
    stop.ask()
    (outcome,) = run(tasks_for(video, video.with_name("b.mp4"), video=True), networks=fake_networks, stop=stop)
    assert outcome.state is State.INTERRUPTED and outcome.summary is None
    assert [path.name for path in video.parent.iterdir()] == ["a.mp4"]


def test_a_stop_between_two_inputs_leaves_the_first_whole(video: Path) -> None:
    stop = Stop()

    class StopsAfterOne(Watch):
        def ended(self, outcome: Outcome) -> None:
            stop.ask()

    second = Path(write_clip(video.with_name("b.mp4"), frames=3))
    outcomes = list(run(tasks_for(video, second), networks=fake_networks, watch=StopsAfterOne(), stop=stop))
    assert [outcome.state for outcome in outcomes] == [State.DONE]
    assert not second.with_name("b.crowdmask.csv").exists()


def test_what_came_into_being_since_the_plan_is_not_overwritten(video: Path) -> None:
    output = OutputSettings(video=False)
    (task,) = plan([str(video)], Destinations(), AnalysisSettings(follow=False), RuntimeSettings(), output)
    task.outputs.frames_csv.write_text("precious")
    outcome = analyse_file(task, networks=fake_networks)
    assert outcome.state is State.FAILED and "--overwrite" in outcome.error
    assert task.outputs.frames_csv.read_text() == "precious"


def test_detections_that_cannot_be_written_end_the_run(video: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"faces\.csv"):
        list(run(tasks_for(video), str(tmp_path / "file" / "faces.csv"), networks=fake_networks))


@pytest.mark.parametrize("window", [1, 3, 11])
def test_any_window_gives_the_same_file(video: Path, window: int) -> None:
    files = []
    for size in (10, window):
        (task,) = tasks_for(video, window=size)
        analyse_file(task, networks=fake_networks)
        files.append(task.outputs.frames_csv.read_bytes())
    assert files[0] == files[1]
