from __future__ import annotations

import numpy as np
import pytest

from crowdmask.geometry import iou
from crowdmask.records import Verdict
from crowdmask.settings import FollowSettings
from crowdmask.tracking.appearances import Appearance, FollowedFrame
from crowdmask.tracking.following import Follower
from crowdmask.tracking.observations import NO_FACE, Finds
from crowdmask.tracking.verdicts import VerdictRules
from tests.unit.tracking.scenes import RATE, SIZE_WH, Face, follow, follower, follower_of_four, seen

LEFT_TO_RIGHT = Face(100, 200, dx=3)
ABOVE = Face(100, 80, dx=2)


def numbers(frames: list[FollowedFrame]) -> list[list[int]]:
    return [f.persons.tolist() for f in frames]


def test_every_frame_comes_back_once_and_in_order() -> None:
    frames, _, _ = follow([LEFT_TO_RIGHT], 120)
    assert [f.index for f in frames] == list(range(120))


def test_two_people_are_two_appearances_from_their_first_frame_to_their_last() -> None:
    frames, people, _ = follow([Face(100, 200, dx=3, last=99), Face(100, 80, dx=2, first=20, last=79)], 150)
    assert [(p.first_frame, p.last_frame, p.observations) for p in sorted(people, key=lambda p: p.person)] == [
        (0, 99, 100),
        (20, 79, 60),
    ]
    assert numbers(frames)[50] == [1, 2] and numbers(frames)[120] == []


def test_times_are_the_streams_own() -> None:
    _, (person,), _ = follow([Face(100, 200, first=10, last=49)], 100, rate=10)
    assert person.first_s == pytest.approx(1.0) and person.last_s == pytest.approx(4.9)
    assert person.seen_s == pytest.approx(3.9)


@pytest.mark.parametrize("looks", [(True, True, True), (True, False, True)])
def test_frames_of_one_time_have_their_boxes(looks: tuple[bool, ...]) -> None:
    """Some streams stamp two or three frames alike."""
    one, done = follower(), []
    for k in range(30):
        finds, answers = seen([Face(100, 200)], k)
        looked = looks[k % 3]
        done += one.frame(k, k // 3 / RATE, finds if looked else None, answers if looked else None)
    done += one.finish()
    assert [len(frame.persons) for frame in done] == [1] * 30
    for k, frame in enumerate(done):
        assert np.isfinite(frame.boxes_xyxy).all()
        assert iou(frame.boxes_xyxy, seen([Face(100, 200)], k)[0].boxes_xyxy)[0, 0] > 0.8, k


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_flash_is_not_shown_and_not_counted_but_reported(length: int) -> None:
    frames, people, one = follow([LEFT_TO_RIGHT, Face(500, 400, first=20, last=19 + length)], 100)
    assert len(people) == 1 and one.flashes == 1
    assert all(f.persons.tolist() == [1] for f in frames)


def test_four_frames_are_enough() -> None:
    _, people, one = follow([Face(500, 400, first=20, last=23)], 100)
    assert len(people) == 1 and people[0].frames == 4 and one.flashes == 0


def test_people_who_cross_keep_their_numbers() -> None:
    going, coming = Face(100, 200, dx=4), Face(500, 212, dx=-4)
    frames, people, _ = follow([going, coming], 100)
    assert len(people) == 2
    for frame in (frames[0], frames[99]):
        box = going.at(frame.index)
        mine = int(iou(np.array([box], np.float32), frame.boxes_xyxy)[0].argmax())
        assert frame.persons[mine] == 1


def test_a_face_hidden_for_less_than_a_second_is_filled_in_and_marked() -> None:
    face = Face(100, 200, dx=3, hidden=frozenset(range(40, 58)))
    frames, (person,), _ = follow([face], 120)
    assert all(f.persons.tolist() == [1] for f in frames)
    for frame in frames[40:58]:
        assert not frame.observed[0] and frame.finds[0] == -1
        true = np.array([Face(100, 200, dx=3).at(frame.index)], np.float32)
        assert iou(true, frame.boxes_xyxy)[0, 0] > 0.85
    assert person.observations == 120 - 18 and person.frames == 120


def test_a_longer_gap_is_left_open_but_the_person_stays_the_same() -> None:
    face = Face(100, 200, dx=1, hidden=frozenset(range(60, 100)))  # 1.6 seconds
    frames, (person,), _ = follow([face], 160)
    assert numbers(frames)[80] == [] and numbers(frames)[120] == [1]
    assert person.seen_s == pytest.approx((159 - 40 - 1) / RATE, abs=0.05)


def test_whoever_leaves_the_picture_and_comes_back_is_a_new_appearance() -> None:
    out, back = Face(560, 200, dx=3, last=26), Face(638, 200, dx=-3, first=60)
    _, people, _ = follow([out, back], 120)
    assert len(people) == 2


def test_weak_finds_go_on_with_a_face_and_begin_none() -> None:
    fading = Face(100, 200, dx=2, score=lambda k: 0.3 if 30 <= k < 60 else 0.9)
    never_sure = Face(400, 400, score=0.5)
    frames, people, _ = follow([fading, never_sure], 100)
    assert len(people) == 1 and people[0].observations == 100
    assert all(f.observed.tolist() == [True] for f in frames)


def test_what_a_flash_began_is_not_kept_up_by_weak_finds() -> None:
    lamp = Face(400, 400, score=lambda k: 0.7 if k % 50 == 0 else 0.35)
    _, people, one = follow([lamp], 200)
    assert not people and one.flashes > 0


def test_boxes_sit_still() -> None:
    rng = np.random.default_rng(1)
    one = follower()
    frames = []
    for k in range(200):
        box = np.array([[300, 200, 340, 240]], np.float32) + rng.normal(0, 1.6, (1, 4)).astype(np.float32)
        frames += one.frame(k, k / RATE, Finds(box, np.array([0.9], np.float32)))
    frames += one.finish()
    centres = np.array([(f.boxes_xyxy[0, :2] + f.boxes_xyxy[0, 2:]) / 2 for f in frames[20:-20]])
    steps = np.abs(np.diff(centres, axis=0)).mean()
    assert steps < 0.25  # raw ones tremble by 1.3 pixels from frame to frame


def test_a_second_find_on_the_same_face_is_nobody_else() -> None:
    """Hair and chin found as a face of their own, now and then surely, beside the find of the whole face."""
    face = Face(300, 200, dx=1, size=60, score=0.95)
    hair = Face(300, 170, dx=1, size=50, score=lambda k: 0.75 if k % 3 == 0 else 0.4)
    frames, people, _ = follow([face, hair], 100)
    assert len(people) == 1 and all(len(f) == 1 for f in frames)
    assert people[0].median_size == pytest.approx(60, rel=0.05)


def test_two_faces_close_together_are_two() -> None:
    behind = Face(338, 185, dx=1, size=44, score=0.7)
    _, people, _ = follow([Face(300, 200, dx=1, size=60, score=0.95), behind], 100)
    assert len(people) == 2


def test_without_look_ahead_each_frame_comes_at_once() -> None:
    one = follower(look_ahead_s=0.0)
    for k in range(60):
        finds, _ = seen([LEFT_TO_RIGHT], k)
        (frame,) = one.frame(k, k / RATE, finds)
        assert frame.index == k and frame.persons.tolist() == ([1] if k >= 3 else [])
    assert one.finish() == []


def test_live_a_face_is_shown_on_for_a_moment_where_it_was_heading() -> None:
    one = follower(look_ahead_s=0.0)
    for k in range(50):
        finds, _ = seen([LEFT_TO_RIGHT], k)
        one.frame(k, k / RATE, finds)
    (frame,) = one.frame(54, 54 / RATE, Finds.none())
    true = np.array([LEFT_TO_RIGHT.at(54)], np.float32)
    assert frame.persons.tolist() == [1] and not frame.observed[0]
    assert iou(true, frame.boxes_xyxy)[0, 0] > 0.8
    (frame,) = one.frame(60, 60 / RATE, Finds.none())
    assert len(frame) == 0


def test_only_some_frames_looked_at_and_each_has_its_row() -> None:
    frames, people, _ = follow([LEFT_TO_RIGHT, ABOVE], 121, every=4)
    assert len(people) == 2 and all(len(f) == 2 for f in frames)
    assert frames[8].observed.all() and not frames[9].observed.any()
    for frame in frames:
        true = np.array([LEFT_TO_RIGHT.at(frame.index), ABOVE.at(frame.index)], np.float32)
        assert (iou(true, frame.boxes_xyxy).max(axis=1) > 0.8).all()


def test_a_pan_of_the_camera_is_taken_off() -> None:
    one = follower()
    frames = []
    for k in range(100):
        pan = 0 if k < 40 else 14.0  # pixels a frame, nearly half a face
        shift = max(0, k - 39) * 14.0 % 200
        before = max(0, k - 40) * 14.0 % 200
        boxes = np.array([[300, 200, 330, 230], [350, 205, 380, 235]], np.float32)
        boxes[:, [0, 2]] -= shift
        camera = np.array([[1, 0, before - shift], [0, 1, 0]]) if pan else None
        hidden = 60 <= k < 70
        finds = Finds.none() if hidden else Finds(boxes, np.full(2, 0.9, np.float32))
        frames += one.frame(k, k / RATE, finds, camera=camera)
    frames += one.finish()
    assert len(one.take_appearances()) == 2
    assert all(len(f) == 2 for f in frames)
    first = [f.boxes_xyxy[f.persons == 1][0, 0] for f in frames]
    others = [f.boxes_xyxy[f.persons == 2][0, 0] for f in frames]
    assert np.allclose(np.subtract(others, first), 50, atol=1)


def test_the_verdict_is_steady_and_of_the_person() -> None:
    flickering = Face(100, 200, dx=2, unmasked=lambda k: 0.9 if k % 7 == 0 else 0.1)
    frames, (person,), _ = follow([flickering], 120)
    assert {int(v) for f in frames for v in f.verdicts} == {Verdict.MASKED}
    assert person.verdict == Verdict.MASKED and len(person.stretches) == 1


def test_taking_the_mask_off_begins_a_stretch_at_its_time() -> None:
    face = Face(100, 200, dx=1, unmasked=lambda k: 0.05 if k < 100 else 0.97)
    frames, (person,), _ = follow([face], 250)
    assert [s.verdict for s in person.stretches] == [Verdict.MASKED, Verdict.UNMASKED]
    assert person.stretches[1].first_s == pytest.approx(100 / RATE, abs=0.3)
    assert person.verdict == Verdict.UNMASKED  # for 150 frames of 250
    assert frames[90].verdicts[0] == Verdict.MASKED and frames[120].verdicts[0] == Verdict.UNMASKED


def test_a_face_that_was_not_visible_votes_for_nothing() -> None:
    """What some public counters do: a box that coasts is cropped and judged, and what hid the face votes."""
    hidden = frozenset(range(50, 70))
    wall = Face(100, 200, dx=1, unmasked=lambda k: 0.99 if k in hidden else 0.05)
    _, (through,), _ = follow([wall], 120)
    _, (behind,), _ = follow([Face(100, 200, dx=1, unmasked=wall.unmasked, hidden=hidden)], 120)
    assert behind.judged == 100 and through.judged == 120
    assert behind.probability[1] < 0.01 and len(behind.stretches) == 1


def test_coasting_does_not_vote_again() -> None:
    """The last answer before a face is lost counts once, not once for every frame until it is given up."""
    short = Face(100, 200, last=29, unmasked=0.7)
    one, other = follow([short], 31)[1][0], follow([short], 200)[1][0]
    assert one.judged == other.judged == 30
    assert np.array_equal(one.probability, other.probability)


def test_a_face_not_judged_is_unknown_but_counted() -> None:
    _, (person,), _ = follow([Face(100, 200, unmasked=float("nan"))], 60)
    assert person.verdict == Verdict.UNKNOWN and person.judged == 0 and np.isnan(person.probability).all()


def test_what_is_steadily_no_face_is_nobody() -> None:
    one, _ = follower_of_four()
    for k in range(60):
        finds, _ = seen([LEFT_TO_RIGHT], k)
        one.frame(k, k / RATE, finds, np.array([[0.02, 0.03, 0.05, 0.9]]))
    one.finish()
    assert one.take_appearances() == [] and one.flashes == 1


@pytest.mark.parametrize(("no_face", "people"), [(0.7, 1), (0.9, 0)])
def test_a_face_that_both_networks_together_doubt_is_unknown_and_counted(no_face: float, people: int) -> None:
    """As when each frame is judged by itself; only answers beyond `no_face_from` leave it out."""
    rules = VerdictRules((Verdict.MASKED, Verdict.UNMASKED, NO_FACE), no_face_from=0.8)
    one = Follower(FollowSettings(), SIZE_WH, rules, sure_score=0.6, judge_score=0.8)
    answer, sureness = np.array([[0.9 * (1 - no_face), 0.1 * (1 - no_face), no_face]]), np.array([0.75])
    for k in range(60):
        finds, _ = seen([LEFT_TO_RIGHT], k)
        assert finds.scores[0] >= 0.8
        one.frame(k, k / RATE, finds, answer, sureness=sureness)
    one.finish()
    assert [(one.verdict, one.judged) for one in one.take_appearances()] == [(Verdict.UNKNOWN, 0)] * people


def test_the_best_frame_is_the_largest_sharp_one() -> None:
    one = follower()
    for k in range(80):
        half = 10 + k / 4
        box = np.array([[320 - half, 200 - half, 320 + half, 200 + half]], np.float32)
        sharp = np.array([0.05 if k > 60 else 0.9])
        one.frame(k, k / RATE, Finds(box, np.array([0.9], np.float32)), np.array([[0.9, 0.1]]), sharpness=sharp)
    one.finish()
    (person,) = one.take_appearances()
    assert person.best_frame == 60
    assert person.median_size == pytest.approx(2 * (10 + 39.5 / 4), rel=0.03)


def test_an_empty_stream_and_one_frame() -> None:
    one = follower()
    assert one.finish() == [] and one.take_appearances() == []
    frames, people, _ = follow([LEFT_TO_RIGHT], 1)
    assert len(frames) == 1 and len(frames[0]) == 0 and not people


def test_a_stream_of_hours_does_not_grow() -> None:
    one = follower()
    sizes = []
    people: list[Appearance] = []
    for k in range(1_200):
        finds, answers = seen([Face(20 + (k % 200) * 3, 100 + 40 * (k // 200 % 8)), Face(300, 60)], k)
        one.frame(k, k / 5, finds, answers)
        people += one.take_appearances()
        if k in (600, 1_199):
            sizes.append(retained(one))
    assert sizes[1] < 1.5 * sizes[0]
    assert len(people) >= 4


def retained(one: object) -> int:
    """Bytes that a follower keeps."""
    import pickle

    return len(pickle.dumps(one))


def test_mistakes_of_the_caller_are_refused() -> None:
    with pytest.raises(ValueError, match="scores"):
        Finds(np.zeros((2, 4), np.float32), np.zeros(3, np.float32))
    assert SIZE_WH == (640, 480)


def test_a_face_found_twice_for_a_while_is_one_person() -> None:
    """A bowed head is found as a face and, surer, as a larger one with its hair, which begins nothing beside it."""
    bowed = Face(300, 200, size=30, score=lambda k: 0.65 if 20 <= k < 32 else 0.9)
    hair = Face(302, 178, size=42, first=20, last=31, score=0.8)
    frames, people, one = follow([bowed, hair], 60)
    assert [p.person for p in people] == [1] and all(len(frame) == 1 for frame in frames)
    assert one.flashes == 0
    beside = Face(345, 200, size=42, first=20, last=31, score=0.8)  # whoever stands beside is somebody
    assert len(follow([bowed, beside], 60)[1]) == 2


def test_who_comes_out_from_behind_somebody_is_somebody_from_then_on() -> None:
    front = Face(300, 200, size=40)
    behind = Face(300, 185, dx=1.5, size=36, first=10)  # mostly covered at first
    _, people, _ = follow([front, behind], 80)
    assert len(people) == 2 and max(p.last_frame for p in people) == 79


@pytest.mark.parametrize("every", [1, 5])
def test_who_is_behind_somebody_is_marked_as_long_as_nobody_finds_the_face(every: int) -> None:
    """Two pass each other; the far one is not found while they overlap. Between two looks nobody is behind anybody."""
    near = Face(200, 200, dx=2, size=40)
    far = Face(360, 200, dx=-2, size=34, hidden=frozenset(range(34, 46)))
    frames, people, _ = follow([near, far], 80, every=every)
    assert len(people) == 2
    marked = {f.index: f.persons[f.behind].tolist() for f in frames if f.behind.any()}
    missed = [i for i in range(34, 46) if i % every == 0]  # looked for in vain
    assert set(missed) <= set(marked) <= set(range(missed[0] - every, missed[-1] + every + 1))
    hidden = {f.index: f for f in frames}[40]
    assert all(marked[i] == [hidden.persons[~hidden.observed][0] if every == 1 else hidden.persons[1]] for i in missed)
    assert all(not (f.behind & f.observed).any() for f in frames)
    apart = Face(360, 330, dx=-2, size=34, hidden=frozenset(range(34, 46)))  # lost with nobody before it
    assert not any(f.behind.any() for f in follow([near, apart], 80, every=every)[0])


@pytest.mark.parametrize("every", [1, 4])
def test_a_head_found_for_a_while_together_with_hair_before_it_stays_the_same_person(every: int) -> None:
    """In one look both ways, the larger surer; then the other way only, for so long that another could begin there."""
    head = Face(300, 200, dx=-2, size=36, score=0.75, hidden=frozenset(range(25, 36)))
    with_hair = Face(258, 208, dx=-2, size=48, score=0.85, first=24, last=35)
    frames, people, one = follow([head, with_hair], 80, every=every)
    assert [p.person for p in people] == [1] and all(len(frame) == 1 for frame in frames)
    assert people[0].last_frame == 79 and one.flashes == 0


def test_what_flashed_where_a_face_is_found_twice_later_does_not_become_somebody() -> None:
    head = Face(300, 200, dx=-2, size=36, score=0.75)
    lamp = Face(222, 190, size=36, first=12, last=12, score=0.8)
    twice = Face(228, 194, size=38, score=lambda k: 0.85 if k == 36 else 0.45, first=36, last=56)  # then a fold stays
    frames, people, one = follow([head, lamp, twice], 80, every=4)
    assert [p.person for p in people] == [1] and all(len(frame) == 1 for frame in frames)
    assert one.flashes == 1  # the lamp
