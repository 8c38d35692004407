from __future__ import annotations

import numpy as np
import pytest

from crowdmask.tracking.observations import NO_FACE
from crowdmask.tracking.verdicts import UNDECIDED, Evidence, VerdictRules, vote_weights
from crowdmask.verdicts import Verdict

MASKED, UNMASKED = 0, 1
ROW = np.array([0])


def vote(rules: VerdictRules, evidence: Evidence, seconds: float, *probability: float, weight: float = 1.0) -> None:
    rules.vote(evidence, ROW, seconds, np.array([probability]), np.array([weight]))


def run(answers: list[tuple[float, float]], weight: float = 1.0, **settings: object) -> Evidence:
    """(seconds, unmasked probability) in order."""
    rules = VerdictRules((0, 1), against=(1,), **settings)  # type: ignore[arg-type]
    evidence = Evidence.none(1, 2)
    for seconds, p in answers:
        vote(rules, evidence, seconds, 1 - p, p, weight=weight)
    return evidence


FIRST = 1 - np.exp(-0.15 / 0.4)


def test_a_vote_is_the_log_odds_of_its_probability_the_first_one_damped() -> None:
    evidence = run([(0.0, 0.8)])
    assert evidence.level[0] == pytest.approx([FIRST * np.log(0.2 / 0.8), 0.0])
    odds = 4**FIRST
    assert VerdictRules((0, 1)).probability(evidence)[0] == pytest.approx([1 / (1 + odds), odds / (1 + odds)])


def test_a_vote_at_once_after_another_counts_nothing_and_one_much_later_fully() -> None:
    once = np.log(3 / 7)
    assert run([(0.0, 0.7), (0.0, 0.7)]).level[0, 0] == pytest.approx(FIRST * once)
    assert run([(0.0, 0.7), (100.0, 0.7)]).level[0, 0] == pytest.approx((FIRST + 1) * once)
    halfway = 1 - np.exp(-0.2 / 0.4)
    assert run([(0.0, 0.7), (0.2, 0.7)]).level[0, 0] == pytest.approx((FIRST + halfway) * once)


def test_a_first_wrong_answer_is_not_shown() -> None:
    answers = [(k / 25, 0.9 if k == 0 else 0.1) for k in range(10)]
    assert [int(run(answers[:n]).current[0]) for n in range(1, 11)].count(UNMASKED) == 0


def test_the_rate_of_frames_does_not_change_what_a_second_proves() -> None:
    at_50 = run([(k / 50, 0.7) for k in range(51)]).level[0, 0]
    at_10 = run([(k / 10, 0.7) for k in range(11)]).level[0, 0]
    assert at_50 == pytest.approx(at_10, rel=0.12)


def test_unknown_until_there_is_enough() -> None:
    assert run([(0.0, 0.99)]).current[0] == UNDECIDED
    assert run([(0.0, 0.99), (0.2, 0.99)]).current[0] == UNMASKED
    assert run([(0.0, 0.99), (0.2, 0.99)], weight=0.5).current[0] == UNDECIDED
    assert run([(k / 25, 0.99) for k in range(40)], weight=0.2).current[0] == UNMASKED


def test_unknown_while_the_answers_are() -> None:
    assert run([(k / 5, 0.5) for k in range(20)]).current[0] == UNDECIDED


def test_the_threshold_is_where_evidence_turns() -> None:
    at = [(k / 5, 0.7) for k in range(20)]
    assert run(at).current[0] == UNMASKED
    assert run(at, threshold=0.7).current[0] == UNDECIDED
    assert run(at, threshold=0.8).current[0] == MASKED


def test_a_moment_of_contradiction_changes_nothing() -> None:
    answers = [(k / 25, 0.98 if 60 <= k < 70 else 0.03) for k in range(150)]  # 0.4 seconds
    evidence = run(answers)
    assert evidence.current[0] == MASKED and evidence.former[0] == UNDECIDED


def test_a_lasting_contradiction_begins_a_new_stretch_when_it_began() -> None:
    evidence = run([(k / 25, 0.98 if k >= 60 else 0.03) for k in range(150)])
    assert evidence.current[0] == UNMASKED and evidence.former[0] == MASKED
    assert evidence.since_s[0] == pytest.approx(60 / 25, abs=0.3)


def test_many_minutes_of_one_verdict_does_not_delay_the_change() -> None:
    def changed_at(before: int) -> float:
        rules, evidence = VerdictRules((0, 1)), Evidence.none(1, 2)
        for k in range(before):
            vote(rules, evidence, k / 5, 0.97, 0.03)
        k = before
        while evidence.current[0] == MASKED:
            vote(rules, evidence, k / 5, 0.03, 0.97)
            k += 1
        return (k - before) / 5

    assert changed_at(3600) == pytest.approx(changed_at(50), abs=0.21)  # one answer, by the rounding of times
    assert changed_at(50) < 3.0


def test_flickering_answers_do_not_flicker() -> None:
    rng = np.random.default_rng(0)
    rules, evidence = VerdictRules((0, 1)), Evidence.none(1, 2)
    verdicts = []
    for k in range(1000):
        p = float(np.clip(0.25 + 0.3 * rng.normal(), 0.01, 0.99))  # one raw answer in five is wrong
        vote(rules, evidence, k / 25, 1 - p, p)
        verdicts.append(int(evidence.current[0]))
    assert np.count_nonzero(np.diff(verdicts)) <= 1 and verdicts[-1] == MASKED


def test_doubts_that_leave_a_single_find_a_face_leave_a_person_one() -> None:
    """Fifty slim doubts of neighbouring pictures are no proof: at 0.8 they begin to speak for no face."""
    for doubt, nobody in ((0.55, False), (0.79, False), (0.81, True)):
        rules, evidence = VerdictRules((0, 1, NO_FACE), no_face_from=0.8), Evidence.none(1, 3)
        for k in range(50):
            vote(rules, evidence, k / 10, 0.0, 1.0 - doubt, doubt)
        assert bool(rules.are_no_face(evidence, np.array([0]))[0]) is nobody


def test_four_outcomes_of_which_two_count_together() -> None:
    rules = VerdictRules((0, 1, 3, -1), counts_as=(0, 1, 1, 3))
    evidence = Evidence.none(1, 4)
    for k in range(10):
        vote(rules, evidence, k / 5, 0.40, 0.28, 0.31, 0.01)  # 0.59 against 0.40, though masked is the best of the four
    assert evidence.current[0] == 2
    apart = VerdictRules((0, 1, 3, -1))
    evidence = Evidence.none(1, 4)
    for k in range(3):
        vote(apart, evidence, k / 5, 0.40, 0.28, 0.31, 0.01)
    assert evidence.current[0] == UNDECIDED


def test_small_blurred_and_doubtful_finds_count_less() -> None:
    sizes, scores, sharp = np.array([64.0, 16, 64, 64]), np.array([0.95, 0.95, 0.4, 0.95]), np.array([1.0, 1, 1, 0])
    full, small, doubtful, blurred = vote_weights(sizes, scores, sharp, 0.6)
    assert full == pytest.approx(1.0) and small == pytest.approx(0.5) and blurred == pytest.approx(0.3)
    assert 0 < doubtful < 0.5
    assert vote_weights(sizes, scores, None, 0.6)[3] == full


def test_votes_of_one_face_do_not_touch_another() -> None:
    rules, evidence = VerdictRules((0, 1)), Evidence.none(3, 2)
    rules.vote(evidence, np.array([1]), 0.0, np.array([[0.1, 0.9]]), np.ones(1))
    assert evidence.votes.tolist() == [0, 1, 0] and np.isnan(rules.probability(evidence)[[0, 2]]).all()


def test_doubt_of_unsure_finds_counts_by_time_and_weighs_against_faces() -> None:
    rules = VerdictRules((Verdict.MASKED, Verdict.UNMASKED, NO_FACE))
    evidence, row = Evidence.none(2, 3), np.array([0])
    assert not rules.are_no_face(evidence, np.array([0, 1])).any()
    rules.doubt(evidence, row, 0.0, np.array([0.9]))
    first = (1 - np.exp(-0.15 / 0.4)) * np.log(0.9 / 0.1)
    assert evidence.doubt.tolist() == pytest.approx([first, 0.0])
    rules.doubt(evidence, row, 0.04, np.array([0.9]))  # nearly the same picture says nearly nothing more
    assert evidence.doubt[0] == pytest.approx(first + (1 - np.exp(-0.1)) * np.log(9))
    assert rules.are_no_face(evidence, np.array([0, 1])).tolist() == [True, False]
    assert evidence.votes[0] == 0 and evidence.current[0] == -1  # no verdict came of it
    for k in range(1, 4):  # sure finds that show a mask outweigh it
        rules.vote(evidence, row, 0.4 * k, np.array([[0.97, 0.02, 0.01]]), np.ones(1))
    assert not rules.are_no_face(evidence, row).any()
    for k in range(40):
        rules.doubt(evidence, row, 2.0 + k, np.array([0.0]))
    assert evidence.doubt[0] == -5.0  # held within limits
