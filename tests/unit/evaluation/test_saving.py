"""JSON that holds every measure, has no NaN, and comes back as it was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crowdmask.errors import DatasetError, OutputError
from crowdmask.evaluation.records import Judged
from crowdmask.evaluation.saving import MOST_POINTS, as_values, read_evaluation, write_evaluation
from crowdmask.evaluation.scoring import score
from crowdmask.labels.records import Label
from tests.factories import make_faces
from tests.unit.evaluation.test_scoring import at, judged, truth


def test_nothing_is_told_as_none(tmp_path: Path) -> None:
    values = as_values(score([], []))
    assert values["ap"] == {"mean": None, "faces": None, "masked": None, "unmasked": None}
    assert values["verdicts"]["accuracy"] is None and values["roc"]["area"] is None
    assert values["calibration"]["bins"][0]["mean_prob"] is None
    path = tmp_path / "evaluation.json"
    write_evaluation(path, [{"name": "none", "evaluation": values}], {})
    assert read_evaluation(path)["sets"][0]["evaluation"] == values


def test_measures_stand_under_their_names() -> None:
    M, U = Label.MASKED, Label.UNMASKED  # noqa: N806
    values = as_values(score([judged((0, 0.9, 0.1), (50, 0.8, 0.9))], [truth((0, M), (50, U), (90, U))]))
    assert values["labelled"] == {"masked": 1, "unmasked": 2, "ignore": 0, "incorrect": 0, "no_face": 0}
    assert values["faces"] == {"right": 2, "wrong": 0, "missed": 1, "precision": 1.0, "recall": 2 / 3, "f1": 0.8}
    assert values["verdicts"]["confusion"] == {
        "masked": {"masked": 1, "unmasked": 0, "unknown": 0},
        "unmasked": {"masked": 0, "unmasked": 1, "unknown": 0},
    }
    assert values["verdicts"]["report"]["unmasked"]["support"] == 1
    assert values["recall_by_size"][2] == {
        "size": "16-24",
        "labelled": 3,
        "found": 2,
        "recall": 2 / 3,
        "recall_at_any_score": 2 / 3,
        "verdict_accuracy": 1.0,
        "unknown_share": 0.0,
    }
    assert values["class_names"][1]["name"] == "without_mask" and values["class_names"][1]["label"] == "unmasked"
    assert values["counts"]["faces"]["mean_signed"] == -1.0
    assert values["curves"]["faces"]["recall"] == [0.333333, 0.666667]
    assert values["roc"]["thresholds"][0] is None  # infinite


def test_long_curves_are_thinned_at_equal_steps_and_keep_their_ends() -> None:
    scores = np.linspace(0.99, 0.01, 3000)
    finds = Judged.unasked(make_faces([at(30.0 * i) for i in range(3000)], scores.tolist()))
    values = as_values(score([finds], [truth((0, Label.MASKED))]))
    curve = values["curves"]["faces"]
    assert len(curve["scores"]) == MOST_POINTS
    assert curve["scores"][0] == 0.99 and curve["scores"][-1] == 0.01


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"kind": "crowdmask evaluation", "format": 0}'])
def test_other_files_are_refused_by_name(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "evaluation.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DatasetError, match=str(path)):
        read_evaluation(path)


def test_unwritable_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_evaluation(tmp_path / "absent" / "evaluation.json", [], {})


def test_settings_stand_beside_the_sets(tmp_path: Path) -> None:
    write_evaluation(tmp_path / "e.json", [], {"settings": {"analysis": {"confidence": 0.5}}})
    assert json.loads((tmp_path / "e.json").read_text())["settings"]["analysis"]["confidence"] == 0.5
    assert not list(tmp_path.glob("*.part"))
