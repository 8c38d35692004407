"""The figures that stand at the head of a run, read from its frames: the rate with its interval, the worst moment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from crowdmask.results.report.moments import Moment, worst_moments
from crowdmask.results.statistics import rate_with_interval
from crowdmask.results.timeline.buckets import Width
from crowdmask.results.timeline.frames_table import FramesTable
from crowdmask.results.timeline.precision import precision_of
from crowdmask.results.timeline.statistics_rows import TOTAL, StatisticsRow, Total, statistics_rows


@dataclass(frozen=True)
class Headline:
    total: StatisticsRow
    worst: Moment | None

    @property
    def compliance(self) -> dict[str, float | str | None]:
        """As the run's summary has it."""
        total = self.total
        return {**rate_with_interval(total.compliance, total.interval), "weighted_by": total.weighted_by}


def headline(frames: Path, zone: ZoneInfo, *, separate: bool | None = None, threads: int = 0) -> Headline:
    """The same figures as the report's and the statistics' rows of totals; `separate` as in FramesTable."""
    with FramesTable([frames], threads=threads, separate=separate) as table:
        precision = precision_of(table)
        total = Total(TOTAL)
        for row in statistics_rows(table, Width.parse("1d"), zone, empty=False, precision=precision):
            total.add(row)
        worst, _ = worst_moments(table, 1)
        return Headline(total.row(precision), worst[0] if worst else None)
