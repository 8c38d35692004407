"""What judging gives: judged faces on the way in, one `Evaluation` with every measure on the way out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crowdmask.evaluation.metrics import Calibration, Confusion, CountError, Hits, PrecisionRecall, Roc
from crowdmask.labels.records import Label
from crowdmask.records import Faces, FrameResult, Verdict


@dataclass(frozen=True)
class Judged:
    """The faces found in one picture with the classifier's word on each; NaN and UNKNOWN where it was not asked.

    `unmasked_prob` is that of a bare face or a wrongly worn mask where it is a face at all; `incorrect_prob` that of
    the latter and `no_face_prob` that it is none, among all outcomes.
    """

    faces: Faces
    unmasked_prob: NDArray[np.float32]
    verdicts: NDArray[np.int8]
    incorrect_prob: NDArray[np.float32]
    no_face_prob: NDArray[np.float32]

    @classmethod
    def of(cls, result: FrameResult) -> Judged:
        none = np.zeros(len(result.faces), np.float32)
        worn, no_face = (
            np.asarray(result.columns.get(name, none), np.float32) for name in ("incorrect_prob", "no_face_prob")
        )
        return cls(result.faces, result.unmasked_prob, result.verdicts, worn, no_face)

    @classmethod
    def unasked(cls, faces: Faces) -> Judged:
        """Faces alone, for measuring a detector without a classifier."""
        n = len(faces)
        nothing = np.full(n, np.nan, np.float32)
        return cls(faces, nothing, np.full(n, Verdict.UNKNOWN, np.int8), nothing, nothing)

    def folded(self) -> Judged:
        """With every wrongly worn mask called unmasked, as which it counts."""
        verdicts = np.where(self.verdicts == Label.INCORRECT, Verdict.UNMASKED, self.verdicts).astype(np.int8)
        return replace(self, verdicts=verdicts)

    def above(self, confidence: float) -> Judged:
        kept = self.faces.scores >= confidence
        return Judged(
            self.faces.take(kept),
            self.unmasked_prob[kept],
            self.verdicts[kept],
            self.incorrect_prob[kept],
            self.no_face_prob[kept],
        )


@dataclass(frozen=True)
class AveragePrecisions:
    faces: float | None
    masked: float | None
    unmasked: float | None

    @property
    def mean(self) -> float | None:
        """Of masked and unmasked; None where a class is missing."""
        return None if self.masked is None or self.unmasked is None else (self.masked + self.unmasked) / 2.0


@dataclass(frozen=True)
class SizeBand:
    """The labelled faces of one range of sizes, in pixels: how many, how many found, and the verdicts on those."""

    low: float
    high: float
    labelled: int
    found: int
    found_at_any_score: int
    confusion: Confusion

    @property
    def name(self) -> str:
        if self.low == 0:
            return f"<{self.high:g}"
        return f">={self.low:g}" if np.isinf(self.high) else f"{self.low:g}-{self.high:g}"

    @property
    def recall(self) -> float | None:
        return self.found / self.labelled if self.labelled else None


@dataclass(frozen=True)
class ClassName:
    """What became of the faces that the label files call by one name."""

    name: str
    label: Label
    labelled: int
    found: int
    masked: int
    unmasked: int
    unknown: int


@dataclass(frozen=True)
class Cut:
    """What another confidence would give."""

    confidence: float
    faces: Hits
    unmasked: Hits


@dataclass(frozen=True)
class PictureErrors:
    """The faults in one picture at the operating point."""

    missed: int
    false_finds: int
    wrong_verdicts: int

    @property
    def total(self) -> int:
        return self.missed + self.false_finds + self.wrong_verdicts


@dataclass(frozen=True)
class Evaluation:
    """Every measure on a set of pictures. All but `ap` and the curves are at the operating point `confidence`."""

    pictures: int
    confidence: float
    match_iou: float
    labelled: dict[str, int]  # by the words of Label
    ap: AveragePrecisions  # from every find that was made, down to the lowest score
    ap_at_cut: AveragePrecisions  # from the finds above the confidence alone
    faces: Hits
    unmasked: Hits  # end to end: a verdict of unmasked or incorrect on a face that is labelled one of them
    incorrect: Hits  # end to end likewise, of wrongly worn masks alone
    judged_false_finds: int  # finds that no label covers and that got a verdict all the same
    three_class: dict[str, float | None] | None  # average precision of masked, unmasked and incorrect, each its own
    confusion: Confusion
    sizes: tuple[SizeBand, ...]
    class_names: tuple[ClassName, ...]
    face_counts: CountError
    unmasked_counts: CountError
    calibration: Calibration
    roc: Roc
    curves: dict[str, PrecisionRecall]  # faces, masked, unmasked
    cuts: tuple[Cut, ...]
    errors: tuple[PictureErrors, ...]  # in the order of the pictures


@dataclass(frozen=True)
class VideoRates:
    """What a recording's result does over time.

    `verdicts` are the people (appearances) that got one; `changes` are a shown face's changes from one verdict to
    another from frame to frame, unknown left out. False finds are counted on the labelled frames, and per minute as if
    all frames were like them; `false_people` are appearances that on no labelled frame lay on a face or a region to
    ignore, among those that were seen on one at all.
    """

    seconds: float
    frames: int
    labelled_frames: int
    people: int
    verdicts: int
    changes: int
    false_finds: int
    false_verdicts: int
    people_on_labelled: int
    false_people: int

    def per_minute(self, count: float) -> float | None:
        return 60.0 * count / self.seconds if self.seconds else None

    def false_per_minute(self, count: int) -> float | None:
        """A count over the labelled frames, for a minute of all of them."""
        return self.per_minute(count * self.frames / self.labelled_frames) if self.labelled_frames else None
