"""Loads the two networks once for each process, at the first input that turns out to be readable."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from crowdmask.engine.protocols import FaceDetector, MaskClassifier
from crowdmask.settings import AnalysisSettings, RuntimeSettings

Networks = Callable[[AnalysisSettings, RuntimeSettings], tuple[FaceDetector, MaskClassifier]]


@lru_cache(maxsize=1)
def own_networks(analysis: AnalysisSettings, runtime: RuntimeSettings) -> tuple[FaceDetector, MaskClassifier]:
    """This process's networks for these settings."""
    from crowdmask.engine.load import load_classifier, load_detector

    return load_detector(analysis, runtime), load_classifier(analysis, runtime)
