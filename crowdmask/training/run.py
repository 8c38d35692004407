"""One training run, from folders of pictures to a folder of results: read, split, train, and leave a record."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crowdmask.engine.load import load_detector
from crowdmask.errors import DatasetError
from crowdmask.geometry import FloatArray
from crowdmask.labels.folders import read_class_folders
from crowdmask.labels.reading import read_labels
from crowdmask.labels.records import CropSet, LabelSet, Problem
from crowdmask.labels.split import split
from crowdmask.labels.table import LabelTable
from crowdmask.nets.checkpoint import load_weights
from crowdmask.nets.registry import Architecture, architecture
from crowdmask.nets.weights import update_entry
from crowdmask.runs import energy
from crowdmask.runs.fingerprint import copies, fingerprint
from crowdmask.runs.record import code_version, write_json
from crowdmask.settings import AnalysisSettings, RuntimeSettings
from crowdmask.training.classifier import ClassifierTrainee, predict, to_rgb, wanted_of
from crowdmask.training.classifier_crops import ClassifierCrops
from crowdmask.training.curves import draw_curves
from crowdmask.training.detector import DetectorTrainee
from crowdmask.training.detector_crops import DetectorCrops
from crowdmask.training.landmarks import landmarks_of
from crowdmask.training.loop import Outcome, RunFolder, Trainee, train
from crowdmask.training.model_card import model_card
from crowdmask.training.pictures import PictureStore
from crowdmask.training.settings import (
    AugmentSettings,
    ClassifierLoopSettings,
    DetectorCropSettings,
    DetectorLoopSettings,
    LoopSettings,
    SplitSettings,
)
from crowdmask.training.shipping import calibrate, calibrate_outcomes

log = logging.getLogger(__name__)
Report = Callable[[int, dict[str, float]], None]
AnySet = LabelSet | CropSet


@dataclass(frozen=True)
class Data:
    """What is trained on, what is held out, and what could not be used."""

    training: tuple[AnySet, ...]
    validation: tuple[AnySet, ...]
    problems: tuple[Problem, ...]
    test: tuple[AnySet, ...] = ()  # held out too, and looked at once, at the end


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
    test: list[AnySet] = []
    for each in sets:
        if isinstance(each, LabelSet):
            each.require_both_classes()
        if isinstance(each, CropSet) and not only_crops:
            training.append(each)
            continue
        rest, held_out = _halves(each, splitting.validation_share, splitting)
        if splitting.test_share:
            held_out, last = _halves(held_out, splitting.test_share, splitting)
            test.append(last)
        unwanted = (leave_out or {}).get(each.root, ())
        training.append(rest.without(unwanted) if isinstance(rest, LabelSet) else rest)
        validation.append(held_out)
    if test and not any(_shown(each) for each in test):
        log.warning("so few pictures are held out that none is left for the last test: it is left out")
        test = []
    return Data(tuple(training), tuple(validation), tuple(p for s in sets for p in s.problems), tuple(test))


def _shown(each: AnySet) -> int:
    return len(each.crops) if isinstance(each, CropSet) else sum(int(p.faces.sum()) for p in each.pictures)


def _read(folder: Path, table: LabelTable, *, crops_too: bool) -> AnySet:
    try:
        return read_labels(folder, table)
    except DatasetError:
        if not crops_too:
            raise
        with suppress(DatasetError):
            return read_class_folders(folder, table)
        raise


def _halves(each: AnySet, share: float, splitting: SplitSettings) -> tuple[AnySet, AnySet]:
    """The rest and the share that is held out of it; stratified, of each class (what a photograph shows)."""
    if isinstance(each, LabelSet):
        groups: dict[Any, list[str]] = {}
        for picture in each.pictures:
            shown = frozenset(picture.labels[picture.faces].tolist()) if splitting.stratified else None
            groups.setdefault(shown, []).append(picture.name)
        held_out = {name for names in groups.values() for name in split(names, share, splitting.split_seed)[1]}
        return each.without(held_out), each.only(held_out)
    groups = {}
    for crop in each.crops:
        groups.setdefault(crop.label if splitting.stratified else None, []).append(str(crop.path))
    chosen = {name for names in groups.values() for name in split(names, share, splitting.split_seed)[1]}
    return tuple(  # type: ignore[return-value]
        dataclasses.replace(each, crops=tuple(c for c in each.crops if (str(c.path) in chosen) == wanted))
        for wanted in (False, True)
    )


def _landmarks(
    sets: Sequence[AnySet], store: PictureStore, analysis: AnalysisSettings
) -> Sequence[Mapping[Path, FloatArray]]:
    log.info("looking for eyes and mouths in the pictures to train on")
    return landmarks_of(sets, store, load_detector(analysis, RuntimeSettings()))


@dataclass(frozen=True)
class Start:
    """What the weights are before the first step: random, our own (`init`), or a backbone pre-trained elsewhere."""

    init: Path | None = None
    pretrained: Path | None = None

    @property
    def words(self) -> str:
        if self.init is not None:
            return f"weights of the same graph, {self.init.name}"
        if self.pretrained is not None:
            return f"a backbone pre-trained elsewhere, {self.pretrained.name}"
        return "random weights"


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
    country: str = "DEU",
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
        distilled_steps=round(loop.distilled * loop.steps) if isinstance(loop, DetectorLoopSettings) else 0,
    )
    settings = {"network": name, "graph": dataclasses.asdict(graph), "crops": crops.as_dict(), "shares": shares}
    run = _Run(kind, "retinaface-mobilenet", out, Start(start), {**settings, "start": str(start) if start else None})
    files = {
        "training": [p.path for s in pictures for p in s.pictures],
        "validation": [p.path for s in held_out for p in s.pictures],
    }
    return run.through(trainee, loop, files, country, report)


def train_classifier(
    data: Data,
    out: Path,
    loop: LoopSettings,
    graph: Any,
    *,
    name: str = "xception",
    start: Start | None = None,
    recipe: str = "camera",
    augment: AugmentSettings | None = None,
    shares: Sequence[float] | None = None,
    analysis: AnalysisSettings | None = None,
    store: PictureStore | None = None,
    country: str = "DEU",
    report: Report = lambda step, values: None,
) -> Outcome:
    """`graph` is of the architecture's own type. Freezing needs something worth keeping: a backbone of random weights
    learns from the first step on, whatever the recipe says."""
    kind, start = architecture(name), start or Start()
    if start.pretrained is None and loop.head_share:
        log.info("%s starts from random weights: all of it learns from the first step on", name)
        loop = dataclasses.replace(loop, head_share=0.0)
    store, analysis, augment = store or PictureStore(), analysis or AnalysisSettings(), augment or AugmentSettings()
    size, no_face = graph.input_size, graph.outputs > 1
    training = ClassifierCrops(
        data.training,
        store,
        analysis,
        size,
        weights=shares,
        no_face=no_face,
        augment=augment,
        most_per_class=augment.train_faces,
        landmarks=_landmarks(data.training, store, analysis) if augment.drawn_masks else (),
    )
    training.require_both_classes()
    validation = ClassifierCrops(
        data.validation, store, analysis, size, no_face=no_face, most_per_class=augment.validation_faces
    )
    test = None
    if data.test:
        test = ClassifierCrops(data.test, store, analysis, size, no_face=no_face, most_per_class=augment.test_faces)
    trainee = ClassifierTrainee(
        kind,
        graph,
        training,
        validation,
        batch=loop.batch,
        seed=loop.seed,
        start=start.init,
        frozen_blocks=loop.frozen_blocks if isinstance(loop, ClassifierLoopSettings) else 0,
    )
    backbone = 0
    if start.pretrained is not None:
        from crowdmask.nets.keras_backbones import backbone_layers, load_pretrained

        load_pretrained(trainee.network, start.pretrained)
        backbone = len(backbone_layers(trainee.network))
    cut = {"crop_margin", "undersized_below", "undersized_margin"}
    settings = {
        "network": name,
        "graph": dataclasses.asdict(graph),
        "crops": {k: v for k, v in analysis.as_dict().items() if k in cut},
        "shares": shares,
        "start": str(start.init) if start.init else None,
        "pretrained": str(start.pretrained) if start.pretrained else None,
        "recipe": recipe,
        "augment": augment.as_dict(),
    }
    files = {"training": training.files, "validation": validation.files, **({"test": test.files} if test else {})}
    run = _Run(kind, name, out, start, settings)
    return run.through(trainee, loop, files, country, report, backbone=backbone, test=test)


@dataclass
class _Run:
    """A training and its folder: what was agreed on, what came of it, weights for `--weights FOLDER`."""

    kind: Architecture
    weights_name: str
    out: Path
    start: Start
    settings: dict[str, Any]

    def through(
        self,
        trainee: Trainee,
        loop: LoopSettings,
        files: Mapping[str, Sequence[Path]],
        country: str,
        report: Report,
        *,
        backbone: int = 0,
        test: ClassifierCrops | None = None,
    ) -> Outcome:
        folder = RunFolder(self.out)
        defaults = {
            "loop": {**ClassifierLoopSettings().as_dict(), **DetectorLoopSettings().as_dict()},
            "graph": dataclasses.asdict(self.kind.graph_type()()),
            "augment": AugmentSettings().as_dict(),
            "recipe": "camera",
        }
        folder.agree_on({**self.settings, "loop": loop.as_dict()}, defaults)
        data = _fingerprint(folder, files)
        about = {"network": self.settings["network"], "task": self.kind.task, "recipe": self.settings.get("recipe")}
        folder.begin("training", {**about, "data": data["digest"]})
        with _energy(country) as used:
            outcome = train(trainee, folder, loop, report, backbone=backbone)
        draw_curves(folder.folder)
        result = {**dataclasses.asdict(outcome), "energy": used.as_dict() if used else None}
        if not folder.best.exists():
            folder.end(result, "ended before its first validation")
            return outcome
        load_weights(trainee.network, folder.best)
        graph = dict(self.settings["graph"])
        if isinstance(trainee, ClassifierTrainee):
            result |= _judged(trainee, test, graph)
        entry = update_entry(
            self.weights_name,
            folder.best,
            folder=self.out,
            architecture=self.kind.name,
            graph=graph,
            source=f"trained here, from {self.start.words}",
            trained={"network": self.kind.name, "recipe": self.settings.get("recipe"), "data": data["digest"]},
            measured=outcome.best,
        )
        card = {
            "settings": self.settings,
            "data": data,
            "result": result,
            "started_from": self.start.words,
            "parameters": trainee.network.count_params(),
            "file": entry.file,
            "bytes": entry.size,
            "sha256": entry.sha256,
            "code": code_version(),
        }
        (self.out / "model-card.md").write_text(model_card(card), encoding="utf-8")
        write_json(self.out / "outcome.json", result)
        folder.end(result)
        return outcome


def _judged(trainee: ClassifierTrainee, test: ClassifierCrops | None, graph: dict[str, Any]) -> dict[str, Any]:
    """The calibration, which goes into the graph's settings, and the measures on the last test."""
    crops, labels = trainee.held_out
    logits = predict(trainee.network, crops)
    if logits.ndim == 1 and len(set(labels.tolist())) == 2:
        graph["calibration"] = dataclasses.asdict(calibrate(logits, labels == 1))
    if logits.ndim == 2 and len(set(labels.tolist())) > 1:
        graph["calibration"] = dataclasses.asdict(calibrate_outcomes(logits, labels))
    if test is None:
        return {}
    crops_bgr, outcomes, _ = test.clean()
    found = predict(trainee.network, to_rgb(crops_bgr))
    labels = wanted_of(outcomes, graph["outputs"])
    right = (found.argmax(axis=1) if found.ndim == 2 else found > 0) == labels
    return {"test": {"faces": len(labels), "accuracy": float(right.mean())}}


def _fingerprint(folder: RunFolder, files: Mapping[str, Sequence[Path]]) -> dict[str, Any]:
    """The data of the run, written beside it; pictures that are on both sides of the split are named."""
    told = fingerprint(files)
    found = copies(files["training"], [p for name, paths in files.items() if name != "training" for p in paths])
    told["copies"] = [{"held_out": str(c.held_out), "training": str(c.training), "bits": c.bits} for c in found]
    if found:
        log.warning(
            "%d held-out picture(s) are copies of ones to train on, as %s of %s: %s lists them, for --leave-out",
            len(found),
            found[0].held_out,
            found[0].training,
            folder.data,
        )
    write_json(folder.data, told)
    return told


@contextmanager
def _energy(country: str) -> Iterator[energy.Energy | None]:
    """Estimates the energy used where codecarbon is installed."""
    if not energy.available():
        log.info("codecarbon is not installed: the energy used is not estimated (pip install 'crowdmask[energy]')")
        yield None
        return
    with energy.measured(country) as used:
        yield used
