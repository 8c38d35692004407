"""Videos that misbehave: variable rates, rotations, damage, cuts, changes of size; every frame there is still comes."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from crowdmask.media import seeking
from crowdmask.media.orientation import Orientation, rotate
from crowdmask.media.sources import open_source
from crowdmask.media.upright import fit
from crowdmask.records import Frame, Gap, VideoInfo, part_of
from crowdmask.settings import AnalysisSettings
from tests.factories import make_image, read_index, write_clip


def read(path: str | Path, *, threads: int = 2, **settings: object) -> tuple[VideoInfo, list[Frame], list[Gap]]:
    with open_source(str(path), AnalysisSettings(**settings), threads=threads) as source:
        return source.info, list(source), list(source.gaps)


def numbers(frames: list[Frame]) -> list[tuple[int, int]]:
    """Index and the index drawn in the picture."""
    return [(f.index, read_index(f.image)) for f in frames]


def packets(path: str | Path) -> list[tuple[int, int, int]]:
    """Position, size and time stamp of each picture in the file."""
    with av.open(str(path)) as container:
        return [(p.pos or 0, p.size, p.pts or 0) for p in container.demux(video=0) if p.size]


def damaged(path: str | Path, to: Path, which: range) -> Path:
    """A copy with the packets of these places in the file (not in time) blotted out."""
    data = bytearray(Path(path).read_bytes())
    for position, size, _ in packets(path)[which.start : which.stop]:
        data[position : position + size] = bytes(size)
    to.write_bytes(data)
    return to


def test_variable_rate_to_the_microsecond(tmp_path: Path) -> None:
    stamps = [0, 1, 3, 1000, 1001, 90_000, 90_003, 123_457, 123_458, 900_001]
    path = write_clip(
        tmp_path / "vfr.mp4",
        frames=10,
        vfr=stamps,
        time_base=Fraction(1, 90_000),
        options={"bf": "2", "preset": "medium"},
    )
    info, frames, gaps = read(path)
    assert info.time_base == Fraction(1, 90_000)
    assert [round(f.seconds * 1e6) for f in frames] == [round(s * 1e6 / 90_000) for s in stamps]
    lengths = [(b - a) / 90_000 for a, b in pairwise(stamps)]
    assert [f.lasts_s for f in frames[:-1]] == pytest.approx(lengths, abs=1e-9)
    assert gaps == []


def test_times_count_from_the_streams_own_start(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "late.ts", frames=10, vfr=[5000 + 40 * i for i in range(10)])
    info, frames, _ = read(path)
    assert [f.seconds for f in frames] == pytest.approx([0.04 * i for i in range(10)], abs=1e-6)
    assert info.starts_at_s > 4.9


@pytest.mark.parametrize(("rotation", "size"), [(0, (96, 64)), (90, (64, 96)), (180, (96, 64))])
def test_a_part_of_a_picture_is_what_the_whole_has_there(rotation: int, size: tuple[int, int], tmp_path: Path) -> None:
    path = write_clip(tmp_path / "v.mp4", size, [make_image(i, size) for i in range(3)], rotation=rotation)
    places = [(0, 0, 40, 30), (31, 17, 58, 64), (7, 3, 8, 4)]
    parts, wholes = [], []
    for asked in (True, False):
        with open_source(path, AnalysisSettings()) as source:
            for frame in source:
                if asked:
                    parts.append([part_of(frame.picture, place) for place in places])
                wholes += [] if asked else [frame.image]
    for (x1, y1, x2, y2), k in ((place, k) for k, place in enumerate(places)):
        for cut, whole in zip(parts, wholes, strict=True):
            assert np.array_equal(cut[k], whole[y1:y2, x1:x2])


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_applied(rotation: int, tmp_path: Path) -> None:
    stored = [rotate(make_image(i, (64, 96)), -rotation) for i in range(4)]
    size = (stored[0].shape[1], stored[0].shape[0])
    info, frames, _ = read(write_clip(tmp_path / "turned.mp4", size, stored, rotation=rotation))
    assert info.rotation == rotation
    assert (info.width, info.height) == (64, 96)
    assert numbers(frames) == [(i, i) for i in range(4)]
    assert frames[0].image.flags.c_contiguous


@pytest.mark.parametrize(
    ("orientation", "wanted"),
    [
        (Orientation(), [[1, 2, 3], [4, 5, 6]]),
        (Orientation(mirror_x=True), [[3, 2, 1], [6, 5, 4]]),
        (Orientation(mirror_y=True), [[4, 5, 6], [1, 2, 3]]),
        (Orientation(mirror_x=True, mirror_y=True), [[6, 5, 4], [3, 2, 1]]),
        (Orientation(swapped=True), [[1, 4], [2, 5], [3, 6]]),
        (Orientation(swapped=True, mirror_x=True), [[4, 1], [5, 2], [6, 3]]),
        (Orientation(swapped=True, mirror_y=True), [[3, 6], [2, 5], [1, 4]]),
        (Orientation(swapped=True, mirror_x=True, mirror_y=True), [[6, 3], [5, 2], [4, 1]]),
    ],
)
def test_all_eight_orientations(orientation: Orientation, wanted: list[list[int]]) -> None:
    image = np.repeat(np.array([[1, 2, 3], [4, 5, 6]], np.uint8)[:, :, None], 3, axis=2)
    upright = orientation.upright(image)
    assert upright[:, :, 0].tolist() == wanted
    assert orientation.upright_size((3, 2)) == (len(wanted[0]), len(wanted))
    if orientation.rotation:
        assert rotate(image, orientation.rotation)[:, :, 0].tolist() == wanted


def test_a_mirrored_video_is_shown_as_a_player_does(tmp_path: Path) -> None:
    path = tmp_path / "mirrored.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "8"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_rotation(0, hflip=True)
        for i in range(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(make_image(i, (96, 64))[:, ::-1].copy(), format="bgr24")))
        out.mux(stream.encode(None))
    info, frames, _ = read(path)
    assert info.rotation == 0
    assert numbers(frames) == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_frames_that_fail_half_way(threads: int, clips: Path, tmp_path: Path) -> None:
    # without B-frames and with a keyframe every 5, so that what follows the damage can be told
    whole = write_clip(clips / "plain gop.mp4", frames=30, gop=5, options={"bf": "0"})
    _, frames, gaps = read(damaged(whole, tmp_path / "hurt.mp4", range(12, 14)), threads=threads)
    drawn = [read_index(f.image) for f in frames]
    assert drawn[:12] + drawn[13:] == [*range(12), *range(15, 30)]  # 14 leans on 13: it comes, but not as it was
    assert [f.index for f in frames] == list(range(len(frames)))
    assert len(frames) == 28
    assert [(g.after_frame, g.seconds) for g in gaps if "could not be decoded" in g.reason] == [(11, 0.48)]
    assert gaps[0].reason.startswith("2 frames could not be decoded: Invalid data")


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_damage_just_before_the_end_costs_no_good_frame(threads: int, clips: Path, tmp_path: Path) -> None:
    whole = write_clip(clips / "intra.mp4", frames=30, gop=1, options={"bf": "0"})
    _, frames, gaps = read(damaged(whole, tmp_path / "hurt.mp4", range(25, 27)), threads=threads)
    assert [read_index(f.image) for f in frames] == [*range(25), 27, 28, 29]
    assert [f.seconds for f in frames][-1] == pytest.approx(29 / 25)
    assert [(g.after_frame, g.seconds) for g in gaps] == [(24, 1.0)]


def test_damage_at_the_very_start_and_end(clips: Path, tmp_path: Path) -> None:
    whole = write_clip(clips / "intra.mp4", frames=30, gop=1, options={"bf": "0"})
    _, frames, gaps = read(damaged(whole, tmp_path / "head.mp4", range(0, 3)))
    assert [read_index(f.image) for f in frames] == list(range(3, 30))
    assert frames[0].seconds == pytest.approx(0.12)
    assert [(g.after_frame, g.seconds) for g in gaps] == [(None, 0.0)]
    _, frames, gaps = read(damaged(whole, tmp_path / "tail.mp4", range(28, 30)))
    assert [read_index(f.image) for f in frames] == list(range(28))
    assert [(g.after_frame, g.seconds) for g in gaps] == [(27, 1.12)]


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.webm"])
def test_a_truncated_video_gives_the_frames_there_are_and_a_gap(name: str, tmp_path: Path) -> None:
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    whole = write_clip(
        tmp_path / f"whole {name}",
        frames=75,
        gop=15,
        codec=codec,
        options={"deadline": "realtime"} if codec != "libx264" else None,
        container={"movflags": "faststart"} if name.endswith("mp4") else None,
    )
    data = Path(whole).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) * 6 // 10])
    _, frames, gaps = read(tmp_path / name)
    assert 20 < len(frames) < 70
    assert [f.index for f in frames] == list(range(len(frames)))
    assert [read_index(f.image) for f in frames[:-1]] == list(range(len(frames) - 1))
    assert gaps[-1].after_frame == len(frames) - 1
    assert "missing: it is cut off or damaged" in gaps[-1].reason
    if name == "cut.mp4":
        # the packet at the cut is there by half, and counted with those that could not be decoded
        assert sum(int(re.findall(r"(\d+) frame", gap.reason)[0]) for gap in gaps) == 75 - len(frames)
    # the part before the cut is whole, and nothing is to be said of it
    assert read(tmp_path / name, end_s=0.5)[2] == []


def test_a_hole_that_the_demuxer_passes_over_is_told(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", frames=60, gop=1, codec="mjpeg", pix_fmt="yuvj420p")
    data = bytearray(Path(whole).read_bytes())
    found = packets(whole)
    start, stop = found[30][0] - 40, found[34][0]
    data[start:stop] = bytes(stop - start)
    (tmp_path / "hole.mkv").write_bytes(data)
    _, frames, gaps = read(tmp_path / "hole.mkv")
    drawn = [read_index(f.image) for f in frames]
    lost = sorted(set(range(60)) - set(drawn))
    assert lost
    (gap,) = gaps
    assert gap.reason.startswith(f"{len(lost)} frames are missing")
    assert gap.after_frame == lost[0] - 1
    assert gap.seconds == pytest.approx((lost[0] - 1) / 25, abs=0.001)


def test_recordings_joined_end_to_end_with_another_size(tmp_path: Path) -> None:
    first = Path(write_clip(tmp_path / "a.ts", (96, 64), 10)).read_bytes()
    second = Path(
        write_clip(tmp_path / "b.ts", (64, 64), [make_image(i, (64, 64)) for i in range(10, 20)])
    ).read_bytes()
    (tmp_path / "joined.ts").write_bytes(first + second)
    info, frames, gaps = read(tmp_path / "joined.ts")
    assert (info.width, info.height) == (96, 64)
    assert [f.index for f in frames] == list(range(20))
    assert all(f.size_wh == (96, 64) for f in frames)
    assert all(a.seconds < b.seconds for a, b in pairwise(frames))
    # 64x64 stands in the middle of 96x64, with black on both sides
    late = frames[-1].image
    assert late[:, :16].max() == 0
    assert late[:, 80:].max() == 0
    assert read_index(np.ascontiguousarray(late[:, 16:80])) == 19
    changes = [g for g in gaps if "frame size" in g.reason]
    assert [(g.after_frame, g.reason) for g in changes] == [
        (9, "the frame size changes from 96x64 to 64x64: frames are fitted into 96x64 from here on")
    ]


def test_fit_keeps_the_shape() -> None:
    white = np.full((10, 10, 3), 255, np.uint8)
    assert fit(white, (30, 20)).shape == (20, 30, 3)
    assert np.flatnonzero(fit(white, (30, 20))[:, :, 0].max(axis=0)).tolist() == list(range(5, 25))
    assert fit(np.full((1000, 1, 3), 255, np.uint8), (4, 4)).shape == (4, 4, 3)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"every": "200ms"}, [0, 5, 10, 15, 20]),
        ({"every": "0.1s"}, [0, 2, 5, 7, 10, 12, 15, 17, 20, 22]),  # on show at 0.1 s is the frame of 0.08 s
        ({"every": "1s"}, [0]),
        ({"fps": 5.0}, [0, 5, 10, 15, 20]),
        ({"fps": 25.0}, list(range(25))),
        ({"fps": 60.0}, list(range(25))),
        ({"every": "200ms", "start_s": 0.3}, [10, 15, 20]),
        ({"every": "200ms", "start_s": 0.3, "end_s": 0.6}, [10]),
    ],
)
def test_frames_by_time_are_those_on_show_then(asked: dict[str, object], expected: list[int], clip: Path) -> None:
    """25 frames of 40 ms."""
    info, frames, _ = read(clip, **asked)
    assert [frame.index for frame in frames] == expected
    if "start_s" not in asked:
        assert info.frames_expected == len(expected)


@pytest.mark.parametrize("every", [1, 7, 25, 1000])
def test_every_nth_by_index_from_any_start(every: int, clip: Path) -> None:
    _, frames, _ = read(clip, every=every)
    assert numbers(frames) == [(i, i) for i in range(0, 25, every)]
    _, frames, _ = read(clip, every=every, start_s=0.3)
    assert numbers(frames) == [(i, i) for i in range(0, 25, every) if i >= 8]


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        ({"start_s": 0.4}, range(10, 25)),
        ({"start_s": 0.4, "end_s": 0.8}, range(10, 20)),
        ({"start_s": 0.4, "duration_s": 0.4}, range(10, 20)),
        ({"duration_s": 0.4}, range(0, 10)),
        ({"end_s": 0.001}, range(0, 1)),
        ({"start_s": 5.0}, range(0)),
        ({"duration_s": 99.0}, range(25)),
    ],
)
def test_start_is_inside_and_end_outside(chosen: dict[str, float], wanted: range, clip: Path) -> None:
    info, frames, _ = read(clip, **chosen)
    assert numbers(frames) == [(i, i) for i in wanted]
    assert info.frames_expected == pytest.approx(len(wanted), abs=1)


SEEKABLE: dict[str, dict[str, object]] = {
    "b.mp4": {"options": {"bf": "3", "preset": "medium"}, "audio": "aac"},
    "open_gop.mkv": {"options": {"bf": "3", "preset": "medium", "x264-params": "open-gop=1"}},
    "ts.ts": {"options": {"bf": "2"}},
    "vfr.mp4": {"vfr": [i * 40 + i % 5 * 7 for i in range(60)], "options": {"bf": "3", "preset": "medium"}},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none:bframes=3", "preset": "ultrafast"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime"}},
    "vp8.webm": {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "fields.ts": {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme"}},
}


@pytest.mark.parametrize("name", SEEKABLE)
def test_a_late_start_gives_the_frames_of_a_full_pass(name: str, clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(clips / f"seek {name}", frames=60, gop=15, **SEEKABLE[name])  # type: ignore[arg-type]
    full = read(path)[1]
    assert numbers(full) == [(i, i) for i in range(60)]
    ways: list[object] = []
    find = seeking.find_way_in
    monkeypatch.setattr(seeking, "SEEK_BEYOND_S", 0.0)
    monkeypatch.setattr(seeking, "find_way_in", lambda *a: ways.append(find(*a)) or ways[-1])
    for start_s in (0.1, 0.6, 1.234, 2.36):
        _, frames, gaps = read(path, start_s=start_s)
        wanted = [f for f in full if f.seconds >= start_s]
        assert [(f.index, f.seconds, f.lasts_s) for f in frames] == [(f.index, f.seconds, f.lasts_s) for f in wanted]
        assert all(np.array_equal(a.image, b.image) for a, b in zip(frames, wanted, strict=True))
        assert gaps == []
    if hasattr(av.video.codeccontext.VideoCodecContext, "field_order"):  # PyAV before 18 does not tell of fields
        counted = name not in ("vp8.webm", "fields.ts", "mpeg4.avi")  # these are decoded from their beginning
        assert sum(isinstance(way, seeking.WayIn) for way in ways) == (4 if counted else 0)


def test_counting_gives_up_where_stamps_do_not_tell_the_order(tmp_path: Path) -> None:
    one = Path(write_clip(tmp_path / "a.ts", frames=30, gop=5)).read_bytes()
    (tmp_path / "twice.ts").write_bytes(one + one)
    with av.open(str(tmp_path / "twice.ts")) as container:
        assert seeking.find_way_in(container, 0, 90_000 * 60) is None


@pytest.mark.parametrize("aspect", [Fraction(1), Fraction(64, 45)])
def test_what_the_header_tells(aspect: Fraction, tmp_path: Path) -> None:
    path = tmp_path / "sar.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=Fraction(30_000, 1001))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        for i in range(5):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(make_image(i, (96, 64)), format="bgr24")))
        out.mux(stream.encode(None))
    info, frames, _ = read(path)
    assert info.pixel_aspect == aspect
    assert info.rate == Fraction(30_000, 1001)
    assert (info.codec, info.has_audio, info.rotation) == ("h264", False, 0)
    assert info.duration_s == pytest.approx(5 * 1001 / 30_000)
    assert [f.seconds for f in frames] == pytest.approx([i * 1001 / 30_000 for i in range(5)], abs=1e-9)
