"""The demonstration material is what its README says, and its ground truth fits it."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from crowdmask.geometry import iou
from crowdmask.records import Frame, Verdict
from crowdmask.settings import AnalysisSettings, RuntimeSettings

SAMPLES = Path(__file__).parents[2] / "samples"
STILLS = {"hall.jpg": (1600, 900), "turned.jpg": (720, 960), "small.png": (320, 240), "grey.jpg": (640, 480)}


def truth(name: str, key: str) -> dict[str, list[dict[str, str]]]:
    rows = defaultdict(list)
    with (SAMPLES / name).open(newline="") as file:
        for row in csv.DictReader(file):
            rows[row[key]].append(row)
    return dict(rows)


def boxes(rows: list[dict[str, str]]) -> np.ndarray:
    return np.array([[float(row[k]) for k in ("x1", "y1", "x2", "y2")] for row in rows])


def test_clip_is_small_and_has_picture_and_sound() -> None:
    path = SAMPLES / "crowd.mp4"
    assert path.stat().st_size < 3_000_000
    with av.open(str(path)) as clip:
        video, sound = clip.streams.video[0], clip.streams.audio[0]
        assert (video.codec_context.name, video.width, video.height, video.average_rate) == ("h264", 1280, 720, 25)
        assert video.codec_context.pix_fmt == "yuv420p"
        assert sound.codec_context.name == "aac"
        assert float(sound.duration * sound.time_base) == pytest.approx(10, abs=0.1)
        assert sum(1 for _ in clip.decode(video)) == 250


def test_sound_is_to_be_heard_and_is_not_cut_off() -> None:
    with av.open(str(SAMPLES / "crowd.mp4")) as clip:
        sound = np.concatenate([frame.to_ndarray() for frame in clip.decode(audio=0)], axis=1)
    assert 0.02 < np.sqrt(np.mean(sound**2)) < 0.3
    assert np.abs(sound).max() < 1.0


def test_clip_starts_playing_before_it_is_loaded() -> None:
    data = (SAMPLES / "crowd.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_truth_has_every_frame_and_stays_inside_it() -> None:
    frames = truth("truth.csv", "frame")
    assert [int(f) for f in frames] == list(range(250))
    for rows in frames.values():
        at = boxes(rows)
        assert np.all(at >= 0) and np.all(at[:, [0, 2]] <= 1280) and np.all(at[:, [1, 3]] <= 720)
        assert np.all(at[:, 2:] > at[:, :2])
        assert all(0.15 <= float(row["visible"]) <= 1 for row in rows)


def test_clip_shows_both_verdicts_at_all_times_and_many_sizes() -> None:
    frames = truth("truth.csv", "frame")
    for rows in frames.values():
        assert Counter(row["verdict"] for row in rows).keys() == {"masked", "unmasked"}
    every = boxes([row for rows in frames.values() for row in rows if float(row["visible"]) > 0.99])
    sizes = np.sqrt(np.prod(every[:, 2:] - every[:, :2], axis=1))
    assert sizes.min() < 28 and sizes.max() > 180
    counts = {len(rows) for rows in frames.values()}
    assert min(counts) >= 7 and max(counts) >= 10 and len(counts) > 2  # people come and go


@pytest.mark.parametrize(
    ("name", "people", "most_frames"),
    [("truth.csv", 12, 250), ("truth-crossing.csv", 11, 200), ("truth-pan.csv", 7, 200)],
)
def test_truth_of_clips_says_who_is_who(name: str, people: int, most_frames: int) -> None:
    frames = truth(name, "frame")
    assert len(frames) <= most_frames
    places: dict[str, tuple[int, np.ndarray]] = {}
    for number, rows in frames.items():
        assert len({row["person"] for row in rows}) == len(rows)
        for row, box in zip(rows, boxes(rows), strict=True):
            frame, before = places.get(row["person"], (-2, box))
            if frame == int(number) - 1:  # nobody jumps, but for what the camera itself does
                assert np.abs(box - before).max() < max(14, 0.5 * (box[2] - box[0]))
            places[row["person"]] = (int(number), box)
    assert len(places) == people


@pytest.mark.parametrize("name", ["crossing.mp4", "pan.mp4"])
def test_further_clips_are_small_and_whole(name: str) -> None:
    path = SAMPLES / name
    assert path.stat().st_size < 1_000_000
    with av.open(str(path)) as clip:
        video = clip.streams.video[0]
        assert (video.codec_context.name, video.width, video.height, video.average_rate) == ("h264", 640, 360, 25)
        assert sum(1 for _ in clip.decode(video)) == 200


def test_stills_have_their_sizes_upright() -> None:
    faces = truth("truth-stills.csv", "picture")
    assert faces.keys() == STILLS.keys()
    for name, (width, height) in STILLS.items():
        picture = cv2.imread(str(SAMPLES / name))
        assert picture is not None and picture.shape == (height, width, 3)
        at = boxes(faces[name])
        assert np.all(at >= 0) and np.all(at[:, [0, 2]] <= width) and np.all(at[:, [1, 3]] <= height)


def test_turned_still_needs_its_exif_and_grey_still_has_one_channel() -> None:
    stored = cv2.imread(str(SAMPLES / "turned.jpg"), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert stored is not None and stored.shape == (720, 960, 3)
    grey = cv2.imread(str(SAMPLES / "grey.jpg"), cv2.IMREAD_UNCHANGED)
    assert grey is not None and grey.shape == (480, 640)


def test_readme_names_every_file() -> None:
    text = (SAMPLES / "README.md").read_text()
    for path in SAMPLES.iterdir():
        if path.suffix in (".mp4", ".jpg", ".png", ".csv"):
            assert f"`{path.name}`" in text, path.name


@pytest.fixture(scope="module")
def judged() -> list[tuple[str, str, float]]:
    """For each face of the stills and of ten frames of the clip: its verdict, the one it got ("" if not found), and
    how much of it is visible; made with the networks and weights that are shipped."""
    from crowdmask.engine.judging import Judge
    from crowdmask.engine.load import load_classifier, load_detector
    from crowdmask.engine.spine import analyse

    settings, runtime = AnalysisSettings(follow=False), RuntimeSettings(window=4)
    pictures = [(rows, cv2.imread(str(SAMPLES / name))) for name, rows in truth("truth-stills.csv", "picture").items()]
    clip_truth = truth("truth.csv", "frame")
    with av.open(str(SAMPLES / "crowd.mp4")) as clip:
        for i, frame in enumerate(clip.decode(video=0)):
            if i % 25 == 12:
                pictures.append((clip_truth[str(i)], frame.to_ndarray(format="bgr24")))
    frames = [Frame(i, float(i), image.astype(np.uint8)) for i, (_, image) in enumerate(pictures) if image is not None]
    networks = load_detector(settings, runtime), load_classifier(settings, runtime)
    found = []
    for (rows, _), result in zip(pictures, analyse(iter(frames), Judge(*networks, settings, runtime)), strict=True):
        overlaps = iou(boxes(rows).astype(np.float32), result.faces.boxes)
        for row, overlap in zip(rows, overlaps, strict=True):
            best = int(overlap.argmax()) if len(overlap) else -1
            got = Verdict(int(result.verdicts[best])).word if best >= 0 and overlap[best] >= 0.4 else ""
            found.append((row["verdict"], got, float(row["visible"])))
    return found


def test_shipped_networks_find_the_faces(judged: list[tuple[str, str, float]]) -> None:
    clear = [got for _, got, visible in judged if visible > 0.7]
    assert len(clear) > 80
    assert sum(got != "" for got in clear) / len(clear) > 0.95


def test_shipped_networks_tell_them_apart(judged: list[tuple[str, str, float]]) -> None:
    # a mask below the nose counts as unmasked, and is told apart from a bare face
    pairs = Counter(
        (true, got.replace("incorrect", "unmasked")) for true, got, visible in judged if visible > 0.7 and got
    )
    for verdict in ("masked", "unmasked"):
        right = pairs[verdict, verdict]
        assert right > 40
        assert right / sum(n for (true, _), n in pairs.items() if true == verdict) > 0.95
