"""The harness on fakes: what is read, judged and measured, what is left out, and that windows change nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from crowdmask.errors import DatasetError
from crowdmask.evaluation.harness import FaceEvaluator, SetResult, at_floor, evaluate_set, pooled
from crowdmask.evaluation.metrics import Hits
from crowdmask.labels.reading import read_labels
from crowdmask.labels.records import LabelSet
from crowdmask.settings import AnalysisSettings, EvaluationSettings, RuntimeSettings
from tests.factories import FakeClassifier, FakeDetector, make_result
from tests.unit.evaluation.scenes import write_voc
from tests.unit.evaluation.test_scoring import truth

SETTINGS = AnalysisSettings(smallest_face=5)


def run(labels: LabelSet, window: int = 16) -> SetResult:
    networks = (FakeDetector(), FakeClassifier())
    return evaluate_set(
        labels, networks, SETTINGS, runtime=RuntimeSettings(window=window), evaluation=EvaluationSettings()
    )


def test_evaluator_keeps_to_its_protocol() -> None:
    evaluator = FaceEvaluator(0.5, EvaluationSettings())
    assert evaluator.evaluate().pictures == 0
    evaluator.process(truth(), make_result())
    assert evaluator.evaluate().pictures == 1
    evaluator.reset()
    assert evaluator.evaluate().pictures == 0


def test_fakes_are_right_on_their_own_pictures(tmp_path: Path) -> None:
    result = run(read_labels(write_voc(tmp_path)))
    told = result.evaluation
    # pictures have 1, 2, 3, 1, 2, 3 squares, every second one red
    assert told.labelled == {"masked": 8, "unmasked": 4, "ignore": 0, "incorrect": 0, "no_face": 0}
    assert told.faces == Hits(12, 0, 0) and told.unmasked == Hits(4, 0, 0)
    assert told.ap.mean == 1.0 and told.confusion.accuracy == 1.0
    assert result.name == tmp_path.name and result.problems == ()
    assert result.timings.load_s > 0 and result.timings.inference_s > 0 and result.timings.scoring_s > 0


@pytest.mark.parametrize("window", [1, 2, 7])
def test_the_window_changes_nothing(tmp_path: Path, window: int) -> None:
    labels = read_labels(write_voc(tmp_path, wrong=(1, 4)))
    one, other = run(labels), run(labels, window)
    assert one.evaluation.confusion.table.tolist() == [[6, 2, 0], [2, 2, 0]]
    assert other.evaluation.confusion.table.tolist() == one.evaluation.confusion.table.tolist()
    assert other.evaluation.ap == one.evaluation.ap
    assert other.evaluation.errors == one.evaluation.errors


def test_unreadable_picture_is_left_out_and_named(tmp_path: Path) -> None:
    labels = read_labels(write_voc(tmp_path))
    bad = tmp_path / "images" / "00002.png"
    bad.write_bytes(b"no picture")
    result = run(labels)
    assert result.evaluation.pictures == 5 and result.evaluation.faces == Hits(9, 0, 0)
    (problem,) = result.problems
    assert problem.path == bad and "cannot be read" in problem.reason


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    labels = read_labels(write_voc(tmp_path, 1))
    (tmp_path / "images" / "00000.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"none of its pictures can be used.*00000\.png"):
        run(labels)


def test_boxes_are_held_against_the_true_size(tmp_path: Path) -> None:
    labels = read_labels(write_voc(tmp_path, 1))
    smaller = np.zeros((20, 20, 3), np.uint8)
    assert cv2.imwrite(str(tmp_path / "images" / "00000.png"), smaller)
    result = run(labels)
    assert "the picture has 20x20" in result.problems[0].reason
    assert result.evaluation.labelled["masked"] == 0


def test_runs_at_the_floor_but_measures_at_the_confidence() -> None:
    settings = replace(SETTINGS, confidence=0.6)
    assert at_floor(settings, EvaluationSettings(curve_floor=0.05)) == replace(settings, confidence=0.05, follow=False)
    assert at_floor(replace(SETTINGS, confidence=0.03), EvaluationSettings(curve_floor=0.05)).confidence == 0.03


def test_sets_are_pooled_as_if_they_were_one(tmp_path: Path) -> None:
    parts = [run(read_labels(write_voc(tmp_path / name, n, wrong=(1,)))) for name, n in (("a", 2), ("b", 3))]
    both = pooled(parts, SETTINGS, EvaluationSettings())
    assert both.pictures == 5
    assert both.faces == parts[0].evaluation.faces + parts[1].evaluation.faces
    assert (
        both.confusion.table.tolist() == (parts[0].evaluation.confusion + parts[1].evaluation.confusion).table.tolist()
    )
