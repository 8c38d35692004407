"""One training run, from folders of pictures to a folder of results: read, split, train, draw the curves."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crowdmask.errors import DatasetError
from crowdmask.labels.folders import read_class_folders
from crowdmask.labels.reading import read_labels
from crowdmask.labels.records import CropSet, LabelSet, Problem
from crowdmask.labels.split import split
from crowdmask.labels.table import LabelTable
from crowdmask.nets.registry import architecture
from crowdmask.settings import AnalysisSettings
from crowdmask.training.classifier import ClassifierTrainee
from crowdmask.training.classifier_crops import ClassifierCrops
from crowdmask.training.curves import draw_curves
from crowdmask.training.detector import DetectorTrainee
from crowdmask.training.detector_crops import DetectorCrops
from crowdmask.training.loop import Outcome, RunFolder, Trainee, train
from crowdmask.training.pictures import PictureStore
from crowdmask.training.settings import ClassifierGraphSettings, DetectorCropSettings, LoopSettings, SplitSettings

log = logging.getLogger(__name__)
Report = Callable[[int, dict[str, float]], None]
AnySet = LabelSet | CropSet


@dataclass(frozen=True)
class Data:
    """What is trained on, what is held out, and what could not be used."""

    training: tuple[AnySet, ...]
    validation: tuple[AnySet, ...]
    problems: tuple[Problem, ...]


def read_data(
    folders: Sequence[Path],
    table: LabelTable,
    splitting: SplitSettings,
    *,
    crops_too: bool,
    leave_out: Mapping[Path, Sequence[str]] | None = None,
) -> Data:
    """Labelled pictures, a share of each folder held out. Ready-made crops are only trained on, unless there is
    nothing else: photographs tell more of how well the network will do. Pictures named in `leave_out` (by folder) are
    not trained on."""
    sets = [_read(folder, table, crops_too=crops_too) for folder in folders]
    only_crops = all(isinstance(s, CropSet) for s in sets)
    training: list[AnySet] = []
    validation: list[AnySet] = []
    for each in sets:
        if isinstance(each, LabelSet):
            each.require_both_classes()
        if isinstance(each, CropSet) and not only_crops:
            training.append(each)
            continue
        rest, held_out = _halves(each, splitting)
        unwanted = (leave_out or {}).get(each.root, ())
        training.append(rest.without(unwanted) if isinstance(rest, LabelSet) else rest)
        validation.append(held_out)
    return Data(tuple(training), tuple(validation), tuple(p for s in sets for p in s.problems))


def _read(folder: Path, table: LabelTable, *, crops_too: bool) -> AnySet:
    try:
        return read_labels(folder, table)
    except DatasetError:
        if not crops_too:
            raise
        with suppress(DatasetError):
            return read_class_folders(folder, table)
        raise


def _halves(each: AnySet, splitting: SplitSettings) -> tuple[AnySet, AnySet]:
    share, seed = splitting.validation_share, splitting.split_seed
    if isinstance(each, LabelSet):
        _, held_out = split([p.name for p in each.pictures], share, seed)
        return each.without(held_out), each.only(held_out)
    _, names = split([str(c.path) for c in each.crops], share, seed)
    chosen = set(names)
    return tuple(  # type: ignore[return-value]
        dataclasses.replace(each, crops=tuple(c for c in each.crops if (str(c.path) in chosen) == wanted))
        for wanted in (False, True)
    )


def train_detector(
    data: Data,
    out: Path,
    loop: LoopSettings,
    crops: DetectorCropSettings,
    *,
    start: Path | None,
    shares: Sequence[float] | None = None,
    name: str = "retinaface",
    graph: Any = None,
    report: Report = lambda step, values: None,
) -> Outcome:
    kind = architecture(name)
    graph = graph or kind.graph_type()()
    pictures = [s for s in data.training if isinstance(s, LabelSet)]
    held_out = [s for s in data.validation if isinstance(s, LabelSet)]
    store = PictureStore()
    trainee = DetectorTrainee(
        kind,
        graph,
        start,
        DetectorCrops(pictures, store, crops, shares),
        DetectorCrops(held_out, store, crops),
        side=crops.side,
        batch=loop.batch,
        seed=loop.seed,
    )
    settings = {"network": name, "graph": dataclasses.asdict(graph), "crops": crops.as_dict(), "shares": shares}
    return _run(trainee, out, loop, settings | {"start": str(start) if start else None}, report)


def train_classifier(
    data: Data,
    out: Path,
    loop: LoopSettings,
    graph_settings: ClassifierGraphSettings,
    *,
    start: Path | None,
    shares: Sequence[float] | None = None,
    name: str = "xception",
    rare_names: Sequence[str] = (),
    analysis: AnalysisSettings | None = None,
    report: Report = lambda step, values: None,
) -> Outcome:
    kind = architecture(name)
    graph = kind.graph_type()(**graph_settings.as_dict())
    store, analysis = PictureStore(), analysis or AnalysisSettings()
    training = ClassifierCrops(data.training, store, analysis, graph.input_size, weights=shares, rare_names=rare_names)
    validation = ClassifierCrops(data.validation, store, analysis, graph.input_size)
    trainee = ClassifierTrainee(kind, graph, training, validation, batch=loop.batch, seed=loop.seed, start=start)
    cut = {"crop_margin", "undersized_below", "undersized_margin"}
    settings = {
        "network": name,
        "graph": dataclasses.asdict(graph),
        "crops": {k: v for k, v in analysis.as_dict().items() if k in cut},
        "rare_names": list(rare_names),
        "shares": shares,
    }
    return _run(trainee, out, loop, settings | {"start": str(start) if start else None}, report)


def _run(trainee: Trainee, out: Path, loop: LoopSettings, settings: dict[str, Any], report: Report) -> Outcome:
    folder = RunFolder(out)
    folder.agree_on({**settings, "loop": loop.as_dict()})
    with _energy(out) as energy:
        outcome = train(trainee, folder, loop, report)
    draw_curves(folder.curves)
    result = {**dataclasses.asdict(outcome), "energy_kwh": energy()}
    (out / "outcome.json").write_text(json.dumps(result, indent=2))
    return outcome


@contextmanager
def _energy(out: Path) -> Iterator[Callable[[], float | None]]:
    """Measures the energy used where codecarbon is installed; its estimate needs no network."""
    try:
        from codecarbon import OfflineEmissionsTracker
    except ImportError:
        log.info("codecarbon is not installed: the energy used is not measured (pip install 'crowdmask[energy]')")
        yield lambda: None
        return
    tracker = OfflineEmissionsTracker(
        country_iso_code="FRA", output_dir=str(out), log_level="error", save_to_file=True, tracking_mode="process"
    )
    tracker.start()
    used: list[float] = []
    try:
        yield lambda: used[0] if used else None
    finally:
        tracker.stop()
        used.append(float(tracker.final_emissions_data.energy_consumed))
