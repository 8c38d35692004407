"""`crowdmask compare`: several networks, one split, one budget, one table."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from crowdmask.comparison.settings import ComparisonSettings
from crowdmask.errors import SettingsError
from crowdmask.nets.cpu import tensorflow_needs_avx2
from crowdmask.nets.registry import CLASSIFIER, names_of
from crowdmask.runs.tracking import TRACKERS, tracker
from crowdmask.settings import DETECTORS, AnalysisSettings

WHAT, HOW = "What is compared", "How it is compared"
what, how = options_of(WHAT), options_of(HOW)
PERIOD = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h)?")
SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
EPILOG = f"""\b
Architectures: {", ".join(names_of(CLASSIFIER))}
Detectors: {", ".join(DETECTORS)}
Example:
  crowdmask compare --data street --data crowd --architectures xception,mobilenetv2,cnn3 --budget 10m --out compared

The folder then holds comparison.html and .md, the tables as CSV, the charts, and a run for each network.
Killed, the same command goes on where it was."""


@click.command(name="compare", cls=SectionedCommand, epilog=EPILOG, context_settings={"max_content_width": 110})
@what(
    "--data",
    "folders",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Labelled photographs, or crops in a folder per class. Repeatable.",
)
@what("--architectures", metavar="A,B,C", help="Classifiers to train and judge.")
@what("--shipped", is_flag=True, help="Judge the classifier that ships beside them, as it is.")
@what("--detectors", metavar="A,B,C", help="Detectors to judge on the held-out photographs.")
@what(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the tables, the charts and the runs.",
)
@label_option(WHAT)
@track_option(WHAT, "the finished comparison", TRACKERS)
@how(
    "--budget",
    metavar="TIME",
    default="10m",
    show_default=True,
    help="Time of training for each, such as 90s, 10m or 1h.",
)
@how("--recipe", "recipe_name", metavar="NAME", help="One recipe for all.  [default: each architecture's own]")
@how("--download", is_flag=True, help="Have Keras download pre-trained backbones where they are missing.")
@country_option(HOW)
@setting_options(ComparisonSettings, HOW)
@options_of("General")("-q", "--quiet", is_flag=True, help="No progress bar.")
def command(
    *,
    folders: tuple[Path, ...],
    architectures: str | None,
    shipped: bool,
    detectors: str | None,
    out: Path,
    names: tuple[str, ...],
    track: str | None,
    budget: str,
    recipe_name: str | None,
    download: bool,
    country: str,
    quiet: bool,
    **given: Any,
) -> None:
    """Train several networks alike and put them in one table: how good they are, and what they cost."""
    classifiers = _chosen("--architectures", architectures, names_of(CLASSIFIER))
    finders = _chosen("--detectors", detectors, DETECTORS)
    beside = [AnalysisSettings().classifier] if shipped else []
    if not classifiers and not finders and not beside:
        raise SettingsError("nothing to compare: give --architectures, --detectors or both")
    settings = ComparisonSettings(**{k: v for k, v in given.items() if v is not None})
    seconds, tracked = period(budget), tracker(track)
    tensorflow_needs_avx2()
    hush()
    with native_stderr_shut():
        from crowdmask.comparison.running import Comparison
    comparison = Comparison(
        folders, out, settings, seconds, labels=names, recipe=recipe_name, download=download, country=country
    )
    with _Progress([*classifiers, *finders], quiet) as report:
        rows, judged = comparison.run(classifiers, finders, report, beside=beside)
    written = comparison.write(rows, judged)
    click.echo("\n".join(str(path) for path in written))
    tracked(out)


def period(text: str) -> float:
    """Seconds from `90s`, `10m`, `1.5h` or a plain number of seconds."""
    found = PERIOD.fullmatch(text.strip())
    seconds = float(found[1]) * SECONDS[found[2]] if found else 0.0
    if seconds <= 0:
        raise SettingsError(f"--budget {text!r}: it must be a time above 0, such as 90s, 10m or 1h")
    return seconds


def _chosen(option: str, text: str | None, known: Any) -> list[str]:
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise SettingsError(f"{option}: there is no {name!r}: choose among {', '.join(known)}")
    if len(set(names)) < len(names):
        raise SettingsError(f"{option} {text!r}: a name is given twice")
    return names


class _Progress:
    """One bar over everything: a hundred for each network."""

    def __init__(self, names: list[str], quiet: bool) -> None:
        from tqdm import tqdm

        self._places = {name: i for i, name in enumerate(names)}
        self._bar = tqdm(total=100 * len(names), disable=quiet or not sys.stderr.isatty(), dynamic_ncols=True)

    def __enter__(self) -> Callable[[str, float], None]:
        return self._report

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def _report(self, name: str, share: float) -> None:
        self._bar.set_description(name, refresh=False)
        reached = int(100 * (self._places[name] + min(1.0, share)))
        self._bar.update(max(0, reached - self._bar.n))
