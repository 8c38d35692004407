"""Every setting, its default, its range and its one-line help, declared once; frozen objects carry them down."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import numbers
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crowdmask.errors import SettingsError

# What each kind of setting takes (NumPy's numbers too), and its word in a message.
KINDS: dict[str, tuple[Any, str]] = {
    "str": (str, "text"),
    "int": (numbers.Integral, "a whole number"),
    "float": (numbers.Real, "a number"),
    "bool": (bool, "true or false"),
    "int or time": ((numbers.Integral, str), "a whole number, or a time such as 1s"),
}
Every = int | str  # every Nth, or a time between two: 500ms, 1s, 2min
_TIMES = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
MOST_EVERY = 1_000_000


def setting(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    path: str | None = None,
) -> Any:
    """A field of a settings class; `path` is "file" or "dir" where the text names one."""
    metadata = {"help": help, "low": low, "high": high, "choices": choices, "path": path}
    return field(default=default, metadata=metadata)


def kind_of(f: dataclasses.Field[Any]) -> tuple[str, bool]:
    """The name of a setting's type, and whether it may also be None."""
    if f.type == "int | str":
        return "int or time", False
    name, _, rest = str(f.type).partition(" | ")
    return name, rest == "None"


def checked(f: dataclasses.Field[Any], value: Any) -> Any:
    """The value as the field keeps it; a SettingsError, which does not name the field, where it may not."""
    kind, optional = kind_of(f)
    if value is None and optional:
        return None
    takes, word = KINDS[kind]
    if not isinstance(value, takes) or (isinstance(value, bool) and kind != "bool"):
        raise SettingsError(f"it must be {word}")
    if kind == "int or time":
        return _every(value)
    if kind in ("int", "float"):
        return _in_range(f, int(value) if kind == "int" else float(value))  # 1 and 1.0 give the same digest
    choices = f.metadata["choices"]
    if choices and value not in choices:
        raise SettingsError(f"choose one of {', '.join(choices)}")
    return value


def _every(value: Every) -> Every:
    """A number of frames, or a time in seconds as text, written in one way: two that mean the same have one digest."""
    text = str(value).strip().lower()
    match = re.fullmatch(r"(\d+|\d*\.\d+)\s*(ms|s|m|min|h)?", text, re.ASCII)
    if match is None or (match[2] is None and "." in match[1]):
        raise SettingsError("it must be a whole number of frames, or a time such as 500ms, 1s or 2min")
    if match[2] is None:
        if not 1 <= int(match[1]) <= MOST_EVERY:
            raise SettingsError(f"it must be 1 to {MOST_EVERY}")
        return int(match[1])
    seconds = round(float(match[1]) * _TIMES[match[2]], 6)
    if not 0.001 <= seconds <= 86_400:
        raise SettingsError("a time must be 1ms to 24h")
    return f"{seconds:g}s"


def _in_range(f: dataclasses.Field[Any], value: float) -> float:
    low, high = f.metadata["low"], f.metadata["high"]
    if (low is None or value >= low) and (high is None or value <= high) and math.isfinite(value):
        return value
    if high is None:
        raise SettingsError("it must be finite" if low is None else f"it must be {_plain(low)} or more")
    raise SettingsError(f"it must be {_plain(low)} to {_plain(high)}")


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


class Checked:
    """Refuses values outside the range or the type that their field declares."""

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            try:
                object.__setattr__(self, f.name, checked(f, value))
            except SettingsError as error:
                raise SettingsError(f"{f.name} is {value!r}: {error}") from None

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # type: ignore[call-overload, no-any-return]


def content_of(settings: Checked) -> dict[str, Any]:
    """The values of a settings object; in place of a file's name a hash of what is in it.

    A folder's name is left out: the only folder named is that of the weights, whose hashes are told beside.
    """
    found = {}
    for f in dataclasses.fields(settings):  # type: ignore[arg-type]
        kind, value = f.metadata.get("path"), getattr(settings, f.name)
        if kind == "file" and value is not None:
            found[f.name] = _file_digest(Path(value))
        elif kind != "dir":
            found[f.name] = value
    return found


def _file_digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}): check the path") from error


# ours, and those to compare with: crowdmask/engine/detectors
DETECTORS = ("retinaface-mobilenet", "retinaface-resnet50", "yunet", "mtcnn", "haar", "ssd-caffe")


@dataclass(frozen=True)
class FollowSettings(Checked):
    """How faces are followed from frame to frame; these decide what the results are, too."""

    follow: bool = setting(True, "Follow each face, judge it steadily and count people, not boxes.")
    # 4, not 3, measured: the sample clips lose no person and 0.4 and 0.6 points of recall (pan 0.9686 to 0.9645,
    # crossing 0.9898 to 0.9838); of the 55 people among a street camera's heads 53 are counted
    detect_every: int = setting(
        4, "Look for faces in every Nth frame and fill in between where that is safe.", low=1, high=25
    )
    weak_confidence: float = setting(
        0.2, "Least detector score of a find that may only go on with a face already followed.", low=0.01, high=0.99
    )
    look_ahead_s: float = setting(
        2.0, "Seconds of results that are waited for before a frame's are final; 0 for live.", low=0.0, high=30.0
    )
    fill_gaps_s: float = setting(
        1.0, "Longest time for which a face that was lost and found again is filled in.", low=0.0, high=10.0
    )
    stitch_s: float = setting(
        2.5,
        "Longest time after which a face that comes back where it was expected is the same one.",
        low=0.0,
        high=30.0,
    )
    confirm_frames: int = setting(
        4, "Frames over which a face must have been seen to count as a person.", low=1, high=1000
    )


@dataclass(frozen=True)
class AnalysisSettings(FollowSettings):
    """All that decides what the results are: two runs that agree in these give the same CSV."""

    detector: str = setting("retinaface-mobilenet", "Face detector.", choices=DETECTORS)
    classifier: str = setting("xception", "Mask classifier: its name among the weights.")
    haar_quarter: bool = setting(False, "haar: look at a picture with a quarter of the sides, for speed.")
    weights: str | None = setting(
        None, "Folder with other weights and their manifest, such as those of your own training.", path="dir"
    )
    runtime: str = setting(
        "auto",
        "The library that runs the networks: auto is openvino, and tensorflow for --device gpu.",
        choices=("auto", "openvino", "tensorflow"),
    )
    precision: str = setting(
        "auto",
        "Arithmetic of the networks: auto takes bfloat16, nearly twice as fast, where the CPU has it, and float32 "
        "elsewhere.",
        choices=("auto", "float32", "bfloat16", "int8"),
    )
    confidence: float = setting(0.6, "Least detector score of a face.", low=0.01, high=0.99)
    judge_confidence: float = setting(
        0.825,
        "Finds of which both networks together are less sure that they are faces are counted, but unknown.",
        low=0.0,
        high=0.99,
    )
    nms_iou: float = setting(0.4, "Overlap (IoU) above which two finds are one face.", low=0.1, high=0.9)
    detection_size: int = setting(
        1280,
        "Longest side in pixels at which faces are looked for; larger frames are shrunk to it.",
        low=160,
        high=8192,
    )
    detection_upscale: float = setting(
        3.0, "How far a smaller picture may be enlarged towards the detection size.", low=1.0, high=6.0
    )
    tiles: int = setting(
        1, "Cut large frames into this many tiles along the longer side, for small faces.", low=1, high=16
    )
    smallest_face: float = setting(
        6.0, "Faces smaller than this (pixels of the frame) are unknown.", low=0.0, high=1000.0
    )
    mask_threshold: float = setting(
        0.5, "Probability of unmasked from which a face counts as unmasked.", low=0.01, high=0.99
    )
    unsure_band: float = setting(
        0.1, "Width of the band about the threshold in which a face is unknown.", low=0.0, high=0.9
    )
    incorrect: str = setting(
        "unmasked",
        "What masks wrongly worn are in the compliance: unmasked, or separate and in no rate.",
        choices=("unmasked", "separate"),
    )
    keep_no_faces: bool = setting(
        False, "Keep finds that are no face, which are in no count, in the detections, with the verdict no_face."
    )
    crop_margin: float = setting(
        0.2, "Margin added to a face's box before it is judged, in parts of its size.", low=0.0, high=2.0
    )
    undersized_below: float = setting(24.0, "Faces smaller than this (pixels) are undersized.", low=0.0, high=1000.0)
    undersized_margin: float = setting(
        0.3, "Further margin for undersized faces, in parts of their size.", low=0.0, high=4.0
    )
    zones: str | None = setting(
        None,
        "Count by zone and line, as this file of polygons and lines names them; see `crowdmask zones`.",
        path="file",
    )
    every_frame: bool = setting(
        False, "Of a live stream every frame, in line where they come too fast; without it the newest, and a count."
    )
    every: int | str = setting(
        1, "Analyse every Nth frame of a video (5), or the frame that is on show every so often (1s, 500ms, 2min)."
    )
    fps: float | None = setting(
        None, "Analyse so many frames of each second, in place of --every.", low=0.0001, high=1000.0
    )
    start_s: float | None = setting(None, "Begin at this time of the video.", low=0.0)
    end_s: float | None = setting(None, "Stop at this time of the video.", low=0.0)
    duration_s: float | None = setting(None, "Stop after this much time.", low=0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fps is not None and self.every != 1:
            raise SettingsError("every and fps contradict each other: give one of them")
        if self.duration_s == 0:
            raise SettingsError("the duration is 0: nothing would be analysed, give more than that")
        if self.end_s is not None and self.duration_s is not None:
            raise SettingsError("end and duration contradict each other: give one of them")
        if self.end_s is not None and self.end_s <= (self.start_s or 0.0):
            raise SettingsError(f"the end ({self.end_s:g} s) must come after the start ({self.start_s or 0.0:g} s)")

    @property
    def sets_apart(self) -> bool:
        """Whether masks wrongly worn are in no rate."""
        return self.incorrect == "separate"

    @property
    def every_nth(self) -> int:
        """Of the frames, by their number."""
        return self.every if isinstance(self.every, int) else 1

    @property
    def apart_s(self) -> float | None:
        """The time from one analysed frame to the next; None where they are chosen by number."""
        if self.fps is not None:
            return 1.0 / self.fps
        return None if isinstance(self.every, int) else float(self.every.removesuffix("s"))

    @property
    def weakest(self) -> float:
        """The least score of the finds that the detector is asked for."""
        return min(self.confidence, self.weak_confidence) if self.follow else self.confidence

    @property
    def digest(self) -> str:
        """SHA-256 over all of them, and what is in files they name, to tell whether two runs are comparable."""
        return hashlib.sha256(json.dumps(content_of(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class RuntimeSettings(Checked):
    """How the work is done; none of these changes a result."""

    window: int = setting(3, "Frames analysed together.", low=1, high=512)
    # measured: 2 to 8 crops at a time take equally long each, and a followed video seldom asks about more than two
    batch: int = setting(2, "Faces judged in one pass of the classifier.", low=1, high=1024)
    threads: int = setting(0, "CPU threads for the networks and the codecs; 0 is all cores.", low=0, high=512)
    energy: bool = setting(False, "Estimate the energy that the analysis takes; needs the extra energy.")
    country: str = setting("DEU", "Where the electricity comes from (ISO 3166, three letters), for --energy.")
    device: str = setting(
        "auto",
        "Where the networks run; a GPU is used only if asked for, or by runtime tensorflow.",
        choices=("auto", "cpu", "gpu"),
    )

    @property
    def cores(self) -> int:
        """How many there are to work with."""
        here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.threads or here

    @property
    def decoded_ahead(self) -> int:
        """Frames that wait decoded for the networks: decoding is far faster, so that a few are enough."""
        return max(1, self.window // 2)

    @property
    def decoding_threads(self) -> int:
        """Of each decoder: the networks keep the cores busy, and every further thread holds pictures of its own."""
        return max(1, self.cores // 4)

    @property
    def encoding_threads(self) -> int:
        """Of the encoder: it does no more in all on two threads than on one, and at the end it is alone at work."""
        return max(min(2, self.cores), self.cores // 2)


@dataclass(frozen=True)
class OutputSettings(Checked):
    """What is written and how it looks."""

    video: bool = setting(True, "Write the annotated video or picture.")
    video_overlay: bool = setting(
        False,
        "Encode nothing: copy the video untouched into Matroska (.mkv), with boxes and verdicts as a subtitle track.",
    )
    palette: str = setting(
        "safe", "Colours of the boxes: colour-blind-safe, or red and green.", choices=("safe", "classic")
    )
    blur: bool = setting(False, "Make every face unrecognisable in the annotated picture.")
    show_numbers: bool = setting(False, "Show the number of each followed face, as in the table of people.")
    panel: bool = setting(True, "Show the frame's counts and the running compliance.")
    preset: str = setting(
        "superfast",
        "x264 preset: faster ones give larger files.",
        choices=("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"),
    )
    crf: int = setting(23, "x264 quality: lower is better and larger.", low=0, high=51)
    overwrite: bool = setting(False, "Replace results that are already there.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.video_overlay and self.blur:
            raise SettingsError(
                "video_overlay and blur contradict each other: an overlay leaves the video as it is, every face in it: "
                "leave one of them out"
            )
        if self.video_overlay and not self.video:
            raise SettingsError("video_overlay asks for a video and there is to be none: leave one of them out")


@dataclass(frozen=True)
class TimeAndPlaceSettings(Checked):
    """How a batch knows when and where its inputs were taken."""

    timezone: str | None = setting(None, "Zone of local times, such as Europe/Paris; without it this machine's.")
    time_format: str | None = setting(
        None, "How file names say the time, as in %Y%m%d_%H%M%S; `unix` and `unixms` for seconds and milliseconds."
    )
    camera_pattern: str | None = setting(
        None, "Regular expression whose group `camera` finds the camera in a path; without it the parent folder."
    )


@dataclass(frozen=True)
class BatchSettings(Checked):
    """How folders are taken in and gone through; none of these changes a count, but for which inputs there are."""

    include: str | None = setting(
        None,
        "Only files that match one of these patterns, with commas between: *.jpg matches names, cam1/** paths; "
        "upper or lower case.",
    )
    exclude: str | None = setting(None, "No files and folders that match one of these patterns.")
    shard: str | None = setting(
        None, "Only a part of the inputs, such as 2/3: the second of three machines; see `crowdmask merge`."
    )
    run: bool = setting(False, "Make --out-dir a run folder, as a batch does, also where the inputs are single files.")
    resume: bool = setting(True, "Go on with the run that is in --out-dir; without it that one is put aside.")
    annotate: str | None = setting(
        None,
        "Which inputs get an annotated copy: without it all videos, and the stills with an unmasked face.",
        choices=("all", "unmasked", "none"),
    )
    workers: int = setting(1, "Processes that share the work and the threads.", low=1, high=256)
    cluster: str | None = setting(
        None, "Work on a Ray cluster: auto for the one this machine is in, or its address; see docs/cluster.md."
    )
    segment_s: float = setting(
        60.0,
        "Videos are cut into segments of about this length; an interruption costs one, and workers share a video.",
        low=1.0,
        high=86_400.0,
    )
    retries: int = setting(2, "How often an input that failed is tried again, at the end.", low=0, high=100)
    settle_s: float = setting(
        5.0, "A file that changed within this time may still be growing, and is left for the end.", low=0.0, high=3600.0
    )
    keep_free: int = setting(500, "Stop before less than this is free on the disk, in MB.", low=0, high=1_000_000_000)
    log_json: bool = setting(False, "Keep the log in --out-dir as JSON lines.")

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.shard_of  # refused here where it is none

    @property
    def shard_of(self) -> tuple[int, int] | None:
        """Which part of how many."""
        if self.shard is None:
            return None
        number, slash, parts = self.shard.partition("/")
        if not (slash and number.isdecimal() and parts.isdecimal() and 1 <= int(number) <= int(parts)):
            raise SettingsError(f"shard is {self.shard!r}: give which part of how many, such as 2/3")
        return int(number), int(parts)


@dataclass(frozen=True)
class AggregateSettings(Checked):
    """The mode that keeps counts per period and nothing else; what it promises stands in results/aggregate.py."""

    aggregate: str | None = setting(
        None, "Keep counts per period and camera and nothing else: 20m, 1h, 1d. No picture, no box, no row per frame."
    )
    min_count: int = setting(
        10,
        "With --aggregate, leave out counts of faces below this, and what they could be computed from.",
        low=1,
        high=1_000_000,
    )


@dataclass(frozen=True)
class EvaluationSettings(Checked):
    """How the networks are judged on labelled pictures."""

    match_iou: float = setting(
        0.5, "Overlap (IoU) with a labelled face from which a find is that face.", low=0.05, high=0.95
    )
    curve_floor: float = setting(
        0.02, "Least detector score of the finds from which the curves are drawn.", low=0.01, high=0.99
    )
    calibration_bins: int = setting(10, "Bins of probability in which calibration is measured.", low=2, high=100)
    three_class: bool = setting(
        False, "Also give the average precision of wrongly worn masks as a class of their own, as others publish it."
    )
    worst: int = setting(
        12, "How many pictures and faces of each kind of error are drawn for each folder.", low=0, high=1000
    )
    overwrite: bool = setting(False, "Replace an evaluation that is already there.")
