"""What goes to whoever does the work, and what comes back: plain values, for this process or another.

With a plan go the digests of all that decides its results, by which two runs are known to be comparable, and what says
of each input which camera it is from and when it was taken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from typing_extensions import Self

from crowdmask.errors import CrowdmaskError, SettingsError, WeightsError
from crowdmask.jobs.manifest.entries import Entry, Identity, Kind, State
from crowdmask.jobs.naming import (
    annotated_file,
    faces_file_of,
    frames_file_of,
    persons_file_of,
    segment_files_of,
    summary_file_of,
)
from crowdmask.media.camera_names import camera_reader
from crowdmask.media.capture_time import CaptureClock
from crowdmask.media.segments import WHOLE, Span
from crowdmask.results.aggregate import Cell, Sums
from crowdmask.results.detections import DETECTIONS
from crowdmask.results.frames_csv import FRAMES
from crowdmask.results.persons import PERSONS
from crowdmask.results.summary import WeightsUsed
from crowdmask.settings import (
    AggregateSettings,
    AnalysisSettings,
    BatchSettings,
    OutputSettings,
    RuntimeSettings,
    TimeAndPlaceSettings,
    content_of,
)

UNIT_PICTURES = 64


@dataclass(frozen=True)
class Plan:
    """All that is the same for every input of a run."""

    run: Path
    root: Path
    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)
    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    place: TimeAndPlaceSettings = field(default_factory=TimeAndPlaceSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
    detections: Path | None = None
    aggregate: AggregateSettings = field(default_factory=AggregateSettings)
    settings_digest: str = ""  # of all that decides an input's results and files
    place_digest: str = ""  # of all that decides its camera and its time

    @property
    def draws_videos(self) -> bool:
        """Whether videos are decoded a second time, to be drawn upon."""
        return self.output.video and not self.output.video_overlay and self.batch.annotate != "none"


class Step(str, Enum):
    """What a unit is. A short video is one unit; a long one is cut, and goes through the others in this order."""

    STILLS = "stills"
    VIDEO = "video"
    LOOK = "look"  # at one segment, with the networks
    CONCLUDE = "conclude"  # from the looks at all segments
    DRAW = "draw"  # one segment, and encode it
    JOIN = "join"  # the pieces that were drawn


@dataclass(frozen=True)
class Unit:
    """Work that is given out at once and comes back at once: done or not, never half."""

    number: int
    step: Step
    entries: tuple[Entry, ...]  # pictures, or the one video
    spans: tuple[Span, ...] = (WHOLE,)  # LOOK, DRAW: the one; CONCLUDE, JOIN: all
    kept: tuple[Entry, ...] = ()  # what of the video was kept before: its looks, its conclusion, its pieces
    alone: bool = False  # its worker is to have nothing else in hand, so that its death can be laid to this one


@dataclass(frozen=True)
class Worked:
    """What came of one input or segment: done, failed or unsettled; waiting where it is to be given out in another way.

    `faces` are a picture's detections where they are kept. In aggregate-only mode a done one has `sums` by period, and
    `is_long` if it lasts as long as a period. A video that is cut comes back waiting, with its `spans`.
    """

    entry: Entry
    faces: bytes | None = None
    sums: Mapping[Cell, Sums] | None = None
    is_long: bool = False
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Done:
    """A unit came back, with whatever came of it: less than all where the work was stopped."""

    unit: Unit
    worked: tuple[Worked, ...]
    weights: tuple[WeightsUsed, ...] = ()
    busy_s: float = 0.0


@dataclass(frozen=True)
class Broken:
    """Whoever did a unit died of it, or with it."""

    unit: Unit


def files_of(plan: Plan, entry: Entry) -> list[str]:
    """Every file that an input may get, below the run folder with `/`."""
    run, source = plan.run, entry.source
    if plan.aggregate.aggregate is not None:
        return []
    found = []
    if plan.output.video and plan.batch.annotate != "none":
        found.append(annotated_file(run, source, entry.kind, overlay=plan.output.video_overlay))
    if entry.kind is Kind.VIDEO:
        found += [frames_file_of(run, source), summary_file_of(run, source)]
        found += [persons_file_of(run, source)] if plan.analysis.follow else []
        found += [faces_file_of(run, source)] if plan.detections is not None else []
    own = segment_files_of(run, source, [WHOLE]) if entry.kind is Kind.VIDEO else []
    return [*(path.relative_to(run).as_posix() for path in found), *own]


class Executor(Protocol):
    """Where units are done, in this process, in others or on other machines; all pass tests/contract/test_executors.py.

    A unit that was put comes back from `take` once: done, or broken with its worker. Nobody but the driver may put or
    take; beats come on any thread.
    """

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def fits(self, unit: Unit) -> bool:
        """Whether there is room for the unit now."""
        ...

    def put(self, unit: Unit) -> None:
        """Hand a unit over that fits; it is fetched ahead while the one before is done."""
        ...

    def take(self, wait_s: float) -> Sequence[Done | Broken]:
        """What has come back; waits so long for it at most, or as long as the work takes that is done meanwhile."""
        ...

    @property
    def in_hand(self) -> int:
        """How many units were put and have not come back."""
        ...


def failed(entry: Entry, reason: str) -> Worked:
    return Worked(replace(entry, state=State.FAILED, attempts=entry.attempts + 1, error=reason))


def unsettled(entry: Entry) -> Worked:
    """It was changed while it was analysed: it is looked at again when it rests."""
    return Worked(replace(entry, identity=replace(Identity.of(entry.path), digest=""), state=State.UNSETTLED))


def tried(entry: Entry, work: Callable[[], list[Worked]], undo: Callable[[], None] = lambda: None) -> list[Worked]:
    """What comes of a video; a failure, whatever it is, is its own, and nothing comes where the work was broken off.

    `undo` removes what an end in the midst of it leaves.
    """
    try:
        return work()
    except KeyboardInterrupt:
        undo()
        return []  # nothing of it is kept, and it is given out again
    except (WeightsError, SettingsError):
        raise
    except (CrowdmaskError, OSError) as error:
        undo()
        return [failed(entry, told(error, entry.path))]
    except Exception as error:  # a broken file that a library stumbles over must not stop the night
        undo()
        return [failed(entry, f"{entry.path} cannot be analysed ({type(error).__name__}: {error})")]


def told(error: Exception, path: str) -> str:
    """Why an input cannot be read, in one line."""
    if isinstance(error, CrowdmaskError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return f"{path} is gone: it was there when the folder was looked through"
    if isinstance(error, OSError):
        return f"{path} cannot be read ({error.strerror or error}): check it and the disk"
    if isinstance(error, MemoryError):
        return f"{path} needs more memory than there is: try fewer --workers"
    return f"{path} cannot be read ({type(error).__name__}: {error}): save it anew as PNG"


# Raise it whenever the same settings give other results or other files than before: a run that an earlier program
# began is then analysed anew as a whole, so that no table holds the numbers of two programs.
RESULTS_REVISION = 7


def with_digests(plan: Plan, weights: Sequence[WeightsUsed], zone: str) -> Plan:
    """The plan with its digests: runs that agree in them give the same results, wherever their files lie."""
    output = {name: value for name, value in content_of(plan.output).items() if name != "overwrite"}
    decides = {
        "revision": RESULTS_REVISION,
        "columns": [list(FRAMES.names), list(DETECTIONS.names), list(PERSONS.names)],
        "analysis": content_of(plan.analysis),
        "weights": [[used.ran or used.sha256, used.runtime, used.precision] for used in weights],
        "output": output,
        "annotate": plan.batch.annotate,
        "segment_s": plan.batch.segment_s,
        "detections": plan.detections is not None,
    }
    if plan.aggregate.aggregate is not None:
        decides["aggregate"] = content_of(plan.aggregate)
    place = {**content_of(plan.place), "timezone": zone, "root": plan.root.name}
    return replace(plan, settings_digest=_digest(decides), place_digest=_digest(place))


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]


class Placing:
    """The same for every input of a run, on any thread."""

    def __init__(self, plan: Plan) -> None:
        self._clock = CaptureClock.of(plan.place.timezone, plan.place.time_format)
        self._camera = camera_reader(plan.place.camera_pattern, plan.root.name)
        self._digest = plan.place_digest

    @property
    def zone(self) -> ZoneInfo:
        return self._clock.zone

    def place(self, entry: Entry) -> Entry:
        taken = self._clock.read(entry.path)
        return replace(
            entry,
            camera=self._camera(entry.source),
            captured_at=taken.instant,
            captured_from=taken.origin,
            note=taken.note,
            placed=self._digest,
        )
