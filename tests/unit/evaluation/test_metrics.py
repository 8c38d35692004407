"""Every measure against numbers worked out by hand; nothing at all first."""

from __future__ import annotations

import numpy as np
import pytest

from crowdmask.evaluation.metrics import (
    Confusion,
    CountError,
    Hits,
    calibration,
    count_error,
    precision_recall,
    roc,
)
from crowdmask.records import Verdict


def test_hits_of_nothing_have_no_rates() -> None:
    assert (Hits().precision, Hits().recall, Hits().f1) == (None, None, None)


def test_hits() -> None:
    hits = Hits(right=6, wrong=2, missed=4)
    assert hits.precision == 0.75 and hits.recall == 0.6
    assert hits.f1 == pytest.approx(2 * 0.75 * 0.6 / 1.35)
    assert hits + Hits(1, 0, 1) == Hits(7, 2, 5)
    assert Hits(0, 3, 0).precision == 0.0 and Hits(0, 3, 0).recall is None and Hits(0, 3, 0).f1 == 0.0


def test_average_precision_of_nothing() -> None:
    none, no_bool = np.zeros(0), np.zeros(0, bool)
    assert precision_recall(none, no_bool, 0).average is None
    assert precision_recall(none, no_bool, 3).average == 0.0
    assert precision_recall(np.array([0.5]), np.array([False]), 0).average is None
    assert len(precision_recall(none, no_bool, 3).recall) == 0


def test_average_precision_by_hand() -> None:
    # ranked: right, wrong, right, wrong, right, of 4 faces
    scores = np.array([0.5, 0.9, 0.7, 0.8, 0.6])
    right = np.array([True, True, True, False, False])
    curve = precision_recall(scores, right, 4)
    np.testing.assert_allclose(curve.scores, [0.9, 0.8, 0.7, 0.6, 0.5])
    np.testing.assert_allclose(curve.recall, [0.25, 0.25, 0.5, 0.5, 0.75])
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3, 2 / 4, 3 / 5])
    # a quarter at 1, a quarter at 2/3, a quarter at 3/5, the last face never found
    assert curve.average == pytest.approx(0.25 * (1 + 2 / 3 + 3 / 5))


def test_envelope_lifts_the_precision_before_a_better_point() -> None:
    # wrong, right, right of 2 faces: 2/3 holds for both
    assert precision_recall(np.array([3.0, 2, 1]), np.array([False, True, True]), 2).average == pytest.approx(2 / 3)


def test_equal_scores_are_taken_together_in_any_order() -> None:
    for right in ([True, False], [False, True]):
        curve = precision_recall(np.array([0.5, 0.5]), np.array(right), 1)
        assert curve.precision.tolist() == [0.5] and curve.average == 0.5


def test_perfect_is_one() -> None:
    assert precision_recall(np.array([0.2, 0.9]), np.array([True, True]), 2).average == 1.0


def test_roc_needs_both_classes() -> None:
    assert roc(np.zeros(0), np.zeros(0, bool)).area is None
    assert roc(np.array([0.5]), np.array([True])).area is None
    assert roc(np.array([0.5]), np.array([False])).area is None


def test_roc_by_hand() -> None:
    # of the 4 pairs (unmasked, masked): 0.9>0.6, 0.9>0.1, 0.4>0.1 are in order, 0.4<0.6 is not
    curve = roc(np.array([0.9, 0.6, 0.4, 0.1]), np.array([True, False, True, False]))
    assert curve.area == pytest.approx(3 / 4)
    np.testing.assert_allclose(curve.false_positive_rate, [0, 0, 0.5, 0.5, 1])
    np.testing.assert_allclose(curve.true_positive_rate, [0, 0.5, 0.5, 1, 1])
    assert curve.thresholds[0] == np.inf
    assert roc(np.array([0.9, 0.1]), np.array([True, False])).area == 1.0
    assert roc(np.array([0.1, 0.9]), np.array([True, False])).area == 0.0
    assert roc(np.full(5, 0.3), np.array([True, False, True, False, False])).area == pytest.approx(0.5)


def test_calibration_of_nothing() -> None:
    none = calibration(np.zeros(0), np.zeros(0, bool))
    assert none.expected_error is None and none.brier is None
    assert none.faces.tolist() == [0] * 10 and np.isnan(none.mean_prob).all()


def test_calibration_by_hand() -> None:
    prob = np.array([0.0, 0.1, 0.95, 1.0, 0.85])
    unmasked = np.array([False, True, True, True, False])
    told = calibration(prob, unmasked, bins=5)
    assert told.faces.tolist() == [2, 0, 0, 0, 3]
    assert told.mean_prob[0] == pytest.approx(0.05) and told.unmasked_share[0] == pytest.approx(0.5)
    assert told.mean_prob[4] == pytest.approx(2.8 / 3) and told.unmasked_share[4] == pytest.approx(2 / 3)
    assert told.expected_error == pytest.approx((2 * 0.45 + 3 * (0.8 / 3)) / 5)
    assert told.brier == pytest.approx((0 + 0.81 + 0.0025 + 0 + 0.7225) / 5)
    assert calibration(np.array([0.0, 1.0]), np.array([False, True])).expected_error == 0.0


def test_edge_probability_goes_up() -> None:
    assert calibration(np.array([0.2, 0.1999]), np.array([True, True]), bins=5).faces.tolist() == [1, 1, 0, 0, 0]


def test_confusion_of_nothing() -> None:
    none = Confusion.of(np.zeros(0, np.int8), np.zeros(0, np.int8))
    assert none.table.shape == (2, 3) and none.faces == 0
    assert (none.accuracy, none.accuracy_of_all, none.unknown_share) == (None, None, None)


def test_confusion_by_hand() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    verdicts = np.array([0, 0, 1, 2, 1, 1, 1, 0, 2, 2])
    told = Confusion.of(truth, verdicts)
    assert told.table.tolist() == [[2, 1, 1], [1, 3, 2]]
    assert told.accuracy == pytest.approx(5 / 7)
    assert told.accuracy_of_all == 0.5
    assert told.unknown_share == pytest.approx(0.3)
    assert told.hits(Verdict.MASKED) == Hits(right=2, wrong=1, missed=2)
    assert told.hits(Verdict.UNMASKED) == Hits(right=3, wrong=1, missed=3)
    assert (told + told).faces == 20


def test_count_error() -> None:
    assert count_error([], []) == CountError(0, None, None, None, 0)
    assert count_error([3, 5, 2], [3, 2, 4]) == CountError(3, 5 / 3, 1 / 3, 1 / 3, 3)
