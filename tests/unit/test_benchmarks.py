"""The benchmarks' own workings: a clip repeated by its packets, a command measured, a table printed."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest

from benchmarks.clips import length_of, measured, repeat, table

CLIP = Path(__file__).parents[2] / "samples" / "crowd.mp4"


def test_length_reaches_to_the_end_of_the_last_frame() -> None:
    assert length_of(CLIP) == 10


def test_repeated_clip_has_its_frames_again_at_even_times_and_its_sound(tmp_path: Path) -> None:
    out = tmp_path / "long.mp4"
    repeat(CLIP, out, 11)
    with av.open(str(out)) as clip:
        video, sound = clip.streams.video[0], clip.streams.audio[0]
        times = [frame.pts * video.time_base for frame in clip.decode(video) if frame.pts is not None]
        assert float(sound.duration * sound.time_base) == pytest.approx(20, abs=0.1)
    assert times == [Fraction(i, 25) for i in range(500)]


def test_measured_command_tells_its_memory_and_what_it_printed() -> None:
    ran = measured([sys.executable, "-c", "data = b'x' * 200_000_000; print(len(data))"])
    assert ran.stdout.strip() == "200000000"
    assert 200_000_000 < ran.peak_bytes < 600_000_000
    assert ran.seconds > 0


def test_failing_command_ends_the_benchmark(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="ended with 3"):
        measured([sys.executable, "-c", "import sys; print('out of order', file=sys.stderr); sys.exit(3)"])
    assert "out of order" in capfd.readouterr().err


def test_table_is_markdown() -> None:
    assert table(["what", "fps"], [["a", "1"]]).splitlines() == ["| what | fps |", "| --- | ---: |", "| a | 1 |"]
