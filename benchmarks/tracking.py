"""How well people are followed and counted: HOTA, IDF1, identity switches and the error of the count, and the cost.

`python -m benchmarks.tracking` follows the people of the sample clips, seen by a simulated detector with faults (with
`--networks` also by the shipped networks). `--heads CSV` does the same with the heads of a real camera
(`frame,person,x1,y1,x2,y2`, 1920×1080, 25 frames a second). `--cost` measures milliseconds a frame.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.clips import table
from benchmarks.simulated_detector import Faults, SimulatedDetector
from benchmarks.tracking_metrics import MATCH_IOU, Labelled, Scores, score
from crowdmask.engine.looking import composed
from crowdmask.engine.views import PLACE
from crowdmask.geometry import face_sizes, iou
from crowdmask.settings import AnalysisSettings, FollowSettings
from crowdmask.tracking.appearances import FollowedFrame
from crowdmask.tracking.between import Between, settle
from crowdmask.tracking.following import Follower
from crowdmask.tracking.observations import Finds
from crowdmask.tracking.verdicts import VerdictRules
from crowdmask.verdicts import Verdict

SAMPLES = Path(__file__).parents[1] / "samples"
CLIPS = {"crowd": (1280, 720), "crossing": (640, 360), "pan": (640, 360)}
RATE = 25
LEAST_VISIBLE = 0.35  # faces hidden more than this are neither asked for nor held against who finds them
SHORTEST = 5  # frames; people in the truth for fewer are not counted as people
SURE = AnalysisSettings().confidence


def sample(name: str) -> tuple[list[Labelled], list[Labelled]]:
    """The truth of a sample clip, whose people are numbered by the maker: faces to find, and those mostly hidden."""
    path = SAMPLES / ("truth.csv" if name == "crowd" else f"truth-{name}.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    boxes = np.array([[float(r[k]) for k in ("frame", "person", "x1", "y1", "x2", "y2")] for r in rows])
    every, seen = by_frame(boxes), np.array([float(r["visible"]) >= LEAST_VISIBLE for r in rows])
    parts = np.split(seen, np.cumsum([len(f.ids) for f in every])[:-1])  # rows are in the order of frames
    pairs = list(zip(every, parts, strict=True))
    return (
        [Labelled(f.ids[k], f.boxes_xyxy[k]) for f, k in pairs],
        [Labelled(f.ids[~k], f.boxes_xyxy[~k]) for f, k in pairs],
    )


def without(found: Sequence[Labelled], truth: Sequence[Labelled], hidden: Sequence[Labelled]) -> list[Labelled]:
    """Found boxes but for those that lie on a hidden face and on no other."""
    out = []
    for f, t, h in zip(found, truth, hidden, strict=True):
        keep = np.ones(len(f.ids), bool)
        if len(h.ids):
            keep = (iou(h.boxes_xyxy, f.boxes_xyxy) < MATCH_IOU).all(axis=0)
            keep |= (iou(t.boxes_xyxy, f.boxes_xyxy) >= MATCH_IOU).any(axis=0)
        out.append(Labelled(f.ids[keep], f.boxes_xyxy[keep]))
    return out


def camera_of(name: str) -> list[np.ndarray | None]:
    """The camera's own motion in a sample clip, as the program measures it."""
    import cv2

    from crowdmask.engine.camera_motion import CameraMotion

    camera, motions = CameraMotion(), []
    clip = cv2.VideoCapture(str(SAMPLES / f"{name}.mp4"))
    while True:
        good, picture = clip.read()
        if not good:
            return motions
        motions.append(camera.step(np.asarray(picture, np.uint8)))


def by_frame(rows: np.ndarray) -> list[Labelled]:
    """(frame, person, x1, y1, x2, y2) as one entry for each frame, from the first to the last."""
    frames = rows[:, 0].astype(int)
    order = np.argsort(frames, kind="stable")
    frames, rows = frames[order], rows[order]
    edges = np.searchsorted(frames, np.arange(frames[0], frames[-1] + 2))
    return [Labelled(rows[a:b, 1].astype(np.int64), rows[a:b, 2:].astype(np.float32)) for a, b in pairwise(edges)]


def long_enough(truth: Sequence[Labelled]) -> list[Labelled]:
    """Without those who are there for a few frames only, at the ends of the recording or its edges."""
    counts: dict[int, int] = {}
    for frame in truth:
        for who in frame.ids.tolist():
            counts[who] = counts.get(who, 0) + 1
    keep = [np.array([counts[i] >= SHORTEST for i in f.ids.tolist()], bool) for f in truth]
    return [Labelled(f.ids[k], f.boxes_xyxy[k]) for f, k in zip(truth, keep, strict=True)]


def looked_at(
    finds: Sequence[Finds], every: int, motions: Sequence[np.ndarray | None] | None = None
) -> list[Finds | None]:
    """What is seen if every k-th frame is looked at, and of others where something begins, ends or jumps."""
    looked: list[Finds | None] = [None] * len(finds)
    if not finds:
        return looked
    bases = [*range(0, len(finds) - 1, every), len(finds) - 1]
    for base in bases:
        looked[base] = finds[base]

    def look(asked: Sequence[tuple[int, np.ndarray]]) -> list[Finds]:
        seen = [near(finds[at], places) for at, places in asked]
        for (at, _), found in zip(asked, seen, strict=True):
            looked[at] = found
        return seen

    def camera(start: int, stop: int) -> np.ndarray | None:
        return composed(motions[start + 1 : stop + 1]) if motions else None

    stretches = [Between.of_all(a, b, finds[a], finds[b]) for a, b in pairwise(bases)]
    settle(stretches, lambda at: at / RATE, camera, look, SURE)
    return looked


def near(finds: Finds, places: np.ndarray) -> Finds:
    """The finds that lie whole in a square about one of the places, as large as the detector looks at there."""
    centres, reach = (places[:, :2] + places[:, 2:]) / 2, face_sizes(places)[:, None] * PLACE / 2
    low, high = centres - reach, centres + reach
    boxes = finds.boxes_xyxy
    inside = (boxes[:, None, :2] >= low).all(axis=2) & (boxes[:, None, 2:] <= high).all(axis=2)
    kept = inside.any(axis=1)
    return Finds(boxes[kept], finds.scores[kept])


def follow(
    looked: Sequence[Finds | None],
    size_wh: tuple[int, int],
    ahead: float,
    motions: Sequence[np.ndarray | None] | None = None,
) -> list[FollowedFrame]:
    rules = VerdictRules((Verdict.MASKED, Verdict.UNMASKED))
    follower = Follower(FollowSettings(look_ahead_s=ahead), size_wh, rules, sure_score=SURE)
    done = []
    for k, finds in enumerate(looked):
        done += follower.frame(k, k / RATE, finds, camera=motions[k] if motions else None)
    return done + follower.finish()


def scored(truth: Sequence[Labelled], hidden: Sequence[Labelled], frames: Sequence[FollowedFrame]) -> Scores:
    found = [Labelled(f.persons.astype(np.int64), f.boxes_xyxy) for f in frames]
    return score(long_enough(truth), without(found, truth, hidden))


def row(name: str, every: int, looks: float | None, result: Scores) -> tuple[str, ...]:
    return (
        name,
        str(every),
        "–" if looks is None else f"{looks:.0%}",
        f"{result.hota:.3f}",
        f"{result.idf1:.3f}",
        str(result.switches),
        f"{result.recall:.3f}",
        f"{result.precision:.3f}",
        str(result.people),
        str(result.counted),
        f"{result.count_error:+.0%}",
    )


HEAD = (
    "who", "every", "looked at", "HOTA", "IDF1", "switches", "recall", "precision", "people", "counted", "count error",
)  # fmt: skip


def simulated(
    name: str,
    worlds: tuple[list[Labelled], list[Labelled]],
    size_wh: tuple[int, int],
    given: argparse.Namespace,
    motions: Sequence[np.ndarray | None] | None = None,
) -> list[tuple]:
    rows = []
    truth, hidden = worlds
    for every in given.every:
        for seed in given.seeds:
            detector = SimulatedDetector(Faults(), size_wh, RATE, seed)
            finds = [detector.frame(frame.ids, frame.boxes_xyxy) for frame in truth]
            looked = looked_at(finds, every, motions)
            frames = follow(looked, size_wh, given.ahead, motions)
            share = sum(one is not None for one in looked) / len(looked)
            rows.append(row(f"{name}, seed {seed}", every, share, scored(truth, hidden, frames)))
    return rows


def with_networks(name: str, given: argparse.Namespace) -> list[tuple]:
    """The whole program over a sample clip, read back from the detections that it writes."""
    import subprocess
    import sys
    import tempfile

    rows = []
    truth, hidden = sample(name)
    for every in given.every:
        with tempfile.TemporaryDirectory() as folder:
            clip = SAMPLES / f"{name}.mp4"
            detections = Path(folder) / "faces.csv"
            options = ["--no-video", "--detections", str(detections), "--quiet", "--detect-every", str(every)]
            command = [sys.executable, "-m", "crowdmask", "analyze", str(clip), "--out-dir", folder, *options]
            subprocess.run(command, check=True)
            with detections.open(newline="") as file:
                found = [
                    [float(r[k]) for k in ("frame", "person", "x1", "y1", "x2", "y2")] for r in csv.DictReader(file)
                ]
        labelled = by_frame(np.array([[0, -1, 0, 0, 0, 0], *found, [len(truth) - 1, -1, 0, 0, 0, 0]]))
        labelled = [Labelled(f.ids[f.ids >= 0], f.boxes_xyxy[f.ids >= 0]) for f in labelled]
        rows.append(row(f"{name}, networks", every, None, score(long_enough(truth), without(labelled, truth, hidden))))
    return rows


def cost(faces: int, frames: int = 400) -> tuple[float, float]:
    """Milliseconds a frame, the tenth percentile and the median, every face judged in every frame."""
    rng = np.random.default_rng(0)
    places, speeds = rng.random((faces, 2)) * [1800, 1000], rng.normal(0, 2, (faces, 2))
    sizes = rng.uniform(20, 60, (faces, 1))
    rules = VerdictRules((Verdict.MASKED, Verdict.UNMASKED))
    follower = Follower(FollowSettings(), (1920, 1080), rules, sure_score=SURE)
    took = []
    for k in range(frames):
        centres = (places + speeds * k) % [1800, 1000] + rng.normal(0, 1, (faces, 2))
        seen = rng.random(faces) < 0.95
        boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)[seen].astype(np.float32)
        finds = Finds(boxes, rng.uniform(0.7, 0.95, len(boxes)).astype(np.float32))
        answers = np.tile([[0.9, 0.1]], (len(boxes), 1))
        begun = time.perf_counter()
        follower.frame(k, k / RATE, finds, answers)
        took.append(1000 * (time.perf_counter() - begun))
    return float(np.percentile(took[80:], 10)), float(np.median(took[80:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", type=Path, help="heads of a real camera")
    parser.add_argument("--networks", action="store_true", help="also the sample clips with the shipped networks")
    parser.add_argument("--every", type=int, nargs="*", default=[1, FollowSettings().detect_every])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--ahead", type=float, default=FollowSettings().look_ahead_s, help="seconds of look-ahead")
    parser.add_argument("--cost", action="store_true", help="milliseconds a frame")
    given = parser.parse_args()
    given.every = sorted(set(given.every))
    rows: list[tuple] = []
    for name, size_wh in CLIPS.items():
        rows += simulated(name, sample(name), size_wh, given, camera_of(name))
    if given.heads:
        heads = by_frame(np.loadtxt(given.heads, delimiter=",", skiprows=1))
        half = len(heads) // 2
        for first, part in ((0, heads[:half]), (half, heads[half:])):
            none = [Labelled(f.ids[:0], f.boxes_xyxy[:0]) for f in part]
            rows += simulated(f"heads {first}–{first + len(part) - 1}", (part, none), (1920, 1080), given)
    if given.networks:
        for name in CLIPS:
            rows += with_networks(name, given)
    print(table(HEAD, rows))
    if given.cost:
        costs = [(str(n), *(f"{ms:.2f}" for ms in cost(n))) for n in (8, 50)]
        print("\n" + table(("faces", "ms a frame, tenth percentile", "median"), costs))


if __name__ == "__main__":
    main()
