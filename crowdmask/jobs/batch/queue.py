"""What the driver gives out: inputs that wait in the manifest, in order, and the segments of videos that are cut."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from crowdmask.jobs.batch.planner import Planner
from crowdmask.jobs.batch.units import UNIT_PICTURES, Plan, Step, Unit, Worked, files_of
from crowdmask.jobs.forecast import Forecast, Work
from crowdmask.jobs.manifest.claims import Claims
from crowdmask.jobs.manifest.database import Manifest
from crowdmask.jobs.manifest.entries import CONCLUSION, PIECES, Entry, Kind
from crowdmask.jobs.naming import BEFORE, segment_file_of, segment_files_of
from crowdmask.media.segments import WHOLE, Span

Task = tuple[Step, tuple[Span, ...], tuple[Entry, ...]]  # what, of which segments, and out of what


class VideoUnderWay:
    """One video that was cut; `kept` are the entries of what earlier sessions did of it; their files lie in `root`."""

    def __init__(
        self, plan: Plan, entry: Entry, spans: tuple[Span, ...], kept: Iterable[Entry] = (), root: Path | None = None
    ) -> None:
        self.entry, self.spans = entry, spans
        self._kept: dict[int, Entry] = {}
        self._ready: deque[Task] = deque()
        self._given: set[tuple[Step, int]] = set()
        self.left_over: list[Entry] = []  # kept before, and of no use: damaged, or of other settings or another file
        known = {span.number for span in spans}
        known |= {PIECES + number for number in known} | {CONCLUSION}
        for one in sorted(kept, key=lambda one: one.segment != CONCLUSION):
            fits = one.segment in known and one.identity == entry.identity and one.settings == plan.settings_digest
            if fits and all(output.is_whole(root or plan.run) for output in one.outputs):
                self._kept[one.segment] = one
            else:
                self.left_over.append(one)
        if CONCLUSION not in self._kept:  # pieces are drawn from what was concluded
            self.left_over += [self._kept.pop(number) for number in sorted(self._kept) if number > PIECES]
        self._refill()

    @property
    def frames_to_look_at(self) -> int:
        """About how many frames the networks have not seen yet."""
        return sum(span.frames for span in self.spans if span.number not in self._kept) if not self._concluded else 0

    @property
    def frames_to_draw(self) -> int:
        return sum(span.frames for span in self.spans if PIECES + span.number not in self._kept)

    def take(self, kept: Entry) -> None:
        """What a worker did of it."""
        self._kept[kept.segment] = kept
        self._refill()

    def next_task(self) -> Task | None:
        """What may be given out now; None where all that is left waits for what is given out already."""
        return self._ready.popleft() if self._ready else None

    @property
    def _concluded(self) -> Entry | None:
        return self._kept.get(CONCLUSION)

    def _refill(self) -> None:
        looks = [self._kept.get(span.number) for span in self.spans]
        concluded = self._concluded
        if concluded is None:
            for span, one in zip(self.spans, looks, strict=True):
                if one is None:
                    self._offer(Step.LOOK, span.number, (span,), ())
            if None not in looks:
                self._offer(Step.CONCLUDE, 0, self.spans, tuple(one for one in looks if one is not None))
            return
        pieces = [self._kept.get(PIECES + span.number) for span in self.spans]
        for span, one in zip(self.spans, pieces, strict=True):
            if one is None:
                self._offer(Step.DRAW, span.number, (span,), (concluded,))
        if None not in pieces:
            self._offer(Step.JOIN, 0, self.spans, (concluded, *(one for one in pieces if one is not None)))

    def _offer(self, step: Step, number: int, spans: tuple[Span, ...], kept: tuple[Entry, ...]) -> None:
        """Each task once."""
        if (step, number) not in self._given:
            self._given.add((step, number))
            self._ready.append((step, spans, kept))


PAGE, MEASURED_PICTURES = 256, 16
SHARES = 4  # units for each worker that a page of stills gives at least, so that none waits for the others at the end


class Queue:
    """Pictures go out several at once; an input on which a worker died by itself, with nothing else in hand."""

    def __init__(
        self,
        plan: Plan,
        manifest: Manifest,
        planner: Planner,
        claims: Claims,
        *,
        from_place: int,
        refuse: Callable[[Entry, str], None],
        forecast: Forecast,
        kept_of: Callable[[Entry], tuple[list[Entry], Path]],
    ) -> None:
        self._plan, self._manifest, self._planner, self._claims = plan, manifest, planner, claims
        self._place, self._refuse, self._forecast = from_place, refuse, forecast
        self._kept_of = kept_of
        self._ready: deque[Unit] = deque()
        self.videos: dict[str, VideoUnderWay] = {}
        self._given = 0
        self._early: set[int] = set()  # places whose inputs went out before it was their turn
        self._measured: dict[Kind, float] = {}  # how much was worked when some was last brought forward

    def peek(self) -> Unit | None:
        """The next unit; None where there is none at the moment."""
        self._measure()
        if not self._ready:
            self._refill()
        return self._ready[0] if self._ready else None

    def pop(self) -> Unit:
        return self._ready.popleft()

    @property
    def is_empty(self) -> bool:
        """Whether nothing more can come, unless something is in hand."""
        finished = self._planner.finished  # first: what it put before that is there to be seen
        return self.peek() is None and finished and self.peek() is None

    def cut(self, worked: Worked) -> None:
        """A video came back with its segments; what earlier sessions did of them is taken over."""
        source = worked.entry.source
        refused = self._claims.refused(segment_files_of(self._plan.run, source, worked.spans))
        if refused:
            self._refuse(worked.entry, next(iter(refused.values())))
            return
        video = VideoUnderWay(self._plan, worked.entry, worked.spans, *self._kept_of(worked.entry))
        if video.left_over:
            self._claims.remove(output.path for one in video.left_over for output in one.outputs)
            self._manifest.drop_segments(source, [one.segment for one in video.left_over])
        self.videos[source] = video
        counted, expected = sum(span.frames for span in worked.spans), self._forecast.expected_of(source)
        share = min(1.0, expected / counted) if counted and expected else 1.0  # that is analysed of all its frames
        draws = video.frames_to_draw if self._plan.draws_videos else 0
        self._forecast.expect_video(source, share * video.frames_to_look_at, share * draws)
        if self._forecast.is_unmeasured(Work.LOOK):
            self._bring_forward(Kind.VIDEO)  # that it is cut says nothing of how long it takes

    def forget(self, source: str) -> None:
        """A video that is done, or another one by now: its parts go."""
        video = self.videos.pop(source, None)
        spans = (WHOLE,) if video is None else video.spans
        self._claims.remove(segment_files_of(self._plan.run, source, spans))
        with suppress(OSError):  # it may be there no more, or hold what is not ours
            segment_file_of(self._plan.run, source, 1, BEFORE).parent.rmdir()
        if video is not None:
            self._manifest.drop_segments(source)

    def again(self, unit: Unit) -> None:
        """A unit that did not come back: each of its inputs by itself, by a worker that has nothing else in hand."""
        for entry in unit.entries:
            self._given += 1
            self._ready.append(replace(unit, number=self._given, entries=(entry,), alone=True))

    def _refill(self) -> None:
        for video in self.videos.values():
            while (task := video.next_task()) is not None:
                self._ready.append(self._task_of(video, task))
        if self._ready:
            return
        found = self._manifest.waiting(self._place, PAGE)
        if not found:
            return
        self._place = found[-1][0] + 1
        self._bundle(self._claimed([entry for place, entry in found if place not in self._early]))

    def _measure(self) -> None:
        """Where pictures and videos are to do, a little of both goes first: how long all takes is then soon known.

        And again whenever as much was worked since: at first all is slower than later, while the networks are compiled.
        """
        if not all(self._forecast.knows(work) for work in (Work.LOOK, Work.STILLS)):
            return
        for kind, work in ((Kind.VIDEO, Work.LOOK), (Kind.PICTURE, Work.STILLS)):
            first = kind not in self._measured and self._forecast.is_unmeasured(work)
            if first or self._forecast.is_outdated(work, self._measured.get(kind, 0.0)):
                self._measured[kind] = self._forecast.worked_s
                self._bring_forward(kind)

    def _bring_forward(self, kind: Kind) -> None:
        """Some of what is ready of a kind, else of what waits, becomes the next to do."""
        if kind is Kind.VIDEO:
            for video in self.videos.values():
                if (task := video.next_task()) is not None:
                    self._ready.appendleft(self._task_of(video, task))
                    return
        steps = (Step.VIDEO, Step.LOOK) if kind is Kind.VIDEO else (Step.STILLS,)
        for at, unit in enumerate(self._ready):
            if unit.step in steps and not unit.alone:
                del self._ready[at]
                first, rest = unit.entries[:MEASURED_PICTURES], unit.entries[MEASURED_PICTURES:]
                if rest:
                    self._ready.appendleft(self._unit(unit.step, rest))
                self._ready.appendleft(replace(unit, entries=first))
                return
        most = 1 if kind is Kind.VIDEO else MEASURED_PICTURES
        smallest = self._manifest.smallest_waiting(kind, self._place, most + len(self._early))
        found = [(place, entry) for place, entry in smallest if place not in self._early][:most]
        self._early |= {place for place, _ in found}
        behind, self._ready = self._ready, deque()
        self._bundle(self._claimed([entry for _, entry in found]))
        self._ready += behind

    def _claimed(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those whose files may be written; a place that something else has taken is that input's failure."""
        wanted = {entry.source: files_of(self._plan, entry) for entry in entries}
        refused = self._claims.refused([path for paths in wanted.values() for path in paths])
        going = []
        for entry in entries:
            reason = next((refused[path] for path in wanted[entry.source] if path in refused), None)
            if reason is None:
                going.append(entry)
            else:
                self._refuse(entry, reason)
        return going

    def _bundle(self, entries: Sequence[Entry]) -> None:
        held: list[Entry] = []
        workers, most = self._plan.batch.workers, UNIT_PICTURES
        if workers > 1 or self._plan.batch.cluster is not None:
            most = min(most, max(1, len(entries) // (SHARES * workers)))
        if self._forecast.is_unmeasured(Work.STILLS):
            most = min(most, MEASURED_PICTURES)
        for entry in entries:
            if entry.kind is Kind.VIDEO:
                self._ready.append(self._unit(Step.VIDEO, (entry,)))
                continue
            held.append(entry)
            if len(held) == most:
                self._ready.append(self._unit(Step.STILLS, tuple(held)))
                held = []
        if held:
            self._ready.append(self._unit(Step.STILLS, tuple(held)))

    def _task_of(self, video: VideoUnderWay, task: Task) -> Unit:
        step, spans, kept = task
        return replace(self._unit(step, (video.entry,)), spans=spans, kept=kept)

    def _unit(self, step: Step, entries: tuple[Entry, ...]) -> Unit:
        self._given += 1
        return Unit(self._given, step, entries)
