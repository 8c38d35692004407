"""A comparison from folders to files: reads and splits the data once, runs every contestant, keeps a record, writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crowdmask.comparison.classifiers import Bench, Budget
from crowdmask.comparison.cost import BATCH
from crowdmask.comparison.detectors import DetectorBench
from crowdmask.comparison.settings import ComparisonSettings
from crowdmask.comparison.writing import write_comparison
from crowdmask.errors import DatasetError
from crowdmask.labels.records import CropSet, LabelSet
from crowdmask.labels.table import LabelTable
from crowdmask.nets.keras_backbones import cached_weights, download_weights
from crowdmask.runs.fingerprint import fingerprint
from crowdmask.runs.record import SETTINGS, RunRecord, agree_on, cpu_name, write_json
from crowdmask.settings import AnalysisSettings
from crowdmask.training.run import AnySet, Data, read_data
from crowdmask.training.settings import SplitSettings

Row = dict[str, Any]
Report = Callable[[str, float], None]


@dataclass
class Comparison:
    folders: Sequence[Path]
    out: Path
    settings: ComparisonSettings
    seconds: float
    labels: Sequence[str] = ()
    recipe: str | None = None
    download: bool = False
    country: str = "DEU"

    @property
    def budget(self) -> Budget:
        return Budget(self.seconds, self.settings.steps, self.settings.clock)

    def run(
        self, architectures: Sequence[str], detectors: Sequence[str], report: Report, *, beside: Sequence[str] = ()
    ) -> tuple[list[Row], list[Row]]:
        """The classifiers' rows, those of `beside` (that ship) after them, and the detectors'; whatever was done before
        is taken from the folder."""
        settings = self.settings
        self._record = RunRecord(self.out)
        told = {**settings.as_dict(), "budget_s": self.seconds, "recipe": self.recipe, "labels": list(self.labels)}
        begun = self._record.data.exists()
        agree_on(self.out / SETTINGS, {**told, "folders": [str(f) for f in self.folders]}, begun=begun, defaults={})
        splitting = SplitSettings(
            validation_share=settings.validation_share,
            test_share=settings.test_share,
            split_seed=settings.split_seed,
            stratified=settings.stratified,
        )
        data = read_data(self.folders, LabelTable().with_options(self.labels), splitting, crops_too=True)
        files = {"training": data.training, "validation": data.validation, "test": data.test}
        print_of = fingerprint({name: [p for each in sets for p in _files(each)] for name, sets in files.items()})
        write_json(self._record.data, print_of)
        self._record.begin(
            "comparison", {"network": ", ".join((*architectures, *detectors)), "data": print_of["digest"]}
        )
        bench = Bench(data, self.out, settings, self.budget, self.recipe, self.country, self._pretrained)
        rows = [*bench.compared(architectures, report), *bench.beside(beside)]
        judged = self._detectors(data, detectors, report) if detectors else []
        self._put_down(rows, judged)  # so that there is a table while times are still taken
        bench.timed(rows)
        return rows, judged

    def write(self, classifiers: Sequence[Row], detectors: Sequence[Row]) -> list[Path]:
        """The tables and charts, and the end of the record."""
        written = self._put_down(classifiers, detectors)
        for step, row in enumerate(r for r in (*classifiers, *detectors) if "failed" not in r):
            found = row.get("measures") or {"ap": row["ap"]}
            numbers = {k: v for k, v in found.items() if isinstance(v, float)}
            self._record.note(step, {f"{row['name']}/{name}": value for name, value in numbers.items()})
        result = {row["name"]: row.get("failed") or (row.get("measures") or row) for row in (*classifiers, *detectors)}
        self._record.end(result)
        return written

    def _put_down(self, classifiers: Sequence[Row], detectors: Sequence[Row]) -> list[Path]:
        settings = self.settings
        about = [
            f"Budget: {self.budget.words}, batches of {settings.batch}, crops of {settings.input_size} px; the same "
            f"split for all. Recipes: {self.recipe or 'each architecture has its own'}.",
            "Two classes, masked and unmasked (a mask worn wrongly is unmasked); threshold 0.5 after calibration.",
            f"Machine: {cpu_name()}. Times are of the processor, on one thread in float32: a crop among {BATCH}, the "
            f"least of {settings.repeats}; a frame by itself, the median.",
        ]
        return write_comparison(self.out, classifiers, detectors, about)

    def _pretrained(self, name: str, size: int) -> Path | None:
        from crowdmask.nets.keras_backbones import BACKBONES

        found = cached_weights(name, size)
        return download_weights(name, size) if found is None and self.download and name in BACKBONES else found

    def _detectors(self, data: Data, names: Sequence[str], report: Report) -> list[Row]:
        photographs = [each for each in (*data.test, *data.validation) if isinstance(each, LabelSet)]
        if not photographs:
            raise DatasetError("detectors are judged on labelled photographs, and --data has crops alone: add some")
        bench = DetectorBench.of(photographs, self.settings.test_pictures, self.out, AnalysisSettings())
        return bench.compared(names, report)


def _files(each: AnySet) -> list[Path]:
    return [c.path for c in each.crops] if isinstance(each, CropSet) else [p.path for p in each.pictures]
