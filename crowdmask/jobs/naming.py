"""Decides, before anything runs, where each input's results go, so that no two results and no input share a name."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from crowdmask.errors import SettingsError
from crowdmask.jobs.destinations import Destinations
from crowdmask.jobs.manifest.entries import Kind
from crowdmask.media.opening import is_address, is_camera, local_path, shown
from crowdmask.media.pictures import SUFFIXES, is_picture
from crowdmask.media.segments import Span
from crowdmask.records import SourceKind
from crowdmask.results.run_folder import RunFolder, place_in_run

OWN = re.compile(r"\.crowdmask(\.(persons|purge))?\.[a-z0-9]+(\.part)?$", re.IGNORECASE)
_LONGEST_BASE = 255 - len(".crowdmask.persons.parquet.part.part")  # bytes; file systems take 255 in a name
PICTURES_READ = (*SUFFIXES, ".jpe", ".jfif", ".dib", ".avif", ".heic", ".heif")
_VIDEO_ENDINGS = (
    "mp4 m4v mov qt avi divx mkv webm mpg mpeg m2v ts mts m2ts mxf wmv asf flv f4v 3gp 3g2 ogv vob dav h264 264 h265 "
    "265 hevc mjpg mjpeg dv y4m"
)
VIDEOS_READ = tuple(f".{ending}" for ending in _VIDEO_ENDINGS.split())
SEGMENTS, BEFORE = ".segments", "before.json"


@dataclass(frozen=True)
class Outputs:
    """The files that one input's results go to."""

    annotated: Path | None
    frames_csv: Path
    summary: Path
    persons: Path | None = None  # where faces are followed
    persons_parquet: Path | None = None  # the same, where the detections are Parquet

    @property
    def paths(self) -> tuple[Path, ...]:
        every = (self.annotated, self.frames_csv, self.summary, self.persons, self.persons_parquet)
        return tuple(path for path in every if path is not None)


def is_own_output(name: str) -> bool:
    """Whether this is a file that crowdmask wrote, which it never takes for an input."""
    return OWN.search(name) is not None


def is_stream(source: str) -> bool:
    """Whether an input is a camera or an address, and no file."""
    return is_address(source) or is_camera(source)


def kind_of(source: str) -> SourceKind:
    """What an input is: a file by its content, one that cannot be read by its name, so that its failure is its own."""
    if is_stream(source):
        return SourceKind.STREAM
    path = local_path(source)
    try:
        picture = is_picture(path)
    except OSError:
        picture = path.suffix.lower() in PICTURES_READ
    return SourceKind.PICTURE if picture else SourceKind.VIDEO


def name_outputs(
    sources: Sequence[str], destinations: Destinations, *, annotated: bool, followed: bool, overlay: bool = False
) -> list[Outputs]:
    """Outputs for each of the sources, which are all different files.

    `annotated` is False for numbers only; with `overlay` annotated videos are Matroska.
    """
    as_parquet = (destinations.detections or "").lower().endswith(".parquet")
    how = _How(annotated, followed, ".mkv" if overlay else ".mp4", as_parquet)
    if destinations.out is not None:
        if len(sources) != 1:
            raise SettingsError(f"--out names one result and there are {len(sources)} inputs: use --out-dir")
        return [_outputs_named(Path(destinations.out), kind_of(sources[0]), how)]
    return [
        _outputs_at(base, source, how)
        for base, source in zip(_bases(sources, destinations.out_dir), sources, strict=True)
    ]


@dataclass(frozen=True)
class _How:
    """What is written of each input, and as what a video."""

    annotated: bool
    followed: bool
    video: str
    as_parquet: bool  # people too


def _outputs_named(out: Path, kind: SourceKind, how: _How) -> Outputs:
    if out.is_dir():
        raise SettingsError(f"{out}: --out names a file and this is a folder: use --out-dir")
    allowed = SUFFIXES if kind is SourceKind.PICTURE else (how.video,)
    suffix = out.suffix.lower()
    if how.annotated and suffix not in allowed:
        what = "picture" if kind is SourceKind.PICTURE else "video"
        raise SettingsError(f"{out}: the annotated {what} is written as {' or '.join(allowed)}: name it so")
    known = suffix in (".mp4", how.video, ".csv", ".json", *SUFFIXES)
    base = out.with_suffix("") if known else out
    return _outputs(base, out, kind, how)


def _outputs_at(base: Path, source: str, how: _How) -> Outputs:
    base = _add(_fitting(base), ".crowdmask")
    return _outputs(base, _add(base, _suffix(source, how.video)), kind_of(source), how)


def _outputs(base: Path, annotated: Path, kind: SourceKind, how: _How) -> Outputs:
    persons = _add(base, ".persons.csv") if how.followed and kind is not SourceKind.PICTURE else None
    typed = _add(base, ".persons.parquet") if persons is not None and how.as_parquet else None
    return Outputs(annotated if how.annotated else None, _add(base, ".csv"), _add(base, ".json"), persons, typed)


def _suffix(source: str, video: str) -> str:
    if kind_of(source) is not SourceKind.PICTURE:
        return video
    suffix = local_path(source).suffix.lower()
    return suffix if suffix in SUFFIXES else ".jpg"


def _add(base: Path, ending: str) -> Path:
    return base.with_name(base.name + ending)


def _fitting(base: Path) -> Path:
    """The base with a name that leaves room for every ending; one that was cut ends with a few digits of its hash."""
    name = os.fsencode(base.name)
    if len(name) <= _LONGEST_BASE:
        return base
    digits = hashlib.sha256(name).hexdigest()[:8]
    return base.with_name(name[: _LONGEST_BASE - 9].decode(errors="ignore") + "~" + digits)


def _bases(sources: Sequence[str], out_dir: str | None) -> list[Path]:
    """Where each source's results begin: its stem, and only where two would meet the whole name or the folder too."""
    candidates = _candidates(sources, out_dir)
    level = [0] * len(sources)
    while True:
        bases = [names[n] for names, n in zip(candidates, level, strict=True)]
        taken = Counter(_same_file(base) for base in bases)
        meeting = [i for i, base in enumerate(bases) if taken[_same_file(base)] > 1]
        if not meeting:
            return bases
        movable = [i for i in meeting if level[i] + 1 < len(candidates[i])]
        if not movable:
            names = " and ".join(shown(sources[i]) for i in meeting[:2])
            raise SettingsError(f"{names}: their results would have the same names: analyse them in two calls")
        for i in movable:
            level[i] += 1


def _same_file(path: Path) -> str:
    return os.path.abspath(path).casefold()  # many file systems do not tell A from a


def _candidates(sources: Sequence[str], out_dir: str | None) -> list[list[Path]]:
    parents = [Path(os.path.abspath(local_path(s))).parent for s in sources if not is_stream(s)]
    top = Path(os.path.commonpath(parents)) if parents else Path()
    candidates = []
    for source in sources:
        if is_stream(source):
            candidates.append([Path(out_dir or ".") / _stream_name(source)])
            continue
        path = local_path(source)
        if out_dir is None:
            candidates.append([path.parent / path.stem, path])
            continue
        mirrored = Path(out_dir) / Path(os.path.abspath(path)).parent.relative_to(top)
        candidates.append(
            [Path(out_dir) / path.stem, Path(out_dir) / path.name, mirrored / path.stem, mirrored / path.name]
        )
    return candidates


def _stream_name(source: str) -> str:
    if is_camera(source):
        return f"camera-{source}"
    parts = urlsplit(shown(source))
    host = parts.netloc.rpartition("@")[2]  # without the user and the password
    return re.sub(r"[^\w.-]+", "-", f"{host}{parts.path}").strip("-.") or "stream"


# In a run folder, in the tree of the inputs


def annotated_file(run: Path, source: str, kind: Kind, *, overlay: bool = False) -> Path:
    """In the tree of the inputs under its own name, with another ending where that kind is not written."""
    return RunFolder(run).annotated / place_in_run(f"{source}{_ending(source, kind, '.mkv' if overlay else '.mp4')}")


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
    return RunFolder(run).videos / place_in_run(f"{source}.csv")


def summary_file_of(run: Path, source: str) -> Path:
    """The summary of one video."""
    return RunFolder(run).videos / place_in_run(f"{source}.json")


def persons_file_of(run: Path, source: str) -> Path:
    """The appearances in one video whose faces are followed."""
    return RunFolder(run).people_of(source)


def faces_file_of(run: Path, source: str) -> Path:
    """The detections of one video until they are put together with all others'."""
    return RunFolder(run).parts / place_in_run(f"{source}.faces")


def segment_file_of(run: Path, source: str, number: int, ending: str) -> Path:
    """What is kept of a segment of a video under way: its looks, its results, its drawn pieces; see batch/videos.py."""
    return RunFolder(run).parts / place_in_run(f"{source}{SEGMENTS}") / f"{number:04d}.{ending}"


def is_segment_file(path: str) -> bool:
    return path.startswith("parts/") and PurePosixPath(path).parent.name.endswith(SEGMENTS)


def piece_file_of(run: Path, source: str, number: int, piece: int) -> Path:
    """A drawn piece of a segment, counted from 1."""
    return segment_file_of(run, source, number, f"{piece}.mp4")


def segment_files_of(run: Path, source: str, spans: Iterable[Span]) -> list[str]:
    """Every file that segments may get, below the run folder with `/`."""
    found = []
    for span in spans:
        found += [segment_file_of(run, source, span.number, ending) for ending in ("looks", "results")]
        found += [piece_file_of(run, source, span.number, piece + 1) for piece in range(len(span.pieces))]
    found.append(segment_file_of(run, source, 1, BEFORE))
    return [path.relative_to(run).as_posix() for path in found]
