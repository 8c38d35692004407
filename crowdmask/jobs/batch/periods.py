"""The manifest in aggregate-only mode: sums by period and camera, and which inputs are in them; see aggregate.py.

A run folder is in this mode from its first moment to its last. What is on the disk while the batch works is held to
what it may tell in the end:

- An input is marked done in the same transaction that adds its counts to the sums, and nothing of them is kept with
  it: no counts, no camera, no time, no time of work. Whenever the batch is killed, each input is in the sums or to do.
- Until they may be written, counts are in memory only. The inputs of a cell are written together, and only if what
  they add to each of masked, unmasked and unknown is 0 or at least min_count. So no sum in the file is small, and
  neither is the difference of two of its states while the batch works. Of one input alone nothing is written, unless
  it saw nobody, or is as long as the period. What is held back of stills is few: in each cell less than min_count for
  each kind of verdict. After a kill they are done again, but for videos in segments (counting.py). A recording
  as long as a period does not wait because few people passed: their small numbers stand in the manifest until the run
  is finished, beside the recording that shows them.
- When all is done, what is still held back is added, and where a cell may not be told in full it is cut down to what
  may, all in one transaction. Inputs that join a finished run later cannot bring such a cell back.
- SQLite overwrites what it deletes, and its log is emptied after each writing of sums.

The list of inputs, with size, time of last change and hash, is what the batch goes on by. It tells nothing of what
they show, but which of them are done. In a period of which only a few inputs are left over after a kill, those are
such as saw at least one face of a kind that is rare there.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from crowdmask.errors import SettingsError
from crowdmask.jobs.batch.assembly import WhatWasSeen, run_summary
from crowdmask.jobs.batch.journal import Journal
from crowdmask.jobs.batch.units import Plan, Worked
from crowdmask.jobs.manifest.database import META_PERIODS, Manifest
from crowdmask.jobs.manifest.entries import Entry, State
from crowdmask.media.time_zones import zone_named
from crowdmask.records import Counts
from crowdmask.results.aggregate import FACES, Cell, Sums, Told, is_small, told_together, write_aggregate
from crowdmask.results.run_folder import RunFolder
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.summary import WeightsUsed, write_summary
from crowdmask.results.timeline.buckets import Width
from crowdmask.settings import AggregateSettings
from crowdmask.words import plural

SCHEMA = """
CREATE TABLE IF NOT EXISTS period_sums (
    start INTEGER NOT NULL, stop INTEGER NOT NULL, camera TEXT NOT NULL, of TEXT NOT NULL, frames INTEGER NOT NULL,
    faces INTEGER, masked INTEGER, unmasked INTEGER, unknown INTEGER, cut INTEGER NOT NULL DEFAULT 0,
    seal INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (start, camera, of)
) WITHOUT ROWID
"""
ADD = """
INSERT INTO period_sums (start, stop, camera, of, frames, faces, masked, unmasked, unknown)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (start, camera, of) DO UPDATE SET frames = frames + excluded.frames, faces = faces + excluded.faces,
    masked = masked + excluded.masked, unmasked = unmasked + excluded.unmasked, unknown = unknown + excluded.unknown
"""
# a NULL stays NULL whatever is added to it, so that a cell that was cut down is never told again
CUT = """
UPDATE period_sums SET faces = ?, masked = ?, unmasked = ?, unknown = ?, cut = 1
WHERE start = ? AND camera = ? AND of = ?
"""
SEALED = "sealed(start, stop, camera, of, frames, faces, masked, unmasked, unknown, cut)"
SEAL = f"UPDATE period_sums SET seal = {SEALED} WHERE start = ? AND camera = ? AND of = ?"
_ALL = "start, stop, camera, of, frames, faces, masked, unmasked, unknown"


def without_traces(entry: Entry) -> Entry:
    """A done input as the manifest may keep it."""
    gaps = f"{len(entry.gaps)} stretches could not be decoded" if entry.gaps else ""
    return replace(
        entry,
        camera="",
        captured_at=None,
        captured_from="",
        frames_with_faces=0,
        counts=Counts(),
        gaps=(),
        outputs=(),
        note=gaps,
        wall_s=0.0,
        zones={},
        no_faces=0,
    )


@dataclass(frozen=True)
class _Held:
    """A done input that waits for company."""

    entry: Entry
    sums: Mapping[Cell, Sums]
    is_long: bool  # it lasts as long as a period


class PeriodSums:
    """Takes what the workers tell in place of the manifest; used under the ledger's lock."""

    def __init__(self, manifest: Manifest, min_count: int) -> None:
        self._manifest, self._min_count = manifest, min_count
        self._by_source: dict[str, _Held] = {}
        self._held: dict[Cell, dict[str, _Held]] = defaultdict(dict)
        self.written: Callable[[str], None] = lambda source: None  # is called with each source that is in the sums
        manifest.leave_no_traces(SCHEMA)
        if not manifest.select("SELECT 1 FROM pragma_table_info('period_sums') WHERE name = 'of'"):
            manifest.leave_no_traces("DROP TABLE period_sums")  # of a version that counted faces only: all is done anew
            manifest.leave_no_traces(SCHEMA)

    @property
    def are_whole(self) -> bool:
        """Whether the sums are as they were written."""
        return self._manifest.select(f"SELECT count(*) FROM period_sums WHERE seal <> {SEALED}") == [(0,)]

    def put(self, worked: Iterable[Worked]) -> None:
        """Write down what may be written, and hold back the rest."""
        at_once: list[Entry] = []
        touched: dict[str, _Held] = {}
        for one in worked:
            self._forget(one.entry.source)
            if one.sums is None:
                at_once.append(one.entry)
                continue
            held = _Held(without_traces(one.entry), one.sums, one.is_long)
            touched[one.entry.source] = self._by_source[one.entry.source] = held
            for cell in one.sums:
                self._held[cell][one.entry.source] = held
        if at_once:
            self._manifest.put(at_once)
        self._write(self._may_go(self._linked(touched)))

    def _linked(self, touched: Mapping[str, _Held]) -> dict[str, _Held]:
        """The inputs that share a cell with them, and those that share one with these: more may change for none."""
        found: dict[str, _Held] = dict(touched)
        cells: set[Cell] = set()
        pending = [cell for held in touched.values() for cell in held.sums]
        while pending:
            cell = pending.pop()
            if cell not in cells:
                cells.add(cell)
                found.update(self._held[cell])
                pending += [other for held in self._held[cell].values() for other in held.sums if other not in cells]
        return found

    def finish(self) -> None:
        """Add what is held back, and cut every cell down to what may be told, in one transaction."""
        self._write(dict(self._by_source), cut=True)

    def _may_go(self, candidates: dict[str, _Held]) -> dict[str, _Held]:
        """The most of them that may be written together."""
        going = dict(candidates)
        while True:
            stays: set[str] = set()
            by_cell: dict[Cell, list[str]] = defaultdict(list)
            for source, held in going.items():
                for cell, sums in held.sums.items():
                    if sums.counts.faces:
                        by_cell[cell].append(source)
            for cell, sources in by_cell.items():
                if len(sources) == 1 and not going[sources[0]].is_long:
                    stays.update(sources)
                added = sum((going[source].sums[cell] for source in sources), Sums())
                for part, count in enumerate(added.parts):
                    if is_small(count, self._min_count):
                        stays.update(source for source in sources if self._waits(going[source], cell, part))
            if not stays:
                return going
            for source in stays:
                del going[source]

    @staticmethod
    def _waits(held: _Held, cell: Cell, part: int) -> bool:
        """Whether an input that adds to a small count waits: those as long as a period do so for faces only.

        Few people pass in most periods: else nothing of a night would be written before its end.
        """
        return held.sums[cell].parts[part] > 0 and (cell.of == FACES or not held.is_long)

    def _write(self, going: Mapping[str, _Held], *, cut: bool = False) -> None:
        if not going and not cut:
            return
        added: dict[Cell, Sums] = defaultdict(Sums)
        for held in going.values():
            for cell, sums in held.sums.items():
                added[cell] = added[cell] + sums
        rows = [(c.start, c.stop, c.camera, c.of, s.frames, s.counts.faces, *s.parts) for c, s in sorted(added.items())]
        statements: list[tuple[str, Sequence[object]]] = [(ADD, row) for row in rows]
        if cut:
            statements += self._cuts(added)
        statements += [(SEAL, values[-3:]) for statement, values in statements if statement is CUT]
        statements += [(SEAL, (row[0], row[2], row[3])) for row in rows]
        self._manifest.put((held.entry for held in going.values()), also=statements)
        self._manifest.empty_log()
        for source in going:
            self._forget(source)
            self.written(source)

    def _cuts(self, added: Mapping[Cell, Sums]) -> Iterator[tuple[str, Sequence[object]]]:
        """What is to be left out of each cell, when `added` is in it."""
        found: dict[tuple[int, int, str], dict[str, Sums]] = defaultdict(dict)
        before: dict[tuple[int, int, str], set[str]] = defaultdict(set)
        for cell, frames, faces, parts in self._manifest_rows():
            period = cell.start, cell.stop, cell.camera
            if faces is None or parts is None:
                before[period].add(cell.of)  # what was left out stays so
            else:
                found[period][cell.of] = Sums(frames, Counts(*parts))
        for cell, sums in added.items():
            period = cell.start, cell.stop, cell.camera
            if cell.of not in before[period]:
                found[period][cell.of] = found[period].get(cell.of, Sums()) + sums
        for period, kinds in found.items():
            start, _, camera = period
            for of, shown in told_together(kinds, self._min_count, before[period]).items():
                if shown.parts is None:
                    yield CUT, (shown.faces, None, None, None, start, camera, of)

    def _manifest_rows(self) -> Iterator[tuple[Cell, int, int | None, tuple[int, int, int] | None]]:
        for start, stop, camera, of, frames, faces, masked, unmasked, unknown in self._manifest.select(
            f"SELECT {_ALL} FROM period_sums"
        ):
            parts = None if masked is None else (masked, unmasked, unknown)
            yield Cell(start, stop, camera, of), frames, faces, parts

    def take_in(self, other: Manifest) -> None:
        """Add the finished sums of another run."""
        rows = other.select(f"SELECT {_ALL} FROM period_sums")
        keys = [(row[0], row[2], row[3]) for row in rows]
        self._manifest.put((), also=[(ADD, row) for row in rows] + [(SEAL, key) for key in keys])

    def cells(self) -> Iterator[tuple[Cell, Told]]:
        """What the manifest holds; after `finish`, what may be told."""
        for cell, frames, faces, parts in self._manifest_rows():
            yield cell, Told(frames, faces, parts)

    def _forget(self, source: str) -> None:
        held = self._by_source.pop(source, None)
        for cell in held.sums if held is not None else ():
            del self._held[cell][source]
            if not self._held[cell]:
                del self._held[cell]


LEAST_MINUTES = 20  # of the decree of 2021
COUNTS = "faces, people, zones"  # what is counted; sums of another kind are of no use
_TELLS_FACES = (
    *("counts", "compliance", "people", "zones", "lines", "no_faces"),
    *("peak", "worst_moments", "captured_from", "gaps"),
)


def check_settings(plan: Plan) -> None:
    """Refuse what would keep more than counts by period."""
    if plan.aggregate.aggregate is None:
        return
    Width.parse(plan.aggregate.aggregate)
    kept = {
        "--detections keeps every face's box": plan.detections is not None,
        f"--annotate {plan.batch.annotate} keeps pictures": plan.batch.annotate not in (None, "none"),
        "--video keeps pictures": plan.output.video,
    }
    for what, asked in kept.items():
        if asked:
            raise SettingsError(f"--aggregate keeps counts by period and nothing else, but {what}: give one of them")


def period_sums(plan: Plan, manifest: Manifest, run: RunFolder, journal: Journal) -> PeriodSums | None:
    """The sums of a run in aggregate-only mode, None in any other; refuses a folder that holds another kind."""
    before, every = manifest.meta(META_PERIODS), plan.aggregate.aggregate
    if every is None:
        if before is not None:
            raise SettingsError(
                f"{run.path} holds a run that keeps counts by period only: give --aggregate again, or another --out-dir"
            )
        return None
    Width.parse(every)
    mode = {**plan.aggregate.as_dict(), "counts": COUNTS, "settings": plan.settings_digest, "place": plan.place_digest}
    told, totals = json.dumps(mode, sort_keys=True), manifest.totals()
    kept = (run.frames, run.videos, run.annotated)
    if before is None and (totals.counts.faces or any(path.exists() for path in kept)):
        raise SettingsError(
            f"{run.path} holds a run that kept more than counts by period: give --aggregate another --out-dir, and "
            "delete this one if it is not to be kept"
        )
    sums = PeriodSums(manifest, plan.aggregate.min_count)
    damaged = before is not None and (manifest.drop_broken() > 0 or not sums.are_whole)
    if damaged or (before != told and (before is not None or totals.done)):
        why = "the settings have changed"
        if damaged or before is None:
            why = "what was counted is damaged, or lost with the manifest"
        journal.tell(f"{why}: all inputs are counted anew, for sums cannot be taken apart")
        manifest.forget_all("period_sums")
        run.aggregate.unlink(missing_ok=True)
    manifest.put_meta(META_PERIODS, told)
    return sums


def join(parts: Sequence[Manifest], manifest: Manifest) -> PeriodSums:
    """The sums of several runs of one mode, in the manifest that joins them; what one leaves out stays left out."""
    mode = parts[0].meta(META_PERIODS) or "{}"
    manifest.put_meta(META_PERIODS, mode)
    sums = PeriodSums(manifest, settings_told(mode).min_count)
    for part in parts:
        sums.take_in(part)
    return sums


def settings_told(mode: str | None) -> AggregateSettings:
    """The settings as META_PERIODS keeps them."""
    told = json.loads(mode or "{}")
    return AggregateSettings(told["aggregate"], told["min_count"]) if told else AggregateSettings()


def close(
    plan: Plan,
    manifest: Manifest,
    sums: PeriodSums,
    weights: list[WeightsUsed],
    ending: str,
    *,
    finished: bool,
    seen: WhatWasSeen,
) -> dict[str, Any]:
    """Write the run's files; its summary. Counts are told only of a run that is finished: two versions tell more."""
    run = RunFolder(plan.run)
    summary = run_summary(
        plan,
        manifest,
        ComplianceStats(),
        seen,
        weights=weights,
        ending=ending,
        finished_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    for key in _TELLS_FACES:
        summary.pop(key, None)
    summary["aggregate"] = plan.aggregate.as_dict()
    summary["failures"] = [
        {"source": entry.source, "reason": entry.error, "attempts": entry.attempts}
        for entry in manifest.in_order(State.FAILED)
    ]
    notes = list(summary["notes"])
    if finished:
        left_out = write_aggregate(run.aggregate, sums.cells(), zone_named(summary["timezone"]))
        if left_out:
            rows = plural(left_out, "row")
            notes.append(f"of {rows} some counts are left out: one of each is below {plan.aggregate.min_count}")
    else:
        notes.append("the counts are written when the run is finished")
    if plan.aggregate.aggregate and Width.parse(plan.aggregate.aggregate).minutes < LEAST_MINUTES:
        notes.append(f"a period of {plan.aggregate.aggregate} is shorter than the 20 minutes of the decree of 2021")
    summary["notes"] = notes
    write_summary(run.summary, summary)
    return summary
