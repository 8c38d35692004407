"""Looks the inputs through on its own thread, and puts into the manifest what of them there is to do."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType

from typing_extensions import Self

from crowdmask.jobs.batch.assembly import purged_of
from crowdmask.jobs.batch.inputs import Found, Lost, Walk
from crowdmask.jobs.batch.journal import Journal
from crowdmask.jobs.batch.units import Placing, Plan
from crowdmask.jobs.manifest.claims import Claims
from crowdmask.jobs.manifest.database import Manifest
from crowdmask.jobs.manifest.entries import Entry, Identity, Kind, State
from crowdmask.jobs.manifest.packing import is_packed_whole
from crowdmask.jobs.stopping import Stop
from crowdmask.results.run_folder import RunFolder

BLOCK, FIRST_BLOCK = 256, 8  # inputs put at once; the first are few, for the networks wait for them

ANEW = {
    "input": "has changed since it was analysed, and is analysed anew",
    "settings": "was analysed with other settings, and is analysed anew",
    "version": "was analysed by another version of crowdmask, and is analysed anew",
    "output": "has lost a result, or it was changed, and is analysed anew",
}


class Planner:
    """A context manager: entering it starts the thread, leaving it waits for its end."""

    def __init__(
        self,
        plan: Plan,
        manifest: Manifest,
        walk: Walk,
        *,
        claims: Claims,
        placing: Placing,
        journal: Journal,
        stop: Stop,
        expect: Callable[[Entry], None],
        same_program: bool = True,
    ) -> None:
        self._plan, self._manifest, self._walk, self._placing = plan, manifest, walk, placing
        self._claims, self._journal, self._stop, self._expect = claims, journal, stop, expect
        self._other = "settings" if same_program else "version"
        self._known_done = self._found_done = self._last_row = 0
        self._purged = purged_of(RunFolder(plan.run), manifest)
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="crowdmask-plan", daemon=True)
        self.anew: Counter[str] = Counter()
        self.stale = 0  # inputs in sums that changed since, in aggregate-only mode
        self.error: Exception | None = None
        self.found = 0  # inputs, done or not
        self.to_do = 0  # of them those that are put
        self.finished = False  # nothing is put any more
        self.complete = False  # and everything was looked at

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stop.ask()
        self._thread.join()

    def wait(self, seconds: float) -> None:
        """Until more is put, or the time is over."""
        with self._changed:
            if not self.finished:
                self._changed.wait(seconds)

    def _run(self) -> None:
        try:
            self._look()
        except Exception as error:  # whoever waits for the inputs has to learn of it
            self.error = error
        with self._changed:
            self.finished = True
            self._changed.notify_all()

    def _look(self) -> None:
        self._manifest.doubt_all()
        self._known_done, self._last_row = self._manifest.totals().done, self._manifest.last_row
        size, block = FIRST_BLOCK, []
        for found in self._walk:
            if self._stop.asked:
                return
            block.append(found)
            if len(block) >= size:
                self._put(block)
                size, block = min(2 * size, BLOCK), []
        self._put(block)
        if self._stop.asked:
            return
        self._settle_unseen()
        if self._found_done < self._known_done:
            self._settle_renamed()
        self._check_results()
        if self._stop.asked:
            return
        self.complete = True
        if self.stale:
            self._journal.tell(
                f"{self.stale} inputs have changed since they were counted, and stay counted as they were: "
                "give another --out-dir to count all anew"
            )
        for reason, number in self.anew.items():
            self._journal.note(f"inputs that are analysed anew: {number}", because=reason)

    def _put(self, block: Sequence[Found | Lost]) -> None:
        if not block:
            return
        known = self._manifest.entries([found.source for found in block])
        self._found_done += sum(entry.state is State.DONE for entry in known.values())
        fresh = [entry for found in block if (entry := self._entry(found, known.get(found.source))) is not None]
        for entry in fresh:
            self._expect(entry)
        self._manifest.put(fresh)
        moved = list(self._moved(block, known, {entry.source for entry in fresh}))
        if moved:
            self._manifest.update(moved)
        with self._changed:
            self.found += sum(found.kind is not Kind.FOLDER for found in block)
            self.to_do += sum(entry.state is not State.FAILED for entry in fresh)
            self._changed.notify_all()

    def _entry(self, found: Found | Lost, known: Entry | None) -> Entry | None:
        """What is to be put of an input; None where it is done and stays so."""
        if isinstance(found, Lost):
            if known is not None and known.state is State.DONE:
                return None  # it was there to be analysed, and its results are as good as ever
            self._journal.note("not found", source=found.source, reason=found.reason)
            return Entry(found.source, found.path, found.kind, Identity(0, 0), State.FAILED, error=found.reason)
        if known is not None and known.state is State.DONE:
            reason = self._why_anew(found, known)
            if reason is None:
                return None
            if self._plan.aggregate.aggregate is not None:  # nobody knows any more what of the sums is of this one
                self._journal.note("has changed since it was counted, and stays counted as it was", source=known.source)
                self.stale += 1
                return None
            self._again(known, reason)
        look = Identity(found.size, found.mtime_ns)
        recent = abs(time.time() - found.mtime_ns / 1e9) < self._plan.batch.settle_s
        state = State.UNSETTLED if recent else State.WAITING
        return Entry(found.source, found.path, found.kind, look, state)

    def _why_anew(self, found: Found, known: Entry) -> str | None:
        if known.settings != self._plan.settings_digest:
            return self._other
        try:
            if Identity.of(found.path) != known.identity:
                return "input"
        except OSError:
            return "input"
        return None

    def _check_results(self) -> None:
        """Whatever is wrong with a result puts its input back to waiting; all bytes of all files are read for it."""
        if broken := self._manifest.drop_broken():
            # what of them is there still was found unknown, and is waiting
            self._journal.tell(f"{broken} entries of the manifest were damaged: what they were of is analysed anew")
        for entry in self._manifest.in_order(State.DONE, up_to_row=self._last_row):
            if self._stop.asked:
                return
            if self._has_outputs(entry):
                continue
            if os.path.lexists(entry.path):
                self._again(entry, "output")
            again = back_to_waiting(entry)
            self._expect(again)
            with self._changed:
                self._manifest.put([again])
                self.to_do += again.state is State.WAITING
                self._changed.notify_all()

    def _has_outputs(self, entry: Entry) -> bool:
        run = self._plan.run
        if self._plan.detections is not None and entry.kind is Kind.PICTURE:
            data = self._manifest.faces_of(entry.source)
            if data is None or (data and not is_packed_whole(data, entry.counts.faces)):
                return False
        # what was purged was to go, and stays away
        return all(
            output.is_whole(run) or (output.path in self._purged and not os.path.lexists(run / output.path))
            for output in entry.outputs
        )

    def _again(self, known: Entry, reason: str) -> None:
        if not self.anew[reason]:
            self._journal.tell(f"{known.source} {ANEW[reason]}; more such inputs are named in the log")
        else:
            self._journal.note(ANEW[reason], source=known.source)
        self.anew[reason] += 1
        self._claims.remove(output.path for output in known.outputs)

    def _moved(self, block: Iterable[Found | Lost], known: dict[str, Entry], put: set[str]) -> Iterator[Entry]:
        """Those that stay done, but whose camera and time are now told in another way."""
        for found in block:
            entry = known.get(found.source)
            stays = entry is not None and found.source not in put and isinstance(found, Found)
            if entry is not None and stays and entry.placed != self._plan.place_digest:
                yield self._placing.place(entry)

    def _settle_renamed(self) -> None:
        """A done input that is gone, and of which a file of the same content is there under another name, was renamed.

        It is forgotten, so that it is counted once, under its new name.
        """
        gone: dict[tuple[int, int], list[Entry]] = {}
        for entry in self._manifest.in_order(State.DONE):
            if not os.path.lexists(entry.path):
                gone.setdefault((entry.identity.size, entry.identity.mtime_ns), []).append(entry)
        renamed: dict[str, Entry] = {}
        for entry in self._manifest.in_order(State.WAITING, State.UNSETTLED, State.DONE) if gone else ():
            for one in gone.get((entry.identity.size, entry.identity.mtime_ns), ()):
                with suppress(OSError):
                    if one.source != entry.source and Identity.of(entry.path) == one.identity:
                        renamed[one.source] = one
        if self._plan.aggregate.aggregate is not None:
            self.stale += len(renamed)
            return
        for one in renamed.values():
            self._journal.note("was renamed, and is counted under its new name only", source=one.source)
            self._claims.remove(output.path for output in one.outputs)
        self._manifest.drop(renamed)

    def _settle_unseen(self) -> None:
        """What an earlier session had not done and nobody found again: gone, or not asked for any more."""
        reason = "it is gone: it was there when an earlier session looked the folder through"
        while unseen := self._manifest.unseen():
            gone, dropped = [], []
            for entry in unseen:
                if entry.kind is Kind.FOLDER or not self._walk.takes(entry.source):
                    dropped.append(entry.source)
                else:
                    gone.append(replace(entry, state=State.FAILED, attempts=0, error=f"{entry.path}: {reason}"))
            self._manifest.drop(dropped)
            self._manifest.put(gone)


def back_to_waiting(entry: Entry) -> Entry:
    """A done input with whose result something is wrong: to do again, and a failure where it is gone itself."""
    if os.path.lexists(entry.path):
        return replace(entry, state=State.WAITING, outputs=(), gaps=())
    reason = "its result is damaged, and it is not there any more to be analysed again"
    return replace(entry, state=State.FAILED, attempts=0, outputs=(), error=f"{entry.path}: {reason}")


def drop_unselected(manifest: Manifest, walk: Walk, claims: Claims) -> int:
    """Forget done inputs that the call does not ask for any more, with their results; their number."""
    dropped = 0
    for entry in manifest.in_order(State.DONE):
        if not walk.takes(entry.source):
            claims.remove(output.path for output in entry.outputs)
            manifest.drop([entry.source])
            dropped += 1
    return dropped
