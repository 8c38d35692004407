"""Draws an input anew from what was kept of its analysis: its summary and its detections. No network runs."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crowdmask.engine.pictures_again import PicturesAgain
from crowdmask.engine.protocols import Sink, Source
from crowdmask.errors import SettingsError, SourceError
from crowdmask.jobs.stopping import Stop
from crowdmask.media.ahead import ahead
from crowdmask.media.camera_names import camera_of
from crowdmask.media.parts import ensure_writable, refuse_own_input
from crowdmask.media.pictures import SUFFIXES
from crowdmask.media.sources import open_source
from crowdmask.records import SourceKind, Stream
from crowdmask.results.annotated import AnnotatedPicture, AnnotatedVideo
from crowdmask.results.columns import unguarded
from crowdmask.results.kept_detections import KeptDetections, sources_in
from crowdmask.results.run_folder import RunFolder
from crowdmask.results.summary import CHOOSING
from crowdmask.settings import AnalysisSettings, OutputSettings, RuntimeSettings
from crowdmask.tracking.zones import Zones
from crowdmask.tracking.zones_file import read_zones

FRAMES_AHEAD = 4
ENDINGS = (".persons.csv", ".csv", ".json", ".mp4")


@dataclass(frozen=True)
class Kept:
    """What was kept of one input."""

    path: str  # where the input lies
    source: str  # as the detections name it
    kind: SourceKind
    analysis: AnalysisSettings
    detections: Path
    faces: int
    until_s: float | None
    zones: Zones | None = None  # to be outlined

    @classmethod
    def of(
        cls, result: Path, detections: Path | None = None, path: str | None = None, zones: Path | None = None
    ) -> Kept:
        """From any of the files that the analysis of an input left, of which the summary is read."""
        summary = summary_of(result)
        told = read_summary(summary)
        try:
            kind, source = SourceKind(told["source"]["kind"]), str(told["source"]["path"])
            faces, until_s = int(told["counts"]["faces"]), told.get("until_s")
            analysis = _analysis(told["settings"]["analysis"])
            named = told["outputs"].get("detections")
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(
                f"{summary}: it is no summary of an analysis ({error!r}): give NAME.crowdmask.json"
            ) from error
        if kind is SourceKind.STREAM:
            raise SettingsError(f"{source}: a stream is gone and cannot be drawn on anew: record it and analyse that")
        run = run_of(summary)
        if run is not None:
            source, named = _name_in_run(run, source), _existing(run.detections)
        watched = zones or _zones_of(summary, told)
        camera = camera_of(source) if run is None else _camera_in_run(run, source)
        chosen = detections or (Path(named) if named else None)
        if chosen is None:
            raise SettingsError(
                f"{summary}: no detections were kept of it: analyse with --detections, or name the file that has them "
                "with --detections"
            )
        outlined = None if watched is None else _zones_for(watched, camera)
        return cls(path or told["source"]["path"], source, kind, analysis, chosen, faces, until_s, outlined)


def draw(
    kept: Kept,
    out: Path,
    output: OutputSettings,
    runtime: RuntimeSettings,
    *,
    stop: Stop | None = None,
    seen: Callable[[int | None], None] = lambda expected: None,
) -> int:
    """Writes the annotated copy; how many frames it has. `seen` is called for each with how many are expected."""
    refuse_own_input(out, Path(kept.path))
    refuse_own_input(out, kept.detections)
    ensure_writable(out, overwrite=output.overwrite)
    stop = stop or Stop()
    stream = Stream(kept.source, kept.kind)
    still = kept.kind is SourceKind.PICTURE
    frames = 0
    with ExitStack() as stack:

        def opened() -> Source:
            return open_source(kept.path, kept.analysis, threads=runtime.decoding_threads, stream=stream)

        source = stack.enter_context(opened())
        faces = KeptDetections(kept.detections, kept.source, separate=kept.analysis.sets_apart)
        if faces.is_empty and kept.faces:
            raise SourceError(_not_in(kept))
        sound = kept.path if source.info.has_audio else None
        looks_ahead = output.blur and not still  # for whoever is about to be found, as the analysis does
        sink: Sink = AnnotatedPicture(out, output, zones=kept.zones)
        if not still:
            sink = AnnotatedVideo(
                out,
                source.info,
                output,
                audio_from=sound,
                threads=runtime.encoding_threads,
                pictures=PicturesAgain(opened) if looks_ahead else None,
                zones=kept.zones,
            )
        written = stack.enter_context(sink)
        for frame in stack.enter_context(ahead(source, FRAMES_AHEAD)):
            if kept.until_s is not None and frame.seconds > kept.until_s + 1e-6:
                break
            with stop.breakable():
                written.write(faces.of(frame.without_picture() if looks_ahead else frame))
            frames += 1
            seen(source.info.frames_expected)
    return frames


def beside(result: Path, kept: Kept) -> Path:
    """Where the copy goes that nobody named another place for."""
    summary = summary_of(result)
    if run_of(summary) is not None:
        raise SettingsError(f"{result}: the copies in a run folder belong to its batch: name another file with --out")
    suffix = Path(kept.path).suffix.lower() if kept.kind is SourceKind.PICTURE else ".mp4"
    ending = suffix if suffix in (*SUFFIXES, ".mp4") else ".jpg"
    return summary.with_name(summary.name.removesuffix(".json") + ending)


def summary_of(result: Path) -> Path:
    """The summary of the input that one of its results belongs to."""
    for ending in ENDINGS:
        if result.name.endswith(ending):
            summary = result.with_name(result.name.removesuffix(ending) + ".json")
            if summary.is_file():
                return summary
    raise SourceError(f"{result}: there is no summary beside it: give the NAME.crowdmask.json of an analysis")


def read_summary(summary: Path) -> dict[str, Any]:
    """What it says; an empty object where it holds none."""
    try:
        told = json.loads(summary.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{summary}: it cannot be read ({error}): analyse the input again") from error
    return told if isinstance(told, dict) else {}


def _analysis(kept: dict[str, Any]) -> AnalysisSettings:
    """As far as they decide which frames there are; the rest needs not be known any more."""
    chosen = (*CHOOSING, "incorrect")
    known = {f.name for f in dataclasses.fields(AnalysisSettings)}
    return AnalysisSettings(**{name: kept[name] for name in chosen if name in known and name in kept})


def _zones_of(summary: Path, told: dict[str, Any]) -> Path | None:
    """The file of zones that the input was analysed with; whoever moved it names it anew."""
    named = told["settings"]["analysis"].get("zones")
    if named is not None and not Path(named).is_file():
        raise SettingsError(f"{summary}: its zones are not there any more ({named}): name the file with --zones")
    return None if named is None else Path(named)


def _zones_for(path: Path, camera: str) -> Zones:
    file = read_zones(path)
    file.check_used([camera])
    found = file.of(camera)
    return Zones() if found is None else found


def _camera_in_run(run: RunFolder, source: str) -> str:
    """The camera that the run gave the input."""
    with run.frames.open(encoding="utf-8", newline="") as file:
        rows = (row for row in csv.DictReader(file) if unguarded(row["source"]) == source)
        return next((unguarded(row["camera"]) for row in rows), "")


def run_of(summary: Path) -> RunFolder | None:
    """The run that the summary of an input belongs to; None of an input that was analysed by itself."""
    for folder in summary.absolute().parents:
        run = RunFolder(folder)
        if run.is_one and run.videos in summary.absolute().parents:
            return run
    return None


def _name_in_run(run: RunFolder, path: str) -> str:
    root = run.read_summary().get("input_root")
    inside = root and Path(path).is_relative_to(root)
    return Path(path).relative_to(str(root)).as_posix() if inside else path


def _existing(paths: tuple[Path, ...]) -> str | None:
    return next((str(path) for path in paths if path.is_file()), None)


def _not_in(kept: Kept) -> str:
    others = sources_in(kept.detections)
    there = f"it has those of {', '.join(others[:3])}" if others else "it is empty"
    return f"{kept.detections}: it has no face of {kept.source}, in which {kept.faces} were found: {there}"
