from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdmask.tracking.schedule import SURE_AGAIN_S, Schedule
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
