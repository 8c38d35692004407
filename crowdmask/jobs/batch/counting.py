"""Counts inputs by period in aggregate-only mode: a frame leaves its counts in memory and nothing anywhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from zoneinfo import ZoneInfo

from crowdmask.engine.following import Flashes, Person
from crowdmask.engine.judging import Judge
from crowdmask.engine.protocols import Source
from crowdmask.engine.spine import analyse, is_followed
from crowdmask.errors import CrowdmaskError, SettingsError, SourceError, WeightsError
from crowdmask.jobs.batch.entries import IN_ONE_PIECE, Entry, Identity, Kind, State
from crowdmask.jobs.batch.reading import failed, told
from crowdmask.jobs.batch.units import Plan, Step, Unit, Worked
from crowdmask.jobs.batch.videos import Beating
from crowdmask.jobs.forecast import Beat, Work
from crowdmask.jobs.stopping import Stop
from crowdmask.media.ahead import ahead
from crowdmask.media.pictures import is_picture
from crowdmask.media.segments import WHOLE, Span
from crowdmask.media.sources import open_source
from crowdmask.media.video_source import VideoSource
from crowdmask.records import FrameResult
from crowdmask.results.aggregate import Cell, Periods, Sums
from crowdmask.results.timeline.buckets import Width
from crowdmask.tracking.zones import IN, OUT


class Counting:
    """The same for every input of a run in aggregate-only mode, on any thread."""

    def __init__(self, plan: Plan, zone: ZoneInfo, place: Callable[[Entry], Entry]) -> None:
        if plan.aggregate.aggregate is None:
            raise ValueError("the run is not in aggregate-only mode")
        self._plan, self._place = plan, place
        self._width = Width.parse(plan.aggregate.aggregate)
        self._periods = Periods(self._width, zone)

    def still(self, entry: Entry, result: FrameResult) -> Worked:
        """`entry` is placed."""
        tally = _Tally(self._periods, entry, followed=False)
        tally.write(result)
        return self._worked(entry, tally.sums, 1, False)

    def video(self, unit: Unit, judge: Callable[[], Judge], stop: Stop, beat: Callable[[Beat], None]) -> Worked | None:
        """A short video, a long one's spans, or one of its segments; None where it was interrupted, and it waits."""
        entry = unit.entries[0]
        try:
            if unit.step is Step.LOOK:
                return self._segment(entry, unit.spans[0], judge, stop, beat)
            return self._whole(entry, judge, stop, beat)
        except KeyboardInterrupt:
            return None
        except (WeightsError, SettingsError):
            raise
        except (CrowdmaskError, OSError) as error:
            return failed(entry, told(error, entry.path))
        except Exception as error:  # a broken file that a library stumbles over must not stop the night
            return failed(entry, f"{entry.path} cannot be analysed ({type(error).__name__}: {error})")

    def _whole(self, entry: Entry, judge: Callable[[], Judge], stop: Stop, beat: Callable[[Beat], None]) -> Worked:
        if is_picture(entry.path):
            return Worked(replace(entry, kind=Kind.PICTURE, state=State.WAITING))
        entry = self._place(replace(entry, kind=Kind.VIDEO, identity=Identity.of(entry.path)))
        with self._open(entry, WHOLE, stop) as source:
            cut = source.cut(self._plan.batch.segment_s)
            followed = is_followed(source.info.kind, self._plan.analysis)
            if len(cut.spans) > 1 and not followed:  # people walk across borders, and would count twice
                return Worked(entry, spans=cut.spans)
            sums, frames, seconds = self._count(entry, source, judge(), stop, beat)
        if frames == 0:
            reason = f" ({source.gaps[0].reason})" if source.gaps else ": check --start, --end and --duration"
            raise SourceError(f"{entry.path}: no frame could be analysed{reason}")
        if Identity.of(entry.path) != entry.identity:
            return _unsettled(entry)
        is_long = seconds[1] - seconds[0] >= 60 * self._width.minutes
        if cut.why_whole:
            entry = replace(entry, note=f"{IN_ONE_PIECE}, for {cut.why_whole}")
        return self._worked(replace(entry, gaps=tuple(source.gaps)), sums, frames, is_long)

    def _segment(
        self, entry: Entry, span: Span, judge: Callable[[], Judge], stop: Stop, beat: Callable[[Beat], None]
    ) -> Worked:
        if Identity.of(entry.path) != entry.identity:
            return _unsettled(entry)
        with self._open(entry, span, stop) as source:
            sums, frames, seconds = self._count(entry, source, judge(), stop, beat)
        settings = self._plan.settings_digest
        done = replace(entry, segment=span.number, state=State.DONE, settings=settings, frames=frames)
        return Worked(replace(done, gaps=tuple(source.gaps)), sums=sums, seconds=seconds)

    def _open(self, entry: Entry, span: Span, stop: Stop) -> VideoSource:
        with stop.breakable():
            source = open_source(entry.path, self._plan.analysis, threads=self._plan.runtime.threads, span=span)
        assert isinstance(source, VideoSource)  # pictures were sorted out before
        return source

    def _count(
        self, placed: Entry, source: Source, judge: Judge, stop: Stop, beat: Callable[[Beat], None]
    ) -> tuple[dict[Cell, Sums], int, tuple[float, float]]:
        """The sums of a video or a segment, its frames, and the seconds of the first and the last of them."""
        plan = self._plan
        tally = _Tally(self._periods, placed, followed=is_followed(source.info.kind, plan.analysis))
        frames, first, last = 0, 0.0, 0.0
        beating = Beating(Work.LOOK, placed.source, beat)
        with ahead(source, plan.runtime.decoded_ahead) as coming:
            for result in analyse(coming, judge, sinks=[tally], people=[tally], waiting=stop.breakable):
                if stop.asked:
                    raise KeyboardInterrupt
                seconds = result.frame.seconds
                first, last, frames = (seconds if frames == 0 else first), seconds, frames + 1
                beating.saw()
        beating.end()
        return tally.sums, frames, (first, last)

    def _worked(self, entry: Entry, sums: dict[Cell, Sums], frames: int, is_long: bool) -> Worked:
        done = replace(
            entry,
            state=State.DONE,
            error="",
            attempts=entry.attempts + 1,
            settings=self._plan.settings_digest,
            frames=frames,
        )
        return Worked(done, sums=sums, is_long=is_long)


def _unsettled(entry: Entry) -> Worked:
    return Worked(replace(entry, identity=replace(Identity.of(entry.path), digest=""), state=State.UNSETTLED))


class _Tally:
    """A sink of results and of people: what one input comes to, by period."""

    def __init__(self, periods: Periods, entry: Entry, *, followed: bool) -> None:
        self.sums: dict[Cell, Sums] = {}
        self._periods, self._entry, self._followed = periods, entry, followed

    def write(self, result: FrameResult) -> None:
        cell = self._cell(result.frame.seconds)
        self._add(cell, Sums(1, result.counts))
        for zone, inside in result.zones.items():
            self._add(cell.faces_in(zone), Sums(1, result.counts_where(inside)))
        if self._followed:  # where nobody is, nobody is counted, which is something else than not to look
            self._add(cell.people, Sums(1))
            for zone in result.zones:
                self._add(cell.people_in(zone), Sums(1))
            for line in result.crossings:
                for way in (IN, OUT):
                    self._add(cell.across(line, way), Sums(1))

    def write_person(self, person: Person) -> None:
        self._add(self._cell(person.appearance.first_s).people, Sums(0, person.counts))
        if person.trace is None:
            return
        first_there = {visit.zone: visit.first_s for visit in reversed(person.trace.visits)}
        for zone, seconds in first_there.items():
            self._add(self._cell(seconds).people_in(zone), Sums(0, person.counts))
        for crossing in person.trace.crossings:
            self._add(self._cell(crossing.seconds).across(crossing.line, crossing.way), Sums(0, person.counts))

    def write_flashes(self, flashes: Flashes) -> None:
        """No people."""

    def _cell(self, seconds: float) -> Cell:
        return self._periods.cell(self._entry.camera, self._entry.captured_at, seconds)

    def _add(self, cell: Cell, more: Sums) -> None:
        self.sums[cell] = self.sums.get(cell, Sums()) + more
