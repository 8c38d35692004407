"""Counts inputs by period in aggregate-only mode: a frame leaves its counts in memory and nothing anywhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from zoneinfo import ZoneInfo

from crowdmask.engine.judging import Judge
from crowdmask.engine.protocols import Source
from crowdmask.engine.spine import analyse
from crowdmask.errors import CrowdmaskError, SettingsError, SourceError, WeightsError
from crowdmask.jobs.batch.entries import Entry, Identity, Kind, State
from crowdmask.jobs.batch.reading import failed, told
from crowdmask.jobs.batch.units import Plan, Worked
from crowdmask.jobs.batch.videos import Beating
from crowdmask.jobs.forecast import Beat, Work
from crowdmask.jobs.stopping import Stop
from crowdmask.media.ahead import ahead
from crowdmask.media.pictures import is_picture
from crowdmask.media.sources import open_source
from crowdmask.records import FrameResult
from crowdmask.results.aggregate import Cell, Periods, Sums
from crowdmask.results.timeline.buckets import Width


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
        cell = self._periods.cell(entry.camera, entry.captured_at)
        return self._worked(entry, {cell: Sums(1, result.counts)}, 1, False)

    def video(
        self, entry: Entry, judge: Callable[[], Judge], stop: Stop, beat: Callable[[Beat], None]
    ) -> Worked | None:
        """None where it was interrupted: nothing of it is kept then, and it stays waiting."""
        plan = self._plan
        try:
            if is_picture(entry.path):
                return Worked(replace(entry, kind=Kind.PICTURE, state=State.WAITING))
            entry = replace(entry, kind=Kind.VIDEO, identity=Identity.of(entry.path))
            with stop.breakable():
                source = open_source(entry.path, plan.analysis, threads=plan.runtime.threads)
            with source:
                placed = self._place(entry)
                sums, frames, lasts_s = self._count(placed, source, judge(), stop, beat)
            if frames == 0:
                reason = f" ({source.gaps[0].reason})" if source.gaps else ": check --start, --end and --duration"
                raise SourceError(f"{entry.path}: no frame could be analysed{reason}")
            now = Identity.of(entry.path)
            if now != entry.identity:
                return Worked(replace(entry, identity=replace(now, digest=""), state=State.UNSETTLED))
            is_long = lasts_s >= 60 * self._width.minutes
            return self._worked(replace(placed, gaps=tuple(source.gaps)), sums, frames, is_long)
        except KeyboardInterrupt:
            return None
        except (WeightsError, SettingsError):
            raise
        except (CrowdmaskError, OSError) as error:
            return failed(entry, told(error, entry.path))
        except Exception as error:  # a broken file that a library stumbles over must not stop the night
            return failed(entry, f"{entry.path} cannot be analysed ({type(error).__name__}: {error})")

    def _count(
        self, placed: Entry, source: Source, judge: Judge, stop: Stop, beat: Callable[[Beat], None]
    ) -> tuple[dict[Cell, Sums], int, float]:
        """The sums of a video, its frames, and how long the part is that they are of."""
        plan, taken = self._plan, placed.captured_at
        sums: dict[Cell, Sums] = {}
        frames, first, last = 0, 0.0, 0.0
        beating = Beating(Work.LOOK, placed.source, beat)
        with ahead(source, plan.runtime.decoded_ahead) as coming:
            for result in analyse(coming, judge, waiting=stop.breakable):
                seconds = result.frame.seconds
                first, last, frames = (seconds if frames == 0 else first), seconds, frames + 1
                cell = self._periods.cell(placed.camera, taken, seconds)
                sums[cell] = sums.get(cell, Sums()) + Sums(1, result.counts)
                beating.saw()
        beating.end()
        return sums, frames, last - first

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
