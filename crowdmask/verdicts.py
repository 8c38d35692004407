"""The one table of verdicts: what may be said of a face, in which word, how it is drawn, and what it counts as.

A further verdict is a member of `Verdict`, a row here, and whoever decides for it; counts, tables, panel and drawing
follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum

Bgr = tuple[int, int, int]


class Verdict(IntEnum):
    """The numbers are kept in files and never change their meaning."""

    MASKED = 0
    UNMASKED = 1
    UNKNOWN = 2
    INCORRECT = 3

    @property
    def word(self) -> str:
        return self.name.lower()

    @property
    def row(self) -> VerdictRow:
        return _ROWS[self]


class Outcome(IntEnum):
    """What the classifier may answer of a find, in the order of its probabilities."""

    MASKED = 0
    UNMASKED = 1
    INCORRECT = 2
    NO_FACE = 3


class Line(Enum):
    """The second cue: it survives grey printing, compression and any kind of colour vision."""

    SOLID = "solid"
    CORNERED = "cornered"  # a thin box with heavy corners outside of it
    DASHED = "dashed"
    BROKEN = "broken"  # with heavy corners too, but a dashed box


class Share(Enum):
    """What a face with a verdict is in the compliance."""

    FOR = "for"
    AGAINST = "against"
    NEITHER = "neither"


@dataclass(frozen=True)
class VerdictRow:
    verdict: Verdict
    meaning: str  # as the tables of columns say it
    share: Share
    line: Line
    colours: Mapping[str, Bgr]  # by the palette's name
    said_when_none: bool = True  # whether a line of words says also that there are none
    apart: Share | None = None  # what it is where `--incorrect separate` sets it apart from its share

    @property
    def word(self) -> str:
        return self.verdict.word

    def share_of(self, separate: bool) -> Share:
        return self.apart if separate and self.apart is not None else self.share


VERDICTS = (  # in the order in which people are shown them
    VerdictRow(
        Verdict.MASKED,
        "faces with a mask rightly worn",
        Share.FOR,
        Line.SOLID,
        # sky blue and vermillion of Okabe and Ito (2008), told apart with every common colour vision deficiency
        {"safe": (233, 180, 86), "classic": (80, 176, 0)},
    ),
    VerdictRow(
        Verdict.UNMASKED,
        "faces without a mask",
        Share.AGAINST,
        Line.CORNERED,
        {"safe": (0, 94, 213), "classic": (40, 40, 220)},
    ),
    VerdictRow(
        Verdict.INCORRECT,
        "faces with a mask wrongly worn: under the nose, on the chin, in the hand",
        Share.AGAINST,
        Line.BROKEN,
        {"safe": (66, 228, 240), "classic": (0, 150, 255)},  # the yellow of Okabe and Ito; orange
        said_when_none=False,
        apart=Share.NEITHER,
    ),
    VerdictRow(
        Verdict.UNKNOWN,
        "faces too small or too unsure to judge",
        Share.NEITHER,
        Line.DASHED,
        {"safe": (190, 190, 190), "classic": (190, 190, 190)},
    ),
)
WORDS = tuple(row.word for row in VERDICTS)
_ROWS = {row.verdict: row for row in VERDICTS}
_SHOWN_AT = tuple(WORDS.index(_ROWS[verdict].word) for verdict in Verdict)  # tables of millions of rows ask for it


def verdicts_that_are(share: Share, *, separate: bool = False) -> tuple[Verdict, ...]:
    return tuple(row.verdict for row in VERDICTS if row.share_of(separate) is share)


_FOR = verdicts_that_are(Share.FOR)
_AGAINST = {separate: verdicts_that_are(Share.AGAINST, separate=separate) for separate in (False, True)}


@dataclass(frozen=True, init=False)
class Counts:
    """Faces by verdict: `counts[verdict]`. Counts add, rates are computed from counts.

    `separate` says that verdicts which may be set apart are in no rate; what is added to such counts is counted so too.
    """

    numbers: tuple[int, ...]  # by the verdicts' numbers
    separate: bool = field(compare=False)

    def __init__(self, *numbers: int, separate: bool = False) -> None:
        """`numbers` are in the order of the verdicts' own numbers; those left out are 0."""
        object.__setattr__(self, "numbers", (*numbers, *(0,) * (len(Verdict) - len(numbers))))
        object.__setattr__(self, "separate", separate)

    @classmethod
    def of(cls, by_verdict: Iterable[tuple[Verdict, int]], *, separate: bool = False) -> Counts:
        """From pairs in any order, each verdict at most once."""
        found = dict(by_verdict)
        return cls(*(found.get(verdict, 0) for verdict in Verdict), separate=separate)

    @classmethod
    def shown(cls, numbers: Iterable[int], *, separate: bool = False) -> Counts:
        """From numbers in the order of VERDICTS, as tables have them."""
        given = tuple(numbers)
        if len(given) != len(VERDICTS):
            raise ValueError(f"{len(given)} numbers for {len(VERDICTS)} verdicts")
        return cls(*(given[at] for at in _SHOWN_AT), separate=separate)

    def counted(self, *, separate: bool) -> Counts:
        """The same numbers, counted in that way."""
        return Counts(*self.numbers, separate=separate)

    def __getitem__(self, verdict: Verdict) -> int:
        return self.numbers[verdict]

    def __add__(self, other: Counts) -> Counts:
        added = (a + b for a, b in zip(self.numbers, other.numbers, strict=True))
        return Counts(*added, separate=self.separate or other.separate)

    @property
    def in_order(self) -> tuple[int, ...]:
        """In the order of VERDICTS."""
        return tuple(self.numbers[row.verdict] for row in VERDICTS)

    @property
    def by_word(self) -> dict[str, int]:
        """In the order of VERDICTS."""
        return dict(zip(WORDS, self.in_order, strict=True))

    @property
    def in_words(self) -> str:
        said = ((self[row.verdict], row) for row in VERDICTS)
        return ", ".join(f"{number:,} {row.word}" for number, row in said if number or row.said_when_none)

    @property
    def faces(self) -> int:
        return sum(self.numbers)

    @property
    def masked(self) -> int:
        return self[Verdict.MASKED]

    @property
    def unmasked(self) -> int:
        return self[Verdict.UNMASKED]

    @property
    def unknown(self) -> int:
        return self[Verdict.UNKNOWN]

    @property
    def incorrect(self) -> int:
        return self[Verdict.INCORRECT]

    @property
    def supporting(self) -> int:
        """Those that count for the compliance."""
        return sum(self[verdict] for verdict in _FOR)

    @property
    def against(self) -> int:
        """Those that count against the compliance: the unmasked, with all that are not set apart from them."""
        return sum(self[verdict] for verdict in _AGAINST[self.separate])

    @property
    def judged(self) -> int:
        return self.supporting + self.against

    @property
    def compliance(self) -> float | None:
        """The share of those for it among the judged; None where none was judged."""
        return self.supporting / self.judged if self.judged else None
