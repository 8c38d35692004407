"""Plots are real PNGs, also where there is nothing to show."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from crowdmask.evaluation import plots
from tests.unit.evaluation.test_tables import GOOD, NOTHING, POOR

pytest.importorskip("matplotlib")
NAMES = ["roc.png", "precision-recall.png", "calibration.png", "recall-by-size.png"]


@pytest.mark.parametrize("sets", [{"none": NOTHING}, {"good": GOOD, "poor": POOR}], ids=["nothing", "two"])
def test_four_plots(tmp_path: Path, sets: plots.Sets) -> None:
    assert plots.available()
    written = plots.write_plots(tmp_path, sets)
    assert [path.name for path in written] == NAMES
    for path in written:
        picture = cv2.imread(str(path))
        assert picture is not None and min(picture.shape[:2]) > 300 and picture.std() > 10


def test_curves_are_drawn_where_the_values_are() -> None:
    (axes,) = plots.roc({"good": GOOD}).axes
    assert list(axes.lines[-1].get_xdata()) == GOOD["roc"]["false_positive_rate"]
    assert list(axes.lines[-1].get_ydata()) == GOOD["roc"]["true_positive_rate"]
    (axes,) = plots.recall_by_size({"poor": POOR}).axes
    assert [bar.get_height() for bar in axes.patches] == [0, 0, 0.5, 0, 0, 0]
    faces = plots.precision_recall({"poor": POOR}).axes[0]
    assert list(faces.lines[-1].get_xdata()) == [0.5]  # the mark of the confidence in use
