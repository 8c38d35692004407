"""`crowdmask evaluate`: labelled folders to tables on the terminal, and JSON, curves and worst pictures in a folder."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from crowdmask import __version__
from crowdmask.cli.main import COMMANDS, one_line
from crowdmask.cli.options import (
    SectionedCommand,
    general_options,
    label_option,
    options_of,
    setting_options,
    track_option,
)
from crowdmask.errors import SettingsError
from crowdmask.runs.tracking import TRACKERS, tracker
from crowdmask.settings import AnalysisSettings, EvaluationSettings, RuntimeSettings

if TYPE_CHECKING:
    from crowdmask.evaluation.harness import SetResult
    from crowdmask.jobs.networks import Networks
    from crowdmask.labels.frames import LabelledFrames
    from crowdmask.labels.records import LabelSet, Problem
    from crowdmask.results.summary import WeightsUsed

KINDS = (AnalysisSettings, RuntimeSettings, EvaluationSettings)
# settings that mean nothing here: labelled frames are all measured, and no output is written in which these would show
OF_VIDEOS = ("every", "fps", "start_s", "end_s", "duration_s", "every_frame", "zones", "keep_no_faces")
OF_ANALYSES = ("energy", "country")
KIND_NAMES = ("analysis", "runtime", "evaluation")
NONE = "-"  # in place of a list or regions, for a folder that has none
BESIDE_COMPARE = ("compare", "quiet", "verbose")
SHOWN_PROBLEMS = 10
DATA = "What is judged"
what = options_of(DATA)
EPILOG = """\b
Examples:
  crowdmask evaluate my-pictures --out outputs/judged
  crowdmask evaluate crowd street --list crowd-val.txt --list street-val.txt --ignore - --ignore street-ignore.csv
  crowdmask evaluate yolo-set --label visor=unmasked --label names.toml --confidence 0.4
  crowdmask evaluate gate.mp4 --frames gate-labels
  crowdmask evaluate --compare outputs/before/evaluation.json outputs/after/evaluation.json

A folder is labelled in Pascal VOC (an .xml for each picture), YOLO (a .txt for each) or COCO (.json), or holds a
folder for each class and a boxes.csv (file,x1,y1,x2,y2). A video is analyzed whole, as `crowdmask analyze` does it,
and measured on the frames that have labels."""


@click.command(name="evaluate", cls=SectionedCommand, epilog=EPILOG, context_settings={"max_content_width": 110})
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@what(
    "--faceless",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Pictures known to show no face: whatever is found there is none. --list and --ignore go on with these. "
    "Repeatable.",
)
@what(
    "--list",
    "lists",
    multiple=True,
    metavar="PATH",
    help="Judge only the pictures named in this file, one a line; once for each folder (- for all of it).",
)
@what(
    "--frames",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Labels of a video's frames, once for each video in their order: a COCO .json or a folder of Pascal VOC .xml, "
    "numbered from 0. Without it they lie beside the video, under its name.",
)
@what(
    "--ignore",
    "regions",
    multiple=True,
    metavar="PATH",
    help="Regions that count for nothing (number,x1,y1,x2,y2); once for each folder (- for none).",
)
@label_option(DATA)
@what(
    "--format",
    "form",
    type=click.Choice(["voc", "yolo", "coco", "boxes"]),
    help="Format of the labels; without it found by looking at the files.",
)
@what("--compare", is_flag=True, help="Put earlier runs side by side: the arguments are evaluation.json files.")
@what(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write evaluation.json, the curves and the worst pictures (with faces to be seen!) to this folder.",
)
@track_option(DATA, "the evaluation in --out", TRACKERS)
@setting_options(EvaluationSettings, "How it is judged")
@setting_options(AnalysisSettings, "What is analysed", leave_out=OF_VIDEOS)
@setting_options(RuntimeSettings, "How the work is done", leave_out=OF_ANALYSES)
@general_options(verbose="Name every problem; give tracebacks.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    folders: tuple[Path, ...],
    faceless: tuple[Path, ...],
    lists: tuple[str, ...],
    frames: tuple[Path, ...],
    regions: tuple[str, ...],
    names: tuple[str, ...],
    form: str | None,
    compare: bool,
    out: Path | None,
    track: str | None,
    config_file: str | None,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> int:
    """Judge the networks on labelled pictures or videos: how many faces are found, how many verdicts are right.

    Faces marked difficult or ignore count for nothing; a wrongly worn mask counts as unmasked, and is also measured
    apart.
    """
    from crowdmask.cli.config import build, settle
    from crowdmask.cli.noise import hush

    if compare:
        _refuse_beside_compare(ctx)
        _compare(folders)
        return 0
    settled = settle(given, *KINDS, command="evaluate", commands=COMMANDS, file=config_file, leave_out=OF_VIDEOS)
    hush()  # before the next lines import what is noisy
    from crowdmask.jobs.networks import own_networks

    tracked = tracker(track)
    analysis = build(AnalysisSettings, settled)
    evaluation = build(EvaluationSettings, settled)
    if out is not None:
        from crowdmask.media.parts import ensure_writable

        ensure_writable(out / "evaluation.json", overwrite=evaluation.overwrite)
    videos = [folder for folder in folders if folder.is_file()]
    folders = tuple(folder for folder in folders if not folder.is_file())
    filmed = _read_videos(videos, frames, names)
    sets = _read(folders, faceless, lists, regions, names=names, form=form)
    for labels in sets.values():
        if labels.root not in faceless:
            labels.require_known_names()
    for labels in sets.values():
        _tell_problems(labels.root, labels.problems, verbose=verbose)
        if labels.root not in faceless:
            _tell_missing_class(labels)
    for of_video in filmed:
        _tell_problems(of_video.video, of_video.problems, verbose=verbose)
    runtime = build(RuntimeSettings, settled)
    networks = ctx.obj or own_networks
    results: list[SetResult] = []
    weights: tuple[WeightsUsed, ...] = ()
    if sets:
        results, weights = _judge(
            sets, analysis, runtime, evaluation, networks=networks, bar=not quiet, verbose=verbose
        )
    if filmed:
        more, weights = _judge_videos(
            filmed, analysis, runtime, evaluation, networks=networks, bar=not quiet, verbose=verbose
        )
        results += more
    about = {
        "crowdmask": __version__,
        "settings": {kind: s.as_dict() for kind, s in zip(KIND_NAMES, (analysis, runtime, evaluation), strict=True)},
        "weights": [dataclasses.asdict(w) for w in weights],
    }
    _report(results, analysis, evaluation, about, out=out, quiet=quiet)
    if out is not None:
        tracked(out)
    return 0


def _read(
    labelled: Sequence[Path],
    faceless: Sequence[Path],
    lists: Sequence[str],
    regions: Sequence[str],
    *,
    names: Sequence[str],
    form: str | None,
) -> dict[str, LabelSet]:
    """The labelled pictures of each folder by the folder's name, narrowed and completed as the options say."""
    from crowdmask.labels.reading import read_faceless, read_labels
    from crowdmask.labels.regions import read_regions, with_regions
    from crowdmask.labels.split import read_names
    from crowdmask.labels.table import LabelTable

    folders = [*labelled, *faceless]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise SettingsError("a folder is given twice: give each folder once")
    table = LabelTable().with_options(names)
    sets: dict[str, LabelSet] = {}
    spread = zip(folders, _for_each("--list", lists, folders), _for_each("--ignore", regions, folders), strict=True)
    for folder, listed, ignored in spread:
        labels = read_faceless(folder) if folder in faceless else read_labels(folder, table, form)
        if ignored is not None:
            labels = with_regions(labels, read_regions(ignored), ignored)
        if listed is not None:
            labels = labels.only(read_names(listed))
        sets[_name(folder, sets)] = labels
    return sets


def _for_each(option: str, given: Sequence[str], folders: Sequence[Path]) -> list[Path | None]:
    if not given:
        return [None] * len(folders)
    if len(given) != len(folders):
        raise SettingsError(
            f"{option} is given {len(given)} time(s) for {len(folders)} folder(s): give it once for each, in the same "
            f"order, and {NONE} for a folder that has none"
        )
    return [None if text == NONE else Path(text) for text in given]


def _name(folder: Path, taken: dict[str, LabelSet]) -> str:
    """The folder's own name, with more of its path where two are alike."""
    parts = folder.resolve().parts
    names = ("/".join(parts[-length:]) for length in range(1, len(parts) + 1))
    return next(name for name in names if name not in taken)


def _tell_problems(root: Path, problems: Sequence[Problem], *, verbose: bool) -> None:
    from crowdmask.cli.progress import say
    from crowdmask.labels.records import left_out

    shown = problems if verbose else problems[:SHOWN_PROBLEMS]
    for problem in shown:
        say(one_line(str(problem)))
    if len(shown) < len(problems):
        say(f"and {len(problems) - len(shown)} more such problems; -v names them all")
    cost = left_out(problems)
    if cost:
        say(f"{root}: left out {cost}")


def _tell_missing_class(labels: LabelSet) -> None:
    from crowdmask.cli.progress import say
    from crowdmask.labels.records import Label

    for label in (Label.MASKED, Label.UNMASKED):
        if not labels.count(label):
            say(f"{labels.root}: no face is labelled {label.word}: what needs both kinds cannot be measured")


def _judge(
    sets: dict[str, LabelSet],
    analysis: AnalysisSettings,
    runtime: RuntimeSettings,
    evaluation: EvaluationSettings,
    *,
    networks: Networks,
    bar: bool,
    verbose: bool,
) -> tuple[list[SetResult], tuple[WeightsUsed, ...]]:
    from tqdm import tqdm

    from crowdmask.cli.noise import native_stderr_shut
    from crowdmask.evaluation.harness import at_floor, evaluate_set

    with contextlib.nullcontext() if verbose else native_stderr_shut():  # TensorFlow talks while it is loaded
        pair = networks(at_floor(analysis, evaluation), runtime)
    results = []
    total = sum(len(labels.pictures) for labels in sets.values())
    shown = bar and sys.stderr.isatty()
    with tqdm(
        total=total, unit="picture", file=sys.stderr, disable=not shown, leave=False, dynamic_ncols=True
    ) as progress:
        for name, labels in sets.items():
            progress.set_description(name)
            result = evaluate_set(
                labels,
                (pair.detector, pair.classifier),
                analysis,
                runtime=runtime,
                evaluation=evaluation,
                name=name,
                seen=progress.update,
            )
            results.append(result)
            _tell_problems(labels.root, result.problems[len(labels.problems) :], verbose=verbose)
    return results, pair.weights


def _read_videos(videos: Sequence[Path], frames: Sequence[Path], names: Sequence[str]) -> list[LabelledFrames]:
    """Each video with the labels of its frames, those named with --frames or those beside it."""
    from crowdmask.labels.frames import labels_of, read_frames
    from crowdmask.labels.table import LabelTable

    if frames and len(frames) != len(videos):
        raise SettingsError(
            f"--frames is given {len(frames)} time(s) for {len(videos)} video(s): give it once for each"
        )
    table = LabelTable().with_options(names)
    where = frames or [labels_of(video) for video in videos]
    return [read_frames(video, labels, table) for video, labels in zip(videos, where, strict=True)]


def _judge_videos(
    videos: Sequence[LabelledFrames],
    analysis: AnalysisSettings,
    runtime: RuntimeSettings,
    evaluation: EvaluationSettings,
    *,
    networks: Networks,
    bar: bool,
    verbose: bool,
) -> tuple[list[SetResult], tuple[WeightsUsed, ...]]:
    """Like the folders, but with the settings as they are: a video's faces are followed, and no weaker ones listed."""
    from tqdm import tqdm

    from crowdmask.cli.noise import native_stderr_shut
    from crowdmask.evaluation.videos import evaluate_video

    with contextlib.nullcontext() if verbose else native_stderr_shut():
        pair = networks(analysis, runtime)
    results = []
    with tqdm(
        unit="frame", file=sys.stderr, disable=not (bar and sys.stderr.isatty()), leave=False, dynamic_ncols=True
    ) as progress:
        for labels in videos:
            progress.set_description(labels.video.name)
            result = evaluate_video(
                labels,
                (pair.detector, pair.classifier),
                analysis,
                runtime=runtime,
                evaluation=evaluation,
                seen=progress.update,
            )
            results.append(result)
            _tell_problems(labels.video, result.problems[len(labels.problems) :], verbose=verbose)
    return results, pair.weights


def _report(
    results: Sequence[SetResult],
    analysis: AnalysisSettings,
    evaluation: EvaluationSettings,
    about: dict[str, Any],
    *,
    out: Path | None,
    quiet: bool,
) -> None:
    from crowdmask.evaluation.harness import pooled
    from crowdmask.evaluation.saving import as_values, set_values

    values = [set_values(result) for result in results]
    columns = {v["name"]: v["evaluation"] for v in values}
    with_faces = [result for result in results if any(truth.faces.any() for truth in result.truths)]
    if len(with_faces) > 1:
        columns["all"] = as_values(pooled(with_faces, analysis, evaluation))
    if not quiet:
        _print(columns, values)
    if out is not None:
        about = {**about, "all": columns.get("all")}
        _write(out, results, values=values, columns=columns, about=about, worst=evaluation.worst, quiet=quiet)


def _print(columns: dict[str, Any], values: Sequence[dict[str, Any]]) -> None:
    from crowdmask.evaluation import tables

    click.echo(tables.measures(columns))
    for name, told in columns.items():
        if name == "all" or not told["class_names"]:
            continue
        click.echo(f"\n{name}: verdicts on the faces found\n\n{tables.confusion(told)}")
        click.echo(f"\n{name}: by the names in the labels\n\n{tables.class_names(told)}")
        click.echo(f"\n{name}: by face size\n\n{tables.sizes(told)}")
        click.echo(f"\n{name}: at other confidences\n\n{tables.cuts(told)}")
    for told in values:
        if "video" in told:
            click.echo(f"\n{told['name']}: over time\n\n{tables.rates(told['video'])}")
        timings = told["timings"]
        click.echo(
            f"\n{told['name']}: reading {timings['load_s']:.1f} s, finding and judging {timings['inference_s']:.1f} s "
            f"({timings['pictures_per_s'] or 0:.2f} pictures/s), measuring {timings['scoring_s']:.1f} s"
        )


def _write(
    out: Path,
    results: Sequence[SetResult],
    *,
    values: Sequence[dict[str, Any]],
    columns: dict[str, Any],
    about: dict[str, Any],
    worst: int,
    quiet: bool,
) -> None:
    from crowdmask.cli.progress import say
    from crowdmask.evaluation import plots
    from crowdmask.evaluation.error_sheets import write_sheets
    from crowdmask.evaluation.recording import record_evaluation
    from crowdmask.evaluation.saving import write_evaluation
    from crowdmask.evaluation.worst import write_worst

    write_evaluation(out / "evaluation.json", values, about)
    record_evaluation(out, results, about)
    drawn = 0
    if plots.available():
        drawn = len(plots.write_plots(out, {name: told for name, told in columns.items() if name != "all"}))
    else:
        say("no curves were drawn: they need matplotlib, install it with pip install 'crowdmask[train]'")
    stills = [result for result in results if result.rates is None]
    bad = sum(len(write_worst(out / "worst", result, worst)) for result in stills)
    sheets = sum(len(write_sheets(out / "worst", result, worst)) for result in stills)
    if not quiet:
        drawings = f"{bad} of the worst pictures and {sheets} sheets of errors by kind"
        click.echo(f"\n{out}: evaluation.json, {drawn} plots, and in worst/ {drawings}")


def _refuse_beside_compare(ctx: click.Context) -> None:
    given = [
        param.opts[-1]
        for param in ctx.command.params
        if isinstance(param, click.Option)
        and param.name not in BESIDE_COMPARE
        and ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE
    ]
    if given:
        raise SettingsError(f"--compare only reads earlier evaluations: {', '.join(given)} means nothing beside it")


def _compare(paths: Sequence[Path]) -> None:
    from crowdmask.evaluation import tables
    from crowdmask.evaluation.saving import read_evaluation

    if len(paths) < 2:
        raise SettingsError("--compare needs two evaluation.json files or more")
    if len({path.resolve() for path in paths}) < len(paths):
        raise SettingsError("--compare: a file is given twice")
    runs = {str(path): {s["name"]: s["evaluation"] for s in read_evaluation(path)["sets"]} for path in paths}
    columns = _short_names([Path(name) for name in runs])
    common = [name for name in next(iter(runs.values())) if all(name in sets for sets in runs.values())]
    if not common:
        raise SettingsError("--compare: the runs have no set of the same name in common")
    for name in common:
        side_by_side = {short: sets[name] for short, sets in zip(columns, runs.values(), strict=True)}
        click.echo(f"{name}\n\n{tables.measures(side_by_side, difference=True)}\n")


def _short_names(paths: Sequence[Path]) -> list[str]:
    """What tells the paths apart: the shortest ends that differ, without what they all end in."""
    parts = [path.resolve().with_suffix("").parts for path in paths]
    while all(len(p) > 1 for p in parts) and len({p[-1] for p in parts}) == 1:
        parts = [p[:-1] for p in parts]
    length = 1
    while len({p[-length:] for p in parts}) < len(parts):
        length += 1
    return ["/".join(p[-length:]) for p in parts]
