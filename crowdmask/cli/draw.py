"""`crowdmask draw`: the annotated copy anew, in other colours or blurred, from what was kept; no network runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crowdmask.cli.main import COMMANDS
from crowdmask.cli.options import SectionedCommand, SectionOption, general_options, setting_options
from crowdmask.settings import OutputSettings, RuntimeSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tqdm import tqdm

EPILOG = """\b
Examples:
  crowdmask analyze crowd.mp4 --detections faces.parquet
  crowdmask draw crowd.crowdmask.json --palette classic --blur --overwrite
  crowdmask draw RUN/videos/gate/20261120.mp4.json --show-numbers --out gate.mp4"""


@click.command(name="draw", cls=SectionedCommand, epilog=EPILOG, context_settings={"max_content_width": 110})
@click.argument("result", metavar="RESULT", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    cls=SectionOption,
    section="Where it is from and goes",
    help="File to write; without it NAME.crowdmask.mp4 beside RESULT.",
)
@click.option(
    "--detections",
    type=click.Path(path_type=Path),
    cls=SectionOption,
    section="Where it is from and goes",
    help="The faces that were kept; without it those that RESULT names.",
)
@click.option(
    "--source",
    metavar="PATH",
    cls=SectionOption,
    section="Where it is from and goes",
    help="Where the input lies now; without it where it was analysed.",
)
@click.option(
    "--zones",
    metavar="FILE",
    type=click.Path(path_type=Path),
    cls=SectionOption,
    section="How it looks",
    help="Zones and lines to outline; without it those that the input was analysed with.",
)
@setting_options(OutputSettings, "How it looks", leave_out=("video", "video_overlay"))
@setting_options(RuntimeSettings, "How the work is done", leave_out=("window", "batch", "device", "energy", "country"))
@general_options(verbose="Show the traceback of an error.")
def command(
    *,
    result: Path,
    out: Path | None,
    detections: Path | None,
    source: str | None,
    zones: Path | None,
    config_file: str | None,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Draw a video or picture anew from the faces that were kept of it, without running a network.

    RESULT is a summary that `crowdmask analyze` wrote with --detections (NAME.crowdmask.json, or RUN/videos/NAME.json
    of a batch), or another file beside it.
    """
    from crowdmask.cli.config import build, settle
    from crowdmask.cli.noise import hush

    settled = settle(given, OutputSettings, RuntimeSettings, command="draw", commands=COMMANDS, file=config_file)
    hush()  # before the next lines import what is noisy
    from crowdmask.cli.progress import say_at_once
    from crowdmask.jobs.drawing import Kept, beside, draw
    from crowdmask.jobs.stopping import Stop

    kept = Kept.of(result, detections, source, zones)
    out = out or beside(result, kept)
    stop = Stop(say_at_once)
    with stop.on_signals(), _bar(shown=not quiet and sys.stderr.isatty()) as bar:
        frames = draw(
            kept, out, build(OutputSettings, settled), build(RuntimeSettings, settled), stop=stop, seen=_counter(bar)
        )
    if not quiet:
        click.echo(f"crowdmask: wrote {out}: {frames} frames", err=True)


def _bar(*, shown: bool) -> tqdm[Any]:
    from tqdm import tqdm

    return tqdm(unit=" frames", leave=False, file=sys.stderr, disable=not shown)


def _counter(bar: tqdm[Any]) -> Callable[[int | None], None]:
    def seen(expected: int | None) -> None:
        bar.total = expected
        bar.update()

    return seen
