"""Hands finished runs on to MLflow or Weights & Biases, which stay offline unless they are configured otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from crowdmask.errors import CrowdmaskError, SettingsError
from crowdmask.runs.record import DATA, SETTINGS, flat, read_json, read_metrics, read_record

PROJECT = "crowdmask"
ARTEFACTS = ("best.npz", "manifest.json", "model-card.md", "outcome.json", "curves.png", "comparison.html", "run.json")
TRACKERS = ("mlflow", "wandb")


def require(name: str) -> None:
    """Refuses one that is not installed, before any work is done."""
    if find_spec(name) is None:
        raise SettingsError(f"--track {name}: it is not installed: pip install 'crowdmask[{name}]'")


def tracker(name: str | None, say: Callable[[str], None] = print) -> Callable[[Path], None]:
    """What to call with a finished run's folder; refuses at once what is not installed. None: nothing is done."""
    if name is None:
        return lambda run: None
    require(name)
    return lambda run: say(f"{name}: {track(name, run, run.resolve().parent / name)}")


def track(name: str, run: Path, store: Path) -> str:
    """Enter the run with its settings, metrics, artefacts and data set; returns where it went.

    Without MLFLOW_TRACKING_URI or WANDB_MODE in the environment that is a folder below `store`: nothing leaves this
    machine. A tracker that fails costs nothing of the run, whose own record is whole.
    """
    require(name)
    try:
        return ENTER[name](run, store)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise CrowdmaskError(f"{run}: the run is whole, but {name} did not take it: {reason}") from error


def _mlflow(run: Path, store: Path) -> str:
    import mlflow

    asked = os.environ.get("MLFLOW_TRACKING_URI")
    where = asked or f"sqlite:///{(store / 'mlflow.db').resolve()}"
    store.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(where)  # which it also puts into the environment
    try:
        told = read_record(run)
        if mlflow.get_experiment_by_name(PROJECT) is None:
            folder = None if asked else (store / "mlflow-artefacts").resolve().as_uri()
            mlflow.create_experiment(PROJECT, artifact_location=folder)
        mlflow.set_experiment(PROJECT)
        with mlflow.start_run(run_name=run.name):
            _fill_mlflow(mlflow, run, told)
    finally:
        if asked is None:
            os.environ.pop("MLFLOW_TRACKING_URI", None)
    return where


def _fill_mlflow(mlflow: Any, run: Path, told: Mapping[str, Any]) -> None:
    mlflow.set_tags({k: str(told.get(k)) for k in ("what", "network", "recipe", "data", "state")})
    mlflow.log_params({k: str(v)[:500] for k, v in flat(read_json(run / SETTINGS)).items()})
    for row in read_metrics(run):
        step = row.pop("step")
        mlflow.log_metrics({name.replace("/", "."): value for name, value in row.items()}, step=step)
    for name in (*ARTEFACTS, DATA):
        if (run / name).is_file():
            mlflow.log_artifact(str(run / name))


def _wandb(run: Path, store: Path) -> str:
    import wandb

    store.mkdir(parents=True, exist_ok=True)
    told = read_record(run)
    mode: Any = os.environ.get("WANDB_MODE", "offline")
    settings = wandb.Settings(silent=True, console="off")
    config = {**flat(read_json(run / SETTINGS)), "data": told.get("data")}
    entered = wandb.init(
        project=PROJECT,
        name=run.name,
        dir=str(store),
        mode=mode,
        config=config,
        job_type=told["what"],
        settings=settings,
    )
    for row in read_metrics(run):
        step = row.pop("step")
        entered.log(row, step=step)
    _wandb_files(wandb, entered, f"{run.name}-weights", "model", [run / name for name in ARTEFACTS])
    _wandb_files(wandb, entered, f"{run.name}-data", "dataset", [run / DATA])
    where = str(entered.dir)
    entered.finish()
    wandb.teardown()  # only its end writes what its own process still holds
    return where


def _wandb_files(wandb: Any, entered: Any, name: str, kind: str, paths: list[Path]) -> None:
    artefact = wandb.Artifact(name, type=kind)
    for path in paths:
        if path.is_file():
            artefact.add_file(str(path))
    entered.log_artifact(artefact)


ENTER: dict[str, Callable[[Path, Path], str]] = {"mlflow": _mlflow, "wandb": _wandb}
