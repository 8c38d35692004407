"""`crowdmask train`: folders of labelled pictures to trained weights."""

from __future__ import annotations

import difflib
import importlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crowdmask.cli.noise import hush, native_stderr_shut
from crowdmask.cli.options import (
    SectionedCommand,
    country_option,
    label_option,
    options_of,
    setting_options,
    track_option,
)
from crowdmask.cli.suggestions import SuggestingGroup
from crowdmask.errors import DatasetError, SettingsError
from crowdmask.nets import registry
from crowdmask.nets.cpu import tensorflow_needs_avx2
from crowdmask.nets.registry import CLASSIFIER, names_of
from crowdmask.nets.weights import Manifest
from crowdmask.runs.tracking import TRACKERS, tracker
from crowdmask.settings import AnalysisSettings
from crowdmask.training.recipes import BELONGS, RECIPES, graph_settings, recipe
from crowdmask.training.settings import (
    AugmentSettings,
    ClassifierGraphSettings,
    ClassifierLoopSettings,
    DetectorCropSettings,
    DetectorGraphSettings,
    DetectorLoopSettings,
    SplitSettings,
)

if TYPE_CHECKING:
    from crowdmask.training.loop import Outcome
    from crowdmask.training.run import Data

DATA, LOOP, CROPS, GRAPH = "What is trained on", "How it learns", "How crops are drawn", "The network"
SHOWN_PROBLEMS = 10
EPILOG = """\b
A run that was stopped goes on from its last checkpoint when the same command is given again. The folder then holds
best.npz (the weights), model-card.md, metrics.jsonl, curves.png, settings.json, data.json, outcome.json and event files
for TensorBoard. `crowdmask analyze --weights FOLDER` takes it as it is; `crowdmask train ship` makes it smaller."""


def weights_named(text: str | None) -> Path | None:
    """The file of weights that --init means: a path, or the name of weights that are here."""
    if text is None or Path(text).is_file():
        return None if text is None else Path(text)
    manifest = Manifest.load()
    if text in manifest.entries:
        return manifest.verify(text)
    near = difflib.get_close_matches(text, manifest.entries, 1)
    meant = f"did you mean {near[0]}?" if near else f"names are {', '.join(manifest.entries)}"
    raise SettingsError(f"init is {text!r}: there is no such file, and no weights of that name: {meant}")


def graph_of(text: str | None, architecture: str) -> dict[str, Any]:
    """The graph's settings of weights that are named; a SettingsError where they are of another architecture."""
    if text is None or Path(text).is_file():
        return {}
    entry = Manifest.load().entries.get(text)
    if entry is None:
        return {}
    if entry.architecture != architecture:
        raise SettingsError(
            f"init is {text!r}: these are weights of {entry.architecture}: give --architecture for them"
        )
    return {key: value for key, value in entry.graph.items() if key != "calibration"}


@click.group(name="train", cls=SuggestingGroup, context_settings={"max_content_width": 110})
def command() -> None:
    """Train the networks on your own pictures."""


data, network, learning = options_of(DATA), options_of(GRAPH), options_of(LOOP)


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            data("--out", required=True, type=click.Path(path_type=Path), metavar="DIR",
                 help="The run's folder: checkpoint, best weights, curves, settings."),
            country_option(DATA),
            track_option(DATA, "the finished run", TRACKERS),
            data("--init", "start", metavar="NAME|PATH",
                 help="Weights to start from: a file, or a name as `crowdmask weights list` has it, such as xception, "
                 "whose graph a classifier then has."),
            label_option(DATA),
            data("--leave-out", "leave_out", multiple=True, metavar="PATH",
                 help="Pictures not to train on, such as copies of held-out ones: a file with one name a line; "
                 "once for each folder (- for none)."),
            data("--shares", metavar="N,N,...",
                 help="How often each folder is drawn from, in their order.  [default: equally]"),
            options_of("General")("-q", "--quiet", is_flag=True, help="No progress bar."),
        )
    ):  # fmt: skip
        function = option(function)
    return function


@command.command(name="detector", cls=SectionedCommand, epilog=EPILOG)
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@common_options
@setting_options(SplitSettings, DATA)
@setting_options(DetectorGraphSettings, GRAPH)
@setting_options(DetectorLoopSettings, LOOP)
@setting_options(DetectorCropSettings, CROPS)
def detector(
    *,
    folders: tuple[Path, ...],
    out: Path,
    start: str | None,
    names: tuple[str, ...],
    leave_out: tuple[str, ...],
    shares: str | None,
    quiet: bool,
    country: str,
    track: str | None,
    **given: Any,
) -> None:
    """Train the face detector on pictures with labelled boxes (Pascal VOC, YOLO, COCO)."""
    tracked = tracker(track)
    train_detector = _quietly("run").train_detector

    loop, crops = _settings(DetectorLoopSettings, given), _settings(DetectorCropSettings, given)
    graph = registry.architecture("retinaface").graph_type()(**_settings(DetectorGraphSettings, given).as_dict())
    if loop.distilled and start is None:
        raise SettingsError("--distilled needs a teacher: name its weights with --init")
    data = _data(folders, names, _settings(SplitSettings, given), crops_too=False, leave_out=leave_out)
    with _Progress(loop.steps, quiet) as report:
        outcome = train_detector(
            data,
            out,
            loop,
            crops,
            start=weights_named(start),
            shares=_shares(shares, folders),
            graph=graph,
            country=country,
            report=report,
        )
    _tell(outcome, out)
    tracked(out)


@command.command(name="classifier", cls=SectionedCommand, epilog=EPILOG)
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@common_options
@network(
    "--architecture",
    type=click.Choice(names_of(CLASSIFIER)),
    default="xception",
    show_default=True,
    help="The network to train.",
)
@learning(
    "--recipe",
    "recipe_name",
    metavar="NAME",
    help=f"Values for all that is not given: {', '.join(RECIPES)}.  [default: the architecture's own]",
)
@network(
    "--pretrained",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Keras' weights of the backbone without its top (.h5).  [default: those in Keras' cache, or random ones]",
)
@network("--download", is_flag=True, help="Have Keras download them where they are missing.")
@setting_options(SplitSettings, DATA)
@setting_options(ClassifierLoopSettings, LOOP)
@setting_options(AugmentSettings, CROPS)
@setting_options(ClassifierGraphSettings, GRAPH)
def classifier(
    *,
    folders: tuple[Path, ...],
    out: Path,
    start: str | None,
    names: tuple[str, ...],
    leave_out: tuple[str, ...],
    shares: str | None,
    quiet: bool,
    country: str,
    track: str | None,
    architecture: str,
    recipe_name: str | None,
    pretrained: Path | None,
    download: bool,
    **given: Any,
) -> None:
    """Train the mask classifier on labelled pictures, and on folders of face crops, one folder per class."""
    tracked = tracker(track)
    run = _quietly("run")
    told = recipe(recipe_name, architecture)
    values = {**told, **{k: v for k, v in given.items() if v is not None}}
    loop, augment = _settings(ClassifierLoopSettings, values), _settings(AugmentSettings, values)
    given_graph = _settings(ClassifierGraphSettings, given).as_dict()
    known = graph_of(start, architecture)
    graph = graph_settings(
        registry.architecture(architecture).graph_type(), {**told, **known}, given_graph, architecture
    )
    first = weights_named(start)
    begin = run.Start(first, None if first else _pretrained(architecture, graph.input_size, pretrained, download))
    data = _data(folders, names, _settings(SplitSettings, values), crops_too=True, leave_out=leave_out)
    with _Progress(loop.steps, quiet) as report:
        outcome = run.train_classifier(
            data,
            out,
            loop,
            graph,
            name=architecture,
            start=begin,
            recipe=recipe_name or BELONGS.get(architecture, "camera"),
            augment=augment,
            shares=_shares(shares, folders),
            country=country,
            report=report,
        )
    _tell(outcome, out)
    tracked(out)


@command.command(name="ship")
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--name",
    required=True,
    help="What the weights are called: analyze runs xception and retinaface-mobilenet by default.",
)
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path), help="Folder of weights to add it to.")
@click.option(
    "--calibrate-on",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Classifier only: calibrate on the held-out share of this labelled folder. Repeatable.",
)
@click.option("--label", "names", multiple=True, metavar="NAME=WORD", help="As in training.")
@setting_options(SplitSettings, DATA)
def ship_command(
    run: Path, name: str, folder: Path, folders: tuple[Path, ...], names: tuple[str, ...], **given: Any
) -> None:
    """Make weights for `crowdmask analyze --weights FOLDER` from a finished run."""
    calibrate_run, ship = _quietly("calibration").calibrate_run, _quietly("shipping").ship
    calibration, measured = None, {}
    if folders:
        if _task_of(run) != CLASSIFIER:
            raise SettingsError("--calibrate-on is for the classifier: the detector's scores are used as they are")
        data = _data(folders, names, _settings(SplitSettings, given), crops_too=True)
        calibration, measured = calibrate_run(run, data, AnalysisSettings())
    entry = ship(run, name, folder, calibration=calibration, measured=measured)
    click.echo(f"{folder / entry.file}: {entry.size:,} bytes, SHA-256 {entry.sha256}")
    for key, value in measured.items():
        click.echo(f"{key}: {value:.4f}")


def _pretrained(architecture: str, input_size: int, file: Path | None, download: bool) -> Path | None:
    """The file of a backbone's weights: the one that is given, Keras' own where it has it, or None."""
    if file is not None:
        return file
    from crowdmask.nets.keras_backbones import cached_weights, download_weights

    found = cached_weights(architecture, input_size)
    return download_weights(architecture, input_size) if found is None and download else found


def _task_of(run: Path) -> str:
    path = run / "settings.json"
    try:
        network = json.loads(path.read_text(encoding="utf-8"))["network"]
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(f"{run}: holds no training run (settings.json cannot be read: {error})") from error
    return registry.architecture(network, str(path)).task


def _quietly(module: str) -> Any:
    """A module of the training room; TensorFlow, which comes with it, says nothing on the terminal."""
    tensorflow_needs_avx2()
    hush()
    with native_stderr_shut():
        return importlib.import_module(f"crowdmask.training.{module}")


def _settings(kind: type[Any], given: dict[str, Any]) -> Any:
    own = {k: v for k, v in given.items() if k in kind.__dataclass_fields__ and v is not None}
    return kind(**own)


def _data(
    folders: Sequence[Path],
    names: Sequence[str],
    splitting: SplitSettings,
    *,
    crops_too: bool,
    leave_out: Sequence[str] = (),
) -> Data:
    from crowdmask.labels.split import read_names
    from crowdmask.labels.table import LabelTable
    from crowdmask.training.run import read_data

    if leave_out and len(leave_out) != len(folders):
        raise SettingsError(
            f"--leave-out is given {len(leave_out)} times for {len(folders)} folders: - stands for none"
        )
    unwanted = {f: read_names(Path(n)) for f, n in zip(folders, leave_out, strict=False) if n != "-"}
    table = LabelTable().with_options(names)
    data = read_data(folders, table, splitting, crops_too=crops_too, leave_out=unwanted)
    for problem in data.problems[:SHOWN_PROBLEMS]:
        click.echo(f"crowdmask: left out: {problem}", err=True)
    if len(data.problems) > SHOWN_PROBLEMS:
        click.echo(f"crowdmask: and {len(data.problems) - SHOWN_PROBLEMS} more", err=True)
    return data


def _shares(text: str | None, folders: Sequence[Path]) -> list[float] | None:
    if text is None:
        return None
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        raise SettingsError(f"--shares {text!r}: it must be numbers between commas, one for each folder") from None
    if len(shares) != len(folders) or min(shares) < 0 or sum(shares) <= 0:
        raise SettingsError(f"--shares {text!r}: there are {len(folders)} folders: give as many numbers, none negative")
    return shares


class _Progress:
    """A bar on stderr with the running loss; nothing where stderr is no terminal."""

    def __init__(self, steps: int, quiet: bool) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=steps, unit="step", disable=quiet or not sys.stderr.isatty())
        self._loss: float | None = None

    def __enter__(self) -> Callable[[int, dict[str, float]], None]:
        return self._report

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def _report(self, step: int, values: dict[str, float]) -> None:
        loss = values["loss"]
        self._loss = loss if self._loss is None else 0.98 * self._loss + 0.02 * loss
        self._bar.update(step - self._bar.n)
        self._bar.set_postfix(loss=f"{self._loss:.3f}", refresh=False)


def _tell(outcome: Outcome, out: Path) -> None:
    best = ", ".join(f"{key} {value:.4f}" for key, value in outcome.best.items())
    early = " (stopped early)" if outcome.stopped_early else ""
    click.echo(
        f"{outcome.steps} steps{early} in {outcome.seconds / 60:.1f} minutes; best at step {outcome.best_step}: {best}"
    )
    click.echo(f"weights: {out / 'best.npz'}; metrics: {out / 'metrics.jsonl'}; model card: {out / 'model-card.md'}")
