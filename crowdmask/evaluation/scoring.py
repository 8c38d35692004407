"""From judged faces and labels to one `Evaluation`: arrays in, every measure out; the harness and training call it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crowdmask.errors import DatasetError
from crowdmask.evaluation.matching import pair
from crowdmask.evaluation.metrics import (
    OF_TABLE,
    Confusion,
    Hits,
    PrecisionRecall,
    calibration,
    count_error,
    precision_recall,
    roc,
)
from crowdmask.evaluation.records import (
    AveragePrecisions,
    ClassName,
    Cut,
    Evaluation,
    Judged,
    PictureErrors,
    SizeBand,
)
from crowdmask.geometry import face_sizes
from crowdmask.labels.records import Label, LabelledPicture
from crowdmask.records import Verdict

# A face's size is the square root of its labelled box's area, as everywhere in crowdmask.
SIZE_EDGES = (0.0, 12.0, 16.0, 24.0, 32.0, 64.0, np.inf)
CUTS = tuple(round(0.05 * i, 2) for i in range(1, 20))  # confidences that the sweep tries

Judgements = Sequence[Judged]
Truths = Sequence[LabelledPicture]
Indices = NDArray[np.intp] | NDArray[np.bool_]
_Part = TypeVar("_Part", "_Finds", "_Labelled")


@dataclass(frozen=True)
class _Finds:
    """All finds of all pictures, in the pictures' order; every array is (n,)."""

    picture: NDArray[np.intp]
    score: NDArray[np.float64]
    prob: NDArray[np.float64]  # of unmasked, where it is a face; NaN where not asked
    of_face: NDArray[np.float64]  # probability that it is one, 1 where not asked
    verdict: NDArray[np.int8]
    face: NDArray[np.intp]  # index into the labelled faces of all pictures, -1 for none
    ignored: NDArray[np.bool_]

    def take(self, chosen: Indices) -> _Finds:
        return _Finds(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class _Labelled:
    """All labelled faces of all pictures, ignored regions left out; every array is (m,)."""

    picture: NDArray[np.intp]
    label: NDArray[np.int8]
    size: NDArray[np.float32]
    class_name: NDArray[np.object_]

    def take(self, chosen: Indices) -> _Labelled:
        return _Labelled(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def score(
    predictions: Sequence[Judged],
    truths: Sequence[LabelledPicture],
    *,
    confidence: float = 0.5,
    match_iou: float = 0.5,
    bins: int = 10,
    three_class: bool = False,
) -> Evaluation:
    """Measures predictions against the labels of the same pictures in the same order.

    Give predictions down to a low score (0.02 or so): the curves and average precisions need them; everything else
    looks only at those from `confidence` up. In the lists of the classes a find stands twice, as masked with
    score x P(masked) and as unmasked with score x P(unmasked), which with P(no face) are 1; where the classifier was
    not asked, P is 0.5.
    A wrongly worn mask counts as unmasked in all measures but `incorrect` and `three_class`.
    """
    if len(predictions) != len(truths):
        raise DatasetError(f"{len(predictions)} predictions for {len(truths)} labelled pictures: they must be as many")
    as_labelled, as_judged = truths, predictions
    truths, predictions = [t.folded() for t in truths], [p.folded() for p in predictions]
    finds, labelled = _flatten(predictions, truths, match_iou)
    curves = _curves(predictions, truths, finds, labelled, match_iou)
    cut_predictions = [p.above(confidence) for p in predictions]
    above = finds.take(finds.score >= confidence)
    cut_curves = _curves(cut_predictions, truths, above, labelled, match_iou)
    paired = above.take(above.face >= 0)
    truth = labelled.label[paired.face]
    asked = ~np.isnan(paired.prob)
    prob, is_unmasked = paired.prob[asked].astype(np.float64), truth[asked] == Label.UNMASKED
    counted = above.take(~above.ignored)
    n = len(truths)
    return Evaluation(
        pictures=n,
        confidence=confidence,
        match_iou=match_iou,
        labelled={label.word: sum(int(np.count_nonzero(t.labels == label)) for t in as_labelled) for label in Label},
        ap=_averages(curves),
        ap_at_cut=_averages(cut_curves),
        faces=_face_hits(above, labelled),
        unmasked=_unmasked_hits(above, labelled),
        incorrect=_incorrect_hits(finds, as_judged, as_labelled, confidence),
        judged_false_finds=int(
            np.count_nonzero((above.face < 0) & ~above.ignored & (above.verdict != Verdict.UNKNOWN))
        ),
        three_class=_three_class(as_judged, as_labelled, finds, match_iou) if three_class else None,
        confusion=Confusion.of(truth, paired.verdict),
        sizes=_by_size(finds, paired, labelled),
        class_names=_by_class_name(paired, labelled),
        face_counts=count_error(_per_picture(counted, n), _per_picture(labelled, n)),
        unmasked_counts=count_error(
            _per_picture(counted.take(counted.verdict == Verdict.UNMASKED), n),
            _per_picture(labelled.take(labelled.label == Label.UNMASKED), n),
        ),
        calibration=calibration(prob, is_unmasked, bins),
        roc=roc(prob, is_unmasked),
        curves=curves,
        cuts=tuple(_cut(finds, labelled, c) for c in CUTS),
        errors=_errors(above, paired, truth, labelled, n),
    )


def _flatten(predictions: Judgements, truths: Truths, match_iou: float) -> tuple[_Finds, _Labelled]:
    finds = [_Finds(*(np.zeros(0, d) for d in (np.intp, float, float, float, np.int8, np.intp, bool)))]
    labelled = [_Labelled(*(np.zeros(0, d) for d in (np.intp, np.int8, np.float32, object)))]
    faces_before = 0
    for i, (judged, truth) in enumerate(zip(predictions, truths, strict=True)):
        faces = truth.take(truth.faces)
        found = judged.faces
        pairing = pair(found.boxes, found.scores, faces.boxes, truth.boxes[~truth.faces], match_iou)
        finds.append(
            _Finds(
                np.full(len(found), i, np.intp),
                found.scores.astype(np.float64),
                judged.unmasked_prob.astype(np.float64),
                1 - np.nan_to_num(judged.no_face_prob.astype(np.float64)),
                judged.verdicts,
                np.where(pairing.right, pairing.face + faces_before, -1),
                pairing.ignored,
            )
        )
        names = np.array(faces.class_names, object)
        labelled.append(_Labelled(np.full(len(names), i, np.intp), faces.labels, face_sizes(faces.boxes), names))
        faces_before += len(names)
    return _joined(_Finds, finds), _joined(_Labelled, labelled)


def _joined(kind: type[_Part], parts: Sequence[_Part]) -> _Part:
    return kind(*(np.concatenate([getattr(p, name) for p in parts]) for name in kind.__dataclass_fields__))


def _curves(
    predictions: Judgements,
    truths: Truths,
    finds: _Finds,
    labelled: _Labelled,
    match_iou: float,
) -> dict[str, PrecisionRecall]:
    """Of faces, masked and unmasked. A class's list is paired anew, with its own scores and its own faces alone."""
    counted = ~finds.ignored
    found = finds.face >= 0
    curves = {"faces": precision_recall(finds.score[counted], found[counted], len(labelled.label))}
    prob_unmasked = np.where(np.isnan(finds.prob), 0.5, finds.prob)
    for label, prob in ((Label.MASKED, 1.0 - prob_unmasked), (Label.UNMASKED, prob_unmasked)):
        scores = finds.score * finds.of_face * prob
        right = np.zeros(len(scores), bool)
        start = 0
        for judged, truth in zip(predictions, truths, strict=True):
            end = start + len(judged.faces)
            of_class = truth.boxes[truth.labels == label]
            right[start:end] = pair(judged.faces.boxes, scores[start:end], of_class, truth.boxes[:0], match_iou).right
            start = end
        # a find that is a face of the other class is wrong here, even where a region to ignore overlaps it
        counted = right | ~finds.ignored
        positives = int(np.count_nonzero(labelled.label == label))
        curves[label.word] = precision_recall(scores[counted], right[counted], positives)
    return curves


def _averages(curves: dict[str, PrecisionRecall]) -> AveragePrecisions:
    return AveragePrecisions(*(curves[name].average for name in ("faces", "masked", "unmasked")))


def _face_hits(finds: _Finds, labelled: _Labelled) -> Hits:
    right = int(np.count_nonzero(finds.face >= 0))
    wrong = int(np.count_nonzero((finds.face < 0) & ~finds.ignored))
    return Hits(right, wrong, len(labelled.label) - right)


def _unmasked_hits(finds: _Finds, labelled: _Labelled) -> Hits:
    """A face found but judged masked or unknown is missed; one of a masked face, or of none, is wrong."""
    said = finds.take((finds.verdict == Verdict.UNMASKED) & ~finds.ignored)
    on_face = said.face[said.face >= 0]
    right = int(np.count_nonzero(labelled.label[on_face] == Label.UNMASKED))
    return Hits(right, len(said.face) - right, int(np.count_nonzero(labelled.label == Label.UNMASKED)) - right)


def _cut(finds: _Finds, labelled: _Labelled, confidence: float) -> Cut:
    above = finds.take(finds.score >= confidence)
    return Cut(confidence, _face_hits(above, labelled), _unmasked_hits(above, labelled))


def _incorrect_hits(finds: _Finds, predictions: Judgements, truths: Truths, confidence: float) -> Hits:
    """Of wrongly worn masks alone; one that is called plainly unmasked is missed here."""
    said = np.concatenate([np.zeros(0, bool), *(p.verdicts == Label.INCORRECT for p in predictions)])
    worn = np.concatenate([np.zeros(0, bool), *(t.labels[t.faces] == Label.INCORRECT for t in truths)])
    face = finds.face[said & (finds.score >= confidence) & ~finds.ignored]
    right = int(np.count_nonzero(worn[face[face >= 0]]))
    return Hits(right, len(face) - right, int(np.count_nonzero(worn)) - right)


def _three_class(predictions: Judgements, truths: Truths, finds: _Finds, match_iou: float) -> dict[str, float | None]:
    """Average precision with a wrongly worn mask as a class of its own, as others publish it; each find stands in
    each list with score x P(class), and is paired with the faces of that class alone."""
    known = np.nan_to_num(np.concatenate([p.unmasked_prob for p in predictions]).astype(np.float64), nan=2 / 3)
    worn = np.nan_to_num(np.concatenate([p.incorrect_prob for p in predictions]).astype(np.float64), nan=1 / 3)
    chances = {
        Label.MASKED: finds.of_face * (1 - known),
        Label.UNMASKED: np.maximum(finds.of_face * known - worn, 0.0),
        Label.INCORRECT: worn,
    }
    averages: dict[str, float | None] = {}
    for label, chance in chances.items():
        scores = finds.score * chance
        right, ends = [], np.cumsum([0, *(len(p.faces) for p in predictions)])
        for i, (judged, truth) in enumerate(zip(predictions, truths, strict=True)):
            mine = scores[ends[i] : ends[i + 1]]
            of_class = truth.boxes[truth.labels == label]
            right.append(pair(judged.faces.boxes, mine, of_class, truth.boxes[:0], match_iou).right)
        hit = np.concatenate(right)
        counted = hit | ~finds.ignored
        positives = sum(int(np.count_nonzero(t.labels == label)) for t in truths)
        averages[label.word] = precision_recall(scores[counted], hit[counted], positives).average
    present = [v for v in averages.values() if v is not None]
    averages["mean"] = float(np.mean(present)) if len(present) == len(chances) else None
    return averages


def _by_size(finds: _Finds, paired: _Finds, labelled: _Labelled) -> tuple[SizeBand, ...]:
    found, ever_found = (np.zeros(len(labelled.size), bool) for _ in range(2))
    found[paired.face] = True
    ever_found[finds.face[finds.face >= 0]] = True
    bands = []
    for low, high in itertools.pairwise(SIZE_EDGES):
        inside = (labelled.size >= low) & (labelled.size < high)
        of_band = paired.take(inside[paired.face])
        confusion = Confusion.of(labelled.label[of_band.face], of_band.verdict)
        total, at_cut, at_all = (int(np.count_nonzero(inside & which)) for which in (np.True_, found, ever_found))
        bands.append(SizeBand(low, high, total, at_cut, at_all, confusion))
    return tuple(bands)


def _by_class_name(paired: _Finds, labelled: _Labelled) -> tuple[ClassName, ...]:
    rows = []
    for name in sorted(set(labelled.class_name.tolist())):
        of_name = labelled.class_name == name
        verdicts = paired.verdict[of_name[paired.face]]
        masked, unmasked, unknown = (int(np.count_nonzero(verdicts == v)) for v in OF_TABLE)
        label = Label(int(labelled.label[of_name][0]))
        rows.append(ClassName(name, label, int(np.count_nonzero(of_name)), len(verdicts), masked, unmasked, unknown))
    return tuple(rows)


def _per_picture(rows: _Finds | _Labelled, pictures: int) -> NDArray[np.intp]:
    return np.bincount(rows.picture, minlength=pictures)


def _errors(
    above: _Finds, paired: _Finds, truth: NDArray[np.int8], labelled: _Labelled, pictures: int
) -> tuple[PictureErrors, ...]:
    missed = _per_picture(labelled, pictures) - _per_picture(paired, pictures)
    false_finds = _per_picture(above.take((above.face < 0) & ~above.ignored), pictures)
    wrong = _per_picture(paired.take((paired.verdict != truth) & (paired.verdict != Verdict.UNKNOWN)), pictures)
    return tuple(PictureErrors(*row) for row in zip(missed.tolist(), false_finds.tolist(), wrong.tolist(), strict=True))
