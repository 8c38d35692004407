"""Adds up zones and lines: who was in each zone and for how long, who crossed each line which way, by verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crowdmask.engine.following import Flashes, Person
from crowdmask.records import FrameResult
from crowdmask.results.statistics import rate_with_interval, rounded, wilson_interval
from crowdmask.tracking.zones import IN, OUT
from crowdmask.verdicts import WORDS, Counts


@dataclass(frozen=True)
class ZoneSums:
    """Of one zone. People are appearances that were in it, each once, by the verdict of the whole appearance."""

    faces: Counts = field(default_factory=Counts)  # in frames
    people: Counts = field(default_factory=Counts)
    visits: int = 0
    dwell_s: float = 0.0  # of all people
    longest_s: float = 0.0  # of one, all visits together

    def __add__(self, other: ZoneSums) -> ZoneSums:
        return ZoneSums(
            self.faces + other.faces,
            self.people + other.people,
            self.visits + other.visits,
            self.dwell_s + other.dwell_s,
            max(self.longest_s, other.longest_s),
        )

    @property
    def mean_s(self) -> float | None:
        """For how long one stayed, on average."""
        return self.dwell_s / self.people.faces if self.people.faces else None

    def as_dict(self) -> dict[str, Any]:
        people = self.people
        return {
            "people": people.faces,
            **people.by_word,
            "compliance": rate_with_interval(people.compliance, wilson_interval(people.supporting, people.judged)),
            "visits": self.visits,
            "dwell_s": {
                "total": round(self.dwell_s, 3),
                "mean": rounded(self.mean_s),
                "longest": round(self.longest_s, 3),
            },
            "faces": {"faces": self.faces.faces, **self.faces.by_word},
        }

    @classmethod
    def of(cls, told: Mapping[str, Any], *, separate: bool) -> ZoneSums:
        dwell = told["dwell_s"]
        faces, people = (_counts(one, separate) for one in (told["faces"], told))
        return cls(faces, people, told["visits"], dwell["total"], dwell["longest"])


Ways = dict[str, Counts]


@dataclass
class ZoneStats:
    """Of an input or a run; the sum of parts that share no input equals one pass over the whole. A sink of both."""

    zones: dict[str, ZoneSums] = field(default_factory=dict)
    lines: dict[str, Ways] = field(default_factory=dict)

    def write(self, result: FrameResult) -> None:
        for name, inside in result.zones.items():
            self._add_zone(name, ZoneSums(faces=result.counts_where(inside)))
        for name in result.crossings:
            self._add_line(name, {})

    def write_person(self, person: Person) -> None:
        if person.trace is None:
            return
        one = person.counts
        visited = [visit.zone for visit in person.trace.visits]
        for name in dict.fromkeys(visited):
            dwell_s = person.trace.dwell_s(name)
            self._add_zone(name, ZoneSums(Counts(), one, visited.count(name), dwell_s, dwell_s))
        for crossing in person.trace.crossings:
            self._add_line(crossing.line, {crossing.way: one})

    def write_flashes(self, flashes: Flashes) -> None:
        """No people."""

    def _add_zone(self, name: str, more: ZoneSums) -> None:
        self.zones[name] = self.zones.get(name, ZoneSums()) + more

    def _add_line(self, name: str, more: Ways) -> None:
        ways = self.lines.setdefault(name, {IN: Counts(), OUT: Counts()})
        for way, counts in more.items():
            ways[way] = ways[way] + counts

    def __add__(self, other: ZoneStats) -> ZoneStats:
        total = ZoneStats(dict(self.zones), {name: dict(ways) for name, ways in self.lines.items()})
        for name, sums in other.zones.items():
            total._add_zone(name, sums)
        for name, ways in other.lines.items():
            total._add_line(name, ways)
        return total

    def as_dict(self) -> dict[str, Any]:
        """The keys `zones` and `lines` of a summary, plain values ready for JSON."""
        lines = [
            {"name": name, **{way: {"people": counts.faces, **counts.by_word} for way, counts in ways.items()}}
            for name, ways in self.lines.items()
        ]
        return {"zones": [{"name": name, **sums.as_dict()} for name, sums in self.zones.items()], "lines": lines}

    @classmethod
    def of(cls, summary: Mapping[str, Any], *, separate: bool = False) -> ZoneStats:
        """Read back from a summary."""
        zones = {one["name"]: ZoneSums.of(one, separate=separate) for one in summary.get("zones") or ()}
        lines = {
            one["name"]: {way: _counts(one[way], separate) for way in (IN, OUT)} for one in summary.get("lines") or ()
        }
        return cls(zones, lines)


def _counts(told: Mapping[str, Any], separate: bool) -> Counts:
    return Counts.shown((int(told[word]) for word in WORDS), separate=separate)
