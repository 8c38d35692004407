"""Runs tasks one after the other in this process; other ways to run them can stand beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace

from crowdmask.jobs.analysis import analyse_file
from crowdmask.jobs.networks import Networks, own_networks
from crowdmask.jobs.stopping import Stop
from crowdmask.jobs.tasks import Outcome, State, Task
from crowdmask.jobs.watching import Watch
from crowdmask.media.parts import ensure_writable
from crowdmask.results.detections import DetectionsFile


def run(
    tasks: Iterable[Task],
    detections: str | None = None,
    *,
    networks: Networks = own_networks,
    watch: Watch | None = None,
    stop: Stop | None = None,
) -> Iterator[Outcome]:
    """The outcome of each task as soon as it is done; an interrupted one is the last."""
    watch, stop = watch or Watch(), stop or Stop()
    with ExitStack() as stack:
        faces = None
        for task in tasks:
            if detections is not None and faces is None:
                ensure_writable(detections, overwrite=task.output.overwrite)
                faces = stack.enter_context(DetectionsFile(detections))
            outcome = analyse_file(
                replace(task, detections=detections),
                networks=networks,
                watch=watch,
                stop=stop,
                also=[] if faces is None else [faces],
            )
            watch.ended(outcome)
            yield outcome
            if stop.asked or outcome.state is State.INTERRUPTED:
                return
