"""The metrics of benchmarks/tracking.py against numbers worked out by hand, and the simulated detector's promises.

On 500 frames of a real street camera they agree with TrackEval 1.0.0 and motmetrics 1.4.0 in every digit printed (HOTA,
DetA, AssA, IDF1, switches, recall, precision); that was compared once, with both in an environment of their own.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.simulated_detector import Faults, SimulatedDetector
from benchmarks.tracking import by_frame, looked_at
from benchmarks.tracking_metrics import Labelled, score
from crowdmask.tracking.observations import Finds

BOX, OTHER = (0.0, 0.0, 10.0, 10.0), (100.0, 0.0, 110.0, 10.0)


def frames(*given: dict[int, tuple[float, ...]]) -> list[Labelled]:
    return [Labelled(np.array(list(f), np.int64), np.array(list(f.values()), np.float32).reshape(-1, 4)) for f in given]


def test_the_truth_itself_is_perfect() -> None:
    truth = frames({1: BOX, 2: OTHER}, {1: BOX}, {}, {2: OTHER})
    got = score(truth, truth)
    assert (got.hota, got.idf1, got.switches, got.recall, got.precision, got.count_error) == (1, 1, 0, 1, 1, 0)


def test_one_person_under_two_numbers() -> None:
    """Four boxes, two under each number: IDF1 = 2 * 2 / 8; AssA = 2 / 4 for each hit, DetA = 1, HOTA = sqrt(0.5)."""
    truth = frames(*[{1: BOX}] * 4)
    got = score(truth, frames({7: BOX}, {7: BOX}, {8: BOX}, {8: BOX}))
    assert got.idf1 == pytest.approx(0.5) and got.switches == 1
    assert got.association == pytest.approx(0.5) and got.detection == pytest.approx(1)
    assert got.hota == pytest.approx(0.5**0.5)
    assert got.counted == 2 and got.count_error == pytest.approx(1.0)


def test_two_people_under_one_number_and_a_false_one() -> None:
    truth = frames({1: BOX}, {2: OTHER})
    got = score(truth, frames({5: BOX}, {5: OTHER, 6: (50, 50, 60, 60)}))
    assert got.idf1 == pytest.approx(2 * 1 / 5)
    assert got.detection == pytest.approx(2 / 3) and got.switches == 0
    assert got.precision == pytest.approx(2 / 3) and got.recall == 1


def test_a_box_beside_the_face_counts_up_to_its_overlap() -> None:
    truth = frames({1: BOX})
    got = score(truth, frames({1: (0, 0, 10, 6)}))  # IoU 0.6: a hit at 12 of the 19 thresholds
    assert got.hota == pytest.approx(12 / 19) and got.recall == 1
    assert score(truth, frames({1: (0, 0, 10, 4)})).recall == 0


def test_nothing_found() -> None:
    got = score(frames({1: BOX}), frames({}))
    assert (got.hota, got.idf1, got.recall, got.counted) == (0, 0, 0, 0)


def test_the_same_seed_gives_the_same_finds_and_faults_are_made() -> None:
    truth = [(np.arange(6), np.array([[60 * i, 50, 60 * i + 24, 74] for i in range(6)], np.float32))] * 200

    def run(seed: int, **faults: float) -> list[Finds]:
        detector = SimulatedDetector(Faults(**faults), (640, 480), 25, seed)  # type: ignore[arg-type]
        return [detector.frame(ids, boxes) for ids, boxes in truth]

    one, again, other = run(1), run(1), run(2)
    assert all(np.array_equal(a.boxes_xyxy, b.boxes_xyxy) for a, b in zip(one, again, strict=True))
    assert any(len(a) != len(b) for a, b in zip(one, other, strict=True))
    sure = [int((f.scores >= 0.6).sum()) for f in one]
    assert min(sure) < 6 < max(map(len, run(1, flashes=2.0)))
    assert np.mean([(f.scores >= 0.6).sum() for f in run(1, mean_score=0.5, flashes=0.0, haunted=0)]) < 3


def test_frames_are_looked_at_again_where_something_begins() -> None:
    nothing = Finds.none()
    there = Finds(np.array([[0, 0, 20, 20]], np.float32), np.array([0.9], np.float32))
    finds = [nothing] * 7 + [there] * 10
    looked = [k for k, f in enumerate(looked_at(finds, 4)) if f is not None]
    assert looked == [0, 4, 6, 7, 8, 12, 16]


def test_rows_become_frames_and_empty_ones_stay() -> None:
    got = by_frame(np.array([[0, 3, 1, 1, 2, 2], [2, 3, 1, 1, 2, 2], [2, 4, 5, 5, 6, 6]], float))
    assert [f.ids.tolist() for f in got] == [[3], [], [3, 4]]
