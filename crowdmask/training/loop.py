"""The training loop of both networks: seeded, resumable after a kill, averaging weights, keeping the best."""

from __future__ import annotations

import csv
import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from crowdmask.errors import SettingsError
from crowdmask.nets.checkpoint import arrays_of, assign_arrays, read_arrays, save_weights
from crowdmask.training.settings import LoopSettings

Batch = tuple[Any, Any]


class Trainee(Protocol):
    """A network with its data: what the loop needs of it."""

    network: keras.Model  # whose weights are kept

    def compile(self, optimizer: keras.optimizers.Optimizer) -> keras.Model:
        """The model to call `train_on_batch` on."""
        ...

    def batch(self, step: int) -> Batch: ...
    def validate(self) -> dict[str, float]:
        """Measures of the network as it is; `loss` decides which is best, lower is better."""
        ...


@dataclass(frozen=True)
class Outcome:
    steps: int
    best_step: int
    best: dict[str, float]
    seconds: float
    stopped_early: bool


class RunFolder:
    """The files of one training run."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.best = path / "best.npz"
        self.checkpoint = path / "checkpoint.npz"
        self.curves = path / "curves.csv"
        self.settings = path / "settings.json"

    def agree_on(self, settings: dict[str, Any]) -> None:
        """Write the run's settings down; resuming with others is refused."""
        text = json.dumps(settings, indent=2, sort_keys=True, default=str)
        if self.checkpoint.exists() and self.settings.exists() and self.settings.read_text() != text:
            raise SettingsError(
                f"{self.settings}: this run was begun with other settings: "
                "give those again to go on, or another --out to begin anew"
            )
        self.settings.write_text(text)


class WeightAverage:
    """Exponential moving average of all weights, bias-corrected so that it is right from the first step on."""

    def __init__(self, decay: float, every: int = 8) -> None:
        self._decay, self.every = decay**every, every
        self.sums: dict[str, NDArray[Any]] = {}
        self.total = 0.0

    def update(self, network: keras.Model) -> None:
        for name, array in arrays_of(network).items():
            self.sums[name] = array * (1 - self._decay) + self.sums.get(name, 0.0) * self._decay
        self.total = (1 - self._decay) + self.total * self._decay

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {name: np.asarray(total / self.total, np.float32) for name, total in self.sums.items()}


def train(
    trainee: Trainee,
    folder: RunFolder,
    settings: LoopSettings,
    report: Callable[[int, dict[str, float]], None] = lambda step, values: None,
) -> Outcome:
    """Train to the end, or on from the folder's checkpoint; `best.npz` holds the average that validated best."""
    schedule = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate * 0.01,
        max(1, settings.steps - settings.warmup),
        alpha=0.01,
        warmup_target=settings.learning_rate,
        warmup_steps=settings.warmup,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay, clipnorm=5.0)
    model = trainee.compile(optimizer)
    optimizer.build(model.trainable_variables)
    state = _State(trainee.network, optimizer, settings.average)
    state.resume(folder.checkpoint)
    began = saved = time.monotonic()
    losses: list[float] = []
    step = state.step
    for step, (x, y) in _batches(trainee, state.step, settings):
        losses.append(float(model.train_on_batch(x, y)))
        if (step + 1) % state.average.every == 0:
            state.average.update(trainee.network)
        state.step = step + 1
        report(state.step, {"loss": losses[-1]})
        if state.step % settings.validate_every == 0 or state.step == settings.steps:
            state.note(_validate_average(trainee, state.average), float(np.mean(losses)), folder)
            losses.clear()
            if state.waited(settings.validate_every) >= settings.patience > 0 and state.step >= settings.least_steps:
                break
        if time.monotonic() - saved > settings.checkpoint_every:
            state.save(folder.checkpoint)
            saved = time.monotonic()
    state.save(folder.checkpoint)
    seconds = state.seconds_before + time.monotonic() - began
    return Outcome(state.step, state.best_step, state.best, seconds, state.step < settings.steps)


def _batches(trainee: Trainee, first: int, settings: LoopSettings) -> Iterator[tuple[int, Batch]]:
    """Batches made ahead on threads; batch n depends on the seed and n alone, so a resumed run sees the same ones."""
    ahead = settings.prepare_threads + 2
    pending: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(settings.prepare_threads) as pool:
        try:
            for step in range(first, settings.steps):
                while len(pending) < ahead:
                    pending.append(pool.submit(trainee.batch, step + len(pending)))
                yield step, pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _validate_average(trainee: Trainee, average: WeightAverage) -> dict[str, float]:
    current = arrays_of(trainee.network)
    if average.total:
        assign_arrays(trainee.network, average.arrays(), "the averaged weights")
    try:
        return trainee.validate()
    finally:
        assign_arrays(trainee.network, current, "the current weights")


class _State:
    """All that a resumed run needs: weights, optimizer, average, the best so far."""

    def __init__(self, network: keras.Model, optimizer: keras.optimizers.Optimizer, decay: float) -> None:
        self._network, self._optimizer = network, optimizer
        self.average = WeightAverage(decay)
        self.step = self.best_step = 0
        self.best: dict[str, float] = {}
        self.seconds_before = 0.0
        self._began = time.monotonic()

    def waited(self, validate_every: int) -> int:
        return (self.step - self.best_step) // validate_every

    def note(self, measures: dict[str, float], train_loss: float, folder: RunFolder) -> None:
        """A validation's row in the curves, and the weights if it is the best so far."""
        if not self.best or measures["loss"] < self.best["loss"]:
            self.best, self.best_step = measures, self.step
            arrays = self.average.arrays() if self.average.total else arrays_of(self._network)
            save_weights(folder.best, arrays, half=False)
        row = {"step": self.step, "train_loss": train_loss, **{f"val_{k}": v for k, v in measures.items()}}
        fresh = not folder.curves.exists()
        with folder.curves.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if fresh:
                writer.writeheader()
            writer.writerow({k: v if k == "step" else f"{v:.6g}" for k, v in row.items()})

    def save(self, path: Path) -> None:
        seconds = self.seconds_before + time.monotonic() - self._began
        progress = {"step": self.step, "best_step": self.best_step, "best": self.best, "seconds": seconds}
        arrays = {f"network/{k}": v for k, v in arrays_of(self._network).items()}
        arrays |= {f"average/{k}": v for k, v in self.average.sums.items()}
        arrays |= {f"optimizer/{i}": np.asarray(v) for i, v in enumerate(self._optimizer_values())}
        arrays["progress"] = np.array(json.dumps(progress | {"average_total": self.average.total}))
        save_weights(path, arrays, half=False)

    def resume(self, path: Path) -> None:
        if not path.exists():
            return
        arrays = read_arrays(path)
        progress = json.loads(str(arrays["progress"]))
        self.step, self.best_step, self.best = progress["step"], progress["best_step"], progress["best"]
        self.seconds_before, self.average.total = progress["seconds"], progress["average_total"]
        assign_arrays(self._network, _part(arrays, "network/"), str(path))
        self.average.sums = _part(arrays, "average/")
        for i, variable in enumerate(self._optimizer.variables):
            variable.assign(arrays[f"optimizer/{i}"])

    def _optimizer_values(self) -> list[NDArray[Any]]:
        return [keras.ops.convert_to_numpy(v) for v in self._optimizer.variables]


def _part(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
