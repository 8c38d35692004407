from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.errors import OutputError
from crowdmask.media.orientation import rotate
from crowdmask.media.sources import open_source
from crowdmask.records import FrameResult, SourceKind, VideoInfo
from crowdmask.results import annotated as module
from crowdmask.results.annotated import AnnotatedPicture, AnnotatedVideo
from crowdmask.settings import AnalysisSettings, OutputSettings
from tests.factories import make_frame, make_result, read_index, write_clip

SIZE = (160, 120)
INFO = VideoInfo("a.mp4", SourceKind.VIDEO, *SIZE, Fraction(25), Fraction(1, 12800), 10, 0.4)
PLAIN = OutputSettings(panel=False, preset="ultrafast", crf=10)


def results(count: int) -> list[FrameResult]:
    return [make_result(make_frame(i, i / 25, SIZE), [(60, 40, 100, 80)], [0.9]) for i in range(count)]


def decoded(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def test_every_result_becomes_a_frame_in_order(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with AnnotatedVideo(path, INFO, PLAIN) as sink:
        for result in results(30):
            sink.write(result)
    assert [read_index(image) for image in decoded(path)] == list(range(30))
    assert os.listdir(tmp_path) == ["out.mp4"]


def test_boxes_are_in_the_video(tmp_path: Path) -> None:
    with AnnotatedVideo(tmp_path / "out.mp4", INFO, PLAIN) as sink:
        for result in results(3):
            sink.write(result)
    plain = results(3)[2].frame.image.astype(int)
    drawn = decoded(tmp_path / "out.mp4")[2].astype(int)
    difference = np.abs(drawn - plain).max(axis=2)
    assert difference[36:40, 58:102].mean() > 40
    assert difference[60:95, 5:40].mean() < 12


def test_work_is_done_on_a_thread_of_its_own_and_told_by_stage(tmp_path: Path) -> None:
    stages: list[tuple[str, int]] = []

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        stages.append((name, threading.get_ident()))
        yield

    with AnnotatedVideo(tmp_path / "out.mp4", INFO, PLAIN, stage=stage) as sink:
        for result in results(2):
            sink.write(result)
    assert [name for name, _ in stages] == ["draw", "encode"] * 2
    assert threading.get_ident() not in {thread for _, thread in stages}


def test_an_error_of_the_caller_leaves_no_finished_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="half-way"), AnnotatedVideo(tmp_path / "out.mp4", INFO, PLAIN) as sink:
        sink.write(results(1)[0])
        raise RuntimeError("half-way")
    assert not (tmp_path / "out.mp4").exists()


def test_an_error_of_the_encoding_thread_reaches_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr(module, "plan_drawing", fail)
    with pytest.raises(OutputError, match="full"), AnnotatedVideo(tmp_path / "out.mp4", INFO, PLAIN) as sink:
        for result in results(50):
            sink.write(result)
    assert not (tmp_path / "out.mp4").exists()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="no-such"),
        AnnotatedVideo(tmp_path / "no-such" / "o.mp4", INFO, PLAIN) as sink,
    ):
        sink.write(results(1)[0])


def test_the_rate_runs_over_the_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    real = module.plan_drawing

    def spy(result: FrameResult, totals: object, *args: object, **more: object) -> object:
        seen.append((result.counts.unmasked, totals.unmasked))  # type: ignore[attr-defined]
        return real(result, totals, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "plan_drawing", spy)
    with AnnotatedVideo(tmp_path / "out.mp4", INFO, PLAIN) as sink:
        for result in results(3):
            sink.write(result)
    assert seen == [(1, 1), (1, 2), (1, 3)]


def test_blurred_video_goes_on_hiding_a_face_that_was_lost(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    found = make_result(make_frame(0, 0.0, SIZE), [(60, 40, 100, 80)], [0.1])
    lost = make_result(make_frame(1, 0.04, SIZE))
    frames = [found, lost]
    frames = [
        FrameResult(type(r.frame)(r.frame.index, r.frame.seconds, noise), r.faces, r.unmasked_prob, r.verdicts)
        for r in frames
    ]
    with AnnotatedVideo(tmp_path / "out.mp4", INFO, OutputSettings(blur=True, panel=False, crf=5)) as sink:
        for result in frames:
            sink.write(result)
    second = decoded(tmp_path / "out.mp4")[1].astype(float)
    assert second[45:75, 65:95].std() < 0.5 * second[:30, :30].std()


@pytest.mark.parametrize("rotation", [0, 90])
def test_what_was_not_drawn_upon_is_the_sources_to_the_bit(rotation: int, tmp_path: Path) -> None:
    """The encoder is lossless here: any difference is one that the way from source to encoder made."""
    path = write_clip(tmp_path / "in.mp4", SIZE, 6, rotation=rotation)
    settings = OutputSettings(panel=False, crf=0)
    with open_source(path, AnalysisSettings()) as source:
        upright = (source.info.width, source.info.height)
        with AnnotatedVideo(tmp_path / "out.mp4", source.info, settings) as sink:
            for frame in source:
                boxes = [(60, 40, 100, 80)] if frame.index % 2 else []
                sink.write(make_result(frame, boxes, [0.9] * len(boxes)))
    drawn = np.zeros((upright[1], upright[0]), bool)
    drawn[20:90, 50:126] = True
    drawn = rotate(drawn.astype(np.uint8), -rotation).astype(bool)
    for index, (before, after) in enumerate(zip(luma(Path(path)), luma(tmp_path / "out.mp4"), strict=True)):
        assert (before == after)[~drawn].all()
        assert (before == after)[drawn].all() == (index % 2 == 0)


def test_a_source_of_ten_bits_is_drawn_whole(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "in.mkv", SIZE, 3, codec="ffv1", pix_fmt="yuv420p10le")
    with (
        open_source(path, AnalysisSettings()) as source,
        AnnotatedVideo(tmp_path / "out.mp4", source.info, OutputSettings(panel=False, crf=1)) as sink,
    ):
        images = []
        for frame in source:
            assert frame.stored is None
            images.append(frame.image)
            sink.write(make_result(frame, [(60, 40, 100, 80)], [0.9]))
    for before, after in zip(images, decoded(tmp_path / "out.mp4"), strict=True):
        assert np.abs(before.astype(int) - after)[:30].mean() < 6  # another picture would be 60 away


def luma(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray()[: frame.height] for frame in container.decode(video=0)]


def test_with_and_without_the_decoded_picture_the_video_looks_the_same(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "in.mkv", (161, 121), 5, codec="ffv1")
    found = []
    for keep in (True, False):
        with (
            open_source(path, AnalysisSettings()) as source,
            AnnotatedVideo(tmp_path / f"{keep}.mp4", source.info, OutputSettings(crf=1)) as sink,
        ):
            for frame in source:
                assert frame.stored is not None
                given = frame if keep else replace(frame, stored=None)
                faces = [(61 + frame.index, 41, 100, 81), (130, 90, 161, 121)]
                sink.write(make_result(given, faces, [0.9, 0.1]))
        found.append(decoded(tmp_path / f"{keep}.mp4"))
    for one, other in zip(*found, strict=True):
        assert one.shape == other.shape
        assert np.abs(one.astype(int) - other).mean() < 1.0
        assert np.percentile(np.abs(one.astype(int) - other), 95) < 12  # but at edges of the source itself


def test_a_picture_is_there_once_written(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    result = results(1)[0]
    with AnnotatedPicture(path, PLAIN) as sink:
        sink.write(result)
        assert path.exists()
        with pytest.raises(ValueError, match="one frame"):
            sink.write(result)
    image = cv2.imread(str(path))
    assert image is not None
    assert image.shape == result.frame.image.shape
    assert (image != result.frame.image).any()
    assert os.listdir(tmp_path) == ["out.png"]


def test_a_picture_without_a_result_leaves_nothing(tmp_path: Path) -> None:
    with AnnotatedPicture(tmp_path / "out.png", PLAIN):
        pass
    assert os.listdir(tmp_path) == []
