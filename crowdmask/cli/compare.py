"""`crowdmask compare`: several networks, one split, one budget, one table."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from crowdmask.cli.noise import hush, native_stderr_shut
from crowdmask.cli.options import SectionedCommand, SectionOption, setting_options
from crowdmask.comparison.settings import ComparisonSettings
from crowdmask.errors import SettingsError
from crowdmask.nets.registry import CLASSIFIER, names_of
from crowdmask.runs.tracking import TRACKERS, tracker
from crowdmask.settings import DETECTORS, AnalysisSettings

WHAT, HOW = "What is compared", "How it is compared"
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
@click.option(
    "--data",
    "folders",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    cls=SectionOption,
    section=WHAT,
    help="Labelled photographs, or crops in a folder per class. Repeatable.",
)
@click.option(
    "--architectures",
    metavar="A,B,C",
    default=None,
    cls=SectionOption,
    section=WHAT,
    help="Classifiers to train and judge.",
)
@click.option(
    "--shipped",
    is_flag=True,
    cls=SectionOption,
    section=WHAT,
    help="Judge the classifier that ships beside them, as it is.",
)
@click.option(
    "--detectors",
    metavar="A,B,C",
    default=None,
    cls=SectionOption,
    section=WHAT,
    help="Detectors to judge on the held-out photographs.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    cls=SectionOption,
    section=WHAT,
    help="Folder for the tables, the charts and the runs.",
)
@click.option(
    "--label",
    "names",
    multiple=True,
    metavar="NAME=WORD",
    cls=SectionOption,
    section=WHAT,
    help="What a class name means: masked, unmasked or ignore; or a file of such pairs.",
)
@click.option(
    "--track",
    type=click.Choice(TRACKERS),
    cls=SectionOption,
    section=WHAT,
    help="Enter the finished comparison there too, in a local folder unless configured otherwise.",
)
@click.option(
    "--budget",
    metavar="TIME",
    default="10m",
    show_default=True,
    cls=SectionOption,
    section=HOW,
    help="Time of training for each, such as 90s, 10m or 1h.",
)
@click.option(
    "--recipe",
    "recipe_name",
    metavar="NAME",
    cls=SectionOption,
    section=HOW,
    help="One recipe for all.  [default: each architecture's own]",
)
@click.option(
    "--download",
    is_flag=True,
    cls=SectionOption,
    section=HOW,
    help="Have Keras download pre-trained backbones where they are missing.",
)
@click.option(
    "--country",
    default="DEU",
    show_default=True,
    metavar="CODE",
    cls=SectionOption,
    section=HOW,
    help="Where the electricity comes from (three letters), for the estimate of energy.",
)
@setting_options(ComparisonSettings, HOW)
@click.option("-q", "--quiet", is_flag=True, cls=SectionOption, help="No progress bar.")  # fmt: skip
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
