"""The training loop around a network of four weights: resumed after a kill it ends where an undisturbed run does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from crowdmask.errors import OutputError, SettingsError
from crowdmask.nets.checkpoint import read_arrays
from crowdmask.runs.record import read_metrics
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


def test_it_learns_and_keeps_the_best(tmp_path: Path) -> None:
    outcome = train(Line(), RunFolder(tmp_path), LOOP)
    losses = {int(row["step"]): float(row["val_loss"]) for row in read_metrics(tmp_path)}
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


def test_time_ends_it_too_and_leaves_something_whole(tmp_path: Path) -> None:
    loop = LoopSettings(steps=1000, budget_s=1e-6, warmup=0, learning_rate=0.2)
    outcome = train(Line(), RunFolder(tmp_path), loop)
    assert outcome.steps == 2  # the first builds the graph and is not counted, the second took longer than that
    assert not outcome.stopped_early
    assert [row["step"] for row in read_metrics(tmp_path)] == [2]
    assert (tmp_path / "best.npz").exists()
    assert train(Line(), RunFolder(tmp_path), loop).steps == 2  # its time is over, however often it is asked


class TwoLayers(Line):
    def __init__(self) -> None:
        super().__init__()
        x = keras.Input((1,))
        hidden = keras.layers.Dense(2, name="body")(x)
        self.network = keras.Model(x, keras.layers.Dense(1, name="head")(hidden))

    def weights(self, name: str) -> np.ndarray:
        return np.asarray(self.network.get_layer(name).get_weights()[0]).copy()


@pytest.mark.parametrize("killed_at", [None, 6, 14])
def test_the_backbone_stands_still_until_the_second_stage(tmp_path: Path, killed_at: int | None) -> None:
    loop = LoopSettings(
        steps=20, learning_rate=0.1, schedule="constant", optimizer="adam", warmup=0, validate_every=5,
        checkpoint_every=0.0, average=0.0, head_share=0.5, fine_rate=0.1,
    )  # fmt: skip
    lesson = TwoLayers()
    first = lesson.weights("body")
    seen: dict[int, np.ndarray] = {}

    def look(step: int, values: dict[str, float]) -> None:
        seen[step] = lesson.weights("body")
        if step == killed_at:
            raise Killed

    if killed_at is None:
        train(lesson, RunFolder(tmp_path), loop, look, backbone=2)
    else:
        with pytest.raises(Killed):
            train(lesson, RunFolder(tmp_path), loop, look, backbone=2)
        lesson, killed_at = TwoLayers(), None
        train(lesson, RunFolder(tmp_path), loop, look, backbone=2)
    assert all(np.array_equal(seen[step], first) for step in range(1, 11))
    assert not np.array_equal(seen[20], first)


def test_a_gain_that_is_too_small_is_none(tmp_path: Path) -> None:
    class Slow(Line):
        def validate(self) -> dict[str, float]:
            self.losses.append(0.0)
            return {"loss": 1.0 - 0.01 * len(self.losses)}

    loop = LoopSettings(
        steps=100, validate_every=5, patience=2, least_steps=0, warmup=0, checkpoint_every=1e9, least_gain=0.05
    )
    outcome = train(Slow(), RunFolder(tmp_path), loop)
    # 0.99 at 5 is the best, 0.98 at 10 and 0.97 at 15 gain too little
    assert (outcome.steps, outcome.best_step, outcome.stopped_early) == (15, 5, True)
    again = train(Slow(), RunFolder(tmp_path), loop)
    assert again.steps == 15  # a run that stopped early has nothing left to do


def test_a_setting_that_came_later_does_not_hold_an_old_run_up(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.agree_on({"loop": {"steps": 4}})
    folder.checkpoint.touch()
    defaults = {"loop": {"steps": 9, "optimizer": "adamw"}}
    folder.agree_on({"loop": {"steps": 4, "optimizer": "adamw"}}, defaults)
    with pytest.raises(SettingsError, match=r"loop\.optimizer"):
        folder.agree_on({"loop": {"steps": 4, "optimizer": "adam"}}, defaults)


def test_a_full_disk_is_one_line_and_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)
    train(Line(), folder, LoopSettings(steps=4, validate_every=2, warmup=0))
    before = folder.checkpoint.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OutputError, match=r"best\.npz: the disk is full|checkpoint\.npz: the disk is full"):
        train(Line(), folder, LoopSettings(steps=8, validate_every=2, warmup=0))
    assert folder.checkpoint.read_bytes() == before
    monkeypatch.undo()
    assert train(Line(), folder, LoopSettings(steps=8, validate_every=2, warmup=0)).steps == 8
