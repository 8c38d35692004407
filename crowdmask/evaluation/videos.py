"""Judges the networks on video of which some frames are labelled: the whole of it is analysed as `analyze` does it.

What holds for single frames is measured on the labelled ones; what only a recording has, a rate over time, on all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from crowdmask.engine.following import Person
from crowdmask.engine.judging import Judge
from crowdmask.engine.protocols import FaceDetector, MaskClassifier
from crowdmask.engine.spine import analyse
from crowdmask.errors import DatasetError
from crowdmask.evaluation.harness import FaceEvaluator, SetResult, Timings
from crowdmask.evaluation.matching import pair
from crowdmask.evaluation.records import VideoRates
from crowdmask.labels.boxes import within
from crowdmask.labels.frames import LabelledFrames
from crowdmask.labels.records import LabelledPicture, Problem
from crowdmask.media.sources import open_source
from crowdmask.records import Frame, FrameResult, Stream, Verdict
from crowdmask.settings import AnalysisSettings, EvaluationSettings, RuntimeSettings


@dataclass
class _Watcher:
    """Counts while results pass; numbers of people are those of this recording."""

    frames: int = 0
    seconds: float = 0.0
    changes: int = 0
    people: int = 0
    verdicts: int = 0
    last: dict[int, int] = field(default_factory=dict)
    on_labelled: dict[int, bool] = field(default_factory=dict)  # whether any of its finds there was right

    def write(self, result: FrameResult) -> None:
        self.frames += 1
        self.seconds = max(self.seconds, result.frame.seconds + (result.frame.lasts_s or 0.0))
        for person, verdict in zip(_persons(result), result.verdicts.tolist(), strict=True):
            if person < 0 or verdict == Verdict.UNKNOWN:
                continue
            self.changes += self.last.get(person, verdict) != verdict
            self.last[person] = verdict

    def write_person(self, person: Person) -> None:
        self.people += 1
        self.verdicts += person.appearance.verdict != Verdict.UNKNOWN

    def write_flashes(self, flashes: object) -> None:
        """What was too short to be anybody is not counted."""

    def labelled(self, result: FrameResult, right: list[bool]) -> None:
        for person, is_right in zip(_persons(result), right, strict=True):
            if person >= 0:
                self.on_labelled[person] = self.on_labelled.get(person, False) or is_right


def _persons(result: FrameResult) -> list[int]:
    none = np.full(len(result.faces), -1)
    return [int(number) for number in np.asarray(result.columns.get("person", none))]


def evaluate_video(
    labels: LabelledFrames,
    networks: tuple[FaceDetector, MaskClassifier],
    settings: AnalysisSettings,
    *,
    runtime: RuntimeSettings,
    evaluation: EvaluationSettings,
    name: str | None = None,
    seen: Callable[[int], None] = lambda frames: None,
) -> SetResult:
    """Analyses all of one video and measures it on its labelled frames; the networks were loaded with `settings`.

    Average precisions are those of the finds that are shown: following a face leaves no weaker ones to be listed.
    """
    evaluator = FaceEvaluator(settings.confidence, evaluation)
    timings, watcher, problems = Timings(), _Watcher(), list(labels.problems)
    with (
        timings.of("inference_s"),
        open_source(str(labels.video), settings, stream=Stream(str(labels.video))) as source,
    ):
        results = analyse(_counted(source, seen), Judge(*networks, settings, runtime), None, (watcher,), (watcher,))
        for result in results:
            truth = labels.frames.get(result.frame.index)
            if truth is None:
                continue
            checked, found = within(truth, result.frame.size_wh)
            problems += [Problem(p.path, f"frame {result.frame.index}: {p.reason}", p.left_out) for p in found]
            shown = _shown(result, settings)
            evaluator.process(_numbered(checked, result), shown)
            watcher.labelled(shown, _are_right(checked, shown, evaluation.match_iou))
    absent = len(labels.frames) - len(evaluator.truths)
    if not evaluator.truths:
        raise DatasetError(f"{labels.video}: none of its {len(labels.frames)} labelled frames is among those analysed")
    if absent:
        problems.append(Problem(labels.video, f"{absent} labelled frame(s) are not among those analysed"))
    with timings.of("scoring_s"):
        summary = evaluator.evaluate()
    rates = VideoRates(
        seconds=round(watcher.seconds, 3),
        frames=watcher.frames,
        labelled_frames=len(evaluator.truths),
        people=watcher.people,
        verdicts=watcher.verdicts,
        changes=watcher.changes,
        false_finds=summary.faces.wrong,
        false_verdicts=summary.judged_false_finds,
        people_on_labelled=len(watcher.on_labelled),
        false_people=sum(not right for right in watcher.on_labelled.values()),
    )
    return SetResult(
        name or labels.video.name,
        labels.video,
        summary,
        tuple(evaluator.truths),
        tuple(evaluator.predictions),
        tuple(problems),
        timings,
        rates,
    )


def _counted(source: Iterable[Frame], seen: Callable[[int], None]) -> Iterator[Frame]:
    for frame in source:
        yield frame
        seen(1)


def _numbered(truth: LabelledPicture, result: FrameResult) -> LabelledPicture:
    """Under a name of its own among the frames of one video."""
    return replace(truth, path=truth.path.with_name(f"{truth.path.stem} frame {result.frame.index}.png"))


def _shown(result: FrameResult, settings: AnalysisSettings) -> FrameResult:
    """With the least score for a face that is shown though it was not found in this very frame."""
    scores = np.where(np.isnan(result.faces.scores), np.float32(settings.confidence), result.faces.scores)
    return replace(result, faces=replace(result.faces, scores=scores))


def _are_right(truth: LabelledPicture, result: FrameResult, match_iou: float) -> list[bool]:
    """Which of the shown faces lie on a labelled one or in a region to ignore."""
    faces = truth.take(truth.faces)
    found = pair(result.faces.boxes, result.faces.scores, faces.boxes, truth.boxes[~truth.faces], match_iou)
    return [bool(right) for right in found.right | found.ignored]
