"""Runs the real pipeline over labelled pictures and hands each result to an evaluator; each part is timed apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from crowdmask.engine.judging import Judge
from crowdmask.engine.protocols import FaceDetector, MaskClassifier
from crowdmask.engine.spine import analyse
from crowdmask.errors import DatasetError, SourceError
from crowdmask.evaluation.records import Evaluation, Judged, VideoRates
from crowdmask.evaluation.scoring import score
from crowdmask.labels.boxes import unreadable, within
from crowdmask.labels.records import LabelledPicture, LabelSet, Problem
from crowdmask.media.pictures import read_picture
from crowdmask.records import Frame, FrameResult
from crowdmask.settings import AnalysisSettings, EvaluationSettings, RuntimeSettings


class Evaluator(Protocol):
    """Takes results picture by picture; `evaluate` sums up what came since the last `reset`."""

    def reset(self) -> None: ...
    def process(self, picture: LabelledPicture, result: FrameResult) -> None: ...
    def evaluate(self) -> Evaluation: ...


class FaceEvaluator:
    """Keeps labels and judged faces, no pictures."""

    def __init__(self, confidence: float, settings: EvaluationSettings) -> None:
        self._confidence = confidence
        self._settings = settings
        self.reset()

    def reset(self) -> None:
        self.truths: list[LabelledPicture] = []
        self.predictions: list[Judged] = []

    def process(self, picture: LabelledPicture, result: FrameResult) -> None:
        self.truths.append(picture)
        self.predictions.append(Judged.of(result))

    def evaluate(self) -> Evaluation:
        return score(
            self.predictions,
            self.truths,
            confidence=self._confidence,
            match_iou=self._settings.match_iou,
            bins=self._settings.calibration_bins,
            three_class=self._settings.three_class,
        )


@dataclass
class Timings:
    """Seconds spent on reading pictures, on finding and judging faces, and on the measures."""

    load_s: float = 0.0
    inference_s: float = 0.0
    scoring_s: float = 0.0

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, part, getattr(self, part) + time.perf_counter() - begun)


@dataclass(frozen=True)
class SetResult:
    """What judging one labelled folder gave."""

    name: str
    root: Path
    evaluation: Evaluation
    truths: tuple[LabelledPicture, ...]
    predictions: tuple[Judged, ...]
    problems: tuple[Problem, ...]
    timings: Timings = field(default_factory=Timings)
    rates: VideoRates | None = None  # of a video alone


def at_floor(settings: AnalysisSettings, evaluation: EvaluationSettings) -> AnalysisSettings:
    """The settings to run with: all the user's own, but with finds down to the floor that the curves need.

    Suppression goes from the best score down, so finds above the user's confidence are the same in both runs.
    """
    return replace(settings, confidence=min(settings.confidence, evaluation.curve_floor), follow=False)


def evaluate_set(
    labels: LabelSet,
    networks: tuple[FaceDetector, MaskClassifier],
    settings: AnalysisSettings,
    *,
    runtime: RuntimeSettings,
    evaluation: EvaluationSettings,
    name: str | None = None,
    seen: Callable[[int], None] = lambda pictures: None,
) -> SetResult:
    """Judges one set. The networks must have been loaded with `at_floor` of the same settings."""
    evaluator = FaceEvaluator(settings.confidence, evaluation)
    timings = Timings()
    problems = list(labels.problems)
    low = at_floor(settings, evaluation)
    for start in range(0, len(labels.pictures), runtime.window):
        part = labels.pictures[start : start + runtime.window]
        with timings.of("load_s"):
            pictures, frames, found = _open(part, start)
        problems += found
        with timings.of("inference_s"):
            results = list(analyse(frames, Judge(*networks, low, runtime)))
        with timings.of("scoring_s"):
            for picture, result in zip(pictures, results, strict=True):
                evaluator.process(picture, result)
        seen(len(part))
    if not evaluator.truths:
        raise DatasetError(f"{labels.root}: none of its pictures can be used; the first problem: {problems[0]}")
    with timings.of("scoring_s"):
        summary = evaluator.evaluate()
    return SetResult(
        name or labels.root.name,
        labels.root,
        summary,
        tuple(evaluator.truths),
        tuple(evaluator.predictions),
        tuple(problems),
        timings,
    )


def _open(labelled: Sequence[LabelledPicture], first: int) -> tuple[list[LabelledPicture], list[Frame], list[Problem]]:
    """The pictures that can be read, with boxes held against their true size."""
    pictures, frames, problems = [], [], []
    for i, picture in enumerate(labelled, start=first):
        try:
            image = read_picture(picture.path)
        except SourceError as error:
            problems.append(unreadable(picture.path, error))
            continue
        checked, found = within(picture, (image.shape[1], image.shape[0]))
        problems += found
        pictures.append(checked)
        frames.append(Frame(i, 0.0, image))
    return pictures, frames, problems


def pooled(results: Sequence[SetResult], settings: AnalysisSettings, evaluation: EvaluationSettings) -> Evaluation:
    """All sets as if they were one."""
    return score(
        [p for result in results for p in result.predictions],
        [t for result in results for t in result.truths],
        confidence=settings.confidence,
        match_iou=evaluation.match_iou,
        bins=evaluation.calibration_bins,
        three_class=evaluation.three_class,
    )
