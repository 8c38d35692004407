from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crowdmask.tracking.assignment import assign

GATE = 1.0


def best_by_trying(costs: np.ndarray) -> float:
    """The greatest sum of gate - cost, by trying every pairing."""
    gain = np.maximum(GATE - costs, 0.0)
    if gain.shape[0] > gain.shape[1]:
        gain = gain.T
    return max(
        sum(gain[i, j] for i, j in enumerate(columns)) for columns in permutations(range(gain.shape[1]), len(gain))
    )


def test_the_cheapest_pair_is_given_up_where_the_sum_gains() -> None:
    costs = np.array([[0.1, 0.2], [0.2, 0.9]])  # 0.1 + 0.9 against 0.2 + 0.2
    rows, columns = assign(costs, GATE)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_a_pair_at_the_gate_is_none() -> None:
    rows, columns = assign(np.array([[1.0, np.inf]]), GATE)
    assert not len(rows) and not len(columns)


def test_a_row_stays_alone_rather_than_pay_more_than_the_gate() -> None:
    costs = np.array([[0.05, 0.9], [0.06, np.inf]])  # 0.9 + 0.06 gains 1.04, 0.05 alone gains 0.95
    rows, columns = assign(costs, GATE)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (1, 0)]
    costs = np.array([[0.05, 0.99], [0.5, np.inf]])  # 0.99 + 0.5 gains 0.51, 0.05 alone 0.95
    rows, columns = assign(costs, GATE)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0)]


def test_nothing_to_pair() -> None:
    for shape in ((0, 0), (0, 3), (3, 0)):
        rows, columns = assign(np.zeros(shape), GATE)
        assert not len(rows) and not len(columns)


@given(
    st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
        lambda shape: arrays(
            np.float64, shape, elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5, 0.75, 0.9, 1.0, 7.0])
        )
    )
)
def test_no_pairing_is_better(costs: np.ndarray) -> None:
    rows, columns = assign(costs, GATE)
    assert len(set(rows.tolist())) == len(rows) and len(set(columns.tolist())) == len(columns)
    assert (np.diff(rows) > 0).all()
    gain = GATE - costs[rows, columns]
    assert (gain > 0).all()
    assert np.isclose(gain.sum(), best_by_trying(costs))
