"""Turns the inputs of a call into tasks, and refuses what would lose data before any work starts."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from crowdmask.engine.watching import zones_file
from crowdmask.errors import OutputError, SettingsError
from crowdmask.jobs.batch.inputs import asks_for_batch
from crowdmask.jobs.destinations import Destinations
from crowdmask.jobs.long_videos import is_publishing
from crowdmask.jobs.naming import is_own_output, is_stream, kind_of, name_outputs
from crowdmask.jobs.tasks import Task
from crowdmask.media.camera_names import camera_of
from crowdmask.media.opening import local_path, shown
from crowdmask.records import SourceKind
from crowdmask.results.run_folder import RunFolder
from crowdmask.settings import AnalysisSettings, BatchSettings, OutputSettings, RuntimeSettings

log = logging.getLogger(__name__)


def is_batch(inputs: Sequence[str], out_dir: str | None, batch: BatchSettings) -> bool:
    """Whether the inputs go into a run folder: there may be many of them, or the folder is one already."""
    goes_on = out_dir is not None and RunFolder(Path(out_dir)).manifest.is_file()
    return batch.run or goes_on or asks_for_batch(inputs)


def plan(
    inputs: Sequence[str],
    destinations: Destinations,
    analysis: AnalysisSettings,
    runtime: RuntimeSettings,
    output: OutputSettings,
) -> Iterator[Task]:
    """One task for each input, in the order given; everything is checked before the first is handed out."""
    sources = list(expand(inputs))
    if not sources:
        raise SettingsError("there is nothing to analyse: every input is one of crowdmask's own outputs")
    if output.video_overlay and (live := [source for source in sources if is_stream(source)]):
        raise SettingsError(
            f"{shown(live[0])}: a stream can be read only once, and an overlay needs its video again: "
            "leave --video-overlay out"
        )
    if (file := zones_file(analysis)) is not None:
        cameras = [camera_of(source) for source in sources]
        file.check_used(cameras)
        for remark in file.remarks(cameras):
            log.warning("%s", remark)
    named = name_outputs(
        sources, destinations, annotated=output.video, followed=analysis.follow, overlay=output.video_overlay
    )
    tasks = [
        Task(source, kind_of(source), outputs, analysis, runtime, output)
        for source, outputs in zip(sources, named, strict=True)
    ]
    _check(tasks, destinations.detections, output.overwrite)
    return iter(tasks)


def expand(inputs: Sequence[str]) -> Iterator[str]:
    """Each input once, without crowdmask's own outputs. Folders are for the batch, see `is_batch`."""
    seen: set[str] = set()
    for given in inputs:
        if is_stream(given):
            identity = given
        elif local_path(given).is_dir():
            raise SettingsError(f"{given}: this is a folder: name the files in it, such as {Path(given) / '*.mp4'}")
        elif is_own_output(given):
            log.warning("%s: left out, crowdmask wrote it", given)
            continue
        else:
            identity = os.path.realpath(local_path(given))
        if identity in seen:
            log.info("%s: given twice, analysed once", given)
            continue
        seen.add(identity)
        yield given


def _check(tasks: Sequence[Task], detections: str | None, overwrite: bool) -> None:
    outputs = [path for task in tasks for path in task.outputs.paths]
    if detections is not None:
        if any(_same(Path(detections), path) for path in outputs):
            raise SettingsError(f"{detections}: another result has this name: give --detections another")
        outputs.append(Path(detections))
    sources = {os.path.realpath(local_path(task.source)) for task in tasks if task.kind is not SourceKind.STREAM}
    for path in outputs:
        if os.path.realpath(path) in sources:
            raise SettingsError(f"{path}: this result would replace an input: give it another name")
    for path in outputs:
        if path.is_dir():
            raise OutputError(f"{path}: it is a folder, and a result is to have this name: give another with --out-dir")
    # those that a call was ended in the midst of naming are its own
    own = {path for task in tasks if is_publishing(task) for path in task.outputs.paths}
    existing = [path for path in outputs if path not in own and path.exists()]
    if existing and not overwrite:
        more = f" (and {len(existing) - 1} more)" if len(existing) > 1 else ""
        raise OutputError(
            f"{existing[0]}{more}: it is there already: give --overwrite to replace it, or --out-dir for another folder"
        )


def _same(a: Path, b: Path) -> bool:
    return os.path.realpath(a) == os.path.realpath(b)
