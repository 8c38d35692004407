"""A worker's side of videos: looks at segments, conclusions from all of them, drawn pieces, and the joined whole.

What the networks see of a segment is kept; all else is made of that. So neither the order of the work nor the number of
workers can change a result. A short video goes through all steps at once, a long one comes back with its segments.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from crowdmask.engine.following import Flashes, Person
from crowdmask.engine.judging import Judge
from crowdmask.engine.protocols import PersonTaker, ResultTaker
from crowdmask.engine.spine import conclude, is_followed, look, stages_of
from crowdmask.engine.watching import zone_names
from crowdmask.errors import SourceError
from crowdmask.jobs import naming
from crowdmask.jobs.batch.pieces import KeptForDrawing, Pieces, before_file_of, zones_of
from crowdmask.jobs.batch.units import Placing, Plan, Step, Unit, Worked, files_of, tried, unsettled
from crowdmask.jobs.forecast import Beat, Beating, Work
from crowdmask.jobs.manifest.entries import (
    CONCLUSION,
    IN_ONE_PIECE,
    PIECES,
    Entry,
    Identity,
    Kind,
    OutputFile,
    State,
    stream_of,
)
from crowdmask.jobs.manifest.packing import PackedFile, pack, pack_look, unpack_looks
from crowdmask.jobs.stopping import Stop
from crowdmask.media.ahead import ahead
from crowdmask.media.joining import PieceJoiner
from crowdmask.media.parts import part_of, write_whole
from crowdmask.media.pictures import is_picture
from crowdmask.media.segments import WHOLE, Span
from crowdmask.media.sources import open_source
from crowdmask.media.video_source import VideoSource
from crowdmask.records import FrameResult, Look, SourceKind, VideoInfo
from crowdmask.results import summary
from crowdmask.results.frames_csv import FramesCsv
from crowdmask.results.overlay import OverlayVideo
from crowdmask.results.people import PeopleStats
from crowdmask.results.persons import PersonsFile
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.zone_stats import ZoneStats


class Videos:
    """Every step gives the entries of what it kept; a failure, whatever it is, is the input's own."""

    def __init__(
        self,
        plan: Plan,
        placing: Placing,
        judge: Callable[[], Judge],
        stop: Stop,
        beat: Callable[[Beat], None],
        *,
        weights: Callable[[], Sequence[summary.WeightsUsed]] = tuple,
    ) -> None:
        self._plan, self._placing, self._judge, self._stop, self._beat = plan, placing, judge, stop, beat
        self._weights = weights
        self._pieces = Pieces(plan, self._open, self._go_on, beat)

    def do(self, unit: Unit) -> list[Worked]:
        entry = unit.entries[0]
        return tried(entry, lambda: [self._step(unit, entry)], lambda: self._remove_parts(entry, unit.spans))

    def _remove_parts(self, entry: Entry, spans: Sequence[Span]) -> None:
        run = self._plan.run
        own = naming.segment_files_of(run, entry.source, spans)
        for path in (*files_of(self._plan, replace(entry, kind=Kind.VIDEO)), *own):
            part_of(run / path).unlink(missing_ok=True)

    def _step(self, unit: Unit, entry: Entry) -> Worked:
        if unit.step is Step.VIDEO:
            return self._video(entry)
        if Identity.of(entry.path) != entry.identity:
            return unsettled(entry)
        if unit.step is Step.LOOK:
            return Worked(self._look(entry, unit.spans[0]))
        if unit.step is Step.CONCLUDE:
            concluded = self._conclude(entry, unit.spans, unit.kept)
            return Worked(concluded if self._pieces.are_to_draw(concluded) else finished(concluded))
        if unit.step is Step.DRAW:
            return Worked(self._draw(entry, unit.spans[0]))
        return Worked(self._join(entry, unit.spans, unit.kept))

    def known(self, entry: Entry) -> Entry:
        """The entry with what its file says of itself; OSError where it cannot be read."""
        return self._placing.place(replace(entry, kind=Kind.VIDEO, identity=Identity.of(entry.path)))

    def _open(self, entry: Entry, span: Span = WHOLE, threads: int = 0) -> VideoSource:
        plan = self._plan
        with self._stop.breakable():
            source = open_source(
                entry.path,
                plan.analysis,
                threads=threads or plan.runtime.decoding_threads,
                stream=stream_of(entry),
                span=span,
            )
        assert isinstance(source, VideoSource)  # pictures were sorted out before
        return source

    # The steps

    def _video(self, entry: Entry) -> Worked:
        """All of a short video at once; of a long one where it is cut."""
        if is_picture(entry.path):
            return Worked(replace(entry, kind=Kind.PICTURE, state=State.WAITING))  # it only has a video's name
        entry = self.known(entry)
        with self._open(entry) as source:
            cut = source.cut(self._plan.batch.segment_s)
        if cut.why_whole:
            note = f"{IN_ONE_PIECE}, for {cut.why_whole}"
            entry = replace(entry, note=f"{entry.note}; {note}" if entry.note else note)
        if len(cut.spans) > 1:
            return Worked(entry, spans=cut.spans)
        seen = self._look(entry, WHOLE)
        concluded = self._conclude(entry, [WHOLE], [seen])
        if self._pieces.are_to_draw(concluded):
            return Worked(self._join(entry, [WHOLE], [concluded, self._draw(entry, WHOLE)]))
        return Worked(finished(concluded))

    def _look(self, entry: Entry, span: Span) -> Entry:
        """What the networks see of a segment."""
        path = self._file(entry, span, "looks")
        judge = self._judge()
        begun, beating = time.monotonic(), Beating(Work.LOOK, entry.source, self._beat)
        with (
            self._open(entry, span) as source,
            PackedFile(path) as kept,
            ahead(source, self._plan.runtime.decoded_ahead) as frames,
        ):
            for seen in look(frames, judge):
                self._go_on()
                kept.add(pack_look(seen))
                beating.saw()
        beating.end()
        return replace(
            entry,
            segment=span.number,
            state=State.DONE,
            settings=self._plan.settings_digest,
            frames=beating.frames,
            gaps=tuple(source.gaps),
            outputs=(self._output(path),),
            wall_s=round(time.monotonic() - begun, 3),
        )

    def _conclude(self, entry: Entry, spans: Sequence[Span], seen: Sequence[Entry]) -> Entry:
        """The tables of a video, and what is to be drawn of each segment."""
        plan, begun = self._plan, time.monotonic()
        stats, people, places, last_s = ComplianceStats(), PeopleStats(), ZoneStats(), None
        followed = is_followed(SourceKind.VIDEO, plan.analysis)
        overlay = self._overlay(entry)
        drawn = plan.output.video and plan.batch.annotate != "none" and overlay is None
        tables = _Tables(plan, entry.source, followed)
        segments = KeptForDrawing(spans, lambda span: self._file(entry, span, "results"))
        with ExitStack() as stack:
            sinks: list[ResultTaker] = [stack.enter_context(tables), people, places]
            if drawn:
                sinks.append(stack.enter_context(segments))
            if overlay is not None:
                sinks.append(stack.enter_context(overlay))
            takers: list[PersonTaker] = [people, places, tables]
            for one in conclude(self._looks(entry, seen), stages_of(plan.analysis), waiting=self._stop.breakable):
                if isinstance(one, FrameResult):
                    for sink in sinks:
                        sink.write(one)
                    stats.update(one, entry.source)
                    last_s = one.frame.seconds
                for taker in takers:
                    if isinstance(one, Person):
                        taker.write_person(one)
                    elif isinstance(one, Flashes):
                        taker.write_flashes(one)
            if stats.frames == 0:
                raise SourceError(_nothing_there(entry, seen))
        drawn = drawn and (plan.batch.annotate != "unmasked" or stats.counts.against > 0)
        kept = [*tables.paths, naming.summary_file_of(plan.run, entry.source)]
        if drawn:
            before_path = before_file_of(plan, entry)
            write_whole(before_path, json.dumps(segments.before).encode())
            kept += [before_path, *segments.paths]
        if overlay is not None:
            kept.append(self._annotated(entry))
        gaps = tuple(gap for one in seen for gap in one.gaps)
        wall_s = round(sum(one.wall_s for one in seen) + time.monotonic() - begun, 3)
        with self._open(entry) as source:
            info = source.info
        notes = [*([entry.note] if entry.note else []), *(overlay.notes if overlay is not None else [])]
        self._summarise(
            entry,
            info,
            (stats, people if followed else None, places if plan.analysis.zones is not None else None),
            summary.Work(wall_s, {}, gaps, False, last_s, notes),
            drawn or overlay is not None,
        )
        return replace(
            entry,
            segment=CONCLUSION,
            state=State.DONE,
            settings=plan.settings_digest,
            frames=stats.frames,
            frames_with_faces=stats.frames_with_faces,
            counts=stats.counts,
            no_faces=stats.no_faces,
            gaps=gaps,
            outputs=tuple(self._output(path) for path in kept),
            wall_s=wall_s,
        )

    def _draw(self, entry: Entry, span: Span) -> Entry:
        """A segment of the annotated video; no file where it has no frame."""
        begun = time.monotonic()
        paths, frames = self._pieces.draw(entry, span)
        return replace(
            entry,
            segment=PIECES + span.number,
            state=State.DONE,
            settings=self._plan.settings_digest,
            outputs=tuple(self._output(path) for path in paths),
            frames=frames,
            wall_s=round(time.monotonic() - begun, 3),
        )

    def _join(self, entry: Entry, spans: Sequence[Span], kept: Sequence[Entry]) -> Entry:
        """The annotated video out of its pieces: packets are copied, and the source's sound with them."""
        concluded, *drawn = kept
        pieces = [self._plan.run / output.path for one in drawn for output in one.outputs]
        path = self._annotated(entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open(entry) as source:
            info = source.info
        sound = entry.path if info.has_audio else None
        with PieceJoiner(path, info, pieces[0], audio_from=sound) as joined:
            for span in spans:
                self._go_on()
                for piece, frames in self._pieces.in_order(entry, span):
                    joined.add(piece, frames)
        if joined.notes:
            self._add_notes(entry, joined.notes)
        wall_s = concluded.wall_s + sum(one.wall_s for one in drawn)
        summary_path = naming.summary_file_of(self._plan.run, entry.source)
        renewed = {path: self._output(path) for path in (summary_path, *([path] if pieces else []))}
        outputs = {self._plan.run / output.path: output for output in concluded.outputs} | renewed
        return finished(replace(concluded, outputs=tuple(outputs.values()), wall_s=round(wall_s, 3)))

    # Their parts

    def _annotated(self, entry: Entry) -> Path:
        plan = self._plan
        return naming.annotated_file(plan.run, entry.source, Kind.VIDEO, overlay=plan.output.video_overlay)

    def _overlay(self, entry: Entry) -> OverlayVideo | None:
        """The sink of a video whose pictures are left as they are; it needs no picture, so no segment is drawn."""
        plan = self._plan
        if not plan.output.video_overlay or plan.batch.annotate == "none":
            return None
        path = self._annotated(entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open(entry) as source:
            return OverlayVideo(path, source.info, plan.output, source=entry.path, zones=zones_of(self._plan, entry))

    def _go_on(self) -> None:
        if self._stop.asked:
            raise KeyboardInterrupt

    def _file(self, entry: Entry, span: Span, ending: str) -> Path:
        return naming.segment_file_of(self._plan.run, entry.source, span.number, ending)

    def _output(self, path: Path) -> OutputFile:
        return OutputFile.of(self._plan.run, path.relative_to(self._plan.run).as_posix())

    def _looks(self, entry: Entry, seen: Sequence[Entry]) -> Iterator[Look]:
        for one in seen:
            with open(self._file(entry, replace(WHOLE, number=one.segment), "looks"), "rb") as file:
                yield from unpack_looks(file, stream_of(entry))

    def _summarise(
        self,
        entry: Entry,
        info: VideoInfo,
        seen: tuple[ComplianceStats, PeopleStats | None, ZoneStats | None],
        went: summary.Work,
        drawn: bool,
    ) -> None:
        plan, source = self._plan, entry.source
        named = {"frames_csv": naming.frames_file_of(plan.run, source)}
        if drawn:
            named["annotated"] = self._annotated(entry)
        if seen[1] is not None:
            named["persons_csv"] = naming.persons_file_of(plan.run, source)
        judge = self._judge()
        summary.write_summary(
            naming.summary_file_of(plan.run, source),
            summary.summarise(
                replace(info, source=entry.path),
                seen[0],
                went,
                analysis=judge.settings,
                runtime=judge.runtime,
                output=plan.output,
                weights=self._weights(),
                outputs={kind: str(path) for kind, path in named.items()},
                people=seen[1],
                zones=seen[2],
            ),
        )

    def _add_notes(self, entry: Entry, notes: Sequence[str]) -> None:
        path = naming.summary_file_of(self._plan.run, entry.source)
        found = json.loads(path.read_text(encoding="utf-8"))
        summary.write_summary(path, found | {"notes": [*found["notes"], *notes]})


class _Tables:
    """A video's own files but its summary: a row for every frame, and where they are asked for, faces and people."""

    def __init__(self, plan: Plan, source: str, followed: bool) -> None:
        self._stack = ExitStack()
        run = plan.run
        frames = naming.frames_file_of(run, source)
        frames.parent.mkdir(parents=True, exist_ok=True)
        self._rows, self.paths = FramesCsv(frames, zones=zone_names(plan.analysis)), [frames]
        self._persons: PersonsFile | None = None
        self._faces: PackedFile | None = None
        if followed:
            self.paths.append(naming.persons_file_of(run, source))
            self._persons = PersonsFile(self.paths[-1])
        if plan.detections is not None:
            self.paths.append(naming.faces_file_of(run, source))
            self._faces = PackedFile(self.paths[-1])

    def __enter__(self) -> _Tables:
        for file in (self._rows, self._persons, self._faces):
            if file is not None:
                self._stack.enter_context(file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, result: FrameResult) -> None:
        self._rows.write(result)
        if self._faces is not None and (len(result.faces) or (result.left_out and len(result.left_out.faces))):
            self._faces.add(pack(result))

    def write_person(self, person: Person) -> None:
        if self._persons is not None:
            self._persons.write_person(person)

    def write_flashes(self, flashes: Flashes) -> None:
        """No row."""


def finished(concluded: Entry) -> Entry:
    """The input's own entry, when nothing of it is left to do."""
    kept = tuple(output for output in concluded.outputs if not naming.is_segment_file(output.path))
    return replace(concluded, segment=0, outputs=kept, attempts=concluded.attempts + 1, error="")


def _nothing_there(entry: Entry, seen: Sequence[Entry]) -> str:
    gaps = [gap for one in seen for gap in one.gaps]
    if gaps:
        return f"{entry.path}: no frame could be decoded ({gaps[0].reason}): play it or copy it again"
    return f"{entry.path}: no frame lies in the part asked for: check --start, --end and --duration"
