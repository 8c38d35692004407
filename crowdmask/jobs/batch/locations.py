"""Where in the run folder an input's own files lie; no two inputs share a name."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from crowdmask.jobs.batch.entries import Entry, Kind
from crowdmask.jobs.batch.patterns import VIDEOS_READ
from crowdmask.jobs.batch.units import Plan
from crowdmask.jobs.naming import PICTURES_READ
from crowdmask.media.pictures import SUFFIXES
from crowdmask.results.run_folder import RunFolder

OUTSIDE = "@"  # the folder of what lies outside of the input root; an input's own folder of this name gets a second one


def annotated_file(run: Path, source: str, kind: Kind) -> Path:
    """In the tree of the inputs under its own name, with another ending where that kind is not written."""
    return RunFolder(run).annotated / _inside(f"{source}{_ending(source, kind)}")


def _ending(source: str, kind: Kind) -> str:
    name = PurePosixPath(source)
    suffix, before = name.suffix.lower(), PurePosixPath(name.stem).suffix.lower()
    written, ending = (SUFFIXES, ".jpg") if kind is Kind.PICTURE else ((".mp4",), ".mp4")
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


def faces_file_of(run: Path, source: str) -> Path:
    """The detections of one video until they are put together with all others', see kept_results.py."""
    return RunFolder(run).parts / _inside(f"{source}.faces")


def files_of(plan: Plan, entry: Entry) -> list[str]:
    """Every file that an input may get, below the run folder with `/`."""
    run, source = plan.run, entry.source
    if plan.aggregate.aggregate is not None:
        return []
    found = []
    if plan.output.video and plan.batch.annotate != "none":
        found.append(annotated_file(run, source, entry.kind))
    if entry.kind is Kind.VIDEO:
        found += [frames_file_of(run, source), summary_file_of(run, source)]
        found += [faces_file_of(run, source)] if plan.detections is not None else []
    return [path.relative_to(run).as_posix() for path in found]


def _inside(source: str) -> PurePosixPath:
    """Sources outside of the input root are absolute; their files lie in the run folder too, in a tree of their own."""
    parts = [part for part in PurePosixPath(source).parts if part not in ("/", "..")]
    if source.startswith("/"):
        return PurePosixPath(OUTSIDE, *parts)
    if parts and parts[0].startswith(OUTSIDE):
        parts[0] = OUTSIDE + parts[0]
    return PurePosixPath(*parts)
