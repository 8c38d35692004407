"""One face out of several looks at it: numbers worked out by hand, and what must not depend on weaker finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdmask.engine.merging import AGREEMENT, HEARD_FROM, merged
from crowdmask.engine.views import View
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings

WH = (1000, 800)
LARGE = View(0, 0, 1000, 800, 1.0, 0.0, 200.0)
MIDDLE = View(0, 0, 1000, 800, 0.5, 8.0, 200.0)
SMALL = View(0, 0, 1000, 800, 0.25, 20.0, float("inf"))
ALONE = AnalysisSettings(follow=False)


def found(*rows: tuple[float, float, float, float, float]) -> Faces:
    """Of x, y, width, height and score."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    boxes = np.concatenate([table[:, :2], table[:, :2] + table[:, 2:4]], axis=1)
    return Faces(boxes, table[:, 4], np.zeros((len(table), 5, 2), np.float32))


def logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def test_nothing_found_is_no_face() -> None:
    assert len(merged([], WH, ALONE)) == 0
    assert len(merged([(LARGE, found()), (SMALL, found())], WH, ALONE)) == 0


def test_what_one_view_alone_should_see_keeps_its_score_and_box() -> None:
    """12 px in the largest are 6 and 3 in the others, which answer for 8 and 20 on."""
    faces = merged([(LARGE, found((100, 100, 12, 12, 0.7))), (MIDDLE, found()), (SMALL, found())], WH, ALONE)
    assert faces.scores == pytest.approx([0.7], abs=1e-6)
    assert faces.boxes[0] == pytest.approx((100, 100, 112, 112))


def test_views_that_agree_give_the_mean_of_their_logits_beside_the_best() -> None:
    """40 px in the first, 20 in the second, 10 in the third, which does not answer for it."""
    seen = [(LARGE, found((100, 100, 40, 40, 0.9))), (MIDDLE, found((100, 100, 40, 40, 0.8))), (SMALL, found())]
    (score,) = merged(seen, WH, ALONE).scores
    mean = (logit(0.9) + logit(0.8)) / 2
    assert score == pytest.approx(sigmoid(0.75 * logit(0.9) + 0.25 * mean), abs=1e-6)
    assert AGREEMENT == 0.25


def test_what_only_one_of_two_views_sees_is_doubted() -> None:
    """Who does not see it says 0.01: a fist of 0.7 is below the 0.6 that is asked for, a face of 0.99 is not."""
    first, second = (100, 100, 40, 40), (500, 100, 40, 40)
    seen = [(LARGE, found((*first, 0.7), (*second, 0.99))), (MIDDLE, found())]
    faces = merged(seen, WH, ALONE)
    expected = sigmoid(0.75 * logit(0.99) + 0.25 * (logit(0.99) + logit(0.01)) / 2)
    assert faces.scores == pytest.approx([expected], abs=1e-6)
    assert faces.boxes[0, 0] == 500
    doubted = merged(seen, WH, AnalysisSettings(follow=False, confidence=0.3)).scores
    assert doubted[1] == pytest.approx(sigmoid(0.875 * logit(0.7) + 0.125 * logit(0.01)), abs=1e-6)


def test_a_face_near_the_limit_of_a_view_need_not_be_seen_there() -> None:
    """Sizes of 8 px on are the middle view's: 16 px are 8 there, 17 are 8.5, 19 are 9.5 and so more than 1.15 times."""
    for side, doubted in ((16, False), (17, False), (19, True)):
        (score,) = merged([(LARGE, found((100, 100, side, side, 0.8))), (MIDDLE, found())], WH, ALONE).scores
        assert (score < 0.79) == doubted, side


def test_a_look_at_the_neighbour_lifts_no_face() -> None:
    """Two faces of 40 px, an overlap of a quarter; a find of 0.9 between them is a look at the first."""
    one, other, between = (100, 100, 40, 40), (124, 100, 40, 40), (111, 100, 40, 40)
    faces = merged([(LARGE, found((*one, 0.95), (*between, 0.9), (*other, 0.7)))], WH, ALONE)
    assert faces.scores == pytest.approx([0.95, 0.7], abs=1e-6)


def test_a_tile_has_a_say_only_in_what_lies_wholly_in_it() -> None:
    tile = View(0, 0, 300, 300, 1.0, 0.0, 200.0)
    inside, cut = found((100, 100, 40, 40, 0.8)), found((280, 100, 40, 40, 0.8))
    assert merged([(LARGE, inside), (tile, found())], WH, ALONE).scores[0] < 0.79
    assert merged([(LARGE, cut), (tile, found())], WH, ALONE).scores == pytest.approx([0.8], abs=1e-6)


def test_a_box_is_the_mean_of_all_looks_even_of_weak_ones() -> None:
    """0.8 at x 100 and 0.2 at x 104 of 40 px: their overlap is 36/44; weights 0.8 and 0.2 x 0.818."""
    seen = [(LARGE, found((100, 100, 40, 40, 0.8))), (MIDDLE, found((104, 100, 40, 40, 0.2)))]
    weak = 0.2 * 36 / 44
    (box,) = merged(seen, WH, ALONE).boxes
    assert box == pytest.approx((100 + 4 * weak / (0.8 + weak), 100, 140 + 4 * weak / (0.8 + weak), 140), abs=1e-3)


def test_the_best_comes_first_by_the_score_that_was_agreed_on() -> None:
    seen = [
        (LARGE, found((100, 100, 40, 40, 0.90), (500, 100, 40, 40, 0.89))),
        (MIDDLE, found((500, 100, 40, 40, 0.89))),
    ]
    faces = merged(seen, WH, ALONE)
    assert faces.boxes[:, 0].tolist() == [500, 100]
    assert (np.diff(faces.scores) <= 0).all()


looks = st.lists(
    st.tuples(
        st.floats(0, 200),
        st.floats(0, 200),
        st.floats(6, 120),
        st.floats(6, 120),
        st.floats(0.011, 0.99),
    ),
    max_size=12,
)


@given(looks, looks, looks)
def test_what_is_asked_for_changes_no_face_that_is_found_either_way(
    large: list[tuple[float, float, float, float, float]],
    middle: list[tuple[float, float, float, float, float]],
    small: list[tuple[float, float, float, float, float]],
) -> None:
    """Following asks for weaker finds, evaluation for weaker ones yet: the strong ones are to the bit the same."""
    seen = [(LARGE, found(*large)), (MIDDLE, found(*middle)), (SMALL, found(*small))]
    many = merged(seen, WH, AnalysisSettings(follow=False, confidence=0.02))
    for confidence in (HEARD_FROM, 0.2, 0.6):
        few = merged(seen, WH, AnalysisSettings(follow=False, confidence=confidence))
        strong = many.take(many.scores >= np.float32(confidence))
        assert np.array_equal(few.boxes, strong.boxes)
        assert np.array_equal(few.scores, strong.scores)
