"""What is asked between two looks, worked out by hand, and that it is the same however many are settled together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from crowdmask.geometry import FloatArray
from crowdmask.tracking.between import Between, agree, settle
from crowdmask.tracking.observations import Finds

SURE = 0.6
HERE, THERE, FAR = (100, 100, 130, 130), (112, 100, 142, 130), (400, 100, 430, 130)
GAP = 0.16


def finds(*boxes: tuple[float, float, float, float], scores: list[float] | None = None) -> Finds:
    return Finds(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores or [0.9] * len(boxes), np.float32))


def asked(seen: Sequence[Finds], bases: Sequence[int], shift_x: float = 0.0) -> list[tuple[int, list[list[float]]]]:
    """What is asked of frames 25 a second, those of `bases` looked at whole, while the camera moves so much a frame."""
    asked: list[tuple[int, list[list[float]]]] = []

    def look(wanted: Sequence[tuple[int, FloatArray]]) -> list[Finds]:
        asked.extend((at, np.round(places, 3).tolist()) for at, places in wanted)
        return [seen[at] for at, _ in wanted]

    def camera(start: int, stop: int) -> np.ndarray:
        return np.array([[1, 0, shift_x * (stop - start)], [0, 1, 0]], float)

    stretches = [Between.of_all(a, b, seen[a], seen[b]) for a, b in pairwise(bases)]
    settle(stretches, lambda at: at / 25, camera, look, SURE)
    return asked


def test_what_moves_on_is_filled_in() -> None:
    assert agree(finds(HERE), finds(THERE), GAP, SURE)
    assert agree(finds(), finds(), GAP, SURE)
    assert asked([finds(HERE)] * 2 + [finds(THERE)] * 3, [0, 4]) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (finds(HERE), finds()),
        (finds(), finds(HERE)),
        (finds(HERE), finds(FAR)),
        (finds(HERE), finds((85, 85, 145, 145))),
    ],
)
def test_what_begins_or_ends_or_jumps_or_grows_is_in_dispute(before: Finds, after: Finds) -> None:
    assert not agree(before, after, GAP, SURE)


def test_what_is_weak_on_one_side_goes_on_and_what_is_weak_on_both_begins_nothing() -> None:
    assert agree(finds(HERE), finds(THERE, scores=[0.3]), GAP, SURE)
    assert agree(finds(), finds(HERE, scores=[0.3]), GAP, SURE)


def test_the_cameras_own_motion_is_no_jump() -> None:
    assert agree(finds(HERE), finds(FAR), GAP, SURE, camera=np.array([[1, 0, 300], [0, 1, 0]], float))


def test_where_a_face_begins_is_found_by_halves_at_its_place_alone() -> None:
    seen = [finds(FAR)] * 3 + [finds(FAR, HERE)] * 6  # HERE comes with frame 3, FAR is there all the time
    here = [list(map(float, HERE))]
    # of frame 2 it is asked after frame 4, and of frame 3 after frame 2; frames 5 to 7 hold nothing new
    assert asked(seen, [0, 8]) == [(4, here), (2, here), (3, here)]


def test_what_is_not_in_dispute_may_be_missing_from_a_look_at_a_place() -> None:
    seen = [finds(FAR), finds(), finds(), finds(FAR, HERE)]  # only HERE's place is looked at, and it is empty
    assert [at for at, _ in asked(seen, [0, 3])] == [2]


def test_what_is_found_beside_it_is_settled_too() -> None:
    beside = (150, 100, 180, 130)
    seen = [finds(), finds(), finds(HERE, beside), finds(HERE, beside), finds(HERE)]
    # in frame 2 somebody was beside, of whom frame 4 knows nothing: frame 3 is looked at there
    assert asked(seen, [0, 4]) == [
        (2, [list(map(float, HERE))]),
        (1, [list(map(float, HERE)), list(map(float, beside))]),
        (3, [list(map(float, beside))]),
    ]


def test_places_are_where_the_camera_has_taken_them() -> None:
    # the picture moves 10 pixels a frame to the right: who is at 140 in frame 4 was at 120 in frame 2
    ends = [finds((100, 100, 130, 130)), *[finds()] * 4]
    comes = [*[finds()] * 4, finds((140, 100, 170, 130))]
    assert asked(ends, [0, 4], shift_x=10.0)[0] == (2, [[120.0, 100.0, 150.0, 130.0]])
    assert asked(comes, [0, 4], shift_x=10.0)[0] == (2, [[120.0, 100.0, 150.0, 130.0]])


def test_between_neighbours_there_is_nothing_to_look_at() -> None:
    assert asked([finds(HERE), finds()], [0, 1]) == []


def test_stretches_settled_together_are_asked_what_each_is_asked_alone() -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        seen = [finds(*[b for b in (HERE, THERE, FAR) if rng.random() < 0.6]) for _ in range(13)]
        together = asked(seen, [0, 4, 8, 12])
        alone = [one for a in (0, 4, 8) for one in asked(seen, [a, a + 4])]
        assert sorted(together) == sorted(alone)
