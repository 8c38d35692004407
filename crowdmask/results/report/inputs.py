"""What a report can be made of: a run folder, the per-frame CSV of a video with its JSON, or an aggregate-only run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from crowdmask.errors import SettingsError, SourceError
from crowdmask.results.run_folder import RunFolder, frames_file

ENDING = ".crowdmask.csv"


@dataclass(frozen=True)
class Input:
    """One run or one video of the report."""

    path: Path  # as it was given
    frames: Path  # the per-frame CSV; of an aggregate-only run one that does not exist
    name: str  # what the page calls it
    prefix: str  # by which its sources begin where there are several inputs, as FramesTable makes it
    summary: Mapping[str, Any]

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.path if self.path.is_dir() else self.path.parent)

    @property
    def is_run(self) -> bool:
        return self.path.is_dir() or self.frames.name == "frames.csv"

    @property
    def is_video(self) -> bool:
        """Whether it is the CSV of one input, whose rows do not say which."""
        return not self.is_run

    @property
    def is_aggregate(self) -> bool:
        return self.path.is_dir() and self.folder.aggregate.is_file() and not self.frames.is_file()

    @property
    def report(self) -> Path:
        """Where its report goes: into the run folder, or beside the video's other results."""
        if self.is_run:
            return self.folder.path / "report.html"
        return self.frames.with_suffix(".html")

    @property
    def aggregate(self) -> Path:
        return self.folder.aggregate

    @property
    def detections(self) -> tuple[Path, ...]:
        """Where its faces are, where they were kept."""
        if self.is_run:
            return self.folder.detections
        outputs = self.summary.get("outputs")
        kept = outputs.get("detections") if isinstance(outputs, Mapping) else None
        return (Path(str(kept)),) if kept else ()

    def named_in_detections(self, source: str) -> str:
        """How the detections name what the frames call `source`."""
        of_video = self.summary.get("source")
        return str(of_video.get("path", source)) if self.is_video and isinstance(of_video, Mapping) else source

    def pictures_from(self) -> Iterator[Path]:
        """Of a single video: the input itself, and its annotated copy."""
        source, outputs = self.summary.get("source"), self.summary.get("outputs")
        if isinstance(source, Mapping) and source.get("path"):
            yield Path(str(source["path"]))
        if isinstance(outputs, Mapping):
            yield from (Path(str(path)) for path in outputs.values() if str(path).endswith((".mp4", ".mkv")))


def inputs_of(paths: Sequence[Path]) -> list[Input]:
    """The inputs in the order given; a SettingsError where one is named twice."""
    files = [_frames_of(path) for path in paths]
    if len({file.resolve() for file in files}) < len(files):
        twice = next(path for i, path in enumerate(paths) if files[i].resolve() in {f.resolve() for f in files[:i]})
        raise SettingsError(f"{twice}: it is named twice, and would be counted twice: name each run once")
    common = os.path.commonpath([file.absolute().parent for file in files])
    found = []
    for path, file in zip(paths, files, strict=True):
        relative = os.path.relpath(file.absolute(), common).replace(os.sep, "/")
        is_run = file.name == "frames.csv"
        prefix = relative.removesuffix("frames.csv").rstrip("/") if is_run else relative
        summary = RunFolder(file.parent).read_summary() if is_run else _video_summary(file)
        name = (path if path.is_dir() else file.parent).resolve().name if is_run else _video_name(file, summary)
        found.append(Input(path, file, name, prefix, summary))
    return _apart(found)


def _frames_of(path: Path) -> Path:
    run = RunFolder(path)
    if path.is_dir() and run.aggregate.is_file() and not run.frames.is_file():
        return run.frames
    return frames_file(path)


def _apart(found: list[Input]) -> list[Input]:
    """Inputs of the same name go by their path."""
    names = [one.name for one in found]
    return [
        one if names.count(one.name) == 1 else Input(one.path, one.frames, one.prefix, one.prefix, one.summary)
        for one in found
    ]


def _video_name(file: Path, summary: Mapping[str, Any]) -> str:
    source = summary.get("source")
    if isinstance(source, Mapping) and source.get("path"):
        return PurePath(str(source["path"])).name
    return file.name.removesuffix(ENDING) if file.name.endswith(ENDING) else file.stem


def _video_summary(file: Path) -> Mapping[str, Any]:
    """The JSON beside a video's per-frame CSV, its gaps where a run has them; empty where there is none."""
    path = file.with_suffix(".json")
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: it cannot be read ({error}): analyse the input again") from error
    if not isinstance(found, dict):
        raise SourceError(f"{path}: it holds no JSON object: analyse the input again")
    left_out, source = found.get("not_analysed"), found.get("source")
    gaps = left_out.get("gaps") if isinstance(left_out, dict) else None
    name = str(source.get("path", "")) if isinstance(source, dict) else file.name
    return {**found, "gaps": [{"source": name, **gap} for gap in gaps or [] if isinstance(gap, dict)]}
