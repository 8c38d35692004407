"""Takes one long video over the batch's road: in segments, so that it goes on after any end and workers may share it.

What is done is kept in NAME.crowdmask.work, a run folder beside the results. When all is done the results get their
names, and the folder goes. A short video has one segment, and takes the road of jobs/analysis.py instead.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from crowdmask.errors import CrowdmaskError
from crowdmask.jobs import naming
from crowdmask.jobs.batch.inputs import Inputs
from crowdmask.jobs.batch.journal import BatchWatch
from crowdmask.jobs.batch.running import FINISHED, BatchOutcome, run_batch
from crowdmask.jobs.batch.units import Plan
from crowdmask.jobs.forecast import Progress
from crowdmask.jobs.manifest.claims import discard, remove_empty
from crowdmask.jobs.manifest.entries import Kind
from crowdmask.jobs.manifest.packing import unpack
from crowdmask.jobs.networks import Networks
from crowdmask.jobs.stopping import Stop
from crowdmask.jobs.tasks import Outcome, State, Task
from crowdmask.jobs.watching import Watch
from crowdmask.media.describing import seconds_announced
from crowdmask.media.opening import local_path
from crowdmask.media.parts import ensure_writable, link_or_copy, write_whole
from crowdmask.media.segments import may_be_cut
from crowdmask.records import Gap, SourceKind
from crowdmask.results.columns import no_formula
from crowdmask.results.people import PeopleStats
from crowdmask.results.persons import write_persons_parquet
from crowdmask.results.run_folder import RunFolder
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.summary import WeightsUsed, write_summary
from crowdmask.results.zone_stats import ZoneStats
from crowdmask.settings import BatchSettings, TimeAndPlaceSettings

NO_CAMERA = "(?P<camera>)"  # as of any single video
PUBLISHING = "publishing"  # in the log folder: all is done, and the results are being given their names


class _Told(BatchWatch):
    def __init__(self, tell: Callable[[Progress], None]) -> None:
        self._tell = tell

    def moved(self, progress: Progress) -> None:
        self._tell(progress)


def work_folder(task: Task) -> Path:
    """Where what is done of a long video is kept until all is."""
    table = task.outputs.frames_csv
    base = table.name.removesuffix(".csv").removesuffix(".crowdmask")
    return table.with_name(f"{base}.crowdmask.work")


def is_publishing(task: Task) -> bool:
    """Whether an earlier call was ended while it gave the results their names: they are this task's own."""
    return (RunFolder(work_folder(task)).log / PUBLISHING).is_file()


def goes_in_segments(task: Task, batch: BatchSettings) -> bool:
    """Whether a task is a video so long that it has more than one segment."""
    if task.kind is not SourceKind.VIDEO or task.runtime.energy:
        return False
    try:
        seconds = seconds_announced(str(local_path(task.source)))
    except (CrowdmaskError, OSError):
        return False  # whoever opens it says why
    return seconds is not None and may_be_cut(seconds, batch.segment_s)


def analyse_in_segments(
    task: Task,
    batch: BatchSettings,
    *,
    networks: Networks,
    weights: Sequence[WeightsUsed],
    watch: Watch,
    stop: Stop,
    also: Sequence[Any] = (),
) -> Outcome:
    """As `analyse_file` does it; where it is interrupted, the same call goes on with what is kept."""
    run = RunFolder(work_folder(task))
    path = os.path.abspath(local_path(task.source))
    may_replace = task.output.overwrite or is_publishing(task)
    for output in task.outputs.paths:
        ensure_writable(output, overwrite=may_replace)
    plan = Plan(
        Path(os.path.abspath(run.path)),
        Path(os.path.dirname(path)),
        task.analysis,
        task.runtime,
        replace(task.output, overwrite=False),
        TimeAndPlaceSettings(camera_pattern=NO_CAMERA),
        replace(batch, annotate=None, include=None, exclude=None, shard=None, keep_free=0, settle_s=0.0, retries=0),
        Path(os.path.abspath(run.path / "detections.csv")) if also else None,
    )
    inputs = Inputs(files=(path,), root=str(plan.root))
    outcome = run_batch(
        inputs,
        plan,
        networks=networks,
        weights=weights,
        stop=stop,
        watch=_Told(lambda progress: watch.moved(task, progress)),
        says_notes=False,
    )
    if outcome.totals.failed:
        remove_empty(run.parts)
        if not run.parts.is_dir():  # else something of it is done, and is there for the next call
            discard(run)
        return Outcome(task, State.FAILED, ComplianceStats(), error=_in_the_task_s_words(outcome, task, path))
    if outcome.ending != FINISHED or outcome.totals.left:
        return Outcome(task, State.INTERRUPTED, ComplianceStats(), kept_in=str(run.path))
    source = inputs.source_of(path)
    summary = _summary_of(task, plan, source)
    if also:
        with open(naming.faces_file_of(plan.run, source), "rb") as file:
            for result in unpack(file, task.stream):
                for sink in also:
                    sink.write(result)
    _publish(task, plan, source, summary)
    discard(run)
    return _outcome(task, outcome, summary)


def _in_the_task_s_words(outcome: BatchOutcome, task: Task, path: str) -> str:
    reason = outcome.failures[0][1].replace(path, task.name)
    return reason if task.name in reason else f"{task.name}: {reason}"


def _summary_of(task: Task, plan: Plan, source: str) -> dict[str, Any]:
    """The video's summary with the names that this call gives to everything."""
    told: dict[str, Any] = json.loads(naming.summary_file_of(plan.run, source).read_text(encoding="utf-8"))
    told["source"]["path"] = task.name
    for moment in (*told["worst_moments"], told["per_frame"]["peak_unmasked"]):
        if moment is not None:
            moment["source"] = task.name
    told["settings"]["runtime"] = task.runtime.as_dict()
    told["settings"]["output"] = task.output.as_dict()
    outputs = task.outputs
    named = {
        "annotated": outputs.annotated,
        "frames_csv": outputs.frames_csv,
        "persons_csv": outputs.persons,
        "persons_parquet": outputs.persons_parquet,
        "detections": task.detections,
    }
    told["outputs"] = {kind: str(path) for kind, path in named.items() if path is not None}
    return told


def _publish(task: Task, plan: Plan, source: str, summary: dict[str, Any]) -> None:
    """Give the results their names. A call that is ended in the midst of it finds all of them here still."""
    outputs, run = task.outputs, RunFolder(plan.run)
    write_whole(run.log / PUBLISHING, b"")
    overlay = plan.output.video_overlay
    made = {
        outputs.annotated: naming.annotated_file(run.path, source, Kind.VIDEO, overlay=overlay),
        outputs.frames_csv: naming.frames_file_of(run.path, source),
    }
    for target, path in made.items():
        if target is not None:
            link_or_copy(path, target)
    if outputs.persons is not None:
        write_whole(outputs.persons, _renamed(naming.persons_file_of(run.path, source), task.name))
        if outputs.persons_parquet is not None:
            write_persons_parquet(outputs.persons)
    write_summary(outputs.summary, summary)


def _renamed(table: Path, name: str) -> bytes:
    """The table of people with the input's name as this call gives it."""
    with table.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(header)
    place = header.index("source")
    writer.writerows([*row[:place], no_formula(name), *row[place + 1 :]] for row in rows)
    return written.getvalue().encode()


def _outcome(task: Task, outcome: BatchOutcome, summary: dict[str, Any]) -> Outcome:
    separate = task.analysis.sets_apart
    people = summary["people"]
    return Outcome(
        task,
        State.DONE,
        outcome.stats.named(task.name),
        until_s=summary["until_s"],
        gaps=tuple(Gap(**gap) for gap in summary["not_analysed"]["gaps"]),
        notes=tuple(summary["notes"]),
        wall_s=summary["speed"]["wall_s"],
        summary=summary,
        people=None if people is None else PeopleStats.of(people, separate=separate),
        zones=ZoneStats.of(summary, separate=separate) if "zones" in summary else None,
    )
