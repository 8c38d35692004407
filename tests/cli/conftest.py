"""Runs the command in this process with fake networks, in a folder of its own, with nothing configured elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from crowdmask.cli.main import main
from crowdmask.jobs.networks import Networks, Pair
from crowdmask.settings import AnalysisSettings, RuntimeSettings
from tests.factories import FakeClassifier, FakeDetector


def fake_networks(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    return Pair(FakeDetector(), FakeClassifier())


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.err.strip().splitlines()


Crowdmask = Callable[..., Ran]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("CROWDMASK_") and name != "CROWDMASK_CACHE":
            monkeypatch.delenv(name)
    for name in ("TF_CPP_MIN_LOG_LEVEL", "OPENCV_LOG_LEVEL", "ABSL_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, "3")  # set by the command; kept out of the other tests' environment
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # for the processes that tests start
    monkeypatch.setenv("CROWDMASK_FOLLOW", "false")  # but for test_follow.py these hold what each frame says by itself
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("crowdmask.cli.progress.LINE_S", 86_400.0)  # no line more on stderr because a machine is slow
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def crowdmask(capfd: pytest.CaptureFixture[str]) -> Crowdmask:
    """Calls `crowdmask ARGS...` and gives its exit code and all that it wrote, by whatever library."""

    def call(*args: object, networks: Networks = fake_networks) -> Ran:
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(arg) for arg in args], networks=networks)
        out, err = capfd.readouterr()
        assert isinstance(left.value.code, int)
        return Ran(left.value.code, out, err)

    return call
