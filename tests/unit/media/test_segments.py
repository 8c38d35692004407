"""Segments of a video, each decoded by itself, are together the video: frames, indexes, times; so are joined pieces."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from crowdmask.media.joining import PieceJoiner
from crowdmask.media.segments import WHOLE, Cut
from crowdmask.media.video_source import VideoSource
from crowdmask.media.video_writer import VideoWriter
from crowdmask.records import Frame
from crowdmask.settings import AnalysisSettings
from tests.factories import read_index, write_clip

AS_IT_IS = AnalysisSettings()


def frames_of(path: Path, settings: AnalysisSettings = AS_IT_IS, **more: object) -> list[Frame]:
    with VideoSource(str(path), settings, **more) as source:  # type: ignore[arg-type]
        return list(source)


def cut_of(path: Path, length_s: float, settings: AnalysisSettings = AS_IT_IS) -> Cut:
    with VideoSource(str(path), settings) as source:
        return source.cut(length_s)


def assert_same(ours: list[Frame], theirs: list[Frame]) -> None:
    assert [(f.index, f.seconds, f.lasts_s) for f in ours] == [(f.index, f.seconds, f.lasts_s) for f in theirs]
    assert all(np.array_equal(mine.image, yours.image) for mine, yours in zip(ours, theirs, strict=True))


CLIPS = {
    "plain.mp4": {"gop": 12},
    "b-frames.mkv": {"gop": 10, "options": {"bf": "3"}},
    "open-gop.mp4": {"gop": 12, "options": {"bf": "3", "x264-params": "open-gop=1:keyint=12:min-keyint=1"}},
    "transport.ts": {"gop": 9, "options": {"bf": "2"}},
    "turned.mp4": {"gop": 12, "rotation": 90},
    "variable.mp4": {"gop": 8, "vfr": [round(40 * n + 17 * (n % 3)) for n in range(100)]},
    "mpeg4.avi": {"gop": 12, "codec": "mpeg4"},
    "vp9.webm": {"gop": 12, "codec": "libvpx-vp9", "options": {"cpu-used": "8", "lag-in-frames": "0"}},
}


@pytest.fixture(scope="module", params=CLIPS)
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 frames, about four seconds."""
    path = tmp_path_factory.mktemp("films") / request.param
    return Path(write_clip(path, frames=100, **CLIPS[request.param]))


@pytest.mark.parametrize("settings", [{}, {"start_s": 1.3, "end_s": 3.1}, {"every": 3}, {"duration_s": 2.2}])
def test_segments_are_together_the_video(film: Path, settings: dict[str, float]) -> None:
    chosen = AnalysisSettings(**settings)  # type: ignore[arg-type]
    found = cut_of(film, 0.7, chosen)
    assert len(found.spans) >= 3 and not found.why_whole
    together = [frame for span in found.spans for frame in frames_of(film, chosen, span=span)]
    assert_same(together, frames_of(film, chosen))


@pytest.mark.parametrize("settings", [{}, {"start_s": 1.3, "end_s": 3.1}, {"every": 3}])
def test_pieces_are_together_their_segment(film: Path, settings: dict[str, float]) -> None:
    chosen = AnalysisSettings(**settings)  # type: ignore[arg-type]
    pieces = [piece for span in cut_of(film, 1.5, chosen).spans for piece in span.pieces]
    assert len(pieces) >= 4
    assert_same([frame for piece in pieces for frame in frames_of(film, chosen, span=piece)], frames_of(film, chosen))


def test_pieces_begin_at_key_frames_about_an_eighth_of_a_segment_apart(tmp_path: Path) -> None:
    """300 frames at 25 a second and a key frame at every tenth; segments of 4 s, so pieces of half a second."""
    path = Path(write_clip(tmp_path / "v.mp4", frames=300, gop=10))
    first, second, third = cut_of(path, 4.0).spans
    assert [span.first_index for span in (first, second, third)] == [0, 100, 200]
    # 0.5 s is frame 12.5, so frame 20; 1 s is 25, so 30; 1.5 s is 37.5, so 40; and so on
    assert [piece.first_index for piece in first.pieces] == [0, 20, 30, 40, 50, 70, 80, 90]
    assert {piece.number for piece in second.pieces} == {2}
    assert second.pieces[0].start_pts == second.start_pts and second.pieces[-1].end_pts == second.end_pts
    assert all(one.end_pts == next_.start_pts for one, next_ in zip(second.pieces, second.pieces[1:], strict=False))
    assert WHOLE.pieces == (WHOLE,)


def test_the_cuts_are_the_first_key_frames_at_or_after_the_multiples(tmp_path: Path) -> None:
    path = Path(write_clip(tmp_path / "v.mp4", frames=100, gop=12))  # key frames at 0, 12, 24 …, 0.48 s apart
    found = cut_of(path, 1.0)
    assert [span.first_index for span in found.spans] == [0, 36, 60, 84]  # 1.44 s, 2.4 s; 3.36 s is the first after 3 s
    assert [span.number for span in found.spans] == [1, 2, 3, 4] and sum(span.frames for span in found.spans) == 100
    assert cut_of(path, 1.0, AnalysisSettings(start_s=2.0)).spans[0].end_pts == found.spans[2].start_pts
    assert cut_of(path, 3.9) == Cut() and cut_of(path, 60.0) == Cut((WHOLE,))


def test_what_cannot_be_cut_is_one_segment_and_says_why(tmp_path: Path) -> None:
    one_key = Path(write_clip(tmp_path / "one.mp4", frames=50, gop=1000))
    found = cut_of(one_key, 0.5)
    assert found.spans == (replace(WHOLE, frames=50),) and found.why_whole == "it has no key frames to begin at"
    assert len(cut_of(Path(write_clip(tmp_path / "raw.h264", frames=50, gop=10)), 0.5).spans) == 1
    data = Path(write_clip(tmp_path / "a.ts", frames=50, gop=10)).read_bytes()
    twice = tmp_path / "twice.ts"
    twice.write_bytes(data + data)
    found = cut_of(twice, 0.5)
    assert len(found.spans) == 1 and found.why_whole


def test_damage_shifts_no_index_beyond_its_segment(tmp_path: Path) -> None:
    path = Path(write_clip(tmp_path / "v.ts", frames=100, gop=10))
    data = bytearray(path.read_bytes())
    found = cut_of(path, 1.0)
    data[len(data) // 3 : len(data) // 3 + 188 * 6] = bytes(188 * 6)
    path.write_bytes(data)
    late = frames_of(path, span=found.spans[-1])
    assert [read_index(frame.image) for frame in late] == [frame.index for frame in late] and len(late) > 10


def packets(path: Path) -> list[tuple[Fraction, Fraction, int]]:
    with av.open(str(path)) as opened:
        stream = opened.streams.video[0]
        return [(p.pts * p.time_base, p.duration * p.time_base, p.size) for p in opened.demux(stream) if p.size]


@pytest.mark.parametrize("size_wh", [(96, 64), (95, 63)])
@pytest.mark.parametrize("audio", ["aac", None])
def test_joined_pieces_are_the_video_as_one_writer_writes_it(
    tmp_path: Path, size_wh: tuple[int, int], audio: str | None
) -> None:
    pix_fmt = "yuv444p" if size_wh[0] % 2 else "yuv420p"
    path = write_clip(tmp_path / "v.mp4", size_wh, 100, audio=audio, pix_fmt=pix_fmt, rotation=90)
    sound = path if audio else None
    with VideoSource(path, AS_IT_IS) as source:
        info, found = source.info, source.cut(1.0)
        with VideoWriter(tmp_path / "whole.mp4", info, audio_from=sound, threads=1) as whole:
            for frame in source:
                whole.write(frame)
    pieces = []
    for span in found.spans:
        piece = tmp_path / f"{span.number}.mp4"
        frames = frames_of(Path(path), span=span)
        with VideoWriter(piece, info, threads=1) as writer:
            for frame in frames:
                writer.write(frame)
        pieces.append((piece, frames))
    with PieceJoiner(tmp_path / "joined.mp4", info, pieces[0][0], audio_from=sound) as joined:
        for piece, frames in pieces:
            joined.add(piece, frames)
    assert not joined.notes and not list(tmp_path.glob("*.part"))
    ours, theirs = packets(tmp_path / "joined.mp4"), packets(tmp_path / "whole.mp4")
    assert [p[:2] for p in ours] == [p[:2] for p in theirs] and len(ours) == 100
    seen, expected = frames_of(tmp_path / "joined.mp4"), frames_of(tmp_path / "whole.mp4")
    assert [(f.index, f.seconds, f.size_wh) for f in seen] == [(f.index, f.seconds, f.size_wh) for f in expected]
    for ours_, theirs_ in zip(seen, expected, strict=True):  # encoded apart: not the same to the last digit
        assert np.abs(ours_.image.astype(int) - theirs_.image).mean() < 5.0
    for name in ("joined", "whole"):
        with av.open(str(tmp_path / f"{name}.mp4")) as opened:
            lengths = [sum(p.duration for p in opened.demux(s)) for s in opened.streams.audio]
            assert (len(lengths) == 1 and lengths[0] > 0) if audio else not lengths
