"""Runs tasks one after the other in this process; other ways to run them can stand beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from crowdmask.jobs.analysis import analyse_file
from crowdmask.jobs.long_videos import analyse_in_segments, goes_in_segments
from crowdmask.jobs.networks import Networks, own_networks
from crowdmask.jobs.stopping import Stop
from crowdmask.jobs.tasks import Outcome, State, Task
from crowdmask.jobs.watching import Watch
from crowdmask.media.parts import ensure_writable
from crowdmask.results.detections import DetectionsFile
from crowdmask.results.summary import WeightsUsed
from crowdmask.settings import BatchSettings


def run(
    tasks: Iterable[Task],
    detections: str | None = None,
    *,
    networks: Networks = own_networks,
    watch: Watch | None = None,
    stop: Stop | None = None,
    batch: BatchSettings | None = None,
    weights: Sequence[WeightsUsed] = (),
) -> Iterator[Outcome]:
    """The outcome of each task as soon as it is done; an interrupted one is the last.

    With `batch` settings a long video goes in segments; `weights` are those of the networks.
    """
    watch, stop = watch or Watch(), stop or Stop()
    with ExitStack() as stack:
        faces = None
        for task in (replace(task, detections=detections) for task in tasks):
            if detections is not None and faces is None:
                ensure_writable(detections, overwrite=task.output.overwrite)
                faces = stack.enter_context(DetectionsFile(detections))
            also = [] if faces is None else [faces]
            if batch is not None and goes_in_segments(task, batch):
                outcome = analyse_in_segments(
                    task, batch, networks=networks, weights=weights, watch=watch, stop=stop, also=also
                )
            else:
                outcome = analyse_file(task, networks=networks, watch=watch, stop=stop, also=also)
            watch.ended(outcome)
            yield outcome
            if stop.asked or outcome.state is State.INTERRUPTED:
                return
