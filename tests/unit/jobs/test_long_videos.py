"""One long video goes the batch's road: the same results under the same names, and nothing is lost to an end."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.errors import OutputError
from crowdmask.jobs import long_videos
from crowdmask.jobs.destinations import Destinations
from crowdmask.jobs.networks import Pair
from crowdmask.jobs.planning import plan
from crowdmask.jobs.run import run
from crowdmask.jobs.stopping import Stop
from crowdmask.jobs.tasks import Outcome, State
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings, BatchSettings, OutputSettings, RuntimeSettings
from tests.factories import FakeClassifier, FakeDetector, write_clip
from tests.unit.jobs.batch.cctv import fakes, rows

FRAMES = 100
CUT = BatchSettings(segment_s=1.0)  # a key frame every 12 frames: segments begin at 0, 36, 60 and 84
NAMES = ("film.crowdmask.csv", "film.crowdmask.persons.csv", "film.crowdmask.mp4", "film.crowdmask.json")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return Path(write_clip(tmp_path / "film.mp4", frames=FRAMES, gop=12, audio="aac"))


def analysed(
    film: Path,
    out: Path,
    batch: BatchSettings | None = CUT,
    *,
    networks: Any = fakes,
    stop: Stop | None = None,
    detections: str | None = None,
    overwrite: bool = False,
) -> list[Outcome]:
    tasks = plan(
        [str(film)],
        Destinations(out_dir=str(out), detections=detections),
        AnalysisSettings(detect_every=1),
        RuntimeSettings(threads=2),
        OutputSettings(overwrite=overwrite),
    )
    return list(run(tasks, detections, networks=networks, stop=stop, batch=batch))


def frames_of(path: Path) -> list[float]:
    with av.open(str(path)) as opened:
        return [float(frame.pts * frame.time_base) for frame in opened.decode(video=0)]


def test_it_leaves_what_one_pass_leaves(film: Path, tmp_path: Path) -> None:
    (plain,) = analysed(film, tmp_path / "plain", None, detections=str(tmp_path / "plain.csv"))
    (cut,) = analysed(film, tmp_path / "cut", detections=str(tmp_path / "cut.csv"))
    assert {path.name for path in (tmp_path / "cut").iterdir()} == set(NAMES), "something was left behind"
    assert (tmp_path / "cut" / NAMES[0]).read_bytes() == (tmp_path / "plain" / NAMES[0]).read_bytes()
    # a face that is known for sure is judged anew in each segment, so the mean of its probabilities is of other frames
    people = [[row[:6] for row in csv.reader((tmp_path / name / NAMES[1]).open())] for name in ("plain", "cut")]
    assert people[0] == people[1] and people[0][1][0] == str(film)
    same = ("source", "frame", "x1", "y1", "x2", "y2", "verdict", "person")
    faces = [[[row[name] for name in same] for row in rows(tmp_path / name)] for name in ("plain.csv", "cut.csv")]
    assert faces[0] == faces[1] and len(faces[0]) >= FRAMES
    assert frames_of(tmp_path / "cut" / NAMES[2]) == frames_of(tmp_path / "plain" / NAMES[2])
    told = [json.loads((tmp_path / name / NAMES[3]).read_text()) for name in ("plain", "cut")]
    for key in told[0].keys() | told[1].keys():
        if key not in ("created_at", "speed", "outputs"):
            assert told[1].get(key) == told[0].get(key), key
    assert set(told[1]["outputs"]) == set(told[0]["outputs"])
    assert (cut.state, cut.stats, cut.people, cut.until_s) == (plain.state, plain.stats, plain.people, plain.until_s)


def test_a_short_video_takes_the_road_it_took(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_videos, "run_batch", None)
    (outcome,) = analysed(film, tmp_path / "out", BatchSettings())
    assert outcome.state is State.DONE


class Ending(FakeDetector):
    """Asks for the stop at a frame, and counts how many were looked at."""

    def __init__(self, stop: Stop | None, after: int) -> None:
        super().__init__()
        self.stop, self.after, self.looked = stop, after, 0

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        self.looked += len(images)
        if self.stop is not None and self.looked >= self.after:
            self.stop.ask()
        return super().detect(images)


def test_the_same_call_goes_on_and_does_one_segment_twice_at_most(film: Path, tmp_path: Path) -> None:
    analysed(film, tmp_path / "whole")
    stop = Stop()
    first = Ending(stop, 70)
    (outcome,) = analysed(film, tmp_path / "cut", networks=lambda *_: Pair(first, FakeClassifier()), stop=stop)
    assert outcome.state is State.INTERRUPTED and outcome.kept_in == str(tmp_path / "cut" / "film.crowdmask.work")
    second = Ending(None, 0)
    (outcome,) = analysed(film, tmp_path / "cut", networks=lambda *_: Pair(second, FakeClassifier()))
    assert outcome.state is State.DONE and second.looked <= FRAMES - 60
    for name in NAMES[:3]:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert {path.name for path in (tmp_path / "cut").iterdir()} == set(NAMES)


def test_an_end_while_results_get_their_names_loses_nothing(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysed(film, tmp_path / "whole")

    class Killed(BaseException):
        pass

    links: list[Path] = []

    def link(source: Path, target: Path) -> None:
        if len(links) == 1:
            raise Killed
        links.append(target)
        link_or_copy(source, target)

    link_or_copy = long_videos.link_or_copy
    monkeypatch.setattr(long_videos, "link_or_copy", link)
    with pytest.raises(Killed):
        analysed(film, tmp_path / "cut")
    monkeypatch.undo()
    again = Ending(None, 0)
    (outcome,) = analysed(film, tmp_path / "cut", networks=lambda *_: Pair(again, FakeClassifier()))
    assert outcome.state is State.DONE and again.looked == 0
    for name in NAMES[:3]:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_what_is_there_is_not_replaced_unasked(film: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / NAMES[0]).write_text("mine")
    with pytest.raises(OutputError, match="--overwrite"):
        analysed(film, tmp_path / "out")
    assert not (tmp_path / "out" / "film.crowdmask.work").exists()
    analysed(film, tmp_path / "out", overwrite=True)
    with (tmp_path / "out" / NAMES[0]).open() as file:
        assert len(list(csv.reader(file))) == FRAMES + 1


def test_what_lies_in_the_work_folder_and_is_not_ours_stays(film: Path, tmp_path: Path) -> None:
    mine = tmp_path / "out" / "film.crowdmask.work" / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    analysed(film, tmp_path / "out")
    assert [path.name for path in mine.parent.iterdir()] == ["notes.txt"] and mine.read_text() == "mine"


def test_a_video_that_fails_leaves_no_folder(film: Path, tmp_path: Path) -> None:
    class Broken(FakeDetector):
        def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
            raise RuntimeError("no such thing")

    (outcome,) = analysed(film, tmp_path / "out", networks=lambda *_: Pair(Broken(), FakeClassifier()))
    assert outcome.state is State.FAILED and str(film) in outcome.error and "no such thing" in outcome.error
    assert not list((tmp_path / "out").iterdir())


def test_two_workers_share_one_video(film: Path, tmp_path: Path) -> None:
    analysed(film, tmp_path / "one")
    analysed(film, tmp_path / "two", replace(CUT, workers=2))
    for name in NAMES[:3]:
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes(), name
