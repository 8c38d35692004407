"""Where in the run folder an input's own files lie; no two inputs share a name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from crowdmask.jobs.batch.entries import Entry, Kind
from crowdmask.jobs.batch.patterns import VIDEOS_READ
from crowdmask.jobs.batch.units import Plan
from crowdmask.jobs.naming import PICTURES_READ
from crowdmask.media.pictures import SUFFIXES
from crowdmask.results.run_folder import RunFolder

SEGMENTS, ENDINGS, BEFORE = ".segments", ("looks", "results", "mp4"), "before.json"
DRIVE = re.compile(r"([A-Za-z]):/")
OUTSIDE = "@"  # the folder of what lies outside of the input root; an input's own folder of this name gets a second one


def annotated_file(run: Path, source: str, kind: Kind, *, overlay: bool = False) -> Path:
    """In the tree of the inputs under its own name, with another ending where that kind is not written."""
    return RunFolder(run).annotated / _inside(f"{source}{_ending(source, kind, '.mkv' if overlay else '.mp4')}")


def _ending(source: str, kind: Kind, video: str) -> str:
    name = PurePosixPath(source)
    suffix, before = name.suffix.lower(), PurePosixPath(name.stem).suffix.lower()
    written, ending = (SUFFIXES, ".jpg") if kind is Kind.PICTURE else ((video,), video)
    known = (*VIDEOS_READ, *PICTURES_READ)
    if suffix in written and before not in known:
        return ""
    return ending if suffix in known else f".crowdmask{ending}"  # clip and clip.mp4 may lie in one folder


def frames_file_of(run: Path, source: str) -> Path:
    """The per-frame CSV of one video."""
    return RunFolder(run).videos / _inside(f"{source}.csv")


def summary_file_of(run: Path, source: str) -> Path:
    """The summary of one video."""
    return RunFolder(run).videos / _inside(f"{source}.json")


def persons_file_of(run: Path, source: str) -> Path:
    """The appearances in one video whose faces are followed."""
    return RunFolder(run).videos / _inside(f"{source}.persons.csv")


def faces_file_of(run: Path, source: str) -> Path:
    """The detections of one video until they are put together with all others', see kept_results.py."""
    return RunFolder(run).parts / _inside(f"{source}.faces")


def segment_file_of(run: Path, source: str, number: int, ending: str) -> Path:
    """What is kept of a segment of a video under way: its looks, its results, its piece; see videos.py."""
    return RunFolder(run).parts / _inside(f"{source}{SEGMENTS}") / f"{number:04d}.{ending}"


def is_segment_file(path: str) -> bool:
    return path.startswith("parts/") and PurePosixPath(path).parent.name.endswith(SEGMENTS)


def segment_files_of(run: Path, source: str, numbers: Iterable[int]) -> list[str]:
    """Every file that segments may get, below the run folder with `/`."""
    found = [segment_file_of(run, source, number, ending) for number in numbers for ending in ENDINGS]
    found.append(segment_file_of(run, source, 1, BEFORE))
    return [path.relative_to(run).as_posix() for path in found]


def files_of(plan: Plan, entry: Entry) -> list[str]:
    """Every file that an input may get, below the run folder with `/`."""
    run, source = plan.run, entry.source
    if plan.aggregate.aggregate is not None:
        return []
    found = []
    if plan.output.video and plan.batch.annotate != "none":
        found.append(annotated_file(run, source, entry.kind, overlay=plan.output.video_overlay))
    if entry.kind is Kind.VIDEO:
        found += [frames_file_of(run, source), summary_file_of(run, source)]
        found += [persons_file_of(run, source)] if plan.analysis.follow else []
        found += [faces_file_of(run, source)] if plan.detections is not None else []
    own = segment_files_of(run, source, [1]) if entry.kind is Kind.VIDEO else []
    return [*(path.relative_to(run).as_posix() for path in found), *own]


def _inside(source: str) -> PurePosixPath:
    """Sources outside of the input root are absolute; their files lie in the run folder too, in a tree of their own."""
    parts = [part for part in PurePosixPath(source).parts if part not in ("/", "..")]
    drive = DRIVE.match(source)
    if drive is not None:  # on Windows; a colon is in no name there
        parts[0] = drive[1]
    if drive is not None or source.startswith("/"):
        return PurePosixPath(OUTSIDE, *parts)
    if parts and parts[0].startswith(OUTSIDE):
        parts[0] = OUTSIDE + parts[0]
    return PurePosixPath(*parts)
