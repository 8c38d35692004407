"""Counts inputs by period in aggregate-only mode: what is seen of a frame stays in memory, and is never on a disk.

A video is in the sums of its periods or not at all (periods.py), and who is followed walks across the borders of
segments. So the looks at its segments are kept until it is in the sums, in a folder of the system's memory file system
where there is one, as on Linux: a kill costs one segment then, and workers share a video. A restart of the machine
costs the videos under way. Elsewhere, or where memory is short, a video is counted in one piece. The folder is for its
user alone, and goes when the run is finished.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from crowdmask.engine.following import Person
from crowdmask.engine.judging import Judge
from crowdmask.engine.spine import conclude, is_followed, look, stages_of
from crowdmask.errors import SourceError
from crowdmask.jobs.batch.units import Plan, Step, Unit, Worked, tried, unsettled
from crowdmask.jobs.forecast import Beat, Beating, Work
from crowdmask.jobs.manifest.entries import IN_ONE_PIECE, Entry, Identity, Kind, OutputFile, State, stream_of
from crowdmask.jobs.manifest.packing import PackedFile, pack_look, unpack_looks
from crowdmask.jobs.stopping import Stop
from crowdmask.media.ahead import ahead
from crowdmask.media.parts import part_of
from crowdmask.media.pictures import is_picture
from crowdmask.media.segments import WHOLE, Span
from crowdmask.media.sources import open_source
from crowdmask.media.video_source import VideoSource
from crowdmask.records import Frame, FrameResult, Gap, Look, SourceKind
from crowdmask.results.aggregate import Cell, Periods, Sums
from crowdmask.results.timeline.buckets import Width
from crowdmask.tracking.zones import IN, OUT

MEMORY = Path("/dev/shm")
MOUNTS = Path("/proc/self/mounts")
FRAME_BYTES = 4096  # of a look with some fifty faces, more than it mostly is
SHARE = 0.5  # of the memory that is free there, at most


class LooksInMemory:
    """Of one run, for its driver and its workers on the same machine."""

    def __init__(self, run: Path) -> None:
        place = os.fsencode(os.path.realpath(run))
        self.folder = MEMORY / f"crowdmask-{blake2b(place, digest_size=12).hexdigest()}"

    def have_room(self, spans: Sequence[Span]) -> bool:
        """Whether the looks at all segments of a video can be kept; the folder is made for them."""
        if not is_memory(MEMORY):
            return False
        with suppress(OSError):
            self.folder.mkdir(mode=0o700)
        if not self._is_ours:
            return False
        return sum(span.frames for span in spans) * FRAME_BYTES < SHARE * shutil.disk_usage(self.folder).free

    def file(self, source: str, number: int) -> Path:
        return self._of(source) / f"{number:04d}.looks"

    def output(self, path: Path) -> OutputFile:
        """A file of looks as its segment's entry names it."""
        return OutputFile.of(self.folder, path.relative_to(self.folder).as_posix())

    def add(self, segment: Entry) -> None:
        """A segment is looked at; its file is there."""
        if self._is_ours:
            with suppress(OSError):  # memory is full: an end costs more, and nothing else
                handle = os.open(self._list(segment.source), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    os.write(handle, _line(segment))
                finally:
                    os.close(handle)

    def kept(self, video: Entry) -> list[Entry]:
        """What was written down of a video's segments; whoever uses it checks that it is of this very file."""
        if not self._is_ours:
            return []
        try:
            lines = self._list(video.source).read_bytes().splitlines()
        except OSError:
            return []
        found = {entry.segment: entry for line in lines if (entry := _entry(video, line)) is not None}
        return list(found.values())

    def forget(self, source: str) -> None:
        """It is in the sums by now, or another file."""
        if self._is_ours:
            shutil.rmtree(self._of(source), ignore_errors=True)

    def clear(self) -> None:
        if self._is_ours:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _is_ours(self) -> bool:
        """Whether it is there, and nobody else can have put anything into it."""
        try:
            found = os.lstat(self.folder)
        except OSError:
            return False
        ours = hasattr(os, "getuid") and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700
        return ours and stat.S_ISDIR(found.st_mode)

    def _of(self, source: str) -> Path:
        return self.folder / blake2b(source.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def _list(self, source: str) -> Path:
        return self._of(source) / "segments"


def is_memory(folder: Path) -> bool:
    """Whether what is written there stays in memory."""
    try:
        mounts = [line.split() for line in MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return False
    return any(mount[1:3] == [str(folder), "tmpfs"] for mount in mounts)


def _line(segment: Entry) -> bytes:
    kept = {
        "segment": segment.segment,
        "identity": dataclasses.astuple(segment.identity),
        "settings": segment.settings,
        "frames": segment.frames,
        "gaps": [dataclasses.asdict(gap) for gap in segment.gaps],
        "outputs": [dataclasses.astuple(output) for output in segment.outputs],
    }
    data = json.dumps(kept).encode()
    return b"%08x %b\n" % (zlib.crc32(data), data)


def _entry(video: Entry, line: bytes) -> Entry | None:
    """None where a kill left half of the line."""
    checksum, _, data = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(data):
        return None
    kept: dict[str, Any] = json.loads(data)
    return replace(
        video,
        segment=kept["segment"],
        state=State.DONE,
        identity=Identity(*kept["identity"]),
        settings=kept["settings"],
        frames=kept["frames"],
        gaps=tuple(Gap(**gap) for gap in kept["gaps"]),
        outputs=tuple(OutputFile(*output) for output in kept["outputs"]),
    )


class Counting:
    """The same for every input of a run in aggregate-only mode, on any thread."""

    def __init__(self, plan: Plan, zone: ZoneInfo, place: Callable[[Entry], Entry]) -> None:
        if plan.aggregate.aggregate is None:
            raise ValueError("the run is not in aggregate-only mode")
        self._plan, self._place = plan, place
        self._width = Width.parse(plan.aggregate.aggregate)
        self._periods = Periods(self._width, zone)
        self._memory = LooksInMemory(plan.run)

    def still(self, entry: Entry, result: FrameResult) -> Worked:
        """`entry` is placed."""
        tally = _Tally(self._periods, entry, followed=False)
        tally.write(result)
        return self._worked(entry, tally.sums, 1, False)

    def video(self, unit: Unit, judge: Callable[[], Judge], stop: Stop, beat: Callable[[Beat], None]) -> list[Worked]:
        """All of a short video, a long one's spans, or a step with its segments."""
        entry = unit.entries[0]
        return tried(entry, lambda: [self._step(unit, entry, judge, stop, beat)])

    def _step(
        self, unit: Unit, entry: Entry, judge: Callable[[], Judge], stop: Stop, beat: Callable[[Beat], None]
    ) -> Worked:
        if unit.step is Step.VIDEO:
            return self._video(entry, judge, stop, beat)
        if Identity.of(entry.path) != entry.identity:
            return unsettled(entry)
        if unit.step is Step.LOOK:
            return self._look(entry, unit.spans[0], judge, stop, beat)
        return self._conclude(entry, unit.kept, stop)

    def _video(self, entry: Entry, judge: Callable[[], Judge], stop: Stop, beat: Callable[[Beat], None]) -> Worked:
        if is_picture(entry.path):
            return Worked(replace(entry, kind=Kind.PICTURE, state=State.WAITING))
        entry = self._place(replace(entry, kind=Kind.VIDEO, identity=Identity.of(entry.path)))
        with self._open(entry, WHOLE, stop) as source:
            cut = source.cut(self._plan.batch.segment_s)
            why_whole = cut.why_whole
            if len(cut.spans) > 1:
                if self._plan.batch.cluster is None and self._memory.have_room(cut.spans):
                    return Worked(entry, spans=cut.spans)
                why_whole = "looks at its segments can be kept on no disk, and not in memory here"
            with ahead(source, self._plan.runtime.decoded_ahead) as frames:
                looks = self._looked_at(frames, judge(), entry, beat)
                counted = self._counted(entry, looks, stop)
        if Identity.of(entry.path) != entry.identity:
            return unsettled(entry)
        if why_whole:
            entry = replace(entry, note=f"{IN_ONE_PIECE}, for {why_whole}")
        return self._summed(replace(entry, gaps=tuple(source.gaps)), counted)

    def _look(
        self, entry: Entry, span: Span, judge: Callable[[], Judge], stop: Stop, beat: Callable[[Beat], None]
    ) -> Worked:
        """What the networks see of a segment, into memory."""
        path, seen = self._memory.file(entry.source, span.number), 0
        try:
            with (
                self._open(entry, span, stop) as source,
                PackedFile(path) as kept,
                ahead(source, self._plan.runtime.decoded_ahead) as frames,
            ):
                for one in self._looked_at(frames, judge(), entry, beat):
                    if stop.asked:
                        raise KeyboardInterrupt
                    kept.add(pack_look(one))
                    seen += 1
        except BaseException:
            part_of(path).unlink(missing_ok=True)
            raise
        done = replace(entry, segment=span.number, state=State.DONE, settings=self._plan.settings_digest, frames=seen)
        return Worked(replace(done, gaps=tuple(source.gaps), outputs=(self._memory.output(path),)))

    def _conclude(self, entry: Entry, kept: Sequence[Entry], stop: Stop) -> Worked:
        gaps = tuple(gap for one in kept for gap in one.gaps)
        return self._summed(replace(entry, gaps=gaps), self._counted(entry, self._kept_looks(entry, kept), stop))

    def _open(self, entry: Entry, span: Span, stop: Stop) -> VideoSource:
        plan, stream = self._plan, stream_of(entry)
        with stop.breakable():
            source = open_source(
                entry.path, plan.analysis, threads=plan.runtime.decoding_threads, stream=stream, span=span
            )
        assert isinstance(source, VideoSource)  # pictures were sorted out before
        return source

    def _looked_at(
        self, frames: Iterable[Frame], judge: Judge, entry: Entry, beat: Callable[[Beat], None]
    ) -> Iterator[Look]:
        beating = Beating(Work.LOOK, entry.source, beat)
        for seen in look(frames, judge):
            beating.saw()
            yield seen.without_picture()
        beating.end()

    def _kept_looks(self, entry: Entry, kept: Sequence[Entry]) -> Iterator[Look]:
        for one in kept:
            with open(self._memory.file(entry.source, one.segment), "rb") as file:
                yield from unpack_looks(file, stream_of(entry))

    def _counted(self, entry: Entry, looks: Iterable[Look], stop: Stop) -> _Tally:
        """The sums of all of a video."""
        tally = _Tally(self._periods, entry, followed=is_followed(SourceKind.VIDEO, self._plan.analysis))
        for one in conclude(looks, stages_of(self._plan.analysis), waiting=stop.breakable):
            if stop.asked:
                raise KeyboardInterrupt
            if isinstance(one, FrameResult):
                tally.write(one)
            elif isinstance(one, Person):
                tally.write_person(one)
        return tally

    def _summed(self, entry: Entry, tally: _Tally) -> Worked:
        if tally.frames == 0:
            reason = f" ({entry.gaps[0].reason})" if entry.gaps else ": check --start, --end and --duration"
            raise SourceError(f"{entry.path}: no frame could be analysed{reason}")
        return self._worked(entry, tally.sums, tally.frames, tally.lasts_s >= 60 * self._width.minutes)

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


class _Tally:
    """A sink of results and of people: what one input comes to, by period."""

    def __init__(self, periods: Periods, entry: Entry, *, followed: bool) -> None:
        self.sums: dict[Cell, Sums] = {}
        self.frames, self._first_s, self._last_s = 0, 0.0, 0.0
        self._periods, self._entry, self._followed = periods, entry, followed

    @property
    def lasts_s(self) -> float:
        """From the first frame to the last."""
        return self._last_s - self._first_s

    def write(self, result: FrameResult) -> None:
        self._last_s = result.frame.seconds
        self._first_s, self.frames = (self._first_s if self.frames else self._last_s), self.frames + 1
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

    def _cell(self, seconds: float) -> Cell:
        return self._periods.cell(self._entry.camera, self._entry.captured_at, seconds)

    def _add(self, cell: Cell, more: Sums) -> None:
        self.sums[cell] = self.sums.get(cell, Sums()) + more
