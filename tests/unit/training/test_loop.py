"""The training loop around a network of four weights: resumed after a kill it ends where an undisturbed run does."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from crowdmask.errors import SettingsError
from crowdmask.nets.checkpoint import read_arrays
from crowdmask.training.loop import RunFolder, WeightAverage, train
from crowdmask.training.settings import LoopSettings


class Killed(BaseException):
    """Nothing in the loop may catch it."""


class Line:
    """Learns y = 2x - 1 from batches that depend on the step alone."""

    def __init__(self) -> None:
        keras.utils.set_random_seed(7)
        x = keras.Input((1,))
        self.network = keras.Model(x, keras.layers.Dense(1, name="line")(x))
        self.losses: list[float] = []

    def compile(self, optimizer: keras.optimizers.Optimizer) -> keras.Model:
        self.network.compile(optimizer=optimizer, loss="mse")
        return self.network

    def batch(self, step: int) -> tuple[Any, Any]:
        x = np.random.default_rng(step).normal(size=(8, 1)).astype(np.float32)
        return x, 2 * x - 1

    def validate(self) -> dict[str, float]:
        x = np.linspace(-1, 1, 9, dtype=np.float32)[:, None]
        return {"loss": float(np.mean((self.network.predict_on_batch(x) - (2 * x - 1)) ** 2))}


LOOP = LoopSettings(steps=40, learning_rate=0.2, warmup=5, validate_every=10, checkpoint_every=0.0, average=0.9)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "curves.csv").open() as file:
        return list(csv.DictReader(file))


def test_it_learns_and_keeps_the_best(tmp_path: Path) -> None:
    outcome = train(Line(), RunFolder(tmp_path), LOOP)
    losses = {int(row["step"]): float(row["val_loss"]) for row in rows(tmp_path)}
    assert list(losses) == [10, 20, 30, 40]
    assert outcome.best_step == min(losses, key=lambda step: losses[step])
    assert losses[40] < 0.2 * losses[10]
    assert set(read_arrays(tmp_path / "best.npz")) == {"line/kernel", "line/bias"}


@pytest.mark.parametrize("killed_at", [3, 10, 27])
def test_killed_and_resumed_it_ends_where_an_undisturbed_run_does(tmp_path: Path, killed_at: int) -> None:
    train(Line(), RunFolder(tmp_path / "whole"), LOOP)

    def kill(step: int, values: dict[str, float]) -> None:
        if step == killed_at:
            raise Killed

    with pytest.raises(Killed):
        train(Line(), RunFolder(tmp_path / "killed"), LOOP, kill)
    train(Line(), RunFolder(tmp_path / "killed"), LOOP)
    for name in ("best.npz", "checkpoint.npz"):
        whole, resumed = read_arrays(tmp_path / "whole" / name), read_arrays(tmp_path / "killed" / name)
        for key in whole.keys() - {"progress"}:
            assert np.allclose(whole[key], resumed[key], rtol=1e-5, atol=1e-7), (name, key)


def test_it_stops_early_but_not_too_early(tmp_path: Path) -> None:
    class Stubborn(Line):
        def validate(self) -> dict[str, float]:
            return {"loss": 1.0}

    loop = LoopSettings(steps=100, validate_every=5, patience=2, least_steps=30, warmup=0, checkpoint_every=1e9)
    outcome = train(Stubborn(), RunFolder(tmp_path), loop)
    assert outcome.stopped_early
    assert outcome.steps == 30
    assert outcome.best_step == 5


def test_a_run_with_other_settings_is_not_gone_on_with(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.agree_on({"steps": 4})
    folder.agree_on({"steps": 5})  # nothing is trained yet
    folder.checkpoint.touch()
    folder.agree_on({"steps": 5})
    with pytest.raises(SettingsError, match="other settings"):
        folder.agree_on({"steps": 6})


def test_the_average_is_right_from_the_first_update_on() -> None:
    line, average = Line(), WeightAverage(0.5, every=1)
    line.network.get_layer("line").set_weights([np.array([[4.0]]), np.array([1.0])])
    average.update(line.network)
    assert average.arrays()["line/kernel"].item() == pytest.approx(4.0)
    line.network.get_layer("line").set_weights([np.array([[1.0]]), np.array([1.0])])
    average.update(line.network)
    # weights 1/2 for the new and 1/4 for the old, of 3/4 in all
    assert average.arrays()["line/kernel"].item() == pytest.approx((0.5 * 1 + 0.25 * 4) / 0.75)
