"""The pipeline with fakes: order, counts, any window, and an error half-way."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdmask.engine.pipeline import analyse
from crowdmask.errors import SourceError
from crowdmask.records import Faces, Frame, FrameResult, Verdict
from crowdmask.settings import AnalysisSettings, RuntimeSettings
from tests.factories import FakeClassifier, FakeDetector, face_boxes, make_frame, make_frames

SETTINGS = AnalysisSettings(smallest_face=4.0)


def run(frames: list[Frame], window: int = 3, batch: int = 64) -> list[FrameResult]:
    runtime = RuntimeSettings(window=window, batch=batch)
    return list(analyse(frames, FakeDetector(), FakeClassifier(), SETTINGS, runtime))


def test_nothing_in_nothing_out() -> None:
    assert run([]) == []


@pytest.mark.parametrize("window", [1, 3, 8])
def test_one_result_for_every_frame_in_order(window: int) -> None:
    frames = make_frames(7)
    results = run(frames, window)
    assert [r.frame.index for r in results] == list(range(7))
    assert [len(r.faces) for r in results] == [len(face_boxes(i, (96, 64))) for i in range(7)]
    for i, result in enumerate(results):
        wanted = len(face_boxes(i, (96, 64)))
        assert (result.counts.masked, result.counts.unmasked) == ((wanted + 1) // 2, wanted // 2)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 9), st.integers(1, 5))
def test_no_window_or_batch_changes_a_result(window: int, batch: int) -> None:
    frames = make_frames(6)
    for one, other in zip(run(frames, 1, 64), run(frames, window, batch), strict=True):
        assert np.array_equal(one.unmasked_prob, other.unmasked_prob)
        assert np.array_equal(one.verdicts, other.verdicts)


def test_all_crops_of_a_window_go_to_the_classifier_together() -> None:
    classifier = FakeClassifier()
    list(analyse(make_frames(6), FakeDetector(), classifier, SETTINGS, RuntimeSettings(window=3)))
    assert classifier.calls == [1 + 2 + 3, 1 + 2 + 3]


def test_a_frame_without_faces_has_its_row() -> None:
    class Blind:
        def detect(self, images: object) -> list[Faces]:
            return [Faces.none() for _ in images]  # type: ignore[attr-defined]

    results = list(analyse(make_frames(2), Blind(), FakeClassifier(), SETTINGS, RuntimeSettings()))
    assert [r.counts.faces for r in results] == [0, 0]


def test_small_faces_are_unknown_and_never_asked_about() -> None:
    classifier = FakeClassifier()
    strict = AnalysisSettings(smallest_face=900.0)
    (result,) = analyse([make_frame(2, 0.0)], FakeDetector(), classifier, strict, RuntimeSettings())
    assert classifier.calls == []
    assert np.isnan(result.unmasked_prob).all()
    assert result.verdicts.tolist() == [Verdict.UNKNOWN] * 3


def test_an_error_of_the_source_comes_after_the_frames_before_it() -> None:
    def broken() -> Iterator[Frame]:
        yield from make_frames(5)
        raise SourceError("the cable is cut")

    results = analyse(broken(), FakeDetector(), FakeClassifier(), SETTINGS, RuntimeSettings(window=3))
    seen = []
    with pytest.raises(SourceError, match="cable"):
        for result in results:
            seen.append(result.frame.index)
    assert seen == [0, 1, 2, 3, 4]
