"""The executor that works in this very process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from typing_extensions import Self

from crowdmask.jobs.batch.units import Beat, Plan, Report, Unit
from crowdmask.jobs.batch.working import Workman
from crowdmask.jobs.networks import Networks
from crowdmask.jobs.stopping import Stop


class InProcess:
    """An `Executor` of one."""

    def __init__(
        self, plan: Plan, networks: Networks, stop: Stop, beat: Callable[[Beat], None] = lambda beat: None
    ) -> None:
        self._workman = Workman(plan, networks, stop, beat)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def run(self, units: Iterator[Unit | None]) -> Iterator[Report]:
        return self._workman.run(units)
