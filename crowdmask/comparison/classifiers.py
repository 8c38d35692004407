"""Trains every architecture on one split for one budget, and judges each on the same held-out crops."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.comparison.cost import milliseconds_a_crop
from crowdmask.comparison.measures import measures
from crowdmask.comparison.settings import ComparisonSettings
from crowdmask.errors import CrowdmaskError
from crowdmask.nets.registry import architecture
from crowdmask.nets.shipped import shipped
from crowdmask.runs.record import read_metrics, read_record, write_json
from crowdmask.settings import AnalysisSettings
from crowdmask.training.classifier import predict, to_rgb
from crowdmask.training.classifier_crops import ClassifierCrops
from crowdmask.training.pictures import PictureStore
from crowdmask.training.recipes import BELONGS, graph_settings, recipe
from crowdmask.training.run import Data, Start, train_classifier
from crowdmask.training.settings import AugmentSettings, LoopSettings

log = logging.getLogger(__name__)
ROW = "row.json"
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
        rows = []
        for name in names:
            done = self.out / name / ROW
            if done.exists():
                rows.append(json.loads(done.read_text(encoding="utf-8")))
            else:
                try:
                    row = self._one(name, report)
                except CrowdmaskError as error:
                    log.warning("%s: left out: %s", name, error)
                    row = {"name": name, "failed": " ".join(str(error).split())}
                else:
                    write_json(done, row)
                rows.append(row)
            report(name, 1.0)
        return rows

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
        return self._row(name, start, dataclasses.asdict(outcome))

    def _row(self, name: str, start: Start, outcome: dict[str, Any]) -> Row:
        folder = self.out / name
        found = shipped(name, folder, task="classifier")
        crops, labels, sizes = self._test()
        logits = predict(found.model, to_rgb(crops))
        honest = found.calibration.slope * logits.astype(np.float64) + found.calibration.offset
        prob = 1 / (1 + np.exp(-honest))
        record = read_record(folder)
        return {
            "name": name,
            "recipe": record["recipe"],
            "started_from": start.words,
            "measures": measures(prob, labels == 1, sizes),
            "parameters": found.model.count_params(),
            "file_bytes": (folder / "best.npz").stat().st_size,
            "ms_a_crop": milliseconds_a_crop(folder, name, self.settings.input_size, self.settings.repeats),
            "training": {**outcome, "energy": record["result"].get("energy")},
            "curve": [
                {k: r[k] for k in ("step", "trained_s", "val_loss", "val_accuracy")} for r in read_metrics(folder)
            ],
        }

    def _test(self) -> tuple[NDArray[np.uint8], NDArray[np.int8], NDArray[np.float32]]:
        """The crops for the table, the same for all: cut once, kept in the comparison's folder."""
        settings = self.settings
        held_out = self.data.test or self.data.validation
        crops = ClassifierCrops(
            held_out, self.store, AnalysisSettings(), settings.input_size, most_per_class=settings.test_faces
        )
        return crops.clean()


def _loop(told: Any, settings: ComparisonSettings, budget: Budget) -> LoopSettings:
    own = {k: told[k] for k in ("optimizer", "schedule", "learning_rate", "weight_decay", "warmup") if k in told}
    stages = {k: told[k] for k in ("head_share", "unfrozen", "fine_rate") if k in told}
    steps = budget.steps or 1_000_000
    return LoopSettings(
        **{**own, **stages},
        steps=steps,
        budget_s=0.0 if budget.steps else budget.seconds,
        clock=settings.clock,
        validations=8,
        validate_every=max(1, steps // 8),
        batch=settings.batch,
        seed=settings.seed,
        average=0.0 if told.get("average") == 0.0 else 0.98,
        patience=0,
    )
