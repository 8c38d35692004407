"""Following on the spine, with fakes: people and their counts, gaps, flashes, and that no way of working matters."""

from __future__ import annotations

import pickle
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crowdmask.engine.following import Flashes, Person
from crowdmask.engine.judging import Judge
from crowdmask.engine.spine import analyse, conclude, look, stages_of
from crowdmask.errors import SourceError
from crowdmask.geometry import face_sizes
from crowdmask.records import Faces, Frame, FrameResult, Look, Picture, SourceKind, Stream, whole_of
from crowdmask.results.people import PeopleStats
from crowdmask.settings import AnalysisSettings, RuntimeSettings
from crowdmask.verdicts import Counts, Outcome, Verdict
from tests.factories import FakeClassifier, FakeDetector
from tests.people import LENGTH, PEOPLE, SCENE, SIDE, Walker, frames_of

SETTINGS = AnalysisSettings(smallest_face=4.0)


class Taken:
    """A sink of people."""

    def __init__(self) -> None:
        self.people: list[Person] = []
        self.flashes: list[Flashes] = []

    def write_person(self, person: Person) -> None:
        self.people.append(person)

    def write_flashes(self, flashes: Flashes) -> None:
        self.flashes.append(flashes)


def follow(
    walkers: Sequence[Walker],
    count: int,
    *,
    window: int = 4,
    batch: int = 16,
    stream: Stream | None = None,
    every: int = 1,
    detector: FakeDetector | None = None,
) -> tuple[list[FrameResult], Taken]:
    taken = Taken()
    chosen = replace(SETTINGS, detect_every=every)
    runtime = RuntimeSettings(window=window, batch=batch)
    judge = Judge(detector or FakeDetector(), FakeClassifier(), chosen, runtime)
    results = list(analyse(frames_of(walkers, count, stream=stream), judge, people=[taken]))
    return results, taken


def told(results: Sequence[FrameResult], taken: Taken) -> list[object]:
    """Everything that is said, as plain values."""
    frames = [
        (
            r.frame.index,
            r.faces.boxes.tolist(),
            r.verdicts.tolist(),
            str(r.unmasked_prob.tolist()),
            {name: str(column.tolist()) for name, column in r.columns.items()},
        )
        for r in results
    ]
    return [*frames, *(str(person) for person in taken.people), *taken.flashes]


def test_a_scene_by_hand() -> None:
    results, taken = follow(SCENE, LENGTH)
    assert [r.frame.index for r in results] == list(range(LENGTH))
    found = {person.appearance.person: person.appearance for person in taken.people}
    assert len(found) == len(taken.people) == PEOPLE
    assert [f.count for f in taken.flashes] == [1]
    spans = sorted((a.first_frame, a.last_frame, Verdict(a.verdict)) for a in found.values())
    assert spans == [(0, 79, Verdict.MASKED), (0, 79, Verdict.UNMASKED), (20, 69, Verdict.UNMASKED)]
    assert [len(r.faces) for r in results] == [2 + (20 <= i < 70) for i in range(LENGTH)]


def test_a_face_that_is_lost_for_a_moment_is_filled_in_and_votes_for_nothing() -> None:
    results, taken = follow(SCENE, LENGTH)
    for result in results[40:43]:
        (row,) = np.flatnonzero(~result.columns["observed"].astype(bool))
        x1, y1, x2, y2 = result.faces.boxes[row].tolist()
        assert abs(x1 - 100) + abs(y1 - 100) + abs(x2 - 100 - SIDE) + abs(y2 - 100 - SIDE) < 3
        assert np.isnan(result.faces.scores[row]) and np.isnan(result.unmasked_prob[row])
        assert result.verdicts[row] == Verdict.UNMASKED
    (standing,) = [p.appearance for p in taken.people if p.appearance.observations == LENGTH - 3]
    assert standing.frames == LENGTH
    asked = sum(int(np.isfinite(p)) for r in results for p in r.unmasked_prob)
    assert asked == sum(p.appearance.judged for p in taken.people)


def test_nobody_is_followed_into_another_stream() -> None:
    def mixed() -> object:
        here, there = (frames_of(SCENE, 40, stream=Stream(name)) for name in ("a", "b"))
        for one, other in zip(here, there, strict=True):
            yield one
            yield other

    taken = Taken()
    judge = Judge(FakeDetector(), FakeClassifier(), replace(SETTINGS, detect_every=1), RuntimeSettings(window=3))
    results = list(analyse(mixed(), judge, people=[taken]))  # type: ignore[arg-type]
    _, alone = follow(SCENE, 40, stream=Stream("a"))
    for name in ("a", "b"):
        assert [str(p.appearance) for p in taken.people if p.stream.source == name] == [
            str(p.appearance) for p in alone.people
        ]
        assert [r.frame.index for r in results if r.frame.stream.source == name] == list(range(40))


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize(("window", "batch"), [(1, 1), (3, 2), (7, 64), (100, 5)])
def test_no_window_or_batch_changes_anything(window: int, batch: int, every: int) -> None:
    one = told(*follow(SCENE, LENGTH, window=window, batch=batch, every=every))
    assert one == told(*follow(SCENE, LENGTH, every=every))


def test_a_face_that_is_known_for_sure_is_not_asked_about_in_every_frame() -> None:
    _, taken = follow(SCENE, LENGTH)
    for person in taken.people:
        assert 2 <= person.appearance.judged < person.appearance.observations / 2
        assert max(person.appearance.probability) > 0.9


@pytest.mark.parametrize("every", [2, 3, 5])
def test_the_detector_looks_at_a_part_of_the_frames_and_every_frame_has_its_people(every: int) -> None:
    detector = FakeDetector()
    results, taken = follow(SCENE, LENGTH, every=every, detector=detector)
    assert sum(detector.calls) < LENGTH * (1 / every + 0.4)
    assert [r.frame.index for r in results] == list(range(LENGTH))
    spans = sorted((p.appearance.first_frame, p.appearance.last_frame, p.appearance.verdict) for p in taken.people)
    # where something begins or ends is looked for to the very frame
    assert spans == [(0, 79, Verdict.MASKED), (0, 79, Verdict.UNMASKED), (20, 69, Verdict.UNMASKED)]
    for result in results:
        for box, person in zip(result.faces.boxes, result.columns["person"].tolist(), strict=True):
            verdict = next(p.appearance.verdict for p in taken.people if p.appearance.person == person)
            mine = [w for w in SCENE[:3] if w.masked == (verdict == Verdict.MASKED) and w.first <= result.frame.index]
            assert min(np.abs(box - w.box(result.frame.index)).max() for w in mine) < 2.5


def test_where_frames_are_far_apart_the_detector_looks_at_each() -> None:
    detector = FakeDetector()
    judge = Judge(detector, FakeClassifier(), replace(SETTINGS, detect_every=5), RuntimeSettings())
    list(analyse(frames_of(SCENE, 20, rate=5.0), judge))
    assert sum(detector.calls) == 20


def test_a_source_that_fails_between_two_looks_loses_no_frame() -> None:
    def broken() -> object:
        yield from frames_of(SCENE, 11)
        raise SourceError("the cable is cut")

    judge = Judge(FakeDetector(), FakeClassifier(), replace(SETTINGS, detect_every=4), RuntimeSettings(window=3))
    seen = []
    with pytest.raises(SourceError, match="cable"):
        for result in analyse(broken(), judge):  # type: ignore[arg-type]
            seen.append((result.frame.index, len(result.faces)))
    assert seen == [(i, 2) for i in range(11)]


@pytest.mark.parametrize("cut", [1, 33, 79])
def test_looks_made_in_pieces_are_of_the_same_people(cut: int) -> None:
    frames, found = frames_of(SCENE, LENGTH), []
    for window in (1, 4):
        judge = Judge(FakeDetector(), FakeClassifier(), SETTINGS, RuntimeSettings(window=window))
        looks = [seen.without_picture() for part in (frames[:cut], frames[cut:]) for seen in look(part, judge)]
        concluded = list(conclude(looks, stages_of(SETTINGS)))
        taken = Taken()
        taken.people = [c for c in concluded if isinstance(c, Person)]
        taken.flashes = [c for c in concluded if isinstance(c, Flashes)]
        found.append((told([c for c in concluded if isinstance(c, FrameResult)], taken), taken))
    assert found[0][0] == found[1][0]
    _, whole = follow(SCENE, LENGTH)
    for taken in (found[0][1], whole):
        spans = sorted((p.appearance.first_frame, p.appearance.last_frame, p.appearance.verdict) for p in taken.people)
        assert spans == [(0, 79, Verdict.MASKED), (0, 79, Verdict.UNMASKED), (20, 69, Verdict.UNMASKED)]


def test_live_results_come_at_once_with_their_pictures() -> None:
    stream = Stream("0", SourceKind.STREAM)
    judge = Judge(FakeDetector(), FakeClassifier(), replace(SETTINGS, detect_every=1), RuntimeSettings(window=1))
    given_out = 0
    frames = frames_of(SCENE, 30, stream=stream)

    def coming() -> object:
        for frame in frames:
            assert given_out == frame.index  # all before it were given out before it was asked for
            yield frame

    for result in analyse(coming(), judge):  # type: ignore[arg-type]
        assert result.frame.has_picture
        given_out += 1
    assert given_out == 30


def test_results_that_waited_kept_no_pictures() -> None:
    results, _ = follow(SCENE, LENGTH)
    assert not any(result.frame.has_picture for result in results)


def test_stills_are_never_followed() -> None:
    results, taken = follow(SCENE, 1, stream=Stream("a.jpg", SourceKind.PICTURE))
    assert "person" not in results[0].columns and results[0].frame.has_picture
    assert (taken.people, taken.flashes) == ([], [])


walkers = st.builds(
    Walker,
    first=st.integers(0, 30),
    end=st.integers(10, 60),
    start_xy=st.tuples(st.integers(0, 220), st.integers(0, 120)),
    step_xy=st.tuples(st.floats(-3, 3), st.floats(-2, 2)),
    masked=st.booleans(),
    hidden=st.lists(st.integers(0, 59), max_size=8).map(tuple),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(walkers, max_size=4))
def test_counts_add_up_between_frames_people_and_summary(scene: list[Walker]) -> None:
    results, taken = follow(scene, 60)
    appearances = [person.appearance for person in taken.people]
    assert [r.frame.index for r in results] == list(range(60))
    numbers = [a.person for a in appearances]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    in_frames = Counter(int(n) for r in results for n in r.columns["person"])
    observed = Counter(
        int(n) for r in results for n, o in zip(r.columns["person"], r.columns["observed"], strict=True) if o
    )
    assert in_frames == Counter({a.person: a.frames for a in appearances})
    assert observed == Counter({a.person: a.observations for a in appearances})
    for a in appearances:
        assert 0 <= a.first_s <= a.best_s <= a.last_s and a.seen_s <= a.last_s - a.first_s + 1e-9
        assert [s.first_s for s in a.stretches] == sorted({s.first_s for s in a.stretches})
        assert a.judged <= a.observations <= a.frames
    people = PeopleStats()
    for result in results:
        people.write(result)
        assert len(set(result.columns["person"].tolist())) == len(result.faces)
    for person in taken.people:
        people.write_person(person)
    assert people.appearances == len(appearances) >= people.most_at_once
    assert people.counts == Counts.of((v, sum(a.verdict == v for a in appearances)) for v in Verdict)


class Doubtful(FakeDetector):
    """Never sure enough of a find for a verdict on it to count."""

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        return [Faces(f.boxes, np.full(len(f), 0.7, np.float32), f.landmarks) for f in super().detect(images)]


class Bare(FakeClassifier):
    """Takes whatever is not masked for no face at all."""

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = super().probabilities(crops)
        none = found[:, Outcome.UNMASKED] > 0.5
        found[none] = np.array([0.0, 0.04, 0.0, 0.96], np.float32)
        return found


def test_what_may_be_no_face_votes_for_nothing() -> None:
    results, taken = follow(SCENE, LENGTH, detector=Doubtful())
    assert len(taken.people) == PEOPLE
    assert {person.appearance.verdict for person in taken.people} == {Verdict.UNKNOWN}
    assert {person.appearance.judged for person in taken.people} == {0}
    assert all(np.isnan(result.columns["steady_prob"]).all() for result in results)


@pytest.mark.parametrize("every", [1, 3])
def test_unsure_finds_that_are_no_face_are_nobody(every: int) -> None:
    """Of the three who are there, two are bare: the classifier is asked of each a few times, and then once a second."""
    classifier = Bare()
    judge = Judge(Doubtful(), classifier, replace(SETTINGS, detect_every=every), RuntimeSettings())
    taken = Taken()
    results = list(analyse(frames_of(SCENE, LENGTH), judge, people=[taken]))
    assert [person.appearance.first_frame for person in taken.people] == [0]
    assert all(len(result.faces) <= 1 for result in results)
    assert sum(classifier.calls) <= 4 * (3 + 4)  # of each of the four, who are there for three seconds at most
    assert sum(result.no_faces for result in results) > 0


class AtPlaces(FakeDetector):
    """Can look at places alone: finds what lies whole in a square of five face sizes about each."""

    def __init__(self) -> None:
        super().__init__()
        self.places = 0

    def detect_at(self, pictures: Sequence[Picture], places: Sequence[NDArray[np.float32]]) -> list[Faces]:
        found = []
        for image, boxes in zip(map(whole_of, pictures), places, strict=True):
            self.places += len(boxes)
            centres, reach = (boxes[:, :2] + boxes[:, 2:]) / 2, face_sizes(boxes)[:, None] * 2.5
            faces = self._one(image)
            inside = (faces.boxes[:, None, :2] >= centres - reach).all(axis=2)
            inside &= (faces.boxes[:, None, 2:] <= centres + reach).all(axis=2)
            found.append(faces.take(inside.any(axis=1)))
        return found


@pytest.mark.parametrize(("window", "batch"), [(1, 1), (3, 2), (7, 16), (60, 5)])
def test_between_two_looks_only_places_are_looked_at_and_people_are_the_same(window: int, batch: int) -> None:
    whole, wholly = follow(SCENE, LENGTH, every=3)
    detector = AtPlaces()
    results, taken = follow(SCENE, LENGTH, every=3, window=window, batch=batch, detector=detector)
    due = len({*range(0, LENGTH, 3), LENGTH - 1})
    assert sum(detector.calls) == due and 0 < detector.places < due
    assert [r.counts for r in results] == [r.counts for r in whole]
    assert [p.appearance.first_frame for p in taken.people] == [p.appearance.first_frame for p in wholly.people]
    assert told(results, taken) == told(*follow(SCENE, LENGTH, every=3, detector=AtPlaces()))


class Slow(FakeDetector):
    """Notes which frames each call is for, and how many calls are under way at once."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way = self.most = 0
        self.changed = threading.Condition()

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        with self.changed:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.most == 2, timeout=1.0)  # in each call, until two met
        found = super().detect(images)
        with self.changed:
            self.under_way -= 1
        return found


def test_the_detector_looks_at_the_next_frames_while_those_before_are_settled() -> None:
    detector = Slow()
    one = told(*follow(SCENE, LENGTH, every=3, window=6, detector=detector))
    assert detector.most == 2
    assert one == told(*follow(SCENE, LENGTH, every=3))


@pytest.mark.parametrize("every", [1, 3])
def test_a_live_stream_has_its_looks_at_once(every: int) -> None:
    live = Stream("camera", SourceKind.STREAM)
    detector = FakeDetector()
    judge = Judge(detector, FakeClassifier(), replace(SETTINGS, detect_every=every), RuntimeSettings(window=8))
    given: list[int] = []

    def coming() -> Iterator[Frame]:
        for frame in frames_of(SCENE, LENGTH, stream=live):
            given.append(frame.index)
            yield frame

    looked = []
    for seen in look(coming(), judge):
        assert given[-1] == seen.frame.index  # nothing is waited for
        looked += [seen.frame.index] * seen.looked
    assert len(looked) == sum(detector.calls)
    if every == 1:
        assert looked == list(range(LENGTH))
    else:
        assert np.diff(looked).max() <= 3 and len(looked) < LENGTH * 0.7
        for begins in (0, 20):  # who comes is looked at in every frame until two looks agree
            first = next(i for i in looked if i >= begins)
            assert first <= begins + 2 and first + 1 in looked


@pytest.mark.parametrize("every", [1, 3])
def test_live_finds_the_same_people(every: int) -> None:
    _, taken = follow(SCENE, LENGTH, stream=Stream("camera", SourceKind.STREAM), every=every)
    assert sorted(person.appearance.verdict for person in taken.people) == [
        Verdict.MASKED,
        Verdict.UNMASKED,
        Verdict.UNMASKED,
    ]


def test_what_is_wrong_with_the_detector_is_raised_after_the_looks_before() -> None:
    class Failing(FakeDetector):
        def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
            if sum(self.calls) >= 8:
                raise ValueError("no more")
            return super().detect(images)

    judge = Judge(Failing(), FakeClassifier(), replace(SETTINGS, detect_every=1), RuntimeSettings(window=4))
    seen: list[int] = []
    with pytest.raises(ValueError, match="no more"):
        for one in look(frames_of(SCENE, 20), judge):
            seen.append(one.frame.index)
    assert seen == list(range(8))


def test_leaving_early_ends_the_threads() -> None:
    judge = Judge(FakeDetector(), FakeClassifier(), SETTINGS, RuntimeSettings())
    looks = look(frames_of(SCENE, 40), judge)
    assert next(looks).frame.index == 0
    assert any(thread.name.startswith("crowdmask-look") for thread in threading.enumerate())
    looks.close()  # type: ignore[attr-defined]
    assert not any(thread.name.startswith("crowdmask-look") for thread in threading.enumerate())


def test_a_stream_of_days_does_not_grow(tmp_path: Path) -> None:
    """People come and go through a watched hall; what is remembered does not depend on how many there were."""
    (tmp_path / "zones.toml").write_text(
        '[[zone]]\nname = "hall"\npolygon = [[0, 0], [1, 0], [1, 1], [0, 1]]\n'
        '[[line]]\nname = "door"\nfrom = [0.5, 1]\nto = [0.5, 0]'
    )
    stream = Stream("camera", SourceKind.STREAM)
    chosen = replace(SETTINGS, zones=str(tmp_path / "zones.toml"))
    conclusion, stages = stages_of(chosen)(stream)
    blank = np.broadcast_to(np.uint8(0), (160, 256, 3))
    sizes, people = [], 0
    for k in range(3600):  # four minutes at 15 pictures a second, somebody new every four seconds
        at = k % 60 * 4.0
        boxes = np.array([[at, 60, at + 28, 88]], np.float32)
        faces = Faces(boxes, np.array([0.95], np.float32), np.zeros((1, 5, 2), np.float32))
        answer = np.array([[0.9, 0.1, 0.0, 0.0]], np.float32)
        seen = Look(Frame(k, k / 15, blank, stream=stream), faces, answer, np.ones(1, np.float32))
        for one in conclusion.take(seen):
            people += sum(isinstance(ready, Person) for stage in stages for ready in stage.take(one))
        if k % 300 == 299:
            sizes.append(len(pickle.dumps((conclusion, stages))))
    assert people >= 55 and len(sizes) == 12
    assert max(sizes) < 70_000, sizes  # 512 sightings of 104 bytes, and the few people of now
