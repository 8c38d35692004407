"""The overlay: the source's packets to the bit, and events that name each frame's boxes for as long as it is shown."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdmask.errors import OutputError, SettingsError
from crowdmask.media.parts import part_of
from crowdmask.media.sources import open_source
from crowdmask.records import VideoInfo
from crowdmask.results.overlay import OverlayVideo, escaped, header
from crowdmask.settings import AnalysisSettings, OutputSettings
from tests.factories import make_result, write_clip

SIZE = (160, 120)
SETTINGS = OutputSettings(video_overlay=True, panel=False)
Event = tuple[int, int, str]  # start and end in milliseconds, text


def overlaid(path: str, out: Path, *, stop_after: int | None = None, **chosen: object) -> list[float]:
    """Write the overlay, one box in each frame as far to the right as the frame's index; gives the frames' times."""
    times = []
    with (
        open_source(path, AnalysisSettings(**chosen)) as source,  # type: ignore[arg-type]
        OverlayVideo(out, source.info, SETTINGS, source=path) as sink,
    ):
        for frame in source:
            x = 20 + frame.index
            sink.write(make_result(frame, [(x, 40, x + 40, 80)], [0.9]))
            times.append(frame.seconds)
            if stop_after is not None and len(times) == stop_after:
                break
    return times


def packets(path: str | Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux() if p.size and p.stream.type == kind]


def picture_times(path: str | Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(f.pts * f.time_base) for f in container.decode(video=0)]


def events(path: Path) -> list[Event]:
    found = []
    with av.open(str(path)) as container:
        for packet in container.demux(subtitles=0):
            if packet.size:
                assert packet.pts is not None
                text = bytes(packet).decode().split(",", 8)[8]
                found.append((packet.pts, packet.pts + (packet.duration or 0), text))
    return found


def boxes(path: Path) -> list[tuple[int, int, int]]:
    """Start, end and the index that the place of each box tells."""
    shapes = [e for e in events(path) if r"\bord" in e[2]]
    lefts = [min(int(x) for x in re.findall(r"m (\d+)", text)) for _, _, text in shapes]
    return [(start, end, left - min(lefts)) for (start, end, _), left in zip(shapes, lefts, strict=True)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("b-frames.mp4", {"audio": "aac"}),
        ("stream.ts", {"audio": "aac"}),
        ("opus.mkv", {"audio": "libopus"}),
        ("pcm.mov", {"audio": "pcm_s16le"}),
        ("turned.mp4", {"rotation": 90}),
        ("motion.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("vfr.mkv", {"vfr": [0, 40, 90, 300, 310, 900, 2100, 2140, 2180, 2220, 2260, 2300]}),
    ],
)
def test_the_video_is_the_sources_to_the_bit_and_each_box_lasts_as_long_as_its_frame(
    name: str, options: dict[str, object], tmp_path: Path
) -> None:
    source, out = write_clip(tmp_path / name, SIZE, 12, **options), tmp_path / "out.mkv"  # type: ignore[arg-type]
    times = overlaid(source, out)
    assert sorted(os.listdir(tmp_path)) == sorted([name, "out.mkv"])
    with open_source(source, AnalysisSettings()) as before, open_source(str(out), AnalysisSettings()) as after:
        assert (after.info.rotation, after.info.width) == (before.info.rotation, before.info.width)
        assert [f.image.tobytes() for f in after] == [f.image.tobytes() for f in before]
    if not name.endswith(".ts"):  # H.264 in a stream has other length marks than in a file
        assert packets(out, "video") == packets(source, "video")
        assert packets(out, "audio") == packets(source, "audio")
    shown = picture_times(out)
    assert [t - shown[0] for t in shown] == pytest.approx([t - times[0] for t in times], abs=0.00101)
    begins = [round(1000 * t) for t in shown]
    found = boxes(out)
    for index in range(12):
        mine = [(start, end) for start, end, place in found if place == index]
        until = begins[index + 1] if index < 11 else mine[-1][1]
        assert (mine[0][0], mine[-1][1]) == (begins[index], until)
        assert all(end - start <= 1300 for start, end in mine)
        assert all(a[1] == b[0] for a, b in itertools.pairwise(mine))


def test_odd_sizes_keep_their_size(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "odd.mkv", (161, 121), 5, codec="ffv1")
    overlaid(source, tmp_path / "out.mkv")
    assert packets(tmp_path / "out.mkv", "video") == packets(source, "video")
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (161, 121)
        script = bytes(container.streams.subtitles[0].codec_context.extradata or b"").decode()
        assert "PlayResX: 161" in script and "PlayResY: 121" in script
        assert container.streams.subtitles[0].disposition & av.stream.Disposition.default


def test_a_part_begins_at_its_keyframe_and_its_events_are_in_step(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "long.mp4", SIZE, 100, gop=10)
    times = overlaid(source, tmp_path / "out.mkv", start_s=2.0, end_s=3.0)
    assert times == pytest.approx([2.0 + 0.04 * k for k in range(25)])
    with open_source(str(tmp_path / "out.mkv"), AnalysisSettings()) as written:
        first = next(iter(written)).image
    with open_source(source, AnalysisSettings()) as before:
        same = [f.seconds for f in before if f.image.tobytes() == first.tobytes()]
    found = boxes(tmp_path / "out.mkv")
    assert len(found) == 25
    shown = picture_times(tmp_path / "out.mkv")
    # the file's zero is the picture found in the source at `same`; the first box belongs to the one at 2 s
    assert found[0][0] / 1000 - shown[0] == pytest.approx(2.0 - same[0], abs=0.0011)


def test_an_interrupted_one_is_whole_as_far_as_it_goes(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", SIZE, 100)
    overlaid(source, tmp_path / "out.mkv", stop_after=30)
    assert len(boxes(tmp_path / "out.mkv")) == 30
    assert 30 <= len(packets(tmp_path / "out.mkv", "video")) <= 34  # frames that later ones refer to come along


def test_an_error_leaves_a_part_that_plays(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", SIZE, 50)
    with (
        pytest.raises(RuntimeError, match="half-way"),
        open_source(source, AnalysisSettings()) as opened,
        OverlayVideo(tmp_path / "out.mkv", opened.info, SETTINGS, source=source) as sink,
    ):
        for frame in opened:
            sink.write(make_result(frame, [(20, 40, 60, 80)], [0.9]))
            if frame.index == 40:
                raise RuntimeError("half-way")
    assert not (tmp_path / "out.mkv").exists()
    assert len(packets(part_of(tmp_path / "out.mkv"), "video")) >= 30


def test_nothing_written_leaves_nothing(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", SIZE, 3)
    with (
        open_source(source, AnalysisSettings()) as opened,
        pytest.raises(OutputError, match="no frame"),
        OverlayVideo(tmp_path / "out.mkv", opened.info, SETTINGS, source=source),
    ):
        pass
    assert os.listdir(tmp_path) == ["in.mp4"]


def test_pictures_stored_out_of_order_without_their_times_are_refused_at_once(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "b.avi", SIZE, 12)
    with (
        open_source(source, AnalysisSettings()) as opened,
        pytest.raises(OutputError, match=r"cannot write .*out\.mkv: .*h264 of .*b\.avi.*: leave --video-overlay out"),
        OverlayVideo(tmp_path / "out.mkv", opened.info, SETTINGS, source=source),
    ):
        pass
    assert os.listdir(tmp_path) == ["b.avi"]


def test_it_refuses_its_own_input(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mkv", SIZE, 3)
    before = Path(source).read_bytes()
    with open_source(source, AnalysisSettings()) as opened, pytest.raises(OutputError, match="the input itself"):
        OverlayVideo(source, opened.info, SETTINGS, source=source).__enter__()
    assert Path(source).read_bytes() == before


def test_an_overlay_does_not_hide_faces() -> None:
    with pytest.raises(SettingsError, match="every face in it"):
        OutputSettings(video_overlay=True, blur=True)


@given(st.text(max_size=40))
def test_no_text_begins_an_override_or_a_line(text: str) -> None:
    shown = escaped(text)
    assert "\n" not in shown and "\r" not in shown
    assert not re.search(r"(?<!\\)[{}]", shown)
    assert not re.search(r"\\[^{}\u2060]", shown) and not shown.endswith("\\")


def test_a_name_that_looks_like_an_override() -> None:
    assert escaped(r"{\pos(1,1)}a\Nb") == "\\{\\\u2060pos(1,1)\\}a\\\u2060Nb"


def test_the_script_says_the_size_and_holds_its_styles() -> None:
    script = header((1920, 1080))
    assert "PlayResX: 1920\nPlayResY: 1080" in script
    assert script.count("\nStyle: ") == 2
    fields = next(line for line in script.splitlines() if line.startswith("Format: Name")).count(",")
    assert all(line.count(",") == fields for line in script.splitlines() if line.startswith("Style: "))


def names(found: Sequence[Event]) -> set[str]:
    return {re.sub(r"\{.*?\}", "", text) for _, _, text in found}


def test_what_is_said_of_a_face_and_of_all(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", (640, 480), 30)
    settings = OutputSettings(video_overlay=True)
    with open_source(source, AnalysisSettings()) as opened:
        info: VideoInfo = opened.info
        with OverlayVideo(tmp_path / "out.mkv", info, settings, source=source) as sink:
            for frame in opened:
                sink.write(make_result(frame, [(300, 100, 400, 220), (100, 300, 180, 400)], [0.93, 0.08]))
    said = names(events(tmp_path / "out.mkv"))
    assert {"unmasked 93%", "masked 92%", "compliance so far", "50.0%"} <= said
    # nothing changed over 1.2 seconds: every event is said once, and once more after a second
    assert len(events(tmp_path / "out.mkv")) == 2 * len({text for _, _, text in events(tmp_path / "out.mkv")})
