from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdmask.tracking.observations import Finds
from crowdmask.tracking.schedule import SURE_AGAIN_S, Schedule, look_again
from crowdmask.tracking.verdicts import VerdictRules
from tests.unit.tracking.scenes import OUTCOMES, RATE, Face, seen

WALKER = Face(100, 200, dx=2)
SURE = np.array([[0.97, 0.03]], np.float32)
UNSURE = np.array([[0.5, 0.5]], np.float32)


def schedule() -> Schedule:
    return Schedule(VerdictRules(OUTCOMES), sure_score=0.6)


def ask(one: Schedule, faces: list[Face], frames: range, answer: np.ndarray, every: int = 1) -> list[int]:
    """In which frames the first face is judged, answers at once."""
    judged = []
    for k in frames:
        if k % every:
            continue
        finds, _ = seen(faces, k)
        due = one.due(k / RATE, finds)
        assert due.shape == (len(finds),)
        if len(due) and due[0]:
            judged.append(k)
        one.answered(np.where(due[:, None], answer, np.nan))
    return judged


def test_a_new_face_is_judged_until_it_is_sure_and_then_seldom() -> None:
    judged = ask(schedule(), [WALKER], range(250), SURE)
    assert judged[0] == 0
    early, late = [k for k in judged if k < 50], [k for k in judged if k >= 50]
    assert len(early) >= 5
    assert (np.diff(late) == SURE_AGAIN_S * RATE).all() and len(late) <= 9


def test_an_unsure_face_is_asked_about_again_and_again_but_not_in_every_frame() -> None:
    judged = ask(schedule(), [WALKER], range(250), UNSURE)
    assert 250 / 4 < len(judged) < 250 / 2


def test_a_face_that_grows_is_judged_at_once() -> None:
    one = schedule()
    near = Face(100, 200, size=60)
    ask(one, [Face(100, 200, size=40)], range(100), SURE)
    last = 100
    judged = ask(one, [near], range(last, 104), SURE)
    assert judged and judged[0] == 100


def test_a_face_that_was_turned_away_is_judged_when_it_is_back() -> None:
    one = schedule()
    turned = Face(100, 200, score=lambda k: 0.35 if 70 <= k < 110 else 0.95)
    judged = ask(one, [turned], range(115), SURE)
    assert any(110 <= k <= 112 for k in judged)


def test_weak_finds_that_belong_to_nobody_are_not_judged() -> None:
    finds, _ = seen([Face(300, 300, score=0.4)], 0)
    assert not schedule().due(0.0, finds).any()


def test_answers_that_are_too_late_are_asked_for() -> None:
    one = schedule()
    finds, _ = seen([WALKER], 0)
    for k in range(Schedule.LAG):
        one.due(k / RATE, finds)
    with pytest.raises(ValueError, match="answers"):
        one.due(1.0, finds)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, Schedule.LAG), min_size=1, max_size=30), st.integers(0, 3))
def test_how_many_looks_are_judged_together_changes_nothing(windows: list[int], seed: int) -> None:
    answers = np.random.default_rng(seed).random((200, 1))
    faces = [WALKER, Face(400, 100, dx=-2, first=10, last=60)]

    def run(sizes: list[int]) -> list[list[bool]]:
        one, asked, k = schedule(), [], 0
        while k < 40:
            count = sizes[len(asked) % len(sizes)]
            pending = []
            for _ in range(count):
                finds, _ = seen(faces, k)
                due = one.due(k / RATE, finds)
                asked.append(due.tolist())
                p = np.repeat(answers[k], len(due))
                pending.append(np.where(due[:, None], np.stack([1 - p, p], axis=1), np.nan))
                k += 1
            for answer in pending:
                one.answered(answer)
        return asked[:40]

    assert run(windows) == run([1])


def test_a_restart_forgets_everything() -> None:
    one = schedule()
    fresh = ask(one, [WALKER], range(60), SURE)
    one.restart()
    assert ask(one, [WALKER], range(60), SURE) == fresh


def finds(*boxes: tuple[float, float, float, float], scores: list[float] | None = None) -> Finds:
    return Finds(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores or [0.9] * len(boxes), np.float32))


HERE, THERE, FAR = (100, 100, 130, 130), (112, 100, 142, 130), (400, 100, 430, 130)
TIMES = [0.0, 0.04, 0.08, 0.12, 0.16]


def test_what_moves_on_is_filled_in() -> None:
    assert look_again(finds(HERE), finds(THERE), TIMES, 0.6) == []
    assert look_again(finds(), finds(), TIMES, 0.6) == []


def test_where_something_begins_or_ends_or_jumps_the_middle_is_looked_at() -> None:
    assert look_again(finds(HERE), finds(), TIMES, 0.6) == [2]
    assert look_again(finds(), finds(HERE), TIMES, 0.6) == [2]
    assert look_again(finds(HERE), finds(FAR), TIMES, 0.6) == [2]
    assert look_again(finds(HERE), finds((85, 85, 145, 145)), TIMES, 0.6) == [2]


def test_between_neighbours_there_is_nothing_to_look_at() -> None:
    assert look_again(finds(HERE), finds(), [0.0, 0.04], 0.6) == []


def test_what_is_weak_on_one_side_goes_on_and_what_is_weak_on_both_begins_nothing() -> None:
    assert look_again(finds(HERE), finds(THERE, scores=[0.3]), TIMES, 0.6) == []
    assert look_again(finds(), finds(HERE, scores=[0.3]), TIMES, 0.6) == []


def test_the_cameras_own_motion_is_no_jump() -> None:
    pan = np.array([[1, 0, 300], [0, 1, 0]], float)
    assert look_again(finds(HERE), finds(FAR), TIMES, 0.6, camera=pan) == []
