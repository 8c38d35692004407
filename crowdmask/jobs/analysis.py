"""Takes one input from its first frame to its files on disk; made so that another process can do it as well."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

from crowdmask.engine.judging import Judge
from crowdmask.engine.pictures_again import PicturesAgain
from crowdmask.engine.protocols import PersonTaker, ResultTaker, Sink, Source
from crowdmask.engine.spine import analyse, is_followed
from crowdmask.engine.watching import zones_file
from crowdmask.errors import CrowdmaskError, SettingsError, SourceError, WeightsError
from crowdmask.jobs.networks import Networks, Pair, own_networks
from crowdmask.jobs.stopping import Stop
from crowdmask.jobs.tasks import Outcome, State, Task
from crowdmask.jobs.timing import StageTimes, TimedClassifier, TimedDetector, TimedSink
from crowdmask.jobs.watching import Watch
from crowdmask.media.ahead import ahead
from crowdmask.media.opening import local_path
from crowdmask.media.parts import ensure_writable, part_of
from crowdmask.media.sources import open_source
from crowdmask.records import FrameResult, SourceKind, VideoInfo
from crowdmask.results import summary
from crowdmask.results.annotated import AnnotatedPicture, AnnotatedVideo
from crowdmask.results.detections import DetectionsError
from crowdmask.results.frames_csv import FramesCsv
from crowdmask.results.overlay import OverlayVideo
from crowdmask.results.people import PeopleStats
from crowdmask.results.persons import PersonsFile, write_persons_parquet
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.zone_stats import ZoneStats
from crowdmask.runs.energy import Energy, measured

log = logging.getLogger(__name__)


def analyse_file(
    task: Task,
    *,
    networks: Networks = own_networks,
    watch: Watch | None = None,
    stop: Stop | None = None,
    also: Sequence[ResultTaker] = (),
) -> Outcome:
    """Does one task whole; `also` are sinks that several inputs share, and come open.

    Its own failure is in the outcome; one that would meet every task is raised.
    """
    work = _Work(task, networks, watch or Watch(), stop or Stop(), also)
    try:
        work.do()
    except (WeightsError, SettingsError, DetectionsError):
        work.remove_empty_parts()
        raise
    except Exception as error:  # whatever is the matter with one input, the others are not to suffer from it
        log.debug("%s: failed", task.name, exc_info=True)
        work.remove_empty_parts()
        return work.outcome(State.FAILED, work.told(error))
    return work.outcome(work.state)


@dataclass
class _Work:
    """One task under way, and what is still known of it when it fails."""

    task: Task
    networks: Networks
    watch: Watch
    stop: Stop
    also: Sequence[ResultTaker]
    stats: ComplianceStats = field(default_factory=ComplianceStats)
    people: PeopleStats = field(default_factory=PeopleStats)
    zones: ZoneStats = field(default_factory=ZoneStats)
    times: StageTimes = field(default_factory=StageTimes)
    source: Source | None = None
    until_s: float | None = None
    interrupted: bool = False
    is_alone: bool = False  # no other run writes the same files
    summary: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()  # what of the input could not be kept or was done otherwise
    energy: Energy | None = None

    @property
    def state(self) -> State:
        """How an analysis ended that did not fail."""
        if self.interrupted:
            return State.INTERRUPTED
        return State.ENDED_EARLY if getattr(self.source, "ended_early", False) else State.DONE

    def do(self) -> None:
        task = self.task
        for path in task.outputs.paths:
            ensure_writable(path, overwrite=task.output.overwrite)
        try:
            with self.stop.breakable(), self.times.stage("open"):
                self.source = self._open()
            with self._energy() as self.energy, self.source as source:
                self.watch.opened(task, source.info)
                with self.stop.breakable(), self.times.stage("load"):
                    pair = self.networks(task.analysis, task.runtime)
                digest = summary.digest_of(self.task.analysis, pair.weights)
                self.watch.ready(task)
                self._write_frames(source, pair)
        except KeyboardInterrupt:  # before there was anything to write
            self.interrupted = True
            self.remove_empty_parts()
            return
        self.summary = self._summarise(source.info, pair, digest)
        summary.write_summary(self.task.outputs.summary, self.summary)

    def _energy(self) -> AbstractContextManager[Energy | None]:
        runtime = self.task.runtime
        return measured(runtime.country) if runtime.energy else nullcontext()

    def _write_frames(self, source: Source, pair: Pair) -> None:
        """Every frame into every sink; after an interruption the sinks end as they do after the last frame."""
        with ExitStack() as sinks:
            mine: list[ResultTaker] = []
            for sink in self._sinks(source.info):
                mine.append(sinks.enter_context(sink))
                self.is_alone = True  # the table of frames comes first, and is locked
            written = [*mine, *self.also, self.people, self.zones]
            takers: list[PersonTaker] = [self.people, self.zones]
            if self.task.outputs.persons is not None:
                takers.append(sinks.enter_context(PersonsFile(self.task.outputs.persons)))
            try:
                with closing(self._results(source, pair, written, takers)) as results:
                    for result in results:
                        self.stats.update(result, self.task.name)
                        self.until_s = result.frame.seconds
                        self.watch.saw(result, self.stats)
            except KeyboardInterrupt:
                if self.stats.frames == 0:
                    raise
                self.interrupted = True
            if self.stats.frames == 0:
                raise SourceError(self._nothing_there(source))
            with self.times.stage("finish"):
                sinks.pop_all().close()
                if self.task.outputs.persons is not None and self.task.outputs.persons_parquet is not None:
                    write_persons_parquet(self.task.outputs.persons)
            self.notes = tuple(note for taker in (source, *written) for note in getattr(taker, "notes", ()))

    def _open(self) -> Source:
        task = self.task
        return open_source(
            task.source,
            task.analysis,
            threads=task.runtime.decoding_threads,
            stream=task.stream,
        )

    @property
    def _draws_later(self) -> bool:
        """Whether results come without pictures, as following looks ahead of them."""
        return self.task.kind is SourceKind.VIDEO and self.task.analysis.follow

    def _results(
        self, source: Source, pair: Pair, sinks: Sequence[ResultTaker], people: Sequence[PersonTaker]
    ) -> Generator[FrameResult, None, None]:
        """Results that are written; decoding runs ahead, and each wait for one may be broken off."""
        task, times = self.task, self.times
        detector, classifier = TimedDetector(pair.detector, times), TimedClassifier(pair.classifier, times)
        judge = Judge(detector, classifier, task.analysis, task.runtime)
        timed = [TimedSink(sink, times) for sink in sinks]
        break_off = getattr(source, "break_off", lambda: None)  # of a live stream, which may be silent for long
        with ahead(times.over("decode", source), task.runtime.decoded_ahead, break_off) as frames:
            waited_for = times.over("wait_for_frames", frames)
            yield from analyse(waited_for, judge, sinks=timed, people=people, waiting=self.stop.breakable)

    def _sinks(self, info: VideoInfo) -> list[Sink]:
        task, runtime = self.task, self.task.runtime
        file = zones_file(task.analysis)
        zones = None if file is None else file.of(task.stream.camera)
        sinks: list[Sink] = [FramesCsv(task.outputs.frames_csv, zones=None if file is None else file.names)]
        if task.outputs.annotated is None:
            return sinks
        path = task.outputs.annotated
        if task.kind is SourceKind.PICTURE:
            return [*sinks, AnnotatedPicture(path, task.output, stage=self.times.stage, zones=zones)]
        if task.output.video_overlay:
            name = str(local_path(task.source))
            return [*sinks, OverlayVideo(path, info, task.output, source=name, stage=self.times.stage, zones=zones)]
        sound = task.source if task.kind is SourceKind.VIDEO and info.has_audio else None
        video = AnnotatedVideo(
            path,
            info,
            task.output,
            audio_from=sound,
            threads=runtime.encoding_threads,
            stage=self.times.stage,
            pictures=PicturesAgain(self._open_again) if self._draws_later else None,
            zones=zones,
        )
        return [*sinks, video]

    def _open_again(self) -> Source:
        task = self.task
        return open_source(task.source, task.analysis, threads=task.runtime.decoding_threads, stream=task.stream)

    def _summarise(self, info: VideoInfo, pair: Pair, digest: str) -> dict[str, Any]:
        outputs = self.task.outputs
        named = {
            "annotated": outputs.annotated,
            "frames_csv": outputs.frames_csv,
            "persons_csv": outputs.persons,
            "persons_parquet": outputs.persons_parquet,
            "detections": self.task.detections,
        }
        gaps = self.source.gaps if self.source is not None else ()
        went = summary.Work(
            self.times.analysis_s,
            self.times.busy_s,
            gaps,
            self.interrupted,
            self.until_s,
            self.notes,
            self.state is State.ENDED_EARLY,
            None if self.energy is None else self.energy.as_dict(),
        )
        return summary.summarise(
            info,
            self.stats,
            went,
            analysis=self.task.analysis,
            runtime=self.task.runtime,
            output=self.task.output,
            weights=pair.weights,
            outputs={kind: str(path) for kind, path in named.items() if path is not None},
            people=self._people,
            zones=self._zones,
            digest=digest,
        )

    @property
    def _zones(self) -> ZoneStats | None:
        return None if self.task.analysis.zones is None else self.zones

    @property
    def _people(self) -> PeopleStats | None:
        return self.people if is_followed(self.task.kind, self.task.analysis) else None

    def _nothing_there(self, source: Source) -> str:
        if source.gaps:
            return f"{self.task.name}: no frame could be decoded ({source.gaps[0].reason}): play it or copy it again"
        length = f", which lasts {source.info.duration_s:.1f} s" if source.info.duration_s else ""
        return f"{self.task.name}{length}: no frame lies in the part asked for: check --start, --end and --duration"

    def outcome(self, state: State, error: str = "") -> Outcome:
        gaps = tuple(self.source.gaps) if self.source is not None else ()
        return Outcome(
            self.task,
            state,
            self.stats,
            until_s=self.until_s,
            gaps=gaps,
            notes=self.notes,
            wall_s=self.times.analysis_s,
            busy_s=self.times.busy_s,
            summary=self.summary,
            error=error,
            people=self._people,
            zones=self._zones,
        )

    def told(self, error: Exception) -> str:
        """The failure in one line that names the input, and what is left of the work before it."""
        if isinstance(error, (CrowdmaskError, OSError)):
            text = str(error)
        elif isinstance(error, MemoryError):
            text = "out of memory: try a smaller --window, --batch or --detection-size"
        else:
            text = f"this should not happen, please report it with the output of -v: {type(error).__name__}: {error}"
        name = self.task.name
        text = text if name in text else f"{name}: {text}"
        rows = part_of(self.task.outputs.frames_csv)
        if self.stats.frames and rows.exists():
            text += f" (what came before, {self.stats.frames} frames, is kept in {rows})"
        return text

    def remove_empty_parts(self) -> None:
        """Files begun and holding nothing are not left lying about; those of another run are left alone."""
        if self.stats.frames == 0 and self.is_alone:
            for path in self.task.outputs.paths:
                with suppress(OSError):
                    part_of(path).unlink()
