"""The summary JSON of one input: what was found, how it was done, and what was left out; written whole or not at all.

Its fields:

- `schema_version`: of this file; rises when a field changes its meaning or goes. `schemas` has those of the CSVs.
- `created_at`: when it was written, UTC, ISO 8601.
- `state`: `whole`, `interrupted` where the work was ended on request, or `ended early` where a stream broke off;
  `until_s` is the last frame's time.
- `source`: what the input says of itself. Sizes are upright; `rotation` is what was applied to make it so, in degrees
  counter-clockwise; `frames_expected` is the container's word or an estimate.
- `people`: where faces were followed, `appearances` by verdict: one is a face followed through this recording, so that
  somebody who was lost for long counts anew. `at_least` are the most faces in one frame. `compliance` is of those
  judged, with its 95 % Wilson interval. `flashes` were seen too shortly to count as people.
- `zones` and `lines`: with --zones. Of each zone the `people` who were in it, each once, by verdict, their
  `compliance` with its interval, how many `visits` they made, how long they stayed (`dwell_s`: `total`, the `mean` of a
  person and the `longest`), and the `faces` in it, each in every frame. Of each line who crossed it `in` and `out`.
- `counts`: `frames` analysed, `frames_with_faces`, `faces` = `masked` + `unmasked` + `incorrect` +
  `unknown`, `judged` = all of these but `unknown`. A face is counted in every frame it is in: these are sightings, not
  persons.
- `no_faces`: finds of the detector that the classifier took for no face; they are in no count.
- `compliance`: `rate` = masked / judged, and its 95 % Wilson interval `low` to `high`, null where nothing was judged.
  `weighted_by` says what it counts: `people`, each once, where faces were followed; else the faces of all `frames`, and
  then there is an interval of a single picture only, as sums over frames are no independent trials.
- `per_frame`: mean `faces` and mean and `peak_unmasked` faces in a frame, the latter with its place.
- `worst_moments`: frames with the most unmasked faces, worst first, at least ten seconds apart.
- `not_analysed`: `gaps` are stretches that could not be decoded: the last good frame before, its time in seconds, and
  the reason. `by_request` says what the settings left out.
- `settings`: `analysis` decides what the results are; `digest` is a SHA-256 over it, over the networks, and over the
  runtime and the arithmetic that they ran in. `runtime` and `output` change no count.
- `weights`: the networks' files, with SHA-256, and their `origin`: own, of the folder of --weights, or shipped; the
  `runtime` of each, its `precision`, and the SHA-256 of what `ran`: of the file itself, or of what was made of it for
  OpenVINO.
- `versions`: of crowdmask and what it computes with; null where something is not installed.
- `speed`: frames and faces in `wall_s` seconds, and `busy_s`, the seconds each stage was at work. Stages overlap, so
  that these may add up to more than `wall_s`.
- `energy`: with --energy, the watt-hours that the analysis took, *estimated* by the `method` it names, and what that is
  for an hour of the video and for a thousand faces (sightings); null without.
- `outputs`: the files written besides, by kind. `notes`: what else a reader should know, as a sound track that could
  not be copied.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from importlib import metadata
from typing import Any

from crowdmask import __version__
from crowdmask.media.parts import write_whole
from crowdmask.records import Gap, SourceKind, VideoInfo
from crowdmask.results.detections import DETECTIONS
from crowdmask.results.frames_csv import FRAMES
from crowdmask.results.people import PeopleStats
from crowdmask.results.persons import PERSONS
from crowdmask.results.statistics import ComplianceStats, rate_with_interval, rounded, wilson_interval
from crowdmask.results.zone_stats import ZoneStats
from crowdmask.settings import AnalysisSettings, OutputSettings, RuntimeSettings, content_of
from crowdmask.verdicts import Counts

SCHEMA_VERSION = 2
CHOOSING = ("every", "fps", "start_s", "end_s", "duration_s")  # the settings that choose frames

_DISTRIBUTIONS = {  # the same library comes under several names
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-rocm", "tf-nightly"),
    "keras": ("keras", "keras-nightly"),
    "openvino": ("openvino",),
    "numpy": ("numpy",),
    "opencv": (
        "opencv-python-headless",
        "opencv-python",
        "opencv-contrib-python-headless",
        "opencv-contrib-python",
    ),
    "av": ("av",),
}


@dataclass(frozen=True)
class WeightsUsed:
    """`ran` is the SHA-256 of what the runtime was given: the file itself, or what was made of it for OpenVINO."""

    name: str
    file: str
    sha256: str
    runtime: str = ""
    precision: str = ""
    ran: str = ""
    origin: str = field(default="", compare=False)  # own, of the folder of --weights, or shipped


@dataclass(frozen=True)
class Work:
    """How the analysis of one input went."""

    wall_s: float
    busy_s: Mapping[str, float] = field(default_factory=dict)  # by stage
    gaps: Sequence[Gap] = ()
    interrupted: bool = False
    until_s: float | None = None  # time of the last frame analysed
    notes: Sequence[str] = ()
    ended_early: bool = False
    energy: Mapping[str, Any] | None = None  # an estimate, where one was asked for


def summarise(
    info: VideoInfo,
    stats: ComplianceStats,
    work: Work,
    *,
    analysis: AnalysisSettings,
    runtime: RuntimeSettings,
    output: OutputSettings,
    weights: Sequence[WeightsUsed] = (),
    outputs: Mapping[str, str] | None = None,
    people: PeopleStats | None = None,
    zones: ZoneStats | None = None,
    digest: str | None = None,
) -> dict[str, Any]:
    """The summary as plain values, ready for JSON; its fields are told at the top of this module.

    `digest` is that of the settings and the networks, where it was made before the work.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "schemas": {"frames_csv": FRAMES.version, "detections": DETECTIONS.version, "persons": PERSONS.version},
        "created_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "state": "interrupted" if work.interrupted else "ended early" if work.ended_early else "whole",
        "until_s": rounded(work.until_s, 6),
        "source": _source(info),
        "people": None if people is None else people.as_dict(),
        **({} if zones is None else zones.as_dict()),
        "counts": counts_of(stats),
        "no_faces": stats.no_faces,
        "compliance": compliance_of(stats, None if people is None else people.counts),
        "per_frame": {
            "faces": rounded(stats.faces_per_frame, 4),
            "unmasked": rounded(stats.unmasked_per_frame, 4),
            "peak_unmasked": None if stats.peak is None else stats.peak.as_dict(),
        },
        "worst_moments": [moment.as_dict() for moment in stats.worst_moments],
        "not_analysed": {
            "gaps": [{**dataclasses.asdict(gap), "seconds": rounded(gap.seconds, 6)} for gap in work.gaps],
            "by_request": {name: getattr(analysis, name) for name in CHOOSING},
        },
        "settings": {
            "analysis": analysis.as_dict(),
            "digest": digest or digest_of(analysis, weights),
            "runtime": runtime.as_dict(),
            "output": output.as_dict(),
        },
        "weights": [dataclasses.asdict(used) for used in weights],
        "versions": versions(),
        "speed": _speed(stats, work),
        "energy": _energy(info, stats, work, analysis.start_s or 0.0),
        "outputs": dict(outputs or {}),
        "notes": list(work.notes),
    }


def digest_of(analysis: AnalysisSettings, weights: Sequence[WeightsUsed]) -> str:
    """SHA-256 over all that decides the results: the settings, the weights, and what runs them in which arithmetic."""
    networks = [[used.name, used.ran or used.sha256, used.runtime, used.precision] for used in weights]
    text = json.dumps([content_of(analysis), networks], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write_summary(path: str | os.PathLike[str], summary: Mapping[str, Any]) -> None:
    text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)
    # a file name that is no valid UTF-8 carries surrogates, which no JSON reader takes
    write_whole(path, (text + "\n").encode("utf-8", "backslashreplace"))


def counts_of(stats: ComplianceStats) -> dict[str, int]:
    named = {name: getattr(stats, name) for name in ("frames", "frames_with_faces", "faces")}
    return {**named, **stats.counts.by_word, "judged": stats.judged}


def compliance_of(stats: ComplianceStats, people: Counts | None = None) -> dict[str, float | str | None]:
    """The rate of `people`, where all frames are of videos whose faces were followed; else that of sums over frames.

    Sums over many frames have no interval: the same faces stand in them again and again.
    """
    counts = people if people is not None and people.faces else stats.counts
    told = counts is people or stats.frames == 1
    interval = wilson_interval(counts.supporting, counts.judged) if told else None
    weighted_by = "people" if counts is people else "frames"
    return {**rate_with_interval(counts.compliance, interval), "weighted_by": weighted_by}


@lru_cache(maxsize=1)
def versions() -> dict[str, str | None]:
    """Asked of the installed packages' metadata: importing TensorFlow takes seconds."""
    found = {name: _version_of(names) for name, names in _DISTRIBUTIONS.items()}
    system = f"{platform.system()} {platform.machine()}"
    return {"crowdmask": __version__, "python": platform.python_version(), **found, "system": system}


def _version_of(distributions: Sequence[str]) -> str | None:
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _source(info: VideoInfo) -> dict[str, Any]:
    return {
        "path": info.source,
        "kind": info.kind.value,
        "width": info.width,
        "height": info.height,
        "fps": None if info.rate is None else rounded(float(info.rate), 6),
        "duration_s": rounded(info.duration_s, 6),
        "frames_expected": info.frames_expected,
        "rotation": info.rotation,
        "codec": info.codec,
        "has_audio": info.has_audio,
    }


def _speed(stats: ComplianceStats, work: Work) -> dict[str, Any]:
    per_second = stats.frames / work.wall_s if work.wall_s > 0 else None
    return {
        "frames": stats.frames,
        "faces": stats.faces,
        "wall_s": rounded(work.wall_s, 3),
        "fps": rounded(per_second, 3),
        "busy_s": {stage: rounded(seconds, 3) for stage, seconds in work.busy_s.items()},
        "cpus": os.cpu_count(),
    }


def _energy(info: VideoInfo, stats: ComplianceStats, work: Work, start_s: float) -> dict[str, Any] | None:
    if work.energy is None:
        return None
    hours = max(0.0, (work.until_s or 0.0) - start_s) / 3600 if info.kind is SourceKind.VIDEO else 0.0
    return energy_for(work.energy, hours, stats.faces)


def energy_for(used: Mapping[str, Any], video_hours: float, faces: int) -> dict[str, Any]:
    """What was estimated, and what that makes for an hour of video and for a thousand faces, where there were any."""
    watt_hours = float(used["watt_hours"])
    return {
        **used,
        "watt_hours_per_video_hour": rounded(watt_hours / video_hours, 4) if video_hours else None,
        "watt_hours_per_1000_faces": rounded(1000 * watt_hours / faces, 4) if faces else None,
    }
