"""Tables: every measure in its place, nothing as a dash, and changes with their sign."""

from __future__ import annotations

from crowdmask.evaluation import tables
from crowdmask.evaluation.saving import as_values
from crowdmask.evaluation.scoring import score
from crowdmask.labels.records import Label
from tests.unit.evaluation.test_scoring import judged, truth

NOTHING = as_values(score([], []))
GOOD = as_values(score([judged((0, 0.9, 0.1), (50, 0.8, 0.9))], [truth((0, Label.MASKED), (50, Label.UNMASKED))]))
POOR = as_values(score([judged((0, 0.9, 0.1))], [truth((0, Label.MASKED), (50, Label.UNMASKED))]))


def cells(text: str) -> dict[str, list[str]]:
    """Columns by the first one; names are kept apart from numbers by two blanks or more."""
    return {line.strip().split("  ")[0]: line.split()[-3:] for line in text.splitlines() if line.strip()}


def test_nothing_is_a_dash() -> None:
    told = tables.measures({"none": NOTHING})
    assert "nan" not in told.lower() and "None" not in told
    assert cells(told)["area under ROC"][-1] == "-"


def test_grid_aligns_names_left_and_numbers_right() -> None:
    assert tables.grid([["a", "bb"], ["ccc", "d"]], indent=1) == " a    bb\n ccc   d"


def test_sets_side_by_side_with_the_change() -> None:
    told = tables.measures({"poor": POOR, "good": GOOD}, difference=True)
    assert told.splitlines()[0].split() == ["poor", "good", "change"]
    rows = cells(told)
    assert rows["mean of the two"] == ["0.500", "1.000", "+0.500"]
    assert rows["faces unmasked"] == ["1", "1", "+0"]
    assert rows["area under ROC"] == ["-", "1.000", "-"]
    assert rows["faces, mean signed"] == ["-1.00", "+0.00", "+1.000"]
    assert rows["16-24"] == ["0.500", "1.000", "+0.500"]


def test_confusion_and_report() -> None:
    rows = tables.confusion(POOR).splitlines()
    assert rows[0].split() == ["labelled", "\\", "verdict", "masked", "unmasked", "unknown"]
    assert rows[1].split() == ["masked", "1", "0", "0"]
    assert rows[-1].split() == ["unmasked", "-", "-", "-", "0"]


def test_class_names_sizes_and_cuts() -> None:
    assert "without_mask" in tables.class_names(POOR)
    assert cells(tables.sizes(POOR))["16-24"] == ["0.500", "1.000", "0.000"]
    marked = [line for line in tables.cuts(GOOD).splitlines() if line.endswith("best")]
    assert len(marked) == 16 and marked[0].split()[0] == "0.05" and marked[-1].split()[0] == "0.80"
    assert "best" not in tables.cuts(POOR)
