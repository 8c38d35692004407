"""Videos in segments: the same results however they are shared among sessions and workers; little is lost to an end."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.jobs.batch import pieces
from crowdmask.jobs.batch.running import FINISHED, INTERRUPTED
from crowdmask.jobs.manifest.database import Manifest
from crowdmask.jobs.manifest.entries import CONCLUSION, PIECES
from crowdmask.jobs.networks import Pair
from crowdmask.jobs.stopping import Stop
from crowdmask.media.segments import Span
from crowdmask.media.video_source import VideoSource
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings, OutputSettings, RuntimeSettings
from tests.factories import FakeClassifier, FakeDetector, read_index, write_clip
from tests.unit.jobs.batch.cctv import Seeing, aged, batch, rows, still
from tests.unit.jobs.batch.test_damage import HARMS, files_of

FRAMES, SEGMENT_S = 100, 1.0  # 25 frames a second and a key frame every 12: segments begin at 0, 36, 60 and 84


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a film of four seconds, with sound, and a still."""
    folder = tmp_path_factory.mktemp("films")
    aged(Path(write_clip(folder / "v.mp4", frames=FRAMES, gop=12, audio="aac")))
    still(folder / "1.png", 2)
    return folder


def results(run: Path) -> dict[str, bytes]:
    names = ["frames.csv", "detections.csv", "videos/v.mp4.csv", "annotated/1.png"]
    with av.open(str(run / "annotated" / "v.mp4")) as made:
        times = [(p.stream_index, p.pts, p.duration) for p in made.demux() if p.size]
    return {"v.mp4": repr(sorted(times)).encode(), **{name: (run / name).read_bytes() for name in names}}


@pytest.fixture(scope="module")
def undisturbed(film: Path) -> dict[str, bytes]:
    outcome = batch(film, film.parent / "undisturbed", detections="detections.csv", segment_s=SEGMENT_S)
    assert outcome.ending == FINISHED and outcome.totals.frames == FRAMES + 1
    return results(film.parent / "undisturbed")


def test_the_rows_are_those_of_one_segment(film: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    batch(film, tmp_path / "run", detections="detections.csv", segment_s=60.0)
    whole = results(tmp_path / "run")
    for name in ("frames.csv", "detections.csv", "videos/v.mp4.csv"):
        assert undisturbed[name] == whole[name], name
    assert not list((tmp_path / "run").rglob("*.part")) and not list((tmp_path / "run").rglob("*.segments"))
    found = rows(tmp_path / "run" / "videos" / "v.mp4.csv")
    assert [int(row["frame"]) for row in found] == list(range(FRAMES))


def test_the_annotated_video_is_whole_and_has_its_sound(film: Path, undisturbed: dict[str, bytes]) -> None:
    copy = film.parent / "undisturbed" / "annotated" / "v.mp4"
    times = []
    for path in (copy, film / "v.mp4"):
        with av.open(str(path)) as opened:
            times.append([frame.pts * frame.time_base for frame in opened.decode(video=0)])
    assert times[0] == times[1] and len(times[0]) == FRAMES and undisturbed
    with av.open(str(copy)) as made, av.open(str(film / "v.mp4")) as source:
        (ours,), (theirs,) = made.streams.audio, source.streams.audio
        assert sum(p.size for p in made.demux(ours)) == sum(p.size for p in source.demux(theirs)) > 0


@pytest.mark.parametrize("blur", [True, False])
def test_pieces_are_drawn_as_if_they_had_seen_what_came_before(film: Path, tmp_path: Path, blur: bool) -> None:
    """The running totals of the panel and the blur that lingers go on over the borders."""
    pictures = []
    for name, segment_s in (("cut", SEGMENT_S), ("whole", 60.0)):
        output = OutputSettings(blur=blur, crf=1)
        batch(film, tmp_path / name, segment_s=segment_s, output=output)
        with av.open(str(tmp_path / name / "annotated" / "v.mp4")) as made:
            pictures.append([frame.to_ndarray(format="bgr24").astype(int) for frame in made.decode(video=0)])
    for ours, theirs in zip(*pictures, strict=True):
        assert np.abs(ours - theirs).mean() < 3.0


class Resting(FakeDetector):
    """Notes what is asked of it, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        self.asked.append("look")
        return super().detect(images)

    def rest(self) -> None:
        self.asked.append("rest")


def test_the_networks_rest_while_pieces_are_drawn(film: Path, tmp_path: Path) -> None:
    """What they compute in is a tenth of all memory, and two pieces that are drawn at once need as much."""
    detector, settings = Resting(), {"segment_s": SEGMENT_S, "include": "*.mp4"}
    batch(film, tmp_path / "run", networks=lambda a, r: Pair(detector, FakeClassifier()), **settings)
    assert detector.asked[:1] == ["look"] and detector.asked[-4:] == ["rest"] * 4, "four pieces"
    undrawn = Resting()
    batch(
        film,
        tmp_path / "undrawn",
        networks=lambda a, r: Pair(undrawn, FakeClassifier()),
        output=OutputSettings(video=False),
        **settings,
    )
    assert "rest" not in undrawn.asked


@pytest.mark.parametrize("at", [10, 37, 70, 99])
def test_an_interruption_costs_at_most_one_segment(
    film: Path, undisturbed: dict[str, bytes], tmp_path: Path, at: int
) -> None:
    stop = Stop()
    first, second = Seeing(stop, at), Seeing()
    settings: dict[str, Any] = {"detections": "detections.csv", "segment_s": SEGMENT_S}
    outcome = batch(film, tmp_path / "run", networks=lambda a, r: Pair(first, FakeClassifier()), stop=stop, **settings)
    assert outcome.ending == INTERRUPTED
    outcome = batch(film, tmp_path / "run", networks=lambda a, r: Pair(second, FakeClassifier()), **settings)
    assert outcome.ending == FINISHED and results(tmp_path / "run") == undisturbed
    begins = [0, 36, 60, 84]
    segment = max(begin for begin in begins if begin <= at)
    again = sorted(set(second.seen) - {2} if at >= 3 else set(second.seen))
    assert min(again) >= segment - 1 if at > 36 else True, "what was done was done again"
    assert not list((tmp_path / "run").rglob("*.looks")), "what is needed no more lies about"


@pytest.mark.parametrize("piece", [2, 4, 6, 8])
def test_an_end_while_drawing_costs_at_most_one_segment(
    film: Path, undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """What lies about of pieces when one is begun, as a kill would leave it, is of one segment; the rest is kept."""
    begun, under_way, kept = list[str](), list[set[int]](), list[set[int]]()
    made, run = pieces.AnnotatedVideo, tmp_path / "run"

    def begin(path: Path, *more: Any, **named: Any) -> Any:
        begun.append(path.name)
        if len(begun) == piece:
            parts = [part.name for part in run.rglob("*.mp4.part")]
            with Manifest.reading(run / "manifest.sqlite") as manifest:
                done = {
                    one.segment - PIECES for one in manifest.segments_of("v.mp4") if PIECES < one.segment < CONCLUSION
                }
            kept.append(done)
            under_way.append({int(name.partition(".")[0]) for name in (*parts, path.name)} - done)
            stop.ask()
        return made(path, *more, **named)

    stop = Stop()
    monkeypatch.setattr(pieces, "AnnotatedVideo", begin)
    settings: dict[str, Any] = {"detections": "detections.csv", "segment_s": SEGMENT_S}
    outcome = batch(film, run, stop=stop, **settings)
    assert outcome.ending == INTERRUPTED
    assert len(under_way) == 1 and len(under_way[0]) == 1, begun
    (segment,) = under_way[0]
    assert kept[0] == set(range(1, segment))
    before = len(begun)
    assert batch(film, run, **settings).ending == FINISHED
    again = {int(name.partition(".")[0]) for name in begun[before:]}
    assert again == set(range(segment, 5)), "what was drawn was drawn again"
    assert results(run) == undisturbed


def deadly(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    class Deadly(FakeDetector):
        """Dies at frame 70, the first time."""

        def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
            marker = Path(os.environ["DIED_ONCE"])
            if any(read_index(image) == 70 for image in images) and not marker.exists():
                marker.touch()
                os._exit(137)
            return super().detect(images)

    return Pair(Deadly(), FakeClassifier())


def test_two_workers_share_a_video_and_one_that_dies_changes_nothing(
    film: Path, undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[4]))
    monkeypatch.setenv("DIED_ONCE", str(tmp_path / "died"))
    outcome = batch(
        film, tmp_path / "run", networks=deadly, workers=2, detections="detections.csv", segment_s=SEGMENT_S
    )
    assert outcome.ending == FINISHED and outcome.totals.failed == 0 and (tmp_path / "died").exists()
    assert results(tmp_path / "run") == undisturbed


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_whatever_is_damaged_of_a_video_under_way_the_same_command_ends_whole(
    film: Path, undisturbed: dict[str, bytes], tmp_path: Path, harm: Any
) -> None:
    stop = Stop()
    settings: dict[str, Any] = {"detections": "detections.csv", "segment_s": SEGMENT_S}
    seeing = Seeing(stop, 70)
    batch(film, tmp_path / "left", networks=lambda a, r: Pair(seeing, FakeClassifier()), stop=stop, **settings)
    names = [path.relative_to(tmp_path / "left") for path in files_of(tmp_path / "left")]
    assert any(name.suffix == ".looks" for name in names)
    for name in names:
        shutil.copytree(tmp_path / "left", tmp_path / "run")
        harm(tmp_path / "run" / name)
        outcome = batch(film, tmp_path / "run", **settings)
        assert outcome.ending == FINISHED and outcome.totals.failed == 0, name
        assert results(tmp_path / "run") == undisturbed, name
        shutil.rmtree(tmp_path / "run")


def test_what_is_left_of_other_settings_is_not_used(film: Path, tmp_path: Path) -> None:
    stop = Stop()
    seeing = Seeing(stop, 70)
    batch(film, tmp_path / "run", networks=lambda a, r: Pair(seeing, FakeClassifier()), stop=stop, segment_s=SEGMENT_S)
    second = Seeing()
    batch(film, tmp_path / "run", networks=lambda a, r: Pair(second, FakeClassifier()), segment_s=1.5)
    assert set(range(FRAMES)) <= set(second.seen)
    with Manifest.reading(tmp_path / "run" / "manifest.sqlite") as manifest:
        assert manifest.segments_of("v.mp4") == []


def test_a_video_without_key_frames_is_one_segment_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    aged(Path(write_clip(tmp_path / "in" / "v.mp4", frames=60, gop=1000)))
    outcome = batch(tmp_path / "in", tmp_path / "run", segment_s=SEGMENT_S)
    assert outcome.totals.frames == 60
    assert any("in one piece, for it has no key frames" in note for note in outcome.summary["notes"])


def test_a_file_that_was_opened_for_each_segment_is_not_held_in_memory(film: Path, tmp_path: Path) -> None:
    gc.collect()
    gc.disable()  # what is in a circle of references would be found some time, after hundreds of megabytes
    try:
        batch(film, tmp_path / "run", segment_s=SEGMENT_S)
        held = sum(isinstance(one, (VideoSource, av.container.InputContainer)) for one in gc.get_objects())
    finally:
        gc.enable()
    assert held <= 2, held


def test_nor_is_it_for_each_piece_that_is_drawn(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    draw = pieces._Drawing._draw

    def counted(self: pieces._Drawing, number: int, piece: Span) -> int:
        held.append(sum(isinstance(one, (VideoSource, av.container.InputContainer)) for one in gc.get_objects()))
        return draw(self, number, piece)

    monkeypatch.setattr(pieces._Drawing, "_draw", counted)
    gc.collect()
    gc.disable()
    try:
        batch(film, tmp_path / "run", segment_s=2 * SEGMENT_S)
    finally:
        gc.enable()
    assert len(held) > 4 and max(held) <= 4, held  # two of each of the pieces drawn at once
