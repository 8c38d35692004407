"""What holds for every stream: hypothesis makes the people, their ways, the gaps and the false finds."""

from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdmask.tracking.appearances import Appearance, FollowedFrame
from crowdmask.tracking.following import Follower
from tests.unit.tracking.scenes import RATE, Face, follow, follower, seen

FRAMES = 45


@st.composite
def faces(draw: st.DrawFn) -> list[Face]:
    """People whose ways may cross, and flashes; none begins in the place of another."""
    out = []
    for row in range(draw(st.integers(0, 5))):
        first = draw(st.integers(0, 30))
        hidden = draw(st.sets(st.integers(first, FRAMES), max_size=12))
        out.append(
            Face(
                x=draw(st.integers(60, 580)) + 0.37 * row,
                y=draw(st.sampled_from((60, 140, 220, 300, 380))) + 0.71 * row,
                dx=draw(st.integers(-6, 6)),
                dy=draw(st.integers(-3, 3)),
                size=draw(st.integers(12, 60)),
                first=first,
                last=first + draw(st.integers(0, 60)),
                hidden=frozenset(hidden),
                score=draw(st.sampled_from((0.4, 0.65, 0.9))),
                unmasked=draw(st.sampled_from((0.03, 0.4, 0.95))),
            )
        )
    return out


def same(a: FollowedFrame, b: FollowedFrame) -> bool:
    names = ("persons", "boxes_xyxy", "observed", "behind", "finds", "verdicts", "verdict_prob")
    return a.index == b.index and all(
        np.array_equal(getattr(a, n), getattr(b, n), equal_nan=n == "verdict_prob") for n in names
    )


@settings(max_examples=20, deadline=None)
@given(faces(), st.sampled_from((1, 3)), st.sampled_from((0.0, 0.4, 2.0)))
def test_frames_and_people_add_up(some: list[Face], every: int, ahead: float) -> None:
    frames, people, _ = follow(some, FRAMES, every=every, look_ahead_s=ahead)
    assert [f.index for f in frames] == list(range(FRAMES))
    shown: Counter[int] = Counter()
    observed: Counter[int] = Counter()
    for frame in frames:
        assert len(set(frame.persons.tolist())) == len(frame.persons)
        shown.update(frame.persons.tolist())
        observed.update(frame.persons[frame.observed].tolist())
        assert ((frame.finds >= 0) == frame.observed).all()
        assert len(set(frame.finds[frame.observed].tolist())) == np.count_nonzero(frame.observed)
        assert np.isfinite(frame.boxes_xyxy).all()
    assert {p.person: p.frames for p in people} == dict(shown)
    assert {p.person: p.observations for p in people if p.observations} == dict(observed)
    assert sorted(p.person for p in people) == list(range(1, len(people) + 1))
    for person in people:
        check_person(person, frames)


def check_person(person: Appearance, frames: list[FollowedFrame]) -> None:
    mine = [f for f in frames if person.person in f.persons]
    assert (mine[0].index, mine[-1].index) == (person.first_frame, person.last_frame)
    assert person.first_s <= person.best_s <= person.last_s
    assert 0 <= person.seen_s <= person.last_s - person.first_s + 1e-9
    starts = [s.first_s for s in person.stretches]
    assert starts == sorted(starts) and starts[0] == person.first_s
    verdicts = [int(f.verdicts[f.persons == person.person][0]) for f in mine]
    assert [s.verdict for s in person.stretches] == [
        v for k, v in enumerate(verdicts) if k == 0 or v != verdicts[k - 1]
    ]


@settings(max_examples=12, deadline=None)
@given(faces())
def test_a_mirrored_world_gives_mirrored_tracks(some: list[Face]) -> None:
    frames, people, _ = follow(some, FRAMES)
    turned, others, _ = follow([Face(**{**vars(face), "mirror": True}) for face in some], FRAMES)
    assert [p.person for p in people] == [p.person for p in others]
    for a, b in zip(frames, turned, strict=True):
        assert a.persons.tolist() == b.persons.tolist()
        back = b.boxes_xyxy[:, [2, 1, 0, 3]] * np.array([-1, 1, -1, 1]) + np.array([640, 0, 640, 0])
        assert np.allclose(a.boxes_xyxy, back, atol=0.05)


@settings(max_examples=10, deadline=None)
@given(faces(), st.lists(st.integers(1, FRAMES - 1), max_size=4))
def test_any_split_of_the_stream_gives_the_same(some: list[Face], cuts: list[int]) -> None:
    """Between two pieces everything is put away and taken up again, in another process if need be."""
    whole, people, one = follow(some, FRAMES)
    parts: list[FollowedFrame] = []
    ended: list[Appearance] = []
    other: Follower = follower()
    for k in range(FRAMES):
        if k in cuts:
            ended += other.take_appearances()
            other = pickle.loads(pickle.dumps(other))
        finds, answers = seen(some, k)
        parts += other.frame(k, k / RATE, finds, answers)
    parts += other.finish()
    ended += other.take_appearances()
    assert all(same(a, b) for a, b in zip(whole, parts, strict=True))
    assert [p.person for p in ended] == [p.person for p in people] and one.flashes == other.flashes


@settings(max_examples=10, deadline=None)
@given(faces(), st.randoms(use_true_random=False))
def test_the_order_of_the_finds_does_not_matter(some: list[Face], random: object) -> None:
    order = list(some)
    random.shuffle(order)  # type: ignore[attr-defined]
    frames, _, _ = follow(some, FRAMES)
    shuffled, _, _ = follow(order, FRAMES)
    for a, b in zip(frames, shuffled, strict=True):
        assert len(a) == len(b)
        rows_a = sorted(map(tuple, np.round(a.boxes_xyxy, 2).tolist()))
        rows_b = sorted(map(tuple, np.round(b.boxes_xyxy, 2).tolist()))
        assert np.allclose(rows_a, rows_b, atol=0.05)
