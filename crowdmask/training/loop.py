"""The training loop of all networks: seeded, resumable after a kill, averaging weights, keeping the best."""

from __future__ import annotations

import csv
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from crowdmask.media.parts import writing
from crowdmask.nets.checkpoint import arrays_of, assign_arrays, read_arrays, save_weights
from crowdmask.runs.record import RunRecord, agree_on
from crowdmask.training.settings import LoopSettings

Batch = tuple[Any, Any]
Report = Callable[[int, dict[str, float]], None]


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


class RunFolder(RunRecord):
    """The record of a training run, with its weights and its checkpoint."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.best = path / "best.npz"
        self.checkpoint = path / "checkpoint.npz"
        _take_over_curves(path / "curves.csv", self)

    def agree_on(self, settings: dict[str, Any], defaults: Mapping[str, Any] | None = None) -> None:
        """Write the run's settings down; going on from a checkpoint with others is refused."""
        agree_on(self.settings, settings, begun=self.checkpoint.exists(), defaults=defaults or {})


def _take_over_curves(table: Path, record: RunRecord) -> None:
    """Runs of earlier versions kept their validations in a CSV."""
    if table.exists() and not record.metrics.exists():
        with table.open(newline="") as file:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        for row in rows:
            record.note(int(row.pop("step")), row)


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
    report: Report = lambda step, values: None,
    *,
    backbone: int = 0,
) -> Outcome:
    """Train to the end, or on from the folder's checkpoint; `best.npz` holds the average that validated best.

    With `head_share`, the network's first `backbone` layers stand still for that share of the run, and then its last
    `unfrozen` ones learn too, at a lower rate.
    """
    state = _State(trainee.network, settings.average)
    state.resume(folder.checkpoint)
    lesson = _Lesson(trainee, settings, backbone)
    lesson.begin(state)
    began = saved = time.monotonic()
    losses: list[float] = []
    now = time.process_time if settings.clock == "cpu" else time.monotonic
    ahead = () if state.waited_enough(settings) else _batches(trainee, state.step, settings)
    for step, (x, y) in ahead:
        if settings.budget_s and state.trained_s >= settings.budget_s:
            break
        lesson.move_on(state)
        started = now()
        losses.append(float(lesson.model.train_on_batch(x, y)))
        # the first step after compiling is mostly that of building the graph, and as long for a large network as many
        if not lesson.is_new:
            state.trained_s += now() - started
        lesson.is_new = False
        if settings.average and (step + 1) % state.average.every == 0:
            state.average.update(trainee.network)
        state.step = step + 1
        report(state.step, {"loss": losses[-1], "trained_s": state.trained_s})
        if state.due(settings):
            state.note(_validate_average(trainee, state.average), losses, folder, settings.least_gain)
            if state.waited_enough(settings):
                break
        if time.monotonic() - saved > settings.checkpoint_every:
            state.save(folder.checkpoint)
            saved = time.monotonic()
    if losses:  # a time that ran out between two validations
        state.note(_validate_average(trainee, state.average), losses, folder, settings.least_gain)
    state.save(folder.checkpoint)
    seconds = state.seconds_before + time.monotonic() - began
    out_of_time = bool(settings.budget_s) and state.trained_s >= settings.budget_s
    return Outcome(state.step, state.best_step, state.best, seconds, state.step < settings.steps and not out_of_time)


class _Lesson:
    """The compiled model with its optimizer: which layers learn at which stage of the run, and how fast."""

    def __init__(self, trainee: Trainee, settings: LoopSettings, backbone: int) -> None:
        self._trainee, self._settings, self._backbone = trainee, settings, backbone
        self.model: keras.Model = None
        self.optimizer: keras.optimizers.Optimizer = None
        self.is_new = True  # compiled, and not asked for a step yet

    def begin(self, state: _State) -> None:
        """Compile for the stage that the run is in, with the optimizer where it was."""
        self._set_out(state.stage)
        state.resume_optimizer(self.optimizer)

    def move_on(self, state: _State) -> None:
        """Begin the second stage when its time has come; bring the rate to where a time budget wants it."""
        settings = self._settings
        progress = state.step / settings.steps
        if settings.budget_s:
            progress = max(progress, state.trained_s / settings.budget_s)
        if state.stage == 0 and settings.head_share and progress >= settings.head_share:
            state.stage = 1
            self._set_out(1)
            state.optimizer = self.optimizer
        if settings.budget_s and settings.schedule == "cosine":
            self.optimizer.learning_rate.assign(_cosine(settings, state.step, progress))

    def _set_out(self, stage: int) -> None:
        settings = self._settings
        if settings.head_share:
            layers = self._trainee.network.layers[: self._backbone]
            still = len(layers) if stage == 0 else len(layers) - settings.unfrozen if settings.unfrozen else 0
            for place, layer in enumerate(layers):
                layer.trainable = place >= still
        self.optimizer = _optimizer(settings, settings.fine_rate if stage else 1.0)
        self.model, self.is_new = self._trainee.compile(self.optimizer), True
        self.optimizer.build(self.model.trainable_variables)


def _optimizer(settings: LoopSettings, factor: float) -> keras.optimizers.Optimizer:
    rate: Any = settings.learning_rate * factor
    if settings.schedule == "cosine" and not settings.budget_s:
        rate = keras.optimizers.schedules.CosineDecay(
            rate * 0.01,
            max(1, settings.steps - settings.warmup),
            alpha=0.01,
            warmup_target=rate,
            warmup_steps=settings.warmup,
        )
    if settings.optimizer == "adam":
        return keras.optimizers.Adam(rate)
    if settings.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(rate)
    return keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, clipnorm=5.0)


def _cosine(settings: LoopSettings, step: int, progress: float) -> float:
    """The rate where seconds and not steps say how far the run is: up over the warming up, down as a cosine."""
    rising = min(1.0, 0.01 + step / max(1, settings.warmup))
    falling = 0.01 + 0.99 * (1 + np.cos(np.pi * min(1.0, progress))) / 2
    return float(settings.learning_rate * min(rising, falling))


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

    def __init__(self, network: keras.Model, decay: float) -> None:
        self._network = network
        self.optimizer: keras.optimizers.Optimizer = None
        self._stored: dict[str, NDArray[Any]] = {}
        self.average = WeightAverage(decay)
        self.step = self.best_step = self.stage = 0
        self.best: dict[str, float] = {}
        self.seconds_before = 0.0
        self.trained_s = 0.0  # in steps alone, without building, validating and saving
        self._validated = 0  # with a budget: of how many parts
        self._began = time.monotonic()

    def due(self, settings: LoopSettings) -> bool:
        """Whether to validate now."""
        if self.step == settings.steps:
            return True
        if not (settings.budget_s and settings.validations):
            return self.step % settings.validate_every == 0
        reached = int(self.trained_s / settings.budget_s * settings.validations)
        due, self._validated = reached > self._validated, max(reached, self._validated)
        return due and reached < settings.validations  # the last one comes when the time is over

    def waited_enough(self, settings: LoopSettings) -> bool:
        """Whether there was no better validation for so long that it stops early."""
        waited = (self.step - self.best_step) // settings.validate_every
        return waited >= settings.patience > 0 and self.step >= settings.least_steps

    def note(self, measures: dict[str, float], losses: list[float], folder: RunFolder, least_gain: float) -> None:
        """A validation's line in the metrics, and the weights if it is the best so far; the losses begin anew."""
        if not self.best or measures["loss"] < self.best["loss"] - least_gain:
            self.best, self.best_step = measures, self.step
            arrays = self.average.arrays() if self.average.total else arrays_of(self._network)
            with writing(folder.best):
                save_weights(folder.best, arrays, half=False)
        row = {"train_loss": float(np.mean(losses)), **{f"val_{k}": v for k, v in measures.items()}}
        folder.note(self.step, {**row, "trained_s": self.trained_s})
        losses.clear()

    def save(self, path: Path) -> None:
        seconds = self.seconds_before + time.monotonic() - self._began
        progress = {"step": self.step, "best_step": self.best_step, "best": self.best, "seconds": seconds}
        progress |= {"stage": self.stage, "trained_s": self.trained_s, "average_total": self.average.total}
        arrays = {f"network/{k}": v for k, v in arrays_of(self._network).items()}
        arrays |= {f"average/{k}": v for k, v in self.average.sums.items()}
        values = [keras.ops.convert_to_numpy(v) for v in self.optimizer.variables]
        arrays |= {f"optimizer/{i}": np.asarray(v) for i, v in enumerate(values)}
        arrays["progress"] = np.array(json.dumps(progress))
        with writing(path):
            save_weights(path, arrays, half=False)

    def resume(self, path: Path) -> None:
        if not path.exists():
            return
        arrays = read_arrays(path)
        progress = json.loads(str(arrays["progress"]))
        self.step, self.best_step, self.best = progress["step"], progress["best_step"], progress["best"]
        self.seconds_before, self.average.total = progress["seconds"], progress["average_total"]
        self.stage, self.trained_s = progress.get("stage", 0), progress.get("trained_s", progress["seconds"])
        assign_arrays(self._network, _part(arrays, "network/"), str(path))
        self.average.sums = _part(arrays, "average/")
        self._stored = _part(arrays, "optimizer/")

    def resume_optimizer(self, optimizer: keras.optimizers.Optimizer) -> None:
        self.optimizer = optimizer
        for i, variable in enumerate(optimizer.variables if self._stored else ()):
            variable.assign(self._stored[str(i)])
        self._stored = {}


def _part(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
