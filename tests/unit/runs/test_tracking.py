"""Trackers: a finished run goes to a local folder, with nothing asked of the network; a failing one costs nothing."""

from __future__ import annotations

import json
import os
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from crowdmask.errors import CrowdmaskError, SettingsError
from crowdmask.runs import tracking
from crowdmask.runs.record import RunRecord, write_json


@pytest.fixture
def run(tmp_path: Path) -> Path:
    record = RunRecord(tmp_path / "runs" / "one")
    write_json(record.settings, {"loop": {"steps": 4}})
    write_json(record.data, {"digest": "ab", "splits": {}})
    record.begin("training", {"network": "cnn3", "data": "ab"})
    for step in (2, 4):
        line = {"step": step, "val_loss": 1.0 / step}
        with record.metrics.open("a") as file:
            file.write(json.dumps(line) + "\n")
    (record.folder / "best.npz").write_bytes(b"weights")
    record.end({"steps": 4})
    return record.folder


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket.connect

    def local_only(self: socket.socket, address: Any) -> Any:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"nothing may leave this machine: {address}")
        return real(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)
    for name in ("MLFLOW_TRACKING_URI", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("name", tracking.TRACKERS)
def test_a_run_goes_to_a_local_folder(name: str, run: Path, tmp_path: Path) -> None:
    if find_spec(name) is None:
        pytest.skip(f"needs crowdmask[{name}]")
    said: list[str] = []
    tracking.tracker(name, said.append)(run)
    store = run.parent / name
    assert store.is_dir()
    assert str(store) in said[0]
    assert any(path.is_file() and path.stat().st_size for path in store.rglob("*"))
    {"mlflow": in_mlflow, "wandb": in_wandb}[name](store)
    assert "MLFLOW_TRACKING_URI" not in os.environ  # the next run would follow it


def in_mlflow(store: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{store / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(tracking.PROJECT)
    (entered,) = client.search_runs([experiment.experiment_id])
    assert entered.data.params == {"loop.steps": "4"}
    assert entered.data.metrics == {"val_loss": 0.25}
    assert [(m.step, m.value) for m in client.get_metric_history(entered.info.run_id, "val_loss")] == [
        (2, 0.5),
        (4, 0.25),
    ]
    assert (entered.data.tags["network"], entered.data.tags["data"]) == ("cnn3", "ab")
    kept = {path.name for path in (store / "mlflow-artefacts").rglob("*") if path.is_file()}
    assert {"best.npz", "data.json", "run.json"} <= kept


def in_wandb(store: Path) -> None:
    (written,) = store.rglob("run-*.wandb")
    content = written.read_bytes()
    for entered in (b"val_loss", b"one-data", b"dataset", b"one-weights", b"best.npz", b"data.json"):
        assert entered in content


def test_one_that_is_not_installed_is_refused_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install 'crowdmask\[mlflow\]'"):
        tracking.tracker("mlflow")
    assert tracking.tracker(None)(Path("anywhere")) is None


def test_one_that_fails_leaves_the_run_whole(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(run: Path, store: Path) -> str:
        raise RuntimeError("no such server")

    monkeypatch.setattr(tracking, "find_spec", lambda name: object())
    monkeypatch.setitem(tracking.ENTER, "mlflow", broken)
    with pytest.raises(CrowdmaskError, match="the run is whole, but mlflow did not take it: no such server"):
        tracking.track("mlflow", run, run.parent / "mlflow")
    assert json.loads((run / "run.json").read_text())["state"] == "finished"
