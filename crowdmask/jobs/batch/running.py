"""Runs a batch from its inputs to its run folder: finds, works, writes down, tries again, and puts together."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any

from crowdmask.engine.watching import zone_names
from crowdmask.errors import CrowdmaskError, OutputError, SettingsError, SourceError
from crowdmask.jobs.batch import periods
from crowdmask.jobs.batch.assembly import estimated, settings_of
from crowdmask.jobs.batch.executors import InProcess, Processes
from crowdmask.jobs.batch.inputs import Inputs, Selection, Walk
from crowdmask.jobs.batch.journal import BatchWatch, Disk, Going, Journal, Pulse, Tally
from crowdmask.jobs.batch.planner import Planner, drop_unselected
from crowdmask.jobs.batch.queue import Queue
from crowdmask.jobs.batch.stores import Closed, open_store
from crowdmask.jobs.batch.units import (
    RESULTS_REVISION,
    Broken,
    Done,
    Executor,
    Placing,
    Plan,
    Unit,
    Worked,
    with_digests,
)
from crowdmask.jobs.forecast import Phase
from crowdmask.jobs.manifest.claims import Claims, RunLock, put_aside, remove_empty
from crowdmask.jobs.manifest.database import (
    META_DETECTIONS,
    META_NOTES,
    META_PROGRESS,
    META_REVISION,
    META_ROOT,
    META_SELECTION,
    META_SETTINGS,
    META_STARTED,
    META_WATCHED,
    META_ZONE,
    Manifest,
)
from crowdmask.jobs.manifest.entries import Entry, Identity, Kind, State, Totals, readable
from crowdmask.jobs.manifest.salvage import open_manifest
from crowdmask.jobs.networks import Networks
from crowdmask.jobs.stopping import Stop
from crowdmask.results.run_folder import RunFolder
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.summary import WeightsUsed

if TYPE_CHECKING:
    from crowdmask.results.headline import Headline

FINISHED, INTERRUPTED, DISK_FULL = "finished", "interrupted", "disk almost full"
PAGE, LOOK_S = 256, 0.2
LOOKS = 3  # at a file that is still being written when all others are done


@dataclass(frozen=True)
class BatchOutcome:
    """What there is in the run folder when the batch ends, this session's share of it, and how it ended."""

    run: RunFolder
    ending: str
    totals: Totals
    tally: Tally
    wall_s: float
    stats: ComplianceStats
    failures: tuple[tuple[str, str], ...]  # the first of them: source and reason
    summary: dict[str, Any]
    headline: Headline | None = None  # as in Closed


def run_batch(
    inputs: Inputs,
    plan: Plan,
    *,
    networks: Networks,
    weights: Sequence[WeightsUsed] = (),
    stop: Stop | None = None,
    watch: BatchWatch | None = None,
    says_notes: bool = True,
) -> BatchOutcome:
    """Do all that is not done yet, and leave the run folder whole as far as it goes."""
    run = RunFolder(plan.run)
    _refuse_own_folder(inputs, run)
    periods.check_settings(plan)
    plan = with_digests(plan, weights, Placing(plan).zone.key)
    with RunLock(run.path):
        if not plan.batch.resume:
            put_aside(run)
        with (
            Journal(run.log, as_json=plan.batch.log_json) as journal,
            open_manifest(run, journal.tell, with_faces=plan.detections is not None) as manifest,
        ):
            claims = Claims(run, manifest, overwrite=plan.output.overwrite)
            claims.claim(_own_files(plan))
            batch = _Batch(
                inputs, plan, manifest, claims, journal=journal, stop=stop or Stop(), watch=watch or BatchWatch()
            )
            batch.says_notes = says_notes
            return batch.run(networks, list(weights))


def executor_for(plan: Plan) -> Callable[..., Executor]:
    """Where the units are done, as the settings say."""
    if plan.batch.cluster is not None:
        from crowdmask.jobs.batch.cluster import Cluster  # only here: Ray is no part of the core

        return Cluster
    return Processes if plan.batch.workers > 1 else InProcess


def _own_files(plan: Plan) -> list[str]:
    """What every run writes itself."""
    table = "frames.csv" if plan.aggregate.aggregate is None else "aggregate.csv"
    own = [
        table,
        "summary.json",
        *(["persons.csv"] if plan.analysis.follow and plan.aggregate.aggregate is None else []),
    ]
    if plan.detections is not None and plan.detections.suffix.lower() == ".parquet" and "persons.csv" in own:
        own.append("persons.parquet")
    return [*own, *([plan.detections.name] if plan.detections is not None else [])]


def _refuse_own_folder(inputs: Inputs, run: RunFolder) -> None:
    ours = os.path.realpath(run.path)
    for folder in inputs.folders:
        if os.path.realpath(folder) == ours:
            raise SettingsError(f"{folder}: the results cannot go into the input folder itself: give another --out-dir")


class _Batch:
    """One session."""

    def __init__(
        self,
        inputs: Inputs,
        plan: Plan,
        manifest: Manifest,
        claims: Claims,
        *,
        journal: Journal,
        stop: Stop,
        watch: BatchWatch,
    ) -> None:
        self.run_folder = RunFolder(plan.run)
        self.inputs, self.plan, self.manifest, self.journal, self.stop = inputs, plan, manifest, journal, stop
        self.claims = claims
        self.begun = time.monotonic()
        self.disk = Disk(plan.run, plan.batch.keep_free)
        self.placing = Placing(plan)
        self.store = open_store(plan, manifest, self.placing.zone, journal)
        self.going = Going(plan, watch, tells_faces=self.store.tells_faces)
        self.walk = Walk(
            inputs,
            Selection.of(plan.batch.include, plan.batch.exclude),
            run=str(plan.run),
            shard=plan.batch.shard_of,
            passed_over=lambda path: journal.tell(f"{path}: left out, it is a run folder of crowdmask"),
            is_own=claims.has_written,
        )
        self.planner = Planner(
            plan,
            manifest,
            self.walk,
            claims=claims,
            placing=self.placing,
            journal=journal,
            stop=stop,
            expect=self.going.expect,
            same_program=manifest.meta(META_REVISION) in (None, str(RESULTS_REVISION)) and not manifest.was_older,
        )
        self.going.planner = self.planner
        self.queue = Queue(
            plan,
            manifest,
            self.planner,
            claims,
            from_place=manifest.queue_end,  # what lies before is of earlier sessions
            refuse=self._refuse,
            forecast=self.going.forecast,
            kept_of=self.store.segments_of,
        )
        self.weights: list[WeightsUsed] = []
        self.session = 0
        self.says_notes = True

    def run(self, networks: Networks, weights: list[WeightsUsed]) -> BatchOutcome:
        self.weights = weights
        self._begin()
        ending = "failed"
        try:
            with estimated(self.plan, self.manifest):
                self._work(networks)
            ending = DISK_FULL if self.disk.was_low else INTERRUPTED if self.stop.asked else FINISHED
            if ending == FINISHED:
                self.store.finish()
            return self._close(ending)
        except BaseException as error:
            with suppress(CrowdmaskError):
                self._put_session(f"failed: {error}")
            self.journal.note("failed", reason=str(error))
            raise

    def _begin(self) -> None:
        """Make sure that it is the same run, and write down how it is made."""
        manifest, plan = self.manifest, self.plan
        root = manifest.meta(META_ROOT)
        if root is not None and root != readable(self.inputs.root):
            raise SettingsError(
                f"{self.run_folder.path} holds the run of {root}: give another --out-dir, or --no-resume to start over"
            )
        selection = {**self.inputs.as_dict(), **{n: getattr(plan.batch, n) for n in ("include", "exclude", "shard")}}
        told, before = json.dumps(selection, sort_keys=True), manifest.meta(META_SELECTION)
        self.session = manifest.begin_session(os.getpid(), socket.gethostname())
        self.journal.note(
            "begins",
            session=self.session,
            inputs=self.inputs.root,
            done=manifest.totals().done,
            workers=plan.batch.workers,
        )
        if before is not None and before != told:
            if not self.store.tells_faces:
                raise SettingsError(
                    f"{self.run_folder.path}: the call names other inputs than the run before, and what was counted of "
                    "those cannot be taken out of the sums: give another --out-dir"
                )
            dropped = drop_unselected(manifest, self.walk, self.claims)
            more = f", and {dropped} inputs that it does not ask for are taken out" if dropped else ""
            self.journal.tell(f"the call names other inputs than the run before{more}")
        manifest.put_meta(META_ROOT, readable(self.inputs.root))
        manifest.put_meta(META_SELECTION, told)
        manifest.put_meta(META_SETTINGS, json.dumps(settings_of(plan), sort_keys=True))
        manifest.put_meta(META_ZONE, self.placing.zone.key)
        manifest.put_meta(META_REVISION, str(RESULTS_REVISION))
        manifest.put_meta(META_DETECTIONS, "" if plan.detections is None else plan.detections.name)
        names = zone_names(plan.analysis)
        manifest.put_meta(META_WATCHED, json.dumps([names.zones, names.lines]))
        if manifest.meta(META_STARTED) is None:
            manifest.put_meta(META_STARTED, _now())

    # The work

    def _work(self, networks: Networks) -> None:
        if self.disk.is_low:
            self.journal.tell(self.disk.said())
            self.stop.ask()
            return
        kind = executor_for(self.plan)
        pulse = Pulse(self.disk, self.stop, self.journal, self._pulse)
        with pulse, self.planner, kind(self.plan, networks, self.stop, self.going.beat) as executor:
            self._drain(executor)
            self._settle(executor)
            for _ in range(self.plan.batch.retries):
                failures = (entry for entry in self.manifest.in_order(State.FAILED) if self._may_retry(entry))
                if self.stop.asked or not self._again(executor, failures):
                    break
        if pulse.error is not None:
            raise pulse.error
        if self.planner.complete and not self.planner.found and not self.manifest.totals().inputs:
            if self.walk.met_other_shards:
                self.journal.tell(f"shard {self.plan.batch.shard} has none of the inputs: the others have them all")
                return
            raise SourceError(
                f"{self.inputs.root}: there is no picture and no video in it"
                + (", or the patterns leave none" if self.plan.batch.include or self.plan.batch.exclude else "")
                + ": check the path"
            )

    def _may_retry(self, entry: Entry) -> bool:
        return entry.kind is not Kind.FOLDER and 0 < entry.attempts <= self.plan.batch.retries

    def _drain(self, executor: Executor) -> None:
        """Give out what there is to do, and take what comes of it, until nothing is left or the stop is asked."""
        queue, stop = self.queue, self.stop
        while True:
            while not stop.asked and (unit := queue.peek()) is not None and executor.fits(unit):
                executor.put(queue.pop())
            self.going.moved()
            if executor.in_hand:
                for message in executor.take(LOOK_S):
                    self._hear(message)
            elif stop.asked or queue.is_empty:
                break
            else:
                self.planner.wait(LOOK_S)
        if self.planner.error is not None:
            raise self.planner.error

    def _hear(self, message: Done | Broken) -> None:
        if isinstance(message, Broken):
            self.going.lose_unit(message.unit)
            self._broken(message.unit)
            return
        self.going.end_unit(message)
        self.weights = list(message.weights) or self.weights
        kept = [one for one in message.worked if self._is_kept(one)]
        self.store.put(kept)
        for one in kept:
            self._worked(one)
        self.going.moved()

    def _is_kept(self, worked: Worked) -> bool:
        """Not a failure that a full disk made, and no part of a video that was given up meanwhile."""
        entry = worked.entry
        if entry.segment and entry.source not in self.queue.videos:
            self.claims.remove(output.path for output in entry.outputs)
            return False
        return entry.state is not State.FAILED or not self.disk.is_low

    def _worked(self, worked: Worked) -> None:
        entry, tally = worked.entry, self.going.tally
        if not entry.segment and not worked.spans and entry.kind is Kind.VIDEO:
            self.going.forecast.finish_video(entry.source)
        if worked.spans:
            self.queue.cut(worked)
        elif entry.segment:
            self.queue.videos[entry.source].take(entry)
        elif entry.state is State.DONE:
            tally.add(entry)
            if entry.kind is Kind.VIDEO:
                self.queue.forget(entry.source)
                seen = {"unmasked": entry.counts.against} if self.store.tells_faces else {}
                self.journal.note("done", source=entry.source, frames=entry.frames, **seen)
        elif entry.state is State.FAILED:
            tally.fail(entry)
            self.queue.videos.pop(entry.source, None)
            self.journal.note("failed", source=entry.source, attempt=entry.attempts, reason=entry.error)
        elif entry.state is State.UNSETTLED:
            self.queue.forget(entry.source)

    def _broken(self, unit: Unit) -> None:
        """Whoever did it is gone: it is done again by itself, and is a failure if that ends in the same way."""
        if self.stop.asked:
            return
        if not unit.alone:
            self.queue.again(unit)
            return
        entry = unit.entries[0]
        self.journal.note("worker died", source=entry.source)
        reason = f"{entry.path}: the process that worked on it died, as for want of memory: try fewer --workers"
        self._refuse(replace(entry, attempts=entry.attempts + 1), reason)

    def _refuse(self, entry: Entry, reason: str) -> None:
        failed = Worked(replace(entry, state=State.FAILED, error=reason))
        self.store.put([failed])
        self._worked(failed)

    def _again(self, executor: Executor, entries: Iterator[Entry]) -> int:
        """Put inputs into the queue once more and go through it; how many there were."""
        number = 0
        while page := list(islice(entries, PAGE)):
            number += len(page)
            for entry in page:
                self.going.expect(replace(entry, state=State.WAITING))
            self.going.tally.failed -= sum(entry.state is State.FAILED for entry in page)
            self.manifest.put(replace(entry, state=State.WAITING) for entry in page)
        if number:
            self._drain(executor)
        return number

    def _settle(self, executor: Executor) -> None:
        """Those that were being written: wait until they rest, and tell of those that do not."""
        for _ in range(LOOKS):
            if self.stop.asked or next(self.manifest.in_order(State.UNSETTLED), None) is None:
                return
            self._rest(self.plan.batch.settle_s)
            self._again(executor, self._rested())
        if self.stop.asked:
            return
        reason = "it is still being written: start the same command again when it is finished"
        for entry in self.manifest.in_order(State.UNSETTLED):
            self._refuse(entry, f"{entry.path}: {reason}")

    def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.stop.asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))

    def _rested(self) -> Iterator[Entry]:
        """Those that look as they did; of the others the new look is kept for the next time."""
        for entry in self.manifest.in_order(State.UNSETTLED):
            try:
                status = os.stat(entry.path)
            except OSError:
                yield entry  # whoever opens it says why
                continue
            look = Identity(status.st_size, status.st_mtime_ns)
            if look.looks_like(entry.identity):
                yield entry
            else:
                self.manifest.update([replace(entry, identity=look)])

    # What is told on the way

    def _pulse(self, log_it: bool) -> None:
        self._put_session()
        if log_it:
            tally = self.going.tally
            self.journal.note(
                "goes on", done=tally.done, failed=tally.failed, frames=tally.frames_seen, found=self.planner.found
            )

    def _put_session(self, ending: str = "") -> None:
        tally = self.going.tally
        self.manifest.put_meta(META_PROGRESS, json.dumps(self.going.progress().as_dict()))
        self.manifest.put_session(
            self.session,
            active_s=round(time.monotonic() - self.begun, 3),
            listed=self.planner.complete,
            done=tally.done,
            failed=tally.failed,
            frames=tally.frames_seen,
            ending=ending,
        )

    # The end

    def _close(self, ending: str) -> BatchOutcome:
        """Put the run's files together out of what is done, however the work ended."""
        manifest, run = self.manifest, self.run_folder
        closed = Closed(ComplianceStats(), {})
        self.going.phase = Phase.FINISHING
        self.going.moved()
        self._put_session(ending)
        try:
            closed = self.store.close(self.weights, ending, finished=ending == FINISHED, leads=self.says_notes)
            manifest.put_meta(META_NOTES, json.dumps(closed.summary["notes"]))
        except OutputError as error:
            if ending != DISK_FULL:
                raise
            self.journal.tell(f"{error}; what is done is kept in the manifest")
        for note in closed.summary.get("notes", ()) if self.says_notes else ():
            self.journal.tell(note)
        if ending == FINISHED:
            remove_empty(run.parts)
        tally, totals = self.going.tally, manifest.totals()
        self.journal.note("ends", how=ending, done=totals.done, failed=totals.failed, left=totals.left)
        failures = tuple((e.source, e.error) for e in islice(manifest.in_order(State.FAILED), PAGE))
        wall_s = time.monotonic() - self.begun
        return BatchOutcome(run, ending, totals, tally, wall_s, closed.stats, failures, closed.summary, closed.headline)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
