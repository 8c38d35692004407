"""A written video plays where and how its source did: frames, times, size, rotation, colours and sound."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from crowdmask.errors import OutputError
from crowdmask.media.colour import writable_matrix
from crowdmask.media.parts import part_of
from crowdmask.media.sources import open_source
from crowdmask.media.video_writer import VideoWriter, encoder_options
from crowdmask.records import Frame, SourceKind, VideoInfo
from crowdmask.settings import AnalysisSettings
from tests.factories import make_frame, make_image, read_index, write_clip

SIZE = (96, 64)
INFO = VideoInfo("in.mp4", SourceKind.VIDEO, *SIZE, rate=Fraction(25), time_base=Fraction(1, 12_800))


def read(path: str | Path) -> tuple[VideoInfo, list[Frame]]:
    with open_source(str(path), AnalysisSettings()) as source:
        frames = list(source)
        assert source.gaps == []
        return source.info, frames


def copy(path: str | Path, to: Path, *, sound: bool = True, **settings: object) -> tuple[VideoWriter, list[Frame]]:
    """Read a video and write all of it again, as the product does with annotated frames."""
    with (
        open_source(str(path), AnalysisSettings(**settings)) as source,
        VideoWriter(to, source.info, audio_from=str(path) if sound else None, preset="ultrafast", crf=10) as writer,
    ):
        frames = []
        for frame in source:
            frames.append(frame)
            writer.write(frame)
    return writer, frames


def sound_packets(path: str | Path) -> list[tuple[float, bytes]]:
    """Time from the first picture, and bytes, of each packet of the first sound track."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        zero = (video.start_time or 0) * video.time_base
        return [(float(p.pts * p.time_base - zero), bytes(p)) for p in container.demux(audio=0) if p.size]


def boxes(path: Path) -> list[bytes]:
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        found.append(data[at + 4 : at + 8])
        at += int.from_bytes(data[at : at + 4], "big")
    return found


def same_times(frames: list[Frame], source: list[Frame]) -> bool:
    """To the microsecond, from the first frame on, and the length of the last."""
    zero = source[0].seconds
    wanted = [round((f.seconds - zero) * 1e6) for f in source]
    return [round(f.seconds * 1e6) for f in frames] == wanted and abs(
        (frames[-1].lasts_s or 0) - (source[-1].lasts_s or 0)
    ) < 1e-6


@pytest.mark.parametrize(
    "name", ["aac.mp4", "opus.mkv", "aac.ts", "mp2.ts", "mp3.avi", "pcm.mov", "flac.mkv", "ac3.mp4"]
)
def test_pictures_times_and_sound_are_the_sources(name: str, tmp_path: Path) -> None:
    word = name.partition(".")[0]
    codec = {"opus": "libopus", "pcm": "pcm_s16le", "mp3": "libmp3lame"}.get(word, word)
    video = {"codec": "mjpeg", "pix_fmt": "yuvj420p"} if name.endswith("avi") else {}
    source = write_clip(tmp_path / name, SIZE, 25, audio=codec, **video)  # type: ignore[arg-type]
    writer, frames = copy(source, tmp_path / "out.mp4")
    info, written = read(tmp_path / "out.mp4")
    assert writer.notes == []
    assert writer.frames_written == 25
    assert [read_index(f.image) for f in written] == list(range(25))
    assert same_times(written, frames)
    assert (info.width, info.height, info.codec, info.has_audio) == (*SIZE, "h264", True)
    before, after = sound_packets(source), sound_packets(tmp_path / "out.mp4")
    header = 7 if name == "aac.ts" else 0  # of each packet in a stream; a file says it once
    assert [data for _, data in after] == [data[header:] for _, data in before]
    # Matroska rounds to milliseconds, the output to samples
    assert np.allclose([t for t, _ in after], [t for t, _ in before], atol=0.0011)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, "out.mp4"])


def test_a_playlist_of_segments_with_aac_keeps_its_sound(tmp_path: Path) -> None:
    """HLS as recorders leave it: AAC with a header in each packet, which MP4 wants said once."""
    (tmp_path / "in").mkdir()
    cut = {"hls_time": "0.5", "hls_list_size": "0", "hls_segment_type": "mpegts"}
    source = write_clip(tmp_path / "in" / "live.m3u8", SIZE, 50, audio="aac", options={"bf": "0"}, container=cut)
    assert len(list((tmp_path / "in").glob("*.ts"))) > 2
    writer, frames = copy(source, tmp_path / "out.mp4")
    info, written = read(tmp_path / "out.mp4")
    assert writer.notes == [] and info.has_audio
    assert [read_index(f.image) for f in written] == list(range(50)) and same_times(written, frames)
    before, after = sound_packets(source), sound_packets(tmp_path / "out.mp4")
    assert [data for _, data in after] == [data[7:] for _, data in before]  # without its header
    assert np.allclose([t for t, _ in after], [t for t, _ in before], atol=0.0011)


def test_it_is_a_fast_start_h264_mp4_for_every_player(clip: Path, tmp_path: Path) -> None:
    copy(clip, tmp_path / "out.mp4")
    found = boxes(tmp_path / "out.mp4")
    assert found[0] == b"ftyp"
    assert found.index(b"moov") < found.index(b"mdat")
    assert b"moof" not in found
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.codec_context.codec_tag == "avc1"
        assert stream.codec_context.profile in ("Constrained Baseline", "Main", "High")
        assert stream.frames == 25


def test_variable_rate_to_the_microsecond(tmp_path: Path) -> None:
    stamps = [0, 1, 3, 1000, 1001, 90_000, 90_003, 123_457, 123_458, 900_001]
    source = write_clip(tmp_path / "vfr.mkv", SIZE, 10, vfr=[s // 10 for s in stamps if s % 10 < 8 or s > 9])
    _, frames = copy(source, tmp_path / "out.mp4")
    assert same_times(read(tmp_path / "out.mp4")[1], frames)
    info = VideoInfo("x", SourceKind.VIDEO, *SIZE, rate=Fraction(25), time_base=Fraction(1, 90_000))
    with VideoWriter(tmp_path / "fine.mp4", info, preset="ultrafast") as writer:
        for i, stamp in enumerate(stamps):
            writer.write(Frame(i, stamp / 90_000, make_image(i, SIZE), lasts_s=0.25))
    info, written = read(tmp_path / "fine.mp4")
    assert [round(f.seconds * 90_000) for f in written] == stamps
    assert written[-1].lasts_s == pytest.approx(0.25, abs=1e-5)
    assert info.duration_s == pytest.approx(900_001 / 90_000 + 0.25, abs=1e-5)


@pytest.mark.parametrize("base", [None, Fraction(1001, 30_000), Fraction(1, 25), Fraction(1, 10_000_000_000)])
def test_time_bases_of_all_kinds(base: Fraction | None, tmp_path: Path) -> None:
    rate = Fraction(30_000, 1001) if base and base.numerator == 1001 else Fraction(25)
    info = VideoInfo("x", SourceKind.VIDEO, *SIZE, rate=rate, time_base=base)
    with VideoWriter(tmp_path / "out.mp4", info, preset="ultrafast") as writer:
        for i in range(8):
            writer.write(make_frame(i, float(i / rate), SIZE))
    written = read(tmp_path / "out.mp4")[1]
    assert [f.seconds for f in written] == pytest.approx([float(i / rate) for i in range(8)], abs=6e-6)
    assert written[-1].lasts_s == pytest.approx(float(1 / rate), abs=6e-6)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_kept_as_the_source_stores_it(rotation: int, tmp_path: Path) -> None:
    size = (64, 96) if rotation % 180 else SIZE  # as stored
    stored = [make_image(i, size) for i in range(4)]
    source = write_clip(tmp_path / "turned.mp4", size, stored, rotation=rotation)
    _, frames = copy(source, tmp_path / "out.mp4")
    info, written = read(tmp_path / "out.mp4")
    assert info.rotation == rotation
    assert (info.width, info.height) == frames[0].size_wh
    assert all(np.abs(a.image.astype(int) - b.image).mean() < 4 for a, b in zip(written, frames, strict=True))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == size
        assert read_index(next(container.decode(video=0)).to_ndarray(format="bgr24")) == 0


@pytest.mark.parametrize(
    ("size", "rotation"), [((95, 61), 0), ((96, 61), 0), ((95, 64), 0), ((61, 95), 90), ((1, 1), 0)]
)
def test_odd_sizes_are_stored_even_with_the_edge_hidden(size: tuple[int, int], rotation: int, tmp_path: Path) -> None:
    info = VideoInfo("x", SourceKind.VIDEO, *size, rate=Fraction(25), time_base=Fraction(1, 12_800), rotation=rotation)
    frames = [make_frame(i, i / 25, size) for i in range(3)]
    with VideoWriter(tmp_path / "out.mp4", info, preset="ultrafast", crf=4) as writer:
        for frame in frames:
            writer.write(frame)
    found, written = read(tmp_path / "out.mp4")
    width, height = size
    assert (found.width, found.height) == (width + width % 2, height + height % 2)
    inside = [f.image[:height, :width] if not rotation else f.image[-height:, :width] for f in written]
    assert all(np.abs(a.astype(int) - b.image).mean() < 12 for a, b in zip(inside, frames, strict=True))
    data = (tmp_path / "out.mp4").read_bytes()
    at = data.index(b"clap")
    shown = [int.from_bytes(data[at + 4 + 4 * k : at + 8 + 4 * k], "big", signed=True) for k in range(8)]
    stored = (height, width) if rotation else size
    wanted = [stored[0], stored[1], Fraction(-(stored[0] % 2), 2), Fraction(-(stored[1] % 2), 2)]
    assert [Fraction(*shown[k : k + 2]) for k in (0, 2, 4, 6)] == wanted


def test_even_sizes_hide_nothing(clip: Path, tmp_path: Path) -> None:
    copy(clip, tmp_path / "out.mp4")
    assert b"clap" not in (tmp_path / "out.mp4").read_bytes()


@pytest.mark.parametrize("tags", [(1, 1, 1), (6, 6, 6), (5, 5, 6), (2, 2, 1), (2, 2, 6), (9, 1, 9)])
def test_colours_and_their_tags_are_kept(tags: tuple[int, int, int], tmp_path: Path) -> None:
    info = VideoInfo("x", SourceKind.VIDEO, 32, 32, rate=Fraction(25), time_base=Fraction(1, 25), colour=tags)
    colours = [(30, 40, 200), (200, 60, 30), (40, 180, 50), (255, 255, 255), (0, 0, 0)]
    with VideoWriter(tmp_path / "out.mp4", info, preset="ultrafast", crf=4) as writer:
        for i, bgr in enumerate(colours):
            writer.write(Frame(i, i / 25, np.full((32, 32, 3), bgr, np.uint8)))
    found, written = read(tmp_path / "out.mp4")
    assert found.colour == (*tags[:2], writable_matrix(tags[2], (32, 32)))  # PyAV before 18 cannot write BT.2020
    for frame, bgr in zip(written, colours, strict=True):
        assert np.abs(frame.image.astype(int) - bgr).max() <= 5
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].color_range == 1


def test_pixel_aspect_is_kept(tmp_path: Path) -> None:
    info = VideoInfo("x", SourceKind.VIDEO, *SIZE, rate=Fraction(25), pixel_aspect=Fraction(64, 45))
    with VideoWriter(tmp_path / "out.mp4", info) as writer:
        writer.write(make_frame(0, 0.0, SIZE))
    assert read(tmp_path / "out.mp4")[0].pixel_aspect == Fraction(64, 45)


def test_a_part_takes_its_part_of_the_sound_in_step(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", SIZE, 100, audio="aac")
    _, frames = copy(source, tmp_path / "out.mp4", start_s=1.0, end_s=3.0)
    _, written = read(tmp_path / "out.mp4")
    assert [read_index(f.image) for f in written] == list(range(25, 75))
    assert same_times(written, frames)
    whole, part = sound_packets(source), sound_packets(tmp_path / "out.mp4")
    wanted = [(t - 1.0, data) for t, data in whole if t + 1024 / 48_000 > 1.0 and t < 3.0]
    assert [data for _, data in part] == [data for _, data in wanted]
    assert np.allclose([t for t, _ in part], [t for t, _ in wanted], atol=1e-4)


def test_every_nth_frame_keeps_the_whole_sound(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", SIZE, 50, audio="aac")
    copy(source, tmp_path / "out.mp4", every=7)
    _, written = read(tmp_path / "out.mp4")
    assert [f.seconds for f in written] == pytest.approx([i * 0.28 for i in range(8)])
    assert [d for _, d in sound_packets(tmp_path / "out.mp4")] == [d for _, d in sound_packets(source)]


def test_sound_is_cut_where_the_writing_stopped(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", SIZE, 100, audio="aac")
    with (
        open_source(source, AnalysisSettings()) as opened,
        VideoWriter(tmp_path / "out.mp4", opened.info, audio_from=source) as writer,
    ):
        for frame, _ in zip(opened, range(25), strict=False):
            writer.write(frame)
    times = [t for t, _ in sound_packets(tmp_path / "out.mp4")]
    assert 0.95 < max(times) < 1.0


def test_sound_that_starts_before_the_picture_does_so_again(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mkv", SIZE, 25, audio="libopus", vfr=[500 + 40 * i for i in range(25)])
    before = sound_packets(source)
    assert before[0][0] < -0.4
    copy(source, tmp_path / "out.mp4")
    after = sound_packets(tmp_path / "out.mp4")
    assert [d for _, d in after] == [d for _, d in before]
    assert np.allclose([t for t, _ in after], [t for t, _ in before], atol=0.0011)
    assert read(tmp_path / "out.mp4")[0].starts_at_s == pytest.approx(0.507, abs=0.01)


def test_two_sound_tracks_with_their_languages(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    one = write_clip(tmp_path / "one.mp4", SIZE, 10, audio="aac")
    with av.open(one) as source, av.open(str(path), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0], opaque=True)
        tracks = [out.add_stream_from_template(source.streams.audio[0]) for _ in range(2)]
        for track, language in zip(tracks, ("deu", "fra"), strict=True):
            track.metadata["language"] = language
        for packet in source.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "video":
                packet.stream = video
                out.mux(packet)
            else:
                for track in tracks:
                    twin = av.Packet(bytes(packet))
                    twin.pts, twin.dts, twin.time_base, twin.stream = packet.pts, packet.dts, packet.time_base, track
                    out.mux(twin)
    copy(path, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [s.language for s in container.streams.audio] == ["deu", "fra"]


def heard(path: str | Path) -> tuple[np.ndarray, int]:
    """The first sound track, mixed to one channel, and its rate."""
    with av.open(str(path)) as container:
        frames = [f.to_ndarray().astype(float) for f in container.decode(audio=0)]
        rate = container.streams.audio[0].codec_context.sample_rate
    return np.concatenate([f.mean(axis=0) for f in frames]), rate


def pitch(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


@pytest.mark.parametrize(
    ("name", "audio"),
    [
        ("in.asf", "wmav2"),
        ("in.avi", "pcm_s16le"),
        ("in.avi", "pcm_mulaw"),
        ("in.avi", "adpcm_ima_wav"),
        ("in.avi", "pcm_u8"),
    ],
)
def test_sound_that_mp4_cannot_hold_is_encoded_and_said(name: str, audio: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / name, SIZE, 50, codec="mpeg4", audio=audio)
    writer, _ = copy(source, tmp_path / "out.mp4")
    (note,) = writer.notes
    assert f"encoded to AAC: MP4 cannot hold {audio}" in note
    samples, rate = heard(tmp_path / "out.mp4")
    assert abs(len(samples) / rate - 2.0) < 0.15
    assert abs(pitch(samples, rate) - 440) < 4
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        zero = float((container.streams.video[0].start_time or 0) * container.streams.video[0].time_base)
        first = next(container.decode(audio=0))
        assert abs(float(first.pts * first.time_base) - zero) < 0.05


def test_encoded_sound_of_a_part_is_that_parts(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.avi", SIZE, 100, codec="mjpeg", pix_fmt="yuvj420p", audio="pcm_s16le")
    copy(source, tmp_path / "out.mp4", start_s=1.0, end_s=2.5)
    samples, rate = heard(tmp_path / "out.mp4")
    assert abs(len(samples) / rate - 1.5) < 0.1


@pytest.mark.parametrize("audio", ["aac", "mp2", "ac3"])
def test_sound_of_a_transport_stream_whose_clock_begins_anew(audio: str, tmp_path: Path) -> None:
    part = write_clip(tmp_path / "part.ts", SIZE, 50, audio=audio, options={"bf": "0"})
    joined = tmp_path / "joined.ts"
    joined.write_bytes(Path(part).read_bytes() * 2)
    with (
        open_source(str(joined), AnalysisSettings()) as source,
        VideoWriter(tmp_path / "out.mp4", source.info, audio_from=str(joined), preset="ultrafast") as writer,
    ):
        for frame in source:
            writer.write(frame)
    assert writer.frames_written == 100
    assert writer.notes == []
    times = [t for t, _ in sound_packets(tmp_path / "out.mp4")]
    assert abs(times[-1] - 4.0) < 0.2
    steps = np.diff(times)
    assert steps.max() < 3 * np.median(steps) and steps.min() > 0.3 * np.median(steps)
    samples, rate = heard(tmp_path / "out.mp4")
    assert abs(pitch(samples[rate : 3 * rate], rate) - 440) < 4


@pytest.mark.parametrize("source", ["rtsp://user:secret@camera/1", "0", "/nowhere/in.mp4"])
def test_sound_that_cannot_be_read_again_is_left_out_with_a_note(source: str, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", INFO, audio_from=source) as writer:
        writer.write(make_frame(0, 0.0, SIZE))
    assert len(writer.notes) == 1
    assert "secret" not in writer.notes[0]
    assert len(read(tmp_path / "out.mp4")[1]) == 1


def test_names_with_spaces_and_beyond_ascii(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "ein Ordner ü" / "映画 100%d:.mp4"
    path.parent.mkdir()
    copy(clip, path)
    assert len(read(path)[1]) == 25


def test_it_refuses_its_own_input(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(clip)
    size = clip.stat().st_size
    for path, audio in ((clip, None), (tmp_path / "link.mp4", None), (clip, str(clip))):
        with pytest.raises(OutputError, match="is the input itself"):
            VideoWriter(path, VideoInfo(str(clip), SourceKind.VIDEO, *SIZE), audio_from=audio)
    assert clip.stat().st_size == size
    assert not part_of(clip).exists()


def test_places_it_cannot_write_to_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nowhere/out\.mp4.*create it first"):
        VideoWriter(tmp_path / "nowhere" / "out.mp4", INFO)
    with pytest.raises(OutputError, match="is a folder"):
        VideoWriter(tmp_path, INFO)
    assert list(tmp_path.iterdir()) == []


def test_a_frame_of_another_size_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frame is"), VideoWriter(tmp_path / "out.mp4", INFO) as writer:
        writer.write(make_frame(0, 0.0, (64, 64)))
    assert list(tmp_path.iterdir()) == []


def test_no_frame_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no frame was analysed"), VideoWriter(tmp_path / "out.mp4", INFO):
        pass
    assert list(tmp_path.iterdir()) == []


def test_times_that_do_not_go_forward_are_kept_apart(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", INFO) as writer:
        for i, seconds in enumerate([0.0, 0.04, 0.04, 0.0400001, 0.2]):
            writer.write(make_frame(i, seconds, SIZE))
    assert [read_index(f.image) for f in read(tmp_path / "out.mp4")[1]] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_interrupted_it_leaves_a_part_that_plays_and_no_file(
    error: type[BaseException], clip: Path, tmp_path: Path
) -> None:
    with (
        pytest.raises(error),
        open_source(str(clip), AnalysisSettings()) as source,
        VideoWriter(tmp_path / "out.mp4", source.info, audio_from=str(clip)) as writer,
    ):
        for frame in source:
            writer.write(frame)
            if frame.index == 9:
                raise error
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4.part"]
    info, frames = read(part_of(tmp_path / "out.mp4"))
    assert [read_index(f.image) for f in frames] == list(range(10))
    assert info.has_audio


def test_an_older_file_stays_until_the_new_one_is_whole(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_bytes(b"old")
    with pytest.raises(RuntimeError), VideoWriter(tmp_path / "out.mp4", INFO) as writer:
        writer.write(make_frame(0, 0.0, SIZE))
        raise RuntimeError
    assert (tmp_path / "out.mp4").read_bytes() == b"old"
    copy(clip, tmp_path / "out.mp4")
    assert len(read(tmp_path / "out.mp4")[1]) == 25


def test_killed_it_leaves_a_part_that_plays(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from tests.factories import make_frame\n"
        "from tests.unit.media.test_video_writer import INFO, SIZE, VideoWriter\n"
        "writer = VideoWriter(sys.argv[1], INFO, preset='ultrafast')\n"
        "for i in range(200):\n"
        "    writer.write(make_frame(i, i / 25, SIZE))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    root = Path(__file__).parents[3]
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "out.mp4")], cwd=root, check=False)
    assert ended.returncode == -signal.SIGKILL
    with open_source(str(part_of(tmp_path / "out.mp4")), AnalysisSettings()) as source:
        drawn = [read_index(f.image) for f in source]
    assert drawn == list(range(len(drawn)))
    assert len(drawn) >= 100  # of eight seconds, at most the last few are lost


@pytest.fixture
def tiny_disk() -> Iterator[Path]:
    """A disk of 400 kB."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip("mounting needs root")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def noisy(index: int) -> Frame:
    image = make_image(index, SIZE).copy()
    image[:40] = np.random.default_rng(index).integers(0, 255, (40, SIZE[0], 3), np.uint8)
    return Frame(index, index / 25, image)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_that_fills_up_keeps_what_there_is(tiny_disk: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"out\.mp4.*disk is full: free some space") as caught,
        VideoWriter(tiny_disk / "out.mp4", INFO, preset="ultrafast", crf=10) as writer,
    ):
        for i in range(2000):
            writer.write(noisy(i))
    assert "\n" not in str(caught.value)
    assert os.listdir(tiny_disk) == ["out.mp4.part"]
    with open_source(str(part_of(tiny_disk / "out.mp4")), AnalysisSettings()) as source:
        drawn = [read_index(f.image) for f in source]
    assert len(drawn) >= 40
    assert drawn[:40] == list(range(40))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_too_small_for_the_last_copy_keeps_a_whole_part(tiny_disk: Path) -> None:
    with (
        pytest.raises(OutputError, match="disk is full"),
        VideoWriter(tiny_disk / "out.mp4", INFO, preset="ultrafast", crf=10) as writer,
    ):
        for i in range(2000):
            writer.write(noisy(i))
            if part_of(tiny_disk / "out.mp4").stat().st_size > 220_000:
                break
    assert os.listdir(tiny_disk) == ["out.mp4.part"]
    assert len(read(part_of(tiny_disk / "out.mp4"))[1]) == writer.frames_written


def test_of_a_camera_that_stands_still_the_default_is_hardly_larger_than_veryfast(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    hall = cv2.GaussianBlur(rng.integers(0, 256, (180, 320, 3), dtype=np.uint8), (0, 0), 1.5)

    def size(**preset: str) -> int:
        with VideoWriter(tmp_path / "out.mp4", replace(INFO, width=320, height=180), **preset) as writer:
            for i in range(100):
                image = np.clip(hall + np.random.default_rng(i).normal(0, 2, hall.shape), 0, 255).astype(np.uint8)
                cv2.rectangle(image, (2 * i, 60), (2 * i + 40, 140), (0, 0, 255), -1)  # somebody walks by
                writer.write(Frame(i, i / 25, image))
        return (tmp_path / "out.mp4").stat().st_size

    # 1.24 times; by the preset alone 2.2 times
    assert size() < 1.5 * size(preset="veryfast")


def test_the_same_frames_always_give_the_same_bytes() -> None:
    frames = [av.VideoFrame.from_ndarray(make_image(n, (96, 64)), format="bgr24") for n in range(4)]
    pictures = [frame.reformat(format="yuv420p").to_ndarray() for frame in frames]

    def encoded(_: int) -> bytes:
        with av.open(os.devnull, "w", format="null") as out:
            stream = out.add_stream("libx264", rate=25, options=encoder_options("superfast", 23))
            stream.width, stream.height, stream.codec_context.thread_count = 96, 64, 1
            packets = []
            for number, picture in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
                frame.pts = number
                packets += stream.encode(frame)
            return b"".join(bytes(packet) for packet in [*packets, *stream.encode(None)])

    with ThreadPoolExecutor(4) as pool:  # with x264's AVX-512 code one in a hundred differed
        assert len(set(pool.map(encoded, range(600)))) == 1


def test_x264_is_held_to_avx2_only_where_there_is_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for has_avx512 in (True, False):
        monkeypatch.setattr(cv2, "checkHardwareSupport", lambda feature, answer=has_avx512: answer)
        assert ("asm=" in encoder_options("superfast", 23)["x264-params"]) is has_avx512
