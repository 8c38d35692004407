"""What one input's work is and what came of it: plain values that can be sent to another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from crowdmask.jobs.naming import Outputs
from crowdmask.media.camera_names import camera_of
from crowdmask.media.opening import shown
from crowdmask.records import Gap, SourceKind, Stream
from crowdmask.results.people import PeopleStats
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.zone_stats import ZoneStats
from crowdmask.settings import AnalysisSettings, OutputSettings, RuntimeSettings


@dataclass(frozen=True)
class Task:
    """One input, where its results go, and how it is to be analysed."""

    source: str
    kind: SourceKind
    outputs: Outputs
    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)
    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    of_run: Stream | None = None  # what its frames know of their origin where it is part of a run
    detections: str | None = None  # the file that all inputs of its call share, for the summary to name it

    @property
    def name(self) -> str:
        """The input as it may be shown and written down."""
        return shown(self.source)

    @property
    def stream(self) -> Stream:
        return self.of_run or Stream(self.name, self.kind, camera_of(self.source))


class State(str, Enum):
    DONE = "done"
    INTERRUPTED = "interrupted"  # ended early on request; its files are whole as far as they go
    ENDED_EARLY = "ended early"  # a stream, by itself; its files are whole as far as they go
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """What came of one task; of a failed one, the statistics of what was good before."""

    task: Task
    state: State
    stats: ComplianceStats
    until_s: float | None = None  # time of the last frame analysed
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()  # what else a reader of the results should know
    wall_s: float = 0.0
    busy_s: dict[str, float] = field(default_factory=dict)  # by stage; stages overlap
    summary: dict[str, Any] | None = None  # what was written, None where the work failed
    error: str = ""
    kept_in: str = ""  # the folder with what was done of an interrupted long video: the same call goes on with it
    people: PeopleStats | None = None  # where faces were followed
    zones: ZoneStats | None = None  # where they are watched
