"""Known YUV gives known BGR, by every matrix, range and depth, and the way back gives the same YUV."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from crowdmask.media.colour import (
    BgrOf,
    bgr_of,
    colour_of,
    copy_into,
    draw_into,
    is_as_written,
    matrix_of,
    new_picture,
    planes_of,
    usual_matrix,
    writable_matrix,
)
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
    image = BgrOf()(frame)
    assert image.shape == (frame.height, frame.width, 3)
    assert np.abs(image.astype(int) - bgr).max() <= 3


@pytest.mark.parametrize("width", [63, 64, 65, 1, 2])
def test_odd_widths_are_contiguous(width: int) -> None:
    image = BgrOf()(av.VideoFrame.from_ndarray(np.full((5, width, 3), 99, np.uint8), format="rgb24"))
    assert image.shape == (5, width, 3)
    assert image.flags.c_contiguous
    assert (image == 99).all()


def test_rgb_is_only_reordered() -> None:
    frame = av.VideoFrame.from_ndarray(np.full((4, 4, 3), (10, 20, 30), np.uint8), format="rgb24")
    assert (BgrOf()(frame) == (30, 20, 10)).all()


@pytest.mark.skipif(int(av.__version__.split(".")[0]) < 18, reason="PyAV converts HDR from version 18 on")
def test_hdr_white_is_white_and_not_grey() -> None:
    white = plain((593, 512, 512), "yuv420p10le", matrix=BT2020, span=LIMITED)  # 203 cd/m2, where HDR puts paper
    white.color_primaries, white.color_trc = BT2020, PQ
    assert BgrOf()(white).min() > 245
    assert colour_of(white) == (1, 1, 1)


@pytest.mark.parametrize(("matrix", "yuv"), [(6, RED_601), (1, RED_709), (5, RED_601)])
def test_the_way_back(matrix: int, yuv: tuple[int, int, int]) -> None:
    image = np.full((4, 4, 3), (0, 0, 255), np.uint8)
    frame = new_picture((4, 4))
    draw_into(frame, image, matrix, (0, 0, 4, 4))
    found = [int(plane[0, 0]) for plane in planes_of(frame)]
    assert np.abs(np.subtract(found, yuv)).max() <= 1
    assert frame.color_range == LIMITED


@pytest.mark.parametrize(
    ("matrix", "red", "blue"),
    [(1, 0.2126, 0.0722), (4, 0.30, 0.11), (5, 0.299, 0.114), (7, 0.212, 0.087), (9, 0.2627, 0.0593)],
)
def test_every_matrix_by_the_equations_of_the_standard(matrix: int, red: float, blue: float) -> None:
    colours = np.random.default_rng(matrix).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    frame = new_picture((32, 32))
    draw_into(frame, np.ascontiguousarray(colours.repeat(2, axis=0).repeat(2, axis=1)), matrix, (0, 0, 32, 32))
    b, g, r = np.moveaxis(colours / 255.0, 2, 0)
    luma = red * r + (1 - red - blue) * g + blue * b
    wanted = (
        16 + 219 * luma,
        128 + 224 * 0.5 * (b - luma) / (1 - blue),
        128 + 224 * 0.5 * (r - luma) / (1 - red),
    )
    y, u, v = planes_of(frame)
    for found, exact in zip((y[::2, ::2], u, v), wanted, strict=True):
        assert np.abs(found - exact).max() <= 1.0
        assert abs((found - exact).mean()) < 0.15  # rounded, not cut


def test_a_place_is_drawn_into_and_nothing_else() -> None:
    frame = plain((100, 90, 150))
    draw_into(frame, np.full((6, 10, 3), 255, np.uint8), 6, (8, 4, 18, 10))
    luma, u, v = planes_of(frame)
    assert (luma[4:10, 8:18] == 235).all()
    assert (u[2:5, 4:9] == 128).all() and (v[2:5, 4:9] == 128).all()
    assert (luma == 235).sum() == 60
    assert [(u == 128).sum(), (v == 128).sum()] == [15, 15]


@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("at", [(0, 0, 64, 48), (8, 4, 18, 10), (62, 46, 64, 48)])
def test_a_place_there_and_back_is_what_it_was(matrix: int, at: tuple[int, int, int, int]) -> None:
    rng = np.random.default_rng(5)
    before, after = new_picture(SD), new_picture(SD)
    draw_into(
        before, rng.integers(30, 220, (24, 32, 3)).astype(np.uint8).repeat(2, 0).repeat(2, 1), matrix, (0, 0, *SD)
    )
    draw_into(after, bgr_of(before, matrix, at), matrix, at)
    x1, y1, x2, y2 = at
    for factor, was, now in zip((1, 2, 2), planes_of(before), planes_of(after), strict=True):
        place = np.s_[y1 // factor : y2 // factor, x1 // factor : x2 // factor]
        assert np.abs(was[place].astype(int) - now[place]).max() <= 1


def test_a_place_at_the_edge_of_an_odd_picture_is_what_swscale_makes_of_it() -> None:
    odd = plain((120, 90, 150), size=(65, 49), matrix=6)
    whole = BgrOf()(odd)
    part = bgr_of(odd, 6, (60, 44, 65, 49))
    assert part.shape == (5, 5, 3)
    assert np.abs(part.astype(int) - whole[44:, 60:]).max() <= 2


def test_an_odd_picture_is_copied_with_its_edge_twice() -> None:
    odd = av.VideoFrame(5, 3, "yuv420p")
    for plane, start in zip(planes_of(odd), (0, 100, 200), strict=True):
        plane[:] = np.arange(start, start + plane.size).reshape(plane.shape)
    even = new_picture((6, 4))
    copy_into(even, odd)
    luma, u, _ = planes_of(even)
    assert luma.tolist() == [[0, 1, 2, 3, 4, 4], [5, 6, 7, 8, 9, 9], [10, 11, 12, 13, 14, 14], [10, 11, 12, 13, 14, 14]]
    assert u.tolist() == [[100, 101, 102], [103, 104, 105]]


@pytest.mark.parametrize(
    ("frame", "matrix", "may"),
    [
        (plain((50, 60, 70)), 6, True),
        (plain((50, 60, 70), span=LIMITED), 6, True),
        (plain((50, 60, 70), span=FULL), 6, False),
        (plain((50, 60, 70), "yuvj420p", span=FULL), 6, False),
        (plain((50, 60, 70), "yuv422p"), 6, False),
        (plain((50, 60, 70), "yuv420p10le"), 6, False),
        (plain((50, 60, 70), matrix=1), 6, False),
        (plain((50, 60, 70), size=HD), 1, True),
    ],
)
def test_which_frames_go_to_the_encoder_as_they_are(frame: av.VideoFrame, matrix: int, may: bool) -> None:
    assert is_as_written(frame, matrix) is may


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


@pytest.mark.parametrize("size", [(1920, 1080), (640, 360), (854, 480), (65, 47), (7, 5), (2, 2), (1281, 721)])
@pytest.mark.parametrize("matrix", [1, 2, 4, 5, 6, 7, 9])
def test_the_usual_kind_comes_to_the_same_pixels_by_either_way(size: tuple[int, int], matrix: int) -> None:
    rng = np.random.default_rng(sum(size) + matrix)
    frame = av.VideoFrame(*size, "yuv420p")
    for plane in planes_of(frame):
        plane[:] = rng.integers(0, 256, plane.shape)
    frame.colorspace, frame.color_range = matrix, int(rng.choice([LIMITED, UNSAID]))
    assert is_as_written(frame, matrix_of(frame))
    made = BgrOf()
    assert np.array_equal(made(frame), made._reformatted(frame).to_ndarray())


def test_pictures_that_somebody_holds_are_not_written_over() -> None:
    made, held = BgrOf(), []
    for value in range(16, 216):
        held.append(made(plain((value, 128, 128))))
        held = held[-5:]
        assert [int(image[0, 0, 0]) for image in held] == [int(image[-1, -1, 2]) for image in held]
        assert len({int(image[0, 0, 0]) for image in held}) == len(held)
    del made  # what was given outlives whoever made it
    assert (np.diff([int(image[40, 60, 1]) for image in held]) > 0).all()


def test_sizes_and_colours_may_change_from_frame_to_frame() -> None:
    made = BgrOf()
    for _ in range(3):
        assert np.abs(made(plain(RED_601, matrix=6)).astype(int) - (0, 0, 255)).max() <= 3
        assert np.abs(made(plain(RED_709, matrix=1)).astype(int) - (0, 0, 255)).max() <= 3
        assert made(plain((235, 128, 128), size=(8, 8))).shape == (8, 8, 3)
        assert np.abs(made(plain((235, 128, 128), "yuvj420p", span=FULL)).astype(int) - 235).max() <= 3


@pytest.mark.parametrize("size", [(1920, 1080), (640, 360), (66, 46), (65, 46), (64, 47)])
@pytest.mark.parametrize("matrix", [1, 2, 6])
def test_a_part_is_what_the_whole_has_there(size: tuple[int, int], matrix: int) -> None:
    rng = np.random.default_rng(sum(size) + matrix)
    frame = av.VideoFrame(*size, "yuv420p")
    for plane in planes_of(frame):
        plane[:] = rng.integers(0, 256, plane.shape)
    frame.colorspace = matrix
    made, (width, height) = BgrOf(), size
    whole = made(frame)
    for _ in range(30):
        x1, y1 = int(rng.integers(0, width)), int(rng.integers(0, height))
        x2, y2 = int(rng.integers(x1, width)) + 1, int(rng.integers(y1, height)) + 1
        part = made.part(frame, (x1, y1, x2, y2))
        if width % 2 or height % 2:
            assert part is None, "swscale mixes the chroma of neighbours there"
        else:
            assert part is not None and np.array_equal(part, whole[y1:y2, x1:x2]), (x1, y1, x2, y2)


def test_kinds_that_are_not_converted_pixel_by_pixel_have_no_parts() -> None:
    assert BgrOf().part(plain((16, 128, 128), "yuv422p"), (0, 0, 8, 8)) is None
    assert BgrOf().part(plain((16, 128, 128), span=FULL), (0, 0, 8, 8)) is None
