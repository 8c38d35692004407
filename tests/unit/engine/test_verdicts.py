"""Verdicts by hand, at the edges of the band."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdmask.engine.verdicts import against, are_no_face, decide, judgeable, not_asked, of_unmasked, sureness
from crowdmask.records import Verdict
from crowdmask.settings import AnalysisSettings

M, U, X, W = Verdict.MASKED, Verdict.UNMASKED, Verdict.UNKNOWN, Verdict.INCORRECT


def test_none() -> None:
    assert decide(not_asked(0), np.zeros(0, np.float32), AnalysisSettings()).shape == (0,)


def test_the_band_is_unknown_with_its_lower_edge_and_without_its_upper() -> None:
    settings = AnalysisSettings(mask_threshold=0.5, unsure_band=0.25)
    asked = np.array([0.0, 0.374, 0.375, 0.5, 0.624, 0.625, 1.0, np.nan], np.float32)
    assert decide(of_unmasked(asked), np.ones(8, np.float32), settings).tolist() == [M, M, X, X, X, U, U, X]


def test_without_a_band_nothing_but_nan_is_unknown() -> None:
    settings = AnalysisSettings(mask_threshold=0.25, unsure_band=0.0)
    assert decide(
        of_unmasked(np.array([0.2499, 0.25, np.nan], np.float32)), np.ones(3, np.float32), settings
    ).tolist() == [M, U, X]


def test_size_is_the_root_of_the_area() -> None:
    boxes = np.array([[0, 0, 5, 20], [0, 0, 4, 20], [0, 0, 10, 10]], np.float32)
    assert judgeable(boxes, AnalysisSettings(smallest_face=10.0)).tolist() == [True, False, True]


def test_a_find_that_may_be_no_face_is_unknown() -> None:
    settings = AnalysisSettings(judge_confidence=0.75)
    asked, scores = np.array([0.1, 0.9, 0.1, 0.9], np.float32), np.array([0.5, 0.5, 0.75, 0.99], np.float32)
    assert decide(of_unmasked(asked), scores, settings).tolist() == [X, X, M, U]


FOUR = np.array(
    [  # masked, unmasked, incorrect, no face
        [0.70, 0.10, 0.10, 0.10],
        [0.10, 0.50, 0.30, 0.10],
        [0.10, 0.30, 0.50, 0.10],
        [0.30, 0.20, 0.15, 0.35],  # of the faces it may be, 0.35 / 0.65 are against: inside the band
        [0.03, 0.12, 0.00, 0.85],  # surely against, if it is one: it may well be none
        [0.01, 0.03, 0.00, 0.96],
        [np.nan] * 4,
    ],
    np.float32,
)


def test_four_outcomes_by_hand() -> None:
    np.testing.assert_allclose(against(FOUR)[:4], [0.2 / 0.9, 0.8 / 0.9, 0.8 / 0.9, 0.35 / 0.65], rtol=1e-6)
    assert are_no_face(FOUR).tolist() == [False, False, False, False, False, True, False]
    assert decide(FOUR, np.ones(7, np.float32), AnalysisSettings()).tolist() == [M, U, W, X, X, X, X]


def test_sureness_is_the_weighted_mean_of_both_logits() -> None:
    def of(none: float, score: float) -> float:
        row = np.array([[1 - none, 0, 0, none]], np.float32)
        return float(sureness(row, np.array([score], np.float32))[0])

    # odds of 4 to 1 by both: 4 to 1; of 16 to 1 and of 1 to 1: 16 to the power of 0.75 / 1.75
    assert of(0.2, 0.8) == pytest.approx(0.8, rel=1e-5)
    odds = 16 ** (0.75 / 1.75)
    assert of(1 / 17, 0.5) == pytest.approx(odds / (1 + odds), rel=1e-5)
    # a network that knows no such outcome says 0, and the score stands as it is
    assert of(0.0, 0.6) == np.float32(0.6)
    assert 0 < of(1e-4, 0.0) < of(1e-4, 1.0) < 1 and of(1.0, 1.0) < 0.5


def test_each_network_can_make_up_for_the_other() -> None:
    settings = AnalysisSettings()
    rows = np.array([[0.98, 0.01, 0.0, 0.01], [0.6, 0.1, 0.0, 0.3], [0.6, 0.1, 0.0, 0.3]], np.float32)
    # a find of 0.7 that plainly shows a mask; one of 0.7 that may be none; one of 0.99 that may be none
    assert decide(rows, np.array([0.7, 0.7, 0.99], np.float32), settings).tolist() == [M, X, M]


@given(st.lists(st.floats(0, 1, width=32), max_size=30))
def test_a_network_of_two_outcomes_is_read_without_rounding(asked: list[float]) -> None:
    given_probability = np.array(asked, np.float32)
    assert against(of_unmasked(given_probability)).tolist() == given_probability.tolist()
