"""How fast crowdmask is on one video, against the naive loop and against merely decoding and encoding it.

`python -m benchmarks.speed VIDEO` prints Markdown; everything in it is measured in that one run, one after the other.
With `--against COMMIT` it measures this tree beside the one at that commit instead, turn by turn, both with the same
options for `crowdmask analyze`. `--as-avx2` imitates a CPU with nothing but AVX2 on one that has more (Linux, x86-64).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from benchmarks.clips import checkout, crowdmask, machine, measured, repeat, table
from benchmarks.imitation import as_avx2, imitated
from crowdmask.media.video_writer import encoder_options
from crowdmask.settings import OutputSettings

PRESETS = (OutputSettings().preset, "ultrafast")
START_UP = ("open", "load")  # stages that the summary's speed leaves out


def plain(video: Path, preset: str | None, out: Path) -> float:
    """Frames a second of decoding to BGR and, with a preset, encoding again as the annotated video is encoded."""
    frames = 0
    begun = time.perf_counter()
    with av.open(str(video)) as source:
        stream = source.streams.video[0]
        stream.thread_type = "AUTO"
        if preset is None:
            for frame in source.decode(stream):
                frame.to_ndarray(format="bgr24")
                frames += 1
        else:
            options = encoder_options(preset, OutputSettings().crf)
            with av.open(str(out), "w") as target:
                copy = target.add_stream("libx264", rate=stream.average_rate or Fraction(25), options=options)
                copy.width, copy.height, copy.pix_fmt = stream.width, stream.height, "yuv420p"
                for frame in source.decode(stream):
                    target.mux(copy.encode(av.VideoFrame.from_ndarray(frame.to_ndarray(format="bgr24"), "bgr24")))
                    frames += 1
                target.mux(copy.encode(None))
    return frames / (time.perf_counter() - begun)


@dataclass(frozen=True)
class Run:
    """One `crowdmask analyze`: frames a second as a whole and without start-up, and what it cost."""

    whole_fps: float
    fps: float
    cpu_ms: float  # of all cores, a frame
    peak_mb: float
    summary: dict[str, Any]


def analyze(video: Path, folder: Path, *options: str, tree: Path | None = None) -> Run:
    command = crowdmask("analyze", str(video), "--out-dir", str(folder), "--overwrite", "--quiet", *options)
    ran = measured(command, tree)
    (path,) = folder.glob("*.json")
    summary: dict[str, Any] = json.loads(path.read_text())
    frames = summary["speed"]["frames"]
    return Run(
        frames / ran.seconds,
        summary["speed"]["fps"],
        1000 * ran.cpu_seconds / frames,
        ran.peak_bytes / 1e6,
        summary,
    )


def median_run(video: Path, folder: Path, rounds: int, *options: str) -> Run:
    return median([analyze(video, folder, *options) for _ in range(rounds)])


def median(runs: Sequence[Run]) -> Run:
    return sorted(runs, key=lambda run: run.fps)[len(runs) // 2]


def against_table(video: Path, folder: Path, rounds: int, commit: str, options: Sequence[str]) -> str:
    """This tree beside the one at a commit, turn by turn, so that what else is at work disturbs both alike."""
    ours, theirs = [], []
    with checkout(commit) as tree:
        for _ in range(rounds):
            theirs.append(analyze(video, folder, *options, tree=tree))
            ours.append(analyze(video, folder, *options))
    new, old = median(ours), median(theirs)
    rows = [
        ["frames a second, whole command", old.whole_fps, new.whole_fps, new.whole_fps / old.whole_fps],
        ["frames a second, without start-up", old.fps, new.fps, new.fps / old.fps],
        ["ms of CPU time a frame, all in all", old.cpu_ms, new.cpu_ms, old.cpu_ms / new.cpu_ms],
        ["peak memory, MB", old.peak_mb, new.peak_mb, old.peak_mb / new.peak_mb],
    ]
    shown = [[str(name), *(f"{value:.1f}" for value in values), f"{better:.2f} ×"] for name, *values, better in rows]
    given = " ".join(options) or "none"
    lines = [
        f"{described(video, new.summary)} Options: {given}. Turn by turn, the median of {rounds}.",
        table(["", f"at {commit}", "here", "better by"], shown),
        f"{machine()}; {imitated()}{versions(new.summary)}",
    ]
    return "\n\n".join(lines)


def naive(video: Path, folder: Path, frames: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.naive", str(video), "--out", str(folder / "naive.mp4")]
    result: dict[str, float] = json.loads(
        measured([*command, "--frames", str(frames), "--json"]).stdout.splitlines()[-1]
    )
    return result


def speed_table(video: Path, folder: Path, rounds: int, naive_frames: int) -> str:
    loop = naive(video, folder, naive_frames)
    loop_fps = loop["frames"] / loop["seconds"]
    decoding = statistics.median(plain(video, None, folder / "plain.mp4") for _ in range(rounds))
    encoding = {p: statistics.median(plain(video, p, folder / "plain.mp4") for _ in range(rounds)) for p in PRESETS}
    rows = [
        ["naive loop, its first frames", f"{loop_fps:.2f}", "1.0 ×", ""],
        ["decode to BGR", f"{decoding:.0f}", "", ""],
    ]
    rows += [[f"decode to BGR, encode x264 {p}", f"{fps:.0f}", "", ""] for p, fps in encoding.items()]
    summaries = {}
    for preset, codec_fps in encoding.items():
        run = median_run(video, folder, rounds, "--preset", preset)
        summaries[preset] = run.summary
        for words, fps in (("whole command", run.whole_fps), ("without start-up", run.fps)):
            name = f"**crowdmask analyze**, {preset}, {words}"
            rows.append([name, f"{fps:.1f}", f"{fps / loop_fps:.1f} ×", f"{100 * fps / codec_fps:.0f} %"])
    for option in ("--no-video", "--precision float32"):
        run = median_run(video, folder, rounds, *option.split())
        for words, fps in (("whole command", run.whole_fps), ("without start-up", run.fps)):
            rows.append([f"crowdmask analyze {option}, {words}", f"{fps:.1f}", f"{fps / loop_fps:.1f} ×", ""])
    parts = [
        f"{described(video, summaries[PRESETS[0]])} The naive loop was timed on {loop['frames']:.0f} frames "
        f"({loop['faces'] / loop['frames']:.0f} faces in each), without its start-up; the others on all frames, the "
        f"median of {rounds}.",
        table(["", "frames a second", "of the naive loop", "of decode + encode, same preset"], rows),
        f"Where the time goes ({PRESETS[0]}; the stages overlap, so they add up to more than the whole):",
        stage_table(summaries[PRESETS[0]]["speed"]),
        f"{machine()}; {imitated()}{versions(summaries[PRESETS[0]])}",
    ]
    return "\n\n".join(parts)


def described(video: Path, summary: dict[str, Any]) -> str:
    source, speed = summary["source"], summary["speed"]
    faces = speed["faces"] / max(1, speed["frames"])
    return f"`{video.name}`: {source['width']}×{source['height']}, {speed['frames']} frames, {faces:.0f} faces in each."


def stage_table(speed: dict[str, Any]) -> str:
    wall, frames = speed["wall_s"], speed["frames"]
    rows = []
    for stage, seconds in speed["busy_s"].items():
        share = "before" if stage in START_UP else f"{100 * seconds / wall:.0f} %"
        rows.append([stage, f"{seconds:.2f}", f"{1000 * seconds / frames:.1f}", share])
    rows.append(["**the whole, without start-up**", f"{wall:.2f}", f"{1000 * wall / frames:.1f}", "100 %"])
    return table(["stage", "seconds", "ms a frame", "of the whole"], rows)


def versions(summary: dict[str, Any]) -> str:
    names = ("crowdmask", "openvino", "tensorflow", "opencv", "av", "numpy")
    return ", ".join(f"{name} {summary['versions'][name]}" for name in names if summary["versions"].get(name))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--naive-frames", type=int, default=20, help="frames for the naive loop (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of everything else (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, help="repeat the video until it lasts this long, so start-up weighs less"
    )
    parser.add_argument("--against", metavar="COMMIT", help="compare with the tree at this commit, and nothing else")
    parser.add_argument("--options", default="", help='with --against: of `crowdmask analyze`, as in "--no-video"')
    parser.add_argument("--as-avx2", action="store_true", help="as on a CPU that has AVX2 and nothing later")
    given = parser.parse_args(arguments)
    options = given.options.split()
    if given.as_avx2:
        as_avx2("benchmarks.speed", sys.argv[1:] if arguments is None else arguments)
        options += ["--precision", "float32"]  # what earlier versions took, they read from the system's files
    with tempfile.TemporaryDirectory() as name:
        folder, video = Path(name), given.video
        if given.seconds:
            video = folder / f"{given.video.stem}-{given.seconds:g}s.mp4"
            repeat(given.video, video, given.seconds)
        results = folder / "results"
        results.mkdir()
        if given.against:
            print(against_table(video.absolute(), results, given.rounds, given.against, options))
        else:
            print(speed_table(video, results, given.rounds, given.naive_frames))


if __name__ == "__main__":
    main()
