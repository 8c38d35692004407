"""How much faster many workers are on one video: the order in which its tasks are given out, on a clock of its own."""

from __future__ import annotations

import heapq
from dataclasses import replace
from pathlib import Path

import pytest

from crowdmask.jobs.batch.queue import Task, VideoUnderWay
from crowdmask.jobs.batch.units import Plan, Step
from crowdmask.jobs.manifest.entries import CONCLUSION, PIECES, Entry, Identity, Kind
from crowdmask.media.segments import Span

FRAMES = 1500  # of a segment of a minute
# seconds for a frame, about what 1080p takes of a core; concluding and joining go over all frames, by one worker
SECONDS = {Step.LOOK: 0.06, Step.CONCLUDE: 0.0007, Step.DRAW: 0.03, Step.JOIN: 0.0001}


def kept_of(entry: Entry, task: Task) -> Entry:
    step, spans, _ = task
    number = {Step.LOOK: spans[0].number, Step.CONCLUDE: CONCLUSION, Step.DRAW: PIECES + spans[0].number}[step]
    return replace(entry, segment=number, settings="s")


def time_with(workers: int, segments: int) -> float:
    """Until the video is joined, where whoever is idle takes what is given out next."""
    spans = tuple(Span(n, None, None, (n - 1) * FRAMES, FRAMES) for n in range(1, segments + 1))
    entry = Entry("v.mp4", "/v.mp4", Kind.VIDEO, Identity(1, 1))
    video = VideoUnderWay(Plan(Path("run"), Path("/"), settings_digest="s"), entry, spans)
    at, number = 0.0, 0
    working: list[tuple[float, int, Task]] = []
    while True:
        while len(working) < workers and (task := video.next_task()) is not None:
            number += 1
            frames = FRAMES * (1 if task[0] in (Step.LOOK, Step.DRAW) else segments)
            heapq.heappush(working, (at + SECONDS[task[0]] * frames, number, task))
        at, _, done = heapq.heappop(working)
        if done[0] is Step.JOIN:
            assert not working and video.next_task() is None
            return at
        video.take(kept_of(entry, done))


@pytest.mark.parametrize(
    ("workers", "segments", "least"), [(2, 60, 1.95), (16, 64, 12.0), (16, 360, 13.0), (64, 360, 30.0)]
)
def test_many_workers_share_one_video(workers: int, segments: int, least: float) -> None:
    assert time_with(1, segments) / time_with(workers, segments) >= least
