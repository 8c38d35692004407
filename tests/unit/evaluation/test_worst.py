"""The worst pictures: the right ones, in order, with what is wrong marked in its place."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from crowdmask.evaluation.harness import SetResult, evaluate_set
from crowdmask.evaluation.worst import FAULT, HALF_WIDTH, side_by_side, write_worst
from crowdmask.labels.reading import read_labels
from crowdmask.labels.records import Label
from crowdmask.results.palette import PALETTES
from crowdmask.settings import AnalysisSettings, EvaluationSettings, RuntimeSettings
from crowdmask.verdicts import Verdict
from tests.factories import FakeClassifier, FakeDetector
from tests.unit.evaluation.scenes import write_voc
from tests.unit.evaluation.test_scoring import judged, truth


def result_of(root: Path, wrong: tuple[int, ...]) -> SetResult:
    return evaluate_set(
        read_labels(write_voc(root, wrong=wrong)),
        (FakeDetector(), FakeClassifier()),
        AnalysisSettings(smallest_face=5),
        runtime=RuntimeSettings(),
        evaluation=EvaluationSettings(),
        name="a set/x",
    )


def has(picture: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((picture == np.array(colour)).all(axis=2).any())


def test_no_errors_no_pictures(tmp_path: Path) -> None:
    assert write_worst(tmp_path / "worst", result_of(tmp_path, ()), 5) == []


def test_most_errors_first_and_no_more_than_asked(tmp_path: Path) -> None:
    result = result_of(tmp_path / "set", (1, 5, 0))  # 2, 3 and 1 faces
    out = tmp_path / "worst"
    out.mkdir()
    (out / "a_set_x-007-old.png").write_bytes(b"of an earlier run")
    (out / "mine.png").write_bytes(b"not ours")
    written = write_worst(out, result, 2)
    assert [p.name for p in written] == ["a_set_x-001-00005.png", "a_set_x-002-00001.png"]
    assert sorted(p.name for p in out.iterdir()) == ["a_set_x-001-00005.png", "a_set_x-002-00001.png", "mine.png"]
    picture = cv2.imread(str(written[0]))
    assert picture is not None and picture.shape[1] == 2 * HALF_WIDTH + 6


def test_faults_are_marked_on_their_side() -> None:
    image = np.full((100, 200, 3), 90, np.uint8)
    masked = PALETTES["safe"].of(Verdict.MASKED)

    def halves(finds: tuple[tuple[float, float, float], ...]) -> tuple[np.ndarray, np.ndarray]:
        both = side_by_side(image, truth((50, Label.MASKED)), judged(*finds), 0.5)
        return both[:, :HALF_WIDTH], both[:, HALF_WIDTH + 6 :]

    left, right = halves(((50, 0.9, 0.1),))
    assert has(left, masked) and has(right, masked) and not has(left, FAULT) and not has(right, FAULT)
    left, right = halves(())
    assert has(left, FAULT) and not has(right, FAULT) and not has(right, masked)
    left, right = halves(((50, 0.9, 0.9),))
    assert has(left, masked) and has(right, FAULT)
    left, right = halves(((50, 0.9, 0.1), (120, 0.8, 0.1)))
    assert not has(left, FAULT) and has(right, FAULT) and has(right, masked)
