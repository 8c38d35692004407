"""Time stamps are left alone where they go forward, and repaired sensibly where they do not."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdmask.media.clock import StreamClock

MS = Fraction(1, 1000)


def ticks(stamps: list[int | None], start: int = 0) -> list[int]:
    clock = StreamClock(start, MS, Fraction(25))  # a frame is 40 ticks
    return [clock.ticks(stamp) for stamp in stamps]


@pytest.mark.parametrize(
    ("stamps", "wanted"),
    [
        ([], []),
        ([0, 40, 80], [0, 40, 80]),
        ([0, 40, 41, 1000, 1040], [0, 40, 41, 1000, 1040]),  # variable rate is nothing to repair
        ([0, 40, None, 120], [0, 40, 80, 120]),
        ([None, None, None], [0, 40, 80]),
        ([0, 0, 0, 0], [0, 40, 80, 120]),
        ([0, 40, 30, 80, 120], [0, 40, 41, 80, 120]),  # one wrong stamp costs none of those after it
        ([0, 40, 80, None, 110, 160], [0, 40, 80, 120, 121, 160]),
        ([5000, 5040, 0, 40, 80], [5000, 5040, 5080, 5120, 5160]),  # a clock that began anew
        ([0, 40, 7_200_000, 7_200_040], [0, 40, 7_200_000, 7_200_040]),
        ([5000, 5040, 0, 40, 3000, 0, 40], [5000, 5040, 5080, 5120, 8080, 8120, 8160]),
    ],
)
def test_ticks(stamps: list[int | None], wanted: list[int]) -> None:
    assert ticks(stamps) == wanted


def test_times_count_from_the_start() -> None:
    assert ticks([126_000, 126_040], start=126_000) == [0, 40]


def test_repairs_are_counted_and_seconds_exact() -> None:
    clock = StreamClock(0, Fraction(1, 90_000), Fraction(30_000, 1001))
    assert [clock.ticks(s) for s in (0, 3003, None, 9009)] == [0, 3003, 6006, 9009]
    assert clock.repaired == 1
    assert clock.seconds(9009) == 9009 / 90_000


@given(st.lists(st.none() | st.integers(-10_000, 10_000), max_size=30))
def test_time_only_goes_forward(stamps: list[int | None]) -> None:
    times = ticks(stamps)
    assert all(a < b for a, b in pairwise(times))


@given(st.lists(st.integers(0, 10_000), unique=True, max_size=30))
def test_forward_stamps_are_untouched(stamps: list[int]) -> None:
    assert ticks(sorted(stamps)) == sorted(stamps)
