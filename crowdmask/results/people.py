"""Adds up people: appearances by verdict, how many were there at once at least, and what was too short to be one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crowdmask.engine.following import Flashes, Person
from crowdmask.records import FrameResult
from crowdmask.results.statistics import rate_with_interval, wilson_interval
from crowdmask.verdicts import WORDS, Counts


@dataclass
class PeopleStats:
    """Of a run, or of a part of one: the sum of parts that share no input equals one pass over the whole.

    The number of appearances is an estimate: somebody who was lost for long counts anew. The most faces in one frame
    are surely different people, so it is the least that there can have been.
    """

    counts: Counts = field(default_factory=Counts)
    most_at_once: int = 0
    flashes: int = 0

    def write(self, result: FrameResult) -> None:
        self.most_at_once = max(self.most_at_once, len(result.faces))

    def write_person(self, person: Person) -> None:
        self.counts = self.counts + person.counts

    def write_flashes(self, flashes: Flashes) -> None:
        self.flashes += flashes.count

    def __add__(self, other: PeopleStats) -> PeopleStats:
        return PeopleStats(
            self.counts + other.counts, max(self.most_at_once, other.most_at_once), self.flashes + other.flashes
        )

    @classmethod
    def of(cls, told: Mapping[str, Any], *, separate: bool = False) -> PeopleStats:
        """Read back from a summary."""
        counts = Counts.shown((int(told[word]) for word in WORDS), separate=separate)
        return cls(counts, told["at_least"], told["flashes"])

    @property
    def appearances(self) -> int:
        return self.counts.faces

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the compliance: appearances, unlike frames, are nearly independent of each other."""
        return wilson_interval(self.counts.supporting, self.counts.judged)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "appearances": self.appearances,
            "at_least": self.most_at_once,
            **self.counts.by_word,
            "judged": self.counts.judged,
            "compliance": rate_with_interval(self.counts.compliance, self.interval),
            "flashes": self.flashes,
        }
