"""Video with sparse labels, on fakes: what is measured on labelled frames and what over time, worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crowdmask.errors import DatasetError
from crowdmask.evaluation.harness import SetResult
from crowdmask.evaluation.metrics import Hits
from crowdmask.evaluation.saving import set_values
from crowdmask.evaluation.tables import rates
from crowdmask.evaluation.videos import evaluate_video
from crowdmask.labels.frames import labels_of, read_frames
from crowdmask.labels.records import Label
from crowdmask.settings import AnalysisSettings, EvaluationSettings, RuntimeSettings
from tests.cli.conftest import Crowdmask
from tests.factories import FakeClassifier, FakeDetector, write_clip
from tests.people import LENGTH, SCENE, SIZE_WH, Walker, picture
from tests.unit.evaluation.scenes import OBJECT

SETTINGS = AnalysisSettings(smallest_face=5)


def clip(folder: Path, walkers: Sequence[Walker] = SCENE, frames: int = LENGTH) -> Path:
    return Path(write_clip(folder / "walk.mp4", SIZE_WH, [picture(walkers, i) for i in range(frames)]))


def boxes(frame: int, walkers: Sequence[Walker] = SCENE[:3]) -> list[tuple[Walker, tuple[int, int, int, int]]]:
    return [(walker, walker.box(frame)) for walker in walkers if walker.is_seen(frame)]


def write_labels(folder: Path, frames: Sequence[int]) -> Path:
    folder.mkdir(exist_ok=True)
    for frame in frames:
        named = [(box, "with_mask" if walker.masked else "without_mask") for walker, box in boxes(frame)]
        objects = "".join(OBJECT.format(*box, name=name) for box, name in named)
        (folder / f"walk_{frame:06d}.xml").write_text(f"<annotation>{objects}</annotation>")
    return folder


def run(video: Path, labels: Path, settings: AnalysisSettings = SETTINGS) -> SetResult:
    return evaluate_video(
        read_frames(video, labels),
        (FakeDetector(), FakeClassifier()),
        settings,
        runtime=RuntimeSettings(),
        evaluation=EvaluationSettings(),
    )


def test_a_scene_by_hand(tmp_path: Path) -> None:
    result = run(clip(tmp_path), write_labels(tmp_path / "walk", (10, 25, 60)))
    told, over_time = result.evaluation, result.rates
    assert over_time is not None
    # two at frame 10, three at 25 and 60; the lamp of frames 30 and 31 is on none of them
    assert told.pictures == 3 and told.faces == Hits(8, 0, 0) and told.confusion.accuracy == 1.0
    assert told.unmasked == Hits(5, 0, 0)
    assert (over_time.people, over_time.verdicts, over_time.changes) == (3, 3, 0)
    assert (over_time.frames, over_time.labelled_frames, over_time.seconds) == (80, 3, 3.2)
    assert (over_time.people_on_labelled, over_time.false_people) == (3, 0)
    assert over_time.per_minute(over_time.verdicts) == pytest.approx(3 * 60 / 3.2)


def test_a_face_that_is_filled_in_is_found(tmp_path: Path) -> None:
    # the third is hidden in frame 41, and known to stand there
    labels = write_labels(tmp_path / "walk", (41,))
    objects = "".join(OBJECT.format(*walker.box(41), name="without_mask") for walker in SCENE[1:3])
    objects += OBJECT.format(*SCENE[0].box(41), name="with_mask")
    (labels / "walk_000041.xml").write_text(f"<annotation>{objects}</annotation>")
    assert run(clip(tmp_path), labels).evaluation.faces == Hits(3, 0, 0)


def test_false_finds_are_told_for_a_minute_of_all_frames(tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "walk", (10, 25))
    (labels / "walk_000025.xml").write_text("<annotation/>")  # nobody is labelled there: three false finds
    over_time = run(clip(tmp_path), labels).rates
    assert over_time is not None and over_time.false_finds == over_time.false_verdicts == 3
    # three on two of 80 frames: 120 on all, in 3.2 seconds
    assert over_time.false_per_minute(over_time.false_finds) == pytest.approx(120 * 60 / 3.2)
    # one of them is seen on no other labelled frame
    assert (over_time.people_on_labelled, over_time.false_people) == (3, 1)


def test_stills_in_a_row_are_nobody(tmp_path: Path) -> None:
    video, labels = clip(tmp_path), write_labels(tmp_path / "walk", (10,))
    over_time = run(video, labels, AnalysisSettings(smallest_face=5, follow=False)).rates
    assert over_time is not None and over_time.people == over_time.people_on_labelled == 0


def test_frames_that_the_video_lacks_are_named(tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "walk", (10,))
    (labels / "walk_000999.xml").write_text("<annotation/>")
    assert "1 labelled frame(s) are not among" in run(clip(tmp_path), labels).problems[-1].reason
    (labels / "walk_000010.xml").unlink()
    with pytest.raises(DatasetError, match="none of its 1 labelled frames"):
        run(tmp_path / "walk.mp4", labels)


def coco(path: Path, images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> Path:
    categories = [{"id": 1, "name": "with_mask"}, {"id": 2, "name": "without_mask"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def test_coco_says_which_frame_by_a_field_or_by_name(tmp_path: Path) -> None:
    images = [
        {"id": 1, "file_name": "walk/shot2-000025.png"},
        {"id": 2, "file_name": "anything", "frame_index": 60},
        {"id": 3, "file_name": "nothing"},
    ]
    box = {"image_id": 1, "bbox": [5, 6, 20, 30]}
    annotations = [{**box, "id": 1, "category_id": 2}, {**box, "id": 2, "category_id": 1, "ignore": 1}]
    read = read_frames(tmp_path / "walk.mp4", coco(tmp_path / "walk.json", images, annotations))
    assert list(read.frames) == [25, 60]
    assert read.frames[25].labels.tolist() == [Label.UNMASKED, Label.IGNORE]
    assert np.array_equal(read.frames[25].boxes[0], [5, 6, 25, 36]) and len(read.frames[60].boxes) == 0
    (problem,) = read.problems
    assert "image 3: nothing says which frame it is" in problem.reason


def test_labels_lie_beside_the_video(tmp_path: Path) -> None:
    video = tmp_path / "walk.mp4"
    with pytest.raises(DatasetError, match=r"no labels of its frames: walk\.json"):
        labels_of(video)
    folder = write_labels(tmp_path / "walk", (1,))
    assert labels_of(video) == folder
    assert labels_of(video.with_name("walk.mkv")) == folder
    assert labels_of(video) != (beside := coco(tmp_path / "walk.json", [], [])) and labels_of(video) == beside


@pytest.mark.parametrize("name", ["absent", "walk.json"])
def test_what_is_no_label_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "walk.json").write_text("[]")
    with pytest.raises(DatasetError, match=name):
        read_frames(tmp_path / "walk.mp4", tmp_path / name)


def test_a_frame_that_is_labelled_twice_keeps_the_first(tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "walk", (10,))
    (labels / "z10.xml").write_text("<annotation/>")
    read = read_frames(tmp_path / "walk.mp4", labels)
    assert len(read.frames[10].boxes) == 2 and "frame 10 has labels already" in read.problems[0].reason


def test_frames_that_count_pixels_from_1_are_brought_to_edges(tmp_path: Path) -> None:
    corners = {"walk_000003": (1, 11, 20, 30), "walk_000007": (41, 31, 60, 50)}
    for name, (x1, y1, x2, y2) in corners.items():
        box = f"<xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
        (tmp_path / f"{name}.xml").write_text(
            f"<annotation><object><name>mask</name><bndbox>{box}</bndbox></object></annotation>"
        )
    found = read_frames(tmp_path / "walk.mp4", tmp_path).frames
    assert {number: frame.boxes.tolist() for number, frame in found.items()} == {
        3: [[0, 10, 20, 30]],
        7: [[40, 30, 60, 50]],
    }


def test_values_and_table(tmp_path: Path) -> None:
    values = set_values(run(clip(tmp_path), write_labels(tmp_path / "walk", (10, 25))))
    assert values["video"]["verdicts_per_minute"] == pytest.approx(56.25)
    assert [p["name"] for p in values["pictures"]] == ["walk frame 10", "walk frame 25"]
    assert json.loads(json.dumps(values)) == values
    assert "with a verdict, per minute" in rates(values["video"]) and "56.25" in rates(values["video"])


def test_the_command(tmp_path: Path, crowdmask: Crowdmask) -> None:
    video, out = clip(tmp_path), tmp_path / "out"
    labels = write_labels(tmp_path / "other", (10, 25))
    ran = crowdmask("evaluate", video, "--frames", labels, "--out", out, "--smallest-face", "5", "--follow")
    assert ran.code == 0 and "walk.mp4: over time" in ran.out
    (only,) = json.loads((out / "evaluation.json").read_text())["sets"]
    assert only["video"]["people"] == 3 and only["evaluation"]["faces"]["recall"] == 1.0
    ran = crowdmask("evaluate", video)
    assert ran.code == 1 and "walk.mp4: no labels of its frames" in ran.err
    ran = crowdmask("evaluate", video, "--frames", labels, "--frames", labels)
    assert ran.code == 2 and "--frames is given 2 time(s) for 1 video(s)" in ran.err
