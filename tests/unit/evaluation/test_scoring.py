"""The whole `score` on scenes small enough to count by eye."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crowdmask.errors import DatasetError
from crowdmask.evaluation.metrics import CountError, Hits
from crowdmask.evaluation.records import Judged, PictureErrors
from crowdmask.evaluation.scoring import score
from crowdmask.labels.records import Label, LabelledPicture
from crowdmask.records import Faces, Verdict
from tests.factories import make_faces

M, U, X, W = Label.MASKED, Label.UNMASKED, Label.IGNORE, Label.INCORRECT
NAMES = {M: "with_mask", U: "without_mask", X: "ignore", W: "mask_weared_incorrect"}


def at(x: float, size: float = 20) -> tuple[float, float, float, float]:
    return (x, 0, x + size, size)


def truth(*faces: tuple[float, Label] | tuple[float, Label, float]) -> LabelledPicture:
    rows = [(face[0], face[1], face[2] if len(face) > 2 else 20.0) for face in faces]
    boxes = np.array([at(x, size) for x, _, size in rows], np.float32).reshape(-1, 4)
    labels = np.array([label for _, label, _ in rows], np.int8)
    return LabelledPicture(Path("a.jpg"), None, boxes, labels, tuple(NAMES[label] for _, label, _ in rows))


def judged(*finds: tuple[float, float, float]) -> Judged:
    """Finds of 20 px as (x, score, P(unmasked)); unknown between 0.4 and 0.6 and where it is NaN."""
    probs = np.array([p for _, _, p in finds], np.float32)
    verdicts = np.where(probs >= 0.6, Verdict.UNMASKED, np.where(probs < 0.4, Verdict.MASKED, Verdict.UNKNOWN))
    faces = make_faces([at(x) for x, _, _ in finds], [s for _, s, _ in finds])
    none = np.zeros(len(finds), np.float32)
    return Judged(faces, probs, verdicts.astype(np.int8), none, none)


def as_worn_wrongly(judgement: Judged, find: int, prob: float) -> Judged:
    """The same with one find judged to wear its mask wrongly."""
    verdicts, worn = judgement.verdicts.copy(), judgement.incorrect_prob.copy()
    verdicts[find], worn[find] = W, prob
    return replace(judgement, verdicts=verdicts, incorrect_prob=worn)


def test_no_pictures() -> None:
    told = score([], [])
    assert told.pictures == 0
    assert (told.ap.faces, told.ap.masked, told.ap.unmasked, told.ap.mean) == (None, None, None, None)
    assert told.faces == told.unmasked == Hits()
    assert told.face_counts == CountError(0, None, None, None, 0)
    assert told.errors == () and told.class_names == ()


def test_empty_picture_with_nothing_found_is_right() -> None:
    told = score([Judged.unasked(Faces.none())], [truth()])
    assert told.faces == Hits() and told.face_counts.exact_share == 1.0 and told.errors == (PictureErrors(0, 0, 0),)


def test_as_many_predictions_as_pictures() -> None:
    with pytest.raises(DatasetError, match="1 predictions for 0 labelled"):
        score([judged()], [])


def test_everything_on_one_scene() -> None:
    """Four faces; of six finds above the cut one is a double, one lies in an ignored region."""
    picture = truth((0, M), (100, U), (200, U), (300, M), (400, X))
    finds = judged(
        (0, 0.9, 0.1),  # masked, right
        (100, 0.8, 0.9),  # unmasked, right
        (200, 0.7, 0.2),  # unmasked, judged masked
        (102, 0.6, 0.9),  # a double on the second face
        (400, 0.95, 0.9),  # ignored
        (500, 0.55, 0.3),  # nothing there
        (300, 0.3, 0.5),  # below the cut, unknown
    )
    told = score([finds], [picture], confidence=0.5)
    assert told.labelled == {"masked": 2, "unmasked": 2, "ignore": 1, "incorrect": 0, "no_face": 0}
    assert told.faces == Hits(right=3, wrong=2, missed=1)
    assert told.unmasked == Hits(right=1, wrong=1, missed=1)
    assert told.confusion.table.tolist() == [[1, 0, 0], [1, 1, 0]]
    assert told.face_counts == CountError(1, 1.0, 1.0, 0.0, 1)
    assert told.unmasked_counts == CountError(1, 0.0, 0.0, 1.0, 0)
    assert told.errors == (PictureErrors(missed=1, false_finds=2, wrong_verdicts=1),)
    # ranked: right 0.9, right 0.8, right 0.7, double 0.6, nothing 0.55, right 0.3; of 4
    assert told.ap.faces == pytest.approx((1 + 1 + 1 + 4 / 6) / 4)
    assert told.ap_at_cut.faces == pytest.approx(3 / 4)
    # masked list: 0.81 right, 0.56 (an unmasked face), 0.385 nothing, 0.15 right, 0.08 and 0.06 on unmasked; of 2
    assert told.ap.masked == pytest.approx((1 + 2 / 4) / 2)
    assert told.ap_at_cut.masked == pytest.approx(1 / 2)
    # unmasked list: 0.72 right, 0.54 double, 0.165 nothing, 0.15 masked, 0.14 right, 0.09 masked; of 2
    assert told.ap.unmasked == pytest.approx((1 + 2 / 5) / 2)
    assert told.ap.mean == pytest.approx((0.75 + 0.7) / 2)
    assert told.calibration.faces.sum() == 3
    assert told.roc.area == pytest.approx(1.0)


def test_unknown_is_neither_masked_nor_unmasked() -> None:
    told = score([judged((0, 0.9, 0.5), (100, 0.9, float("nan")))], [truth((0, U), (100, M))])
    assert told.confusion.table.tolist() == [[0, 0, 1], [0, 0, 1]]
    assert told.unmasked == Hits(0, 0, 1)
    assert told.confusion.accuracy is None and told.confusion.accuracy_of_all == 0.0
    assert told.calibration.faces.sum() == 1  # NaN is left out
    assert told.errors[0].wrong_verdicts == 0
    # not asked counts as one half in the lists of the classes: both finds tie
    assert told.ap.unmasked == 0.5 and told.ap.masked == 0.5


def test_verdict_on_a_face_beside_an_ignored_region_still_counts() -> None:
    """A masked face inside a region to ignore, called unmasked, is a wrong find of unmasked."""
    told = score([judged((0, 0.9, 0.9))], [truth((0, M), (0, X), (100, U))])
    assert told.unmasked == Hits(0, 1, 1)
    assert told.curves["unmasked"].precision.tolist() == [0.0]


def test_faces_are_never_paired_across_pictures() -> None:
    told = score([judged((0, 0.9, 0.9)), judged()], [truth(), truth((0, U))])
    assert told.faces == Hits(0, 1, 1)
    assert told.face_counts == CountError(2, 1.0, 0.0, 0.0, 1)
    assert told.errors == (PictureErrors(0, 1, 0), PictureErrors(1, 0, 0))


def test_recall_by_size() -> None:
    sizes = (11.9, 12, 15.9, 16, 24, 32, 63.9, 64, 300)
    picture = truth(*((i * 1000.0, M, s) for i, s in enumerate(sizes)))
    finds = make_faces([picture.boxes[i].tolist() for i in (1, 2, 3, 8)], [0.9, 0.3, 0.9, 0.9])
    told = score([Judged.unasked(finds)], [picture])
    assert [band.name for band in told.sizes] == ["<12", "12-16", "16-24", "24-32", "32-64", ">=64"]
    assert [band.labelled for band in told.sizes] == [1, 2, 1, 1, 2, 2]
    assert [band.found for band in told.sizes] == [0, 1, 1, 0, 0, 1]
    assert [band.found_at_any_score for band in told.sizes] == [0, 2, 1, 0, 0, 1]
    assert [band.recall for band in told.sizes] == [0, 0.5, 1, 0, 0, 0.5]
    assert [band.confusion.unknown for band in told.sizes] == [0, 1, 1, 0, 0, 1]
    assert score([], []).sizes[0].recall is None


def test_verdicts_by_the_label_files_own_names() -> None:
    picture = truth((0, U), (100, U), (200, M), (300, X))
    picture = LabelledPicture(
        picture.path, None, picture.boxes, picture.labels, ("worn_wrong", "bare", "mask", "ignore")
    )
    told = score([judged((0, 0.9, 0.1), (200, 0.9, 0.1))], [picture])
    rows = {row.name: row for row in told.class_names}
    assert rows.keys() == {"worn_wrong", "bare", "mask"}
    assert (rows["worn_wrong"].labelled, rows["worn_wrong"].found, rows["worn_wrong"].masked) == (1, 1, 1)
    assert rows["worn_wrong"].label is U
    assert (rows["bare"].found, rows["bare"].labelled) == (0, 1)


def test_sweep_over_the_confidence() -> None:
    told = score([judged((0, 0.5, 0.9), (100, 0.31, 0.9))], [truth((0, U))])
    cuts = {cut.confidence: cut for cut in told.cuts}
    assert cuts[0.3].faces == cuts[0.3].unmasked == Hits(1, 1, 0)
    assert cuts[0.35].faces == cuts[0.5].unmasked == Hits(1, 0, 0)
    assert cuts[0.55].faces == Hits(0, 0, 1)


def test_one_class_has_no_mean() -> None:
    told = score([judged((0, 0.9, 0.1))], [truth((0, M))])
    assert told.ap.masked == 1.0 and told.ap.unmasked is None and told.ap.mean is None and told.roc.area is None


def test_order_of_pictures_and_finds_changes_nothing() -> None:
    scenes = [
        (judged((0, 0.9, 0.9), (50, 0.6, 0.1)), truth((0, U), (50, M), (90, M))),
        (judged((0, 0.6, 0.8)), truth((5, M))),
    ]
    one = score([s[0] for s in scenes], [s[1] for s in scenes])
    two = score([s[0] for s in scenes[::-1]], [s[1] for s in scenes[::-1]])
    assert one.ap == two.ap and one.faces == two.faces and one.unmasked == two.unmasked
    assert one.confusion.table.tolist() == two.confusion.table.tolist()


def test_a_wrongly_worn_mask_counts_as_unmasked_and_is_measured_apart() -> None:
    """Worn wrongly at 0 and 50, bare at 100; of four finds one names the first rightly, one the bare face wrongly, one
    calls the second plainly unmasked, and one is no face."""
    finds = judged((0, 0.9, 0.9), (50, 0.9, 0.9), (100, 0.9, 0.9), (150, 0.9, 0.9))
    finds = as_worn_wrongly(as_worn_wrongly(finds, 0, 0.8), 2, 0.6)
    told = score([finds], [truth((0, W), (50, W), (100, U))])
    assert told.labelled == {"masked": 0, "unmasked": 1, "ignore": 0, "incorrect": 2, "no_face": 0}
    assert told.unmasked == Hits(right=3, wrong=1, missed=0)
    assert told.incorrect == Hits(right=1, wrong=1, missed=1)
    assert told.confusion.table.tolist() == [[0, 0, 0], [0, 3, 0]]
    assert told.judged_false_finds == 1


def test_false_finds_with_a_verdict() -> None:
    """Of three finds that no label covers one is unknown and one lies in a region to ignore."""
    told = score([judged((0, 0.9, 0.9), (50, 0.9, 0.5), (100, 0.9, 0.1))], [truth((100, X))])
    assert told.judged_false_finds == 1


def test_what_is_hardly_a_face_stands_low_in_the_lists_of_the_classes() -> None:
    """A fist of 0.9 and P(no face) 0.5 beside a bare face of 0.8: second of the unmasked, with 0.45, first of faces."""
    finds = replace(judged((200, 0.9, 1.0), (0, 0.8, 1.0)), no_face_prob=np.array([0.5, 0.0], np.float32))
    told = score([finds], [truth((0, U), (100, M))])
    assert told.ap.unmasked == 1.0
    assert told.ap.faces == pytest.approx(0.25)  # one of two faces, at a precision of one half
    known = replace(finds, no_face_prob=np.zeros(2, np.float32))
    assert score([known], [truth((0, U), (100, M))]).ap.unmasked == 0.5


def test_three_classes() -> None:
    """The face worn wrongly is first in its own list (0.9 x 0.8) and second in that of the bare one (0.9 x 0.15)."""
    finds = as_worn_wrongly(judged((0, 0.9, 0.95), (50, 0.9, 0.9), (100, 0.9, 0.1)), 0, 0.8)
    told = score([finds], [truth((0, W), (50, U), (100, M))], three_class=True)
    assert told.three_class == {"masked": 1.0, "unmasked": 1.0, "incorrect": 1.0, "mean": 1.0}
    # a bare face that looks worn wrongly comes before the true one in the list: precision 1/2 at full recall
    finds = as_worn_wrongly(as_worn_wrongly(finds, 0, 0.5), 1, 0.7)
    told = score([finds], [truth((0, W), (50, U), (100, M))], three_class=True)
    assert told.three_class is not None
    assert told.three_class["incorrect"] == 0.5
    # P(bare) is 0.45 for the first and 0.2 for the second
    assert told.three_class["unmasked"] == 0.5 and told.three_class["masked"] == 1.0
    assert told.three_class["mean"] == pytest.approx(2 / 3)
    assert score([finds], [truth((0, M))], three_class=True).three_class["mean"] is None  # type: ignore[index]
    assert score([finds], [truth((0, M))]).three_class is None
