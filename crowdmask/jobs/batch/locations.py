"""Where in the run folder an input's own files lie; no two inputs share a name."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from crowdmask.jobs.batch.entries import Kind
from crowdmask.jobs.batch.patterns import VIDEOS_READ
from crowdmask.jobs.naming import PICTURES_READ
from crowdmask.media.pictures import SUFFIXES
from crowdmask.results.run_folder import RunFolder


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
    """The detections of one video until they are put together with all others', see faces_parts.py."""
    return RunFolder(run).parts / _inside(f"{source}.faces")


def _inside(source: str) -> PurePosixPath:
    """Sources outside of the input root are absolute; their files still lie in the run folder."""
    return PurePosixPath(*(part for part in PurePosixPath(source).parts if part not in ("/", "..")))
