"""Known YUV gives known BGR, by every matrix, range and depth, and the way back gives the same YUV."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from crowdmask.media.colour import colour_of, to_bgr, to_yuv420, usual_matrix, writable_matrix
from crowdmask.media.sources import open_source
from crowdmask.settings import AnalysisSettings
from tests.factories import write_clip

HD, SD = (1280, 720), (64, 48)
LIMITED, FULL, UNSAID = 1, 2, 0
PQ, BT2020 = 16, 9


def plain(
    yuv: tuple[int, int, int],
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = SD,
    *,
    matrix: int = 2,
    span: int = UNSAID,
) -> av.VideoFrame:
    frame = av.VideoFrame(*size, pix_fmt)
    depth = np.uint16 if "10" in pix_fmt else np.uint8
    for plane, value in zip(frame.planes, yuv, strict=True):
        np.frombuffer(plane, depth)[:] = value
    frame.colorspace, frame.color_range = matrix, span
    return frame


RED_601, RED_709 = (81, 90, 240), (63, 102, 240)


@pytest.mark.parametrize(
    ("frame", "bgr"),
    [
        (plain((235, 128, 128)), (255, 255, 255)),
        (plain((16, 128, 128)), (0, 0, 0)),
        (plain((16, 128, 128), span=FULL), (16, 16, 16)),
        (plain((235, 128, 128), "yuvj420p", span=FULL), (235, 235, 235)),
        (plain((126, 128, 128), span=LIMITED), (128, 128, 128)),
        (plain(RED_601, matrix=6), (0, 0, 255)),
        (plain(RED_601, matrix=5), (0, 0, 255)),
        (plain(RED_709, matrix=1), (0, 0, 255)),
        (plain(RED_601), (0, 0, 255)),  # small and untagged: BT.601
        (plain(RED_709, size=HD), (0, 0, 255)),  # high definition and untagged: BT.709
        (plain(RED_601, size=HD, matrix=6), (0, 0, 255)),
        (plain((940, 512, 512), "yuv420p10le"), (255, 255, 255)),
        (plain((64, 512, 512), "yuv420p10le"), (0, 0, 0)),
        (plain((252, 408, 960), "yuv422p10le", matrix=1), (0, 0, 255)),
    ],
)
def test_known_colours(frame: av.VideoFrame, bgr: tuple[int, int, int]) -> None:
    image = to_bgr(frame, VideoReformatter())
    assert image.shape == (frame.height, frame.width, 3)
    assert np.abs(image.astype(int) - bgr).max() <= 3


@pytest.mark.parametrize("width", [63, 64, 65, 1, 2])
def test_odd_widths_are_contiguous(width: int) -> None:
    image = to_bgr(av.VideoFrame.from_ndarray(np.full((5, width, 3), 99, np.uint8), format="rgb24"), VideoReformatter())
    assert image.shape == (5, width, 3)
    assert image.flags.c_contiguous
    assert (image == 99).all()


def test_rgb_is_only_reordered() -> None:
    frame = av.VideoFrame.from_ndarray(np.full((4, 4, 3), (10, 20, 30), np.uint8), format="rgb24")
    assert (to_bgr(frame, VideoReformatter()) == (30, 20, 10)).all()


@pytest.mark.skipif(int(av.__version__.split(".")[0]) < 18, reason="PyAV converts HDR from version 18 on")
def test_hdr_white_is_white_and_not_grey() -> None:
    white = plain((593, 512, 512), "yuv420p10le", matrix=BT2020, span=LIMITED)  # 203 cd/m2, where HDR puts paper
    white.color_primaries, white.color_trc = BT2020, PQ
    assert to_bgr(white, VideoReformatter()).min() > 245
    assert colour_of(white) == (1, 1, 1)


@pytest.mark.parametrize(("matrix", "yuv"), [(6, RED_601), (1, RED_709), (5, RED_601)])
def test_the_way_back(matrix: int, yuv: tuple[int, int, int]) -> None:
    image = np.full((4, 4, 3), (0, 0, 255), np.uint8)
    frame = to_yuv420(image, matrix, VideoReformatter())
    found = [int(np.frombuffer(plane, np.uint8)[0]) for plane in frame.planes]
    assert np.abs(np.subtract(found, yuv)).max() <= 1
    assert frame.color_range == LIMITED


def test_matrices_that_are_not_said_or_not_writable() -> None:
    assert [usual_matrix(s) for s in ((640, 480), (720, 576), (1280, 720), (1080, 1920))] == [6, 6, 1, 1]
    assert [writable_matrix(m, SD) for m in (1, 5, 2, 0, 8, 14)] == [1, 5, 6, 6, 6, 6]


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le", "yuvj420p", "nv12"])
@pytest.mark.parametrize("tags", [(1, 1, 1, LIMITED), (6, 6, 6, LIMITED), (1, 1, 1, FULL)])
def test_encoded_red_comes_back_red(pix_fmt: str, tags: tuple[int, int, int, int], tmp_path: Path) -> None:
    red = np.full((32, 32, 3), (30, 40, 200), np.uint8)
    path = write_clip(tmp_path / "red.mp4", (32, 32), [red] * 3, pix_fmt=pix_fmt, colour=tags)
    with open_source(path, AnalysisSettings()) as source:
        assert source.info.colour == (tags[1], tags[2], tags[0])
        frames = list(source)
    assert np.abs(frames[1].image.astype(int) - (30, 40, 200)).max() <= 6
