"""What is refused before any work starts, and what becomes a task."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from crowdmask.errors import OutputError, SettingsError
from crowdmask.jobs.destinations import Destinations
from crowdmask.jobs.planning import plan
from crowdmask.jobs.tasks import Task
from crowdmask.settings import AnalysisSettings, OutputSettings, RuntimeSettings


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def planned(*inputs: str, overwrite: bool = False, video: bool = True, **where: str) -> list[Task]:
    output = OutputSettings(overwrite=overwrite, video=video)
    return list(plan(inputs, Destinations(**where), AnalysisSettings(), RuntimeSettings(), output))


def test_missing_files_are_planned_for_their_failure_is_their_own() -> None:
    assert [task.source for task in planned("a.mp4", "b.jpg")] == ["a.mp4", "b.jpg"]


def test_an_input_given_twice_is_analysed_once() -> None:
    Path("a.mp4").touch()
    Path("link.mp4").symlink_to("a.mp4")
    assert [task.source for task in planned("a.mp4", "./a.mp4", "link.mp4")] == ["a.mp4"]


def test_own_outputs_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "crowdmask"):
        assert [task.source for task in planned("a.mp4", "b.crowdmask.mp4")] == ["a.mp4"]
    assert "b.crowdmask.mp4: left out" in caplog.text


def test_own_outputs_alone_are_a_mistake() -> None:
    with pytest.raises(SettingsError, match="nothing to analyse"):
        planned("b.crowdmask.mp4")


def test_a_folder_says_what_to_give_instead(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"this is a folder: name the files in it, such as .*\*\.mp4"):
        planned(str(tmp_path))


@pytest.mark.parametrize("name", ["a.crowdmask.mp4", "a.crowdmask.csv", "a.crowdmask.json"])
def test_nothing_is_overwritten_unless_asked(name: str) -> None:
    Path(name).touch()
    with pytest.raises(OutputError, match=f"{name}: it is there already: give --overwrite"):
        planned("z.mp4", "a.mp4")
    assert len(planned("z.mp4", "a.mp4", overwrite=True)) == 2


def test_a_video_that_is_not_written_is_not_in_the_way() -> None:
    Path("a.crowdmask.mp4").touch()
    assert planned("a.mp4", video=False)


@pytest.mark.parametrize("out", ["a.mp4", "./sub/../a.mp4", "link.mp4"])
def test_an_input_is_never_replaced(out: str) -> None:
    Path("a.mp4").touch()
    Path("sub").mkdir()
    Path("link.mp4").symlink_to("a.mp4")
    with pytest.raises(SettingsError, match="would replace an input"):
        planned("a.mp4", out=out, overwrite=True)


def test_detections_replace_neither_inputs_nor_results() -> None:
    with pytest.raises(SettingsError, match="another result has this name"):
        planned("a.mp4", detections="a.crowdmask.csv", overwrite=True)
    Path("faces.csv").touch()
    with pytest.raises(OutputError, match=r"faces\.csv: it is there already"):
        planned("a.mp4", detections="faces.csv")


def test_a_folder_in_the_way_of_a_result_is_named() -> None:
    Path("a.crowdmask.csv").mkdir()
    with pytest.raises(OutputError, match=r"a\.crowdmask\.csv: it is a folder"):
        planned("a.mp4", overwrite=True)
