"""The same command twice at once: the second is refused before it touches what the first is writing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.errors import CrowdmaskError
from crowdmask.jobs.destinations import Destinations
from crowdmask.jobs.networks import Networks, Pair
from crowdmask.jobs.planning import plan
from crowdmask.jobs.run import run
from crowdmask.jobs.tasks import Outcome, State
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings, BatchSettings, OutputSettings, RuntimeSettings
from tests.factories import FakeClassifier, FakeDetector, write_clip

FRAMES = 60


class Waiting(FakeDetector):
    """Says when it is half way, and waits until the other has had its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.half_way, self.may_go_on, self.looked = threading.Event(), threading.Event(), 0

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        self.looked += len(images)
        if self.looked > FRAMES // 2:
            self.half_way.set()
            assert self.may_go_on.wait(60)
        return super().detect(images)


def analysed(film: Path, out: Path, networks: Networks, segment_s: float) -> list[Outcome]:
    tasks = plan(
        [str(film)],
        Destinations(out_dir=str(out)),
        AnalysisSettings(detect_every=1),
        RuntimeSettings(threads=2),
        OutputSettings(),
    )
    return list(run(tasks, None, networks=networks, batch=BatchSettings(segment_s=segment_s)))


@pytest.mark.parametrize("segment_s", [60.0, 1.0], ids=["in one pass", "in segments"])
def test_the_second_is_refused_and_the_first_is_whole(tmp_path: Path, segment_s: float) -> None:
    film = Path(write_clip(tmp_path / "film.mp4", frames=FRAMES, gop=12))
    slow, ended = Waiting(), list[Outcome]()
    first = threading.Thread(
        target=lambda: ended.extend(
            analysed(film, tmp_path / "out", lambda *_: Pair(slow, FakeClassifier()), segment_s)
        )
    )
    first.start()
    assert slow.half_way.wait(60)
    try:
        second = analysed(film, tmp_path / "out", lambda *_: Pair(FakeDetector(), FakeClassifier()), segment_s)
        refusal = second[0].error if second[0].state is State.FAILED else ""
    except CrowdmaskError as error:
        refusal = str(error)
    slow.may_go_on.set()
    first.join()
    assert "another run is writing it" in refusal or "runs already" in refusal or "is at work" in refusal, refusal
    assert [outcome.state for outcome in ended] == [State.DONE]
    assert len((tmp_path / "out" / "film.crowdmask.csv").read_text().splitlines()) == FRAMES + 1
    with av.open(str(tmp_path / "out" / "film.crowdmask.mp4")) as copy:
        assert sum(1 for _ in copy.decode(video=0)) == FRAMES
    assert not list((tmp_path / "out").glob("*.part"))
