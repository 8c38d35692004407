"""Sheets by kind of error: each error on the sheet of its kind, the worst first, and old sheets replaced."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from crowdmask.evaluation.error_sheets import CELL, Kind, faults, write_sheets
from crowdmask.evaluation.harness import SetResult
from crowdmask.evaluation.scoring import score
from crowdmask.labels.records import Label
from tests.unit.evaluation.test_scoring import M, U, W, X, as_worn_wrongly, judged, truth


def result(root: Path) -> SetResult:
    """Missed: the masked face at 300 (30 px) and the bare one at 200. Wrong: the bare face at 0 called masked.

    False: an unknown find at 400 and a judged one at 150; one in a region to ignore is none. Worn wrongly called bare
    is right.
    """
    finds = judged((0, 0.9, 0.1), (50, 0.8, 0.9), (150, 0.7, 0.9), (400, 0.95, 0.5), (100, 0.9, 0.9), (450, 0.9, 0.9))
    finds = as_worn_wrongly(finds, 4, 0.9)
    labels = truth((0, U), (50, W), (200, U), (300, M, 30.0), (100, U), (450, X))
    path = root / "a.png"
    cv2.imwrite(str(path), np.full((60, 500, 3), 90, np.uint8))
    labels = replace(labels, path=path)
    return SetResult("set", root, score([finds], [labels]), (labels,), (finds,), ())


def test_each_error_once_with_its_kind(tmp_path: Path) -> None:
    told = [(f.kind, float(f.box[0]), f.text) for f in faults(result(tmp_path))]
    assert sorted(told, key=lambda t: t[1]) == [
        (Kind.WRONG_VERDICT, 0, "masked 0.90, is unmasked"),
        (Kind.FALSE_FIND, 150, "unmasked 0.70"),
        (Kind.MISS, 200, "unmasked 20 px"),
        (Kind.MISS, 300, "masked 30 px"),
        (Kind.FALSE_FIND, 400, "unknown 0.95"),
    ]
    weights = {f.box[0]: f.weight for f in faults(result(tmp_path))}
    assert weights[150] > weights[400]  # a verdict on no face is worse than a sure find without one
    assert weights[300] > weights[200]


def test_sheets_hold_the_worst_and_old_ones_go(tmp_path: Path) -> None:
    out = tmp_path / "worst"
    out.mkdir()
    written = write_sheets(out, result(tmp_path), 12)
    assert [p.name for p in written] == ["set-false-finds.png", "set-missed.png", "set-wrong-verdicts.png"]
    picture = cv2.imread(str(written[0]))
    assert picture is not None and picture.shape == (CELL, 2 * CELL, 3)
    right = judged((0, 0.9, 0.9))
    labels = replace(truth((0, Label.UNMASKED)), path=tmp_path / "a.png")
    write_sheets(out, SetResult("set", tmp_path, score([right], [labels]), (labels,), (right,), ()), 12)
    assert list(out.iterdir()) == []
