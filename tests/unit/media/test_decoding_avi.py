"""AVI, which keeps no times for pictures out of order, and files that begin late or end early."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from crowdmask.media.sources import open_source
from crowdmask.records import Frame, Gap
from crowdmask.settings import AnalysisSettings
from tests.factories import read_index, write_clip

SIZE = (96, 64)


def read(path: str | Path, **chosen: object) -> tuple[list[Frame], list[Gap]]:
    with open_source(str(path), AnalysisSettings(**chosen)) as source:  # type: ignore[arg-type]
        return list(source), list(source.gaps)


@pytest.mark.parametrize("bf", ["0", "1", "3"])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_avi_has_every_frame_at_its_time(codec: str, bf: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "in.avi", SIZE, 40, codec=codec, options={"bf": bf})
    frames, gaps = read(path)
    assert [read_index(f.image) for f in frames] == list(range(40))
    assert [f.seconds for f in frames] == pytest.approx([k / 25 for k in range(40)])
    assert gaps == []


def test_a_late_start_in_such_an_avi_counts_alike(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "in.avi", SIZE, 400, gop=50)
    frames, gaps = read(path, start_s=12.0, end_s=12.2)
    assert [(f.index, read_index(f.image)) for f in frames] == [(k, k) for k in range(300, 305)]
    assert gaps == []


@pytest.mark.parametrize("name", ["in.mkv", "in.mp4"])
def test_a_segment_that_begins_late_lacks_nothing(name: str, tmp_path: Path) -> None:
    """As FFmpeg's `segment` muxer writes them: the clock goes on from file to file."""
    whole = write_clip(tmp_path / "whole.mkv", SIZE, 50, gop=10, options={"bf": "0"})
    late = tmp_path / name
    with av.open(whole) as source, av.open(str(late), "w", options={"avoid_negative_ts": "disabled"}) as out:
        track = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                ahead = round(Fraction(6) / packet.time_base)
                packet.pts, packet.dts, packet.stream = (packet.pts or 0) + ahead, packet.dts + ahead, track
                out.mux(packet)
    frames, gaps = read(late)
    assert len(frames) == 50
    assert gaps == []


def test_a_file_cut_by_a_tenth_says_so(tmp_path: Path) -> None:
    path = Path(write_clip(tmp_path / "in.mkv", SIZE, 100, gop=10, codec="mjpeg", pix_fmt="yuvj420p"))
    path.write_bytes(path.read_bytes()[: round(path.stat().st_size * 0.9)])
    frames, gaps = read(path)
    assert 85 <= len(frames) <= 92
    assert "missing: it is cut off or damaged" in gaps[-1].reason
