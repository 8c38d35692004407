"""Trains every architecture on one split for one budget, and judges each on the same held-out crops."""

from __future__ import annotations

import dataclasses
import gc
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from crowdmask.comparison.cost import milliseconds_a_crop, runtimes
from crowdmask.comparison.measures import measures
from crowdmask.comparison.settings import ComparisonSettings
from crowdmask.errors import CrowdmaskError
from crowdmask.nets.registry import CLASSIFIER, architecture
from crowdmask.nets.shipped import Shipped, shipped
from crowdmask.nets.weights import Manifest
from crowdmask.runs.record import read_metrics, read_record, write_json
from crowdmask.settings import AnalysisSettings
from crowdmask.training.classifier import predict, to_rgb
from crowdmask.training.classifier_crops import ClassifierCrops
from crowdmask.training.pictures import PictureStore
from crowdmask.training.recipes import BELONGS, graph_settings, recipe
from crowdmask.training.run import Data, Start, train_classifier
from crowdmask.training.settings import AugmentSettings, LoopSettings
from crowdmask.verdicts import Outcome

log = logging.getLogger(__name__)
ROW, SHIPPED = "row.json", "shipped"
Row = dict[str, Any]


_CLOCKS = {"wall": "time", "cpu": "CPU time"}


@dataclass(frozen=True)
class Budget:
    """How long each is trained: steps, or seconds where steps are 0."""

    seconds: float
    steps: int = 0
    clock: str = "wall"

    @property
    def words(self) -> str:
        return (
            f"{self.steps} steps each"
            if self.steps
            else f"{self.seconds:g} s of {_CLOCKS[self.clock]} in training steps each"
        )


@dataclass(frozen=True)
class Bench:
    """What all contestants have in common."""

    data: Data
    out: Path
    settings: ComparisonSettings
    budget: Budget
    recipe: str | None = None  # None: each architecture's own
    country: str = "DEU"
    pretrained: Callable[[str, int], Path | None] = lambda name, size: None
    store: PictureStore = field(default_factory=PictureStore)  # decoded once for all

    def compared(self, names: Sequence[str], report: Callable[[str, float], None]) -> list[Row]:
        """A row for each architecture. One that was finished before is taken as it is; one that fails is a row that
        says why. `report` hears the name and the share of its budget that is used up."""
        return [self._kept(name, partial(self._one, name, report)) for name in names]

    def beside(self, names: Sequence[str]) -> list[Row]:
        """A row for each of the classifiers that ship, judged on the same faces as they are."""
        return [self._kept(f"{name}, {SHIPPED}", partial(self._ready, name)) for name in names]

    def timed(self, rows: Sequence[Row]) -> None:
        """Adds to each row what a crop costs, where it was not written before in every runtime that is here now."""
        for row in rows:
            if "failed" not in row and not set(runtimes()) <= set(row["ms_a_crop"]):
                name, _, ready = str(row["name"]).partition(", ")
                folder = None if ready else self.out / name
                row["ms_a_crop"] = milliseconds_a_crop(shipped(name, folder), folder, name, self.settings.repeats)
                write_json(self._file(row["name"]), row)
                _forget_networks()

    def _file(self, name: str) -> Path:
        name, _, ready = name.partition(", ")
        return self.out / SHIPPED / f"{name}.json" if ready else self.out / name / ROW

    def _kept(self, name: str, make: Callable[[], Row]) -> Row:
        """The row that was written before, or a new one; one that says why there is none is made anew each time."""
        done = self._file(name)
        if done.exists():
            row: Row = json.loads(done.read_text(encoding="utf-8"))
            return row
        try:
            row = make()
        except CrowdmaskError as error:
            log.warning("%s: left out: %s", name, error)
            return {"name": name, "failed": " ".join(str(error).split())}
        finally:
            _forget_networks()
        done.parent.mkdir(parents=True, exist_ok=True)
        write_json(done, row)
        return row

    def _one(self, name: str, report: Callable[[str, float], None]) -> Row:
        settings, budget = self.settings, self.budget
        told = recipe(self.recipe, name)
        loop = _loop(told, settings, budget)
        given = {"input_size": settings.input_size}
        graph = graph_settings(architecture(name).graph_type(), told, given, name)
        crops = {f.name: told[f.name] for f in dataclasses.fields(AugmentSettings) if f.name in told}
        # the split is the comparison's, whatever the recipe says of it
        limits = {"train_faces": 0, "validation_faces": settings.validation_faces, "test_faces": settings.test_faces}
        start = Start(pretrained=self.pretrained(name, settings.input_size))

        def heard(step: int, values: dict[str, float]) -> None:
            report(name, step / budget.steps if budget.steps else values["trained_s"] / budget.seconds)

        outcome = train_classifier(
            self.data,
            self.out / name,
            loop,
            graph,
            name=name,
            start=start,
            recipe=self.recipe or BELONGS.get(name, "camera"),
            augment=AugmentSettings(**{**crops, **limits}),
            country=self.country,
            store=self.store,
            report=heard,
        )
        report(name, 1.0)
        return self._row(name, start, dataclasses.asdict(outcome))

    def _row(self, name: str, start: Start, outcome: dict[str, Any]) -> Row:
        folder = self.out / name
        record = read_record(folder)
        return {
            "name": name,
            "recipe": record["recipe"],
            "started_from": start.words,
            **self._judged(name, folder),
            "file_bytes": (folder / "best.npz").stat().st_size,
            "training": {**outcome, "energy": record["result"].get("energy")},
            "curve": [
                {k: r[k] for k in ("step", "trained_s", "val_loss", "val_accuracy")} for r in read_metrics(folder)
            ],
        }

    def _ready(self, name: str) -> Row:
        """The row of one that ships."""
        entry = Manifest.load(None).entry(name)
        about = {"name": f"{name}, {SHIPPED}", "recipe": None, "started_from": None, "file_bytes": entry.size}
        return {**about, **self._judged(name, None), "training": {}, "curve": []}

    def _judged(self, name: str, folder: Path | None) -> Row:
        """What the weights in the folder are worth and what they cost; None: those that ship."""
        found = shipped(name, folder, task=CLASSIFIER)
        crops, outcomes, sizes = self._test(found.graph.input_size)
        prob = _unmasked(found, predict(found.model, to_rgb(crops)))
        return {
            "measures": measures(prob, outcomes != Outcome.MASKED, sizes),
            "parameters": found.model.count_params(),
            "ms_a_crop": {},
        }

    def _test(self, size: int) -> tuple[NDArray[np.uint8], NDArray[np.int8], NDArray[np.float32]]:
        """The crops for the table, of the same faces for all."""
        settings = self.settings
        held_out = self.data.test or self.data.validation
        analysis, most = AnalysisSettings(), settings.test_faces
        return ClassifierCrops(held_out, self.store, analysis, size, no_face=False, most_per_class=most).clean()


def _forget_networks() -> None:
    """Keras keeps what was built until it is asked not to: nine networks, one after the other, took 17 GB."""
    keras.utils.clear_session()
    gc.collect()


def _unmasked(found: Shipped, logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """The calibrated probability of wearing none, or one wrongly, among the outcomes of a face."""
    honest = found.calibration.of_logits(logits).astype(np.float64)
    if honest.ndim == 1:
        return np.asarray(1 / (1 + np.exp(-honest)))
    raised = np.exp(honest - honest.max(axis=1, keepdims=True))
    against = raised[:, Outcome.UNMASKED] + raised[:, Outcome.INCORRECT]
    return np.asarray(against / (against + raised[:, Outcome.MASKED]))


def _loop(told: Any, settings: ComparisonSettings, budget: Budget) -> LoopSettings:
    own = {k: told[k] for k in ("optimizer", "schedule", "learning_rate", "weight_decay", "warmup") if k in told}
    stages = {k: told[k] for k in ("head_share", "unfrozen", "fine_rate") if k in told}
    steps = budget.steps or 1_000_000
    return LoopSettings(
        **{**own, **stages},
        steps=steps,
        budget_s=0.0 if budget.steps else budget.seconds,
        clock=settings.clock,
        validations=settings.validations,
        validate_every=max(1, steps // settings.validations),
        batch=settings.batch,
        seed=settings.seed,
        average=0.0 if told.get("average") == 0.0 else 0.98,
        patience=0,
    )
