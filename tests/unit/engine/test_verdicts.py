"""Verdicts by hand, at the edges of the band."""

from __future__ import annotations

import numpy as np

from crowdmask.engine.verdicts import decide, judgeable
from crowdmask.records import Verdict
from crowdmask.settings import AnalysisSettings

M, U, X = Verdict.MASKED, Verdict.UNMASKED, Verdict.UNKNOWN


def test_none() -> None:
    assert decide(np.zeros(0, np.float32), np.zeros(0, np.float32), AnalysisSettings()).shape == (0,)


def test_the_band_is_unknown_with_its_lower_edge_and_without_its_upper() -> None:
    settings = AnalysisSettings(mask_threshold=0.5, unsure_band=0.25)
    asked = np.array([0.0, 0.374, 0.375, 0.5, 0.624, 0.625, 1.0, np.nan], np.float32)
    assert decide(asked, np.ones(8, np.float32), settings).tolist() == [M, M, X, X, X, U, U, X]


def test_without_a_band_nothing_but_nan_is_unknown() -> None:
    settings = AnalysisSettings(mask_threshold=0.25, unsure_band=0.0)
    assert decide(np.array([0.2499, 0.25, np.nan], np.float32), np.ones(3, np.float32), settings).tolist() == [M, U, X]


def test_size_is_the_root_of_the_area() -> None:
    boxes = np.array([[0, 0, 5, 20], [0, 0, 4, 20], [0, 0, 10, 10]], np.float32)
    assert judgeable(boxes, AnalysisSettings(smallest_face=10.0)).tolist() == [True, False, True]


def test_a_find_that_may_be_no_face_is_unknown() -> None:
    settings = AnalysisSettings(judge_confidence=0.75)
    asked, scores = np.array([0.1, 0.9, 0.1, 0.9], np.float32), np.array([0.5, 0.5, 0.75, 0.99], np.float32)
    assert decide(asked, scores, settings).tolist() == [X, X, M, U]
