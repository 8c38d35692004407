"""`crowdmask rejudge`: other thresholds on what was found already, without running a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from crowdmask.cli.options import METAVARS, SettingType
from crowdmask.settings import AnalysisSettings, kind_of
from crowdmask.words import plural

CHANGEABLE = ("mask_threshold", "unsure_band", "incorrect", "judge_confidence", "smallest_face")
EPILOG = """\b
What can be changed: when a face counts as unmasked (--mask-threshold, --unsure-band), how masks wrongly worn count
(--incorrect), and, upwards only, which faces are judged at all (--judge-confidence, --smallest-face).
What cannot: anything that decides what the networks are shown and which finds are faces (the detector, its sizes and
its confidence, crops, following, zones, the choice of frames). Analyse again for those.

\b
Examples:
  crowdmask analyze /cctv/2026-11-20 --out-dir outputs/night --detections faces.parquet
  crowdmask rejudge outputs/night --mask-threshold 0.7 --out-dir outputs/night-70
  crowdmask report outputs/night-70 --against outputs/night
  crowdmask rejudge video.crowdmask.json --unsure-band 0.3"""


def _setting_options(function: Callable[..., Any]) -> Callable[..., Any]:
    fields = {f.name: f for f in dataclasses.fields(AnalysisSettings)}
    for name in reversed(CHANGEABLE):
        f = fields[name]
        choices = f.metadata["choices"]
        function = click.option(
            f"--{name.replace('_', '-')}",
            type=SettingType(f),
            metavar="|".join(choices) if choices else METAVARS[kind_of(f)[0]],
            help=f"{f.metadata['help']} Without it as in the analysis.",
        )(function)
    return function


@click.command(name="rejudge", epilog=EPILOG, context_settings={"max_content_width": 110})
@click.argument("result", metavar="RESULT", type=click.Path(path_type=Path))
@_setting_options
@click.option("--out-dir", type=click.Path(path_type=Path), help="Folder to write; without it RESULT-rejudged.")
@click.option(
    "--detections", type=click.Path(path_type=Path), help="The faces that were kept; without it those of RESULT."
)
@click.option("--overwrite", is_flag=True, help="Replace tables that are already there.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error.")
def command(
    *,
    result: Path,
    out_dir: Path | None,
    detections: Path | None,
    overwrite: bool,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Judge anew what was found: every table with other thresholds, from the detections that were kept.

    RESULT is a run folder, or the summary of one input (NAME.crowdmask.json), made with --detections. The tables go
    into a folder of their own, which stats and report read; RESULT stays as it is.
    """
    from crowdmask.cli.closing import compliance_words
    from crowdmask.jobs.rejudging import Judged, changed, place, rejudge

    judged = Judged.of(result, detections)
    settings = changed(judged.settings, {name: value for name, value in given.items() if value is not None})
    out = place(judged, result, out_dir, overwrite=overwrite)
    found = rejudge(judged, settings, out)
    if quiet:
        return
    frames, faces = plural(found.stats.frames, "frame"), plural(found.changed_faces, "face")
    click.echo(f"crowdmask: wrote {out}: {frames}, {faces} judged otherwise", err=True)
    click.echo(f"crowdmask: {compliance_words(found.stats, found.people)}", err=True)
