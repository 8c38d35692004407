"""`crowdmask analyze`: from options to settings to jobs, and what came of it to the terminal."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import click

from crowdmask.cli.main import COMMANDS, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_SOME_FAILED, one_line
from crowdmask.cli.options import SectionedCommand, SectionOption, general_options, setting_options
from crowdmask.errors import CrowdmaskError, SettingsError
from crowdmask.jobs.destinations import Destinations
from crowdmask.runs.energy import require as require_energy
from crowdmask.settings import (
    AggregateSettings,
    AnalysisSettings,
    BatchSettings,
    OutputSettings,
    RuntimeSettings,
    TimeAndPlaceSettings,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crowdmask.jobs.networks import Networks, Pair
    from crowdmask.jobs.tasks import Outcome, Task

KINDS = (
    AnalysisSettings,
    RuntimeSettings,
    OutputSettings,
    Destinations,
    BatchSettings,
    TimeAndPlaceSettings,
    AggregateSettings,
)
EPILOG = """\b
Examples:
  crowdmask analyze video.mp4
  crowdmask analyze *.jpg --out-dir results --detections results/faces.parquet
  crowdmask analyze long.mkv --start 00:10:00 --duration 90 --every 5 --blur
  crowdmask analyze rtsp://camera.local/live --duration 60 --out minute.mp4
  crowdmask analyze /cctv/2026-11-20 --out-dir outputs/night --workers 4
  crowdmask analyze /cctv/2026-11-20 --out-dir outputs/counts --aggregate 20m --min-count 10
  find /cctv -name '*.jpg' -newer yesterday -print0 | crowdmask analyze - --out-dir outputs/night

Every option can also be set by a variable (CROWDMASK_MASK_THRESHOLD=0.6) or in the [analyze] table of crowdmask.toml
in the current folder or the user's config folder. Exit codes: 0 good, 1 failed, 2 usage, 3 some inputs failed,
4 a batch ended early because the disk is almost full, 130 interrupted."""


@click.command(name="analyze", cls=SectionedCommand, epilog=EPILOG, context_settings={"max_content_width": 110})
@click.argument("inputs", nargs=-1, required=True, type=click.Path(readable=False))
@setting_options(Destinations, "Where the results go")
@setting_options(OutputSettings, "What is written, and how it looks")
@setting_options(AnalysisSettings, "What is analysed, and how it is judged")
@setting_options(RuntimeSettings, "How the work is done")
@setting_options(BatchSettings, "The batch: folders, patterns and lists of inputs")
@setting_options(TimeAndPlaceSettings, "When and where the inputs of a batch were taken")
@setting_options(AggregateSettings, "Counts by period and nothing else")
@general_options(verbose="Say where the time goes; give tracebacks.")
@click.option(
    "--progress",
    type=click.Choice(("auto", "bar", "lines", "json", "none")),
    default="auto",
    show_default=True,
    cls=SectionOption,
    help="How far it is, on stderr: a bar, a line a minute, or JSON, one object a line. auto: a bar on a terminal.",
)
@click.option("--json", "as_json", is_flag=True, cls=SectionOption, help="Print one JSON object and nothing else.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    inputs: tuple[str, ...],
    config_file: str | None,
    quiet: bool,
    verbose: bool,
    as_json: bool,
    progress: str,
    **given: Any,
) -> int:
    """Find every face in videos and pictures and judge whether it wears a mask.

    INPUTS are videos, pictures, a camera's number or a stream's address. Beside each, or in --out-dir, the command
    writes an annotated copy (.crowdmask.mp4), the counts of every frame (.csv) and a summary (.json).

    Folders, patterns ('cam*/**/*.jpg') and `-`, a list of paths on stdin, make a batch: everything goes into the run
    folder --out-dir, with one frames.csv for all. The same command goes on after an interruption of any kind.
    """
    from crowdmask.cli.config import build, settle
    from crowdmask.cli.noise import hush

    progress = "none" if quiet and progress == "auto" else progress
    if progress in ("auto", "bar") and sys.stderr.isatty():
        sys.stderr.write("crowdmask: starting …\r")  # the rest is loaded while it can be read
        sys.stderr.flush()
    settled = settle(given, *KINDS, command="analyze", commands=COMMANDS, file=config_file)
    hush()  # before the next lines import what is noisy
    from crowdmask.cli.closing import print_closing, print_json
    from crowdmask.cli.progress import logging_to_stderr
    from crowdmask.jobs.naming import is_stream
    from crowdmask.jobs.planning import is_batch, plan

    destinations = build(Destinations, settled)
    only_counts = build(AggregateSettings, settled).aggregate is not None
    if only_counts and any(is_stream(given) for given in inputs):
        raise SettingsError("--aggregate goes through files and folders: a camera or a stream has no end")
    if only_counts or is_batch(inputs, destinations.out_dir, build(BatchSettings, settled)):
        from crowdmask.cli.batch import run_and_tell

        runtime = build(RuntimeSettings, settled)
        if runtime.energy and build(BatchSettings, settled).cluster is not None:
            raise SettingsError("--energy estimates this machine alone: leave it out with --cluster")
        if runtime.energy:
            require_energy(runtime.country)
        if build(OutputSettings, settled).video_overlay:
            raise SettingsError("--video-overlay goes with single videos, not with a batch: name the files one by one")

        return run_and_tell(
            inputs, settled, networks=ctx.obj, quiet=quiet, verbose=verbose, as_json=as_json, progress=progress
        )
    batch = build(BatchSettings, settled)
    for name in ("shard", "cluster"):  # without effect here, and whoever asks for them relies on it
        if getattr(batch, name):
            raise SettingsError(f"--{name} goes with a batch: give a folder, or --run to make a batch of single files")
    with logging_to_stderr(logging.DEBUG if verbose else logging.ERROR if quiet else logging.WARNING):
        tasks = list(
            plan(
                inputs,
                destinations,
                build(AnalysisSettings, settled),
                build(RuntimeSettings, settled),
                build(OutputSettings, settled),
            )
        )
        outcomes, code = _run(tasks, destinations.detections, batch, given=ctx.obj, verbose=verbose, progress=progress)
    if as_json:
        not_begun = len(tasks) - len(outcomes)
        print_json(outcomes, detections=destinations.detections, not_begun=not_begun, code=code)
    elif not quiet:
        not_begun = len(tasks) - len(outcomes)
        print_closing(outcomes, destinations.detections, not_begun=not_begun, with_times=verbose)
    return code


def _run(
    tasks: Sequence[Task],
    detections: str | None,
    batch: BatchSettings,
    *,
    given: Networks | None,
    verbose: bool,
    progress: str,
) -> tuple[list[Outcome], int]:
    """The outcomes and the exit code; what was done before a failure that ends the run is among them."""
    from crowdmask.cli.progress import Display, InputsProgress, say, say_at_once
    from crowdmask.jobs.networks import weights_used
    from crowdmask.jobs.run import run
    from crowdmask.jobs.stopping import Stop

    networks = given or _own_networks(verbose)
    weights = weights_used(tasks[0].analysis, tasks[0].runtime) if given is None else ()
    stop = Stop(say_at_once)
    outcomes: list[Outcome] = []
    with stop.on_signals(), Display(progress) as display:
        watch = InputsProgress(tasks, display)
        try:
            for outcome in run(
                tasks, detections, networks=networks, watch=watch, stop=stop, batch=batch, weights=weights
            ):
                outcomes.append(outcome)
                if outcome.error:
                    say(one_line(outcome.error))
        except CrowdmaskError as error:
            if not outcomes:
                raise
            say(one_line(str(error)))
            return outcomes, EXIT_FAILED
    return outcomes, EXIT_INTERRUPTED if stop.asked else exit_code(outcomes)


def _own_networks(verbose: bool) -> Networks:
    from crowdmask.jobs.networks import own_networks

    return own_networks if verbose else quiet_networks


def quiet_networks(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    """The project's networks, without what TensorFlow says of itself; worker processes know it by its name."""
    from crowdmask.cli.noise import native_stderr_shut
    from crowdmask.jobs.networks import own_networks

    with native_stderr_shut():
        return own_networks(analysis, runtime)


def exit_code(outcomes: Sequence[Outcome]) -> int:
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    if any(outcome.state == "interrupted" for outcome in outcomes):
        return EXIT_INTERRUPTED
    if failed:
        return EXIT_FAILED if failed == len(outcomes) else EXIT_SOME_FAILED
    if any(outcome.state == "ended early" for outcome in outcomes):
        return EXIT_SOME_FAILED  # a part of what was asked for is missing
    return 0
