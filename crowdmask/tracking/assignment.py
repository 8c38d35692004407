"""Pairs rows with columns at the least total cost, exactly; only pairs under the gate count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]


def assign(costs: NDArray[np.float64], gate: float) -> Pairs:
    """Rows and columns of the pairs that make sum(gate - cost) greatest, by row; a pair at or over the gate is none.

    Faces are mostly far apart, so most rows have one column to choose from, and each group of rows that compete is
    small: solved group by group this takes a third of what importing and calling SciPy's solver takes, whose 100 MB
    nobody else here needs (measured in benchmarks/tracking.py).
    """
    allowed = costs < gate
    rows = allowed.any(axis=1).nonzero()[0]
    if not len(rows):
        return rows, rows
    best = np.where(allowed[rows], costs[rows], np.inf).argmin(axis=1)
    if len(set(best.tolist())) == len(best):  # each has its own cheapest: nothing can be better
        return rows, best.astype(np.intp)
    chosen: list[tuple[int, int]] = []
    for some_rows, some_columns in _groups(allowed, rows):
        part = np.minimum(costs[np.ix_(some_rows, some_columns)], gate).tolist()
        for i, j in _least(part):
            if part[i][j] < gate:
                chosen.append((some_rows[i], some_columns[j]))
    chosen.sort()
    pairs = np.array(chosen, np.intp).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _groups(allowed: NDArray[np.bool_], rows: NDArray[np.intp]) -> list[tuple[list[int], list[int]]]:
    """Rows and columns that hang together by allowed pairs."""
    columns_of = {row: allowed[row].nonzero()[0].tolist() for row in rows.tolist()}
    rows_of: dict[int, list[int]] = {}
    for row, columns in columns_of.items():
        for column in columns:
            rows_of.setdefault(column, []).append(row)
    groups = []
    seen: set[int] = set()
    for first in columns_of:
        if first in seen:
            continue
        seen.add(first)
        pending, mine, my_columns = [first], [], set[int]()
        while pending:
            row = pending.pop()
            mine.append(row)
            for column in columns_of[row]:
                if column not in my_columns:
                    my_columns.add(column)
                    new = [r for r in rows_of[column] if r not in seen]
                    seen.update(new)
                    pending += new
        groups.append((sorted(mine), sorted(my_columns)))
    return groups


def _least(costs: list[list[float]]) -> list[tuple[int, int]]:
    """The Hungarian method by shortest augmenting paths (Kuhn 1955; Jonker and Volgenant 1987), for small matrices."""
    if len(costs) > len(costs[0]):
        turned = [list(column) for column in zip(*costs, strict=True)]
        return [(i, j) for j, i in _least(turned)]
    height, width = len(costs), len(costs[0])
    row_price, column_price = [0.0] * (height + 1), [0.0] * (width + 1)
    row_of = [0] * (width + 1)  # 1-based; column 0 stands for the row that looks for a column
    for row in range(1, height + 1):
        row_of[0] = row
        came_from = _augment(costs, row_of, row_price, column_price)
        column = came_from.pop(-1)
        while column:
            row_of[column] = row_of[came_from[column]]
            column = came_from[column]
    return [(row_of[column] - 1, column - 1) for column in range(1, width + 1) if row_of[column]]


def _augment(
    costs: list[list[float]], row_of: list[int], row_price: list[float], column_price: list[float]
) -> dict[int, int]:
    """The cheapest way from the new row to a free column, as each column's predecessor; the free one is under -1."""
    width = len(row_of) - 1
    least = [float("inf")] * (width + 1)
    came_from: dict[int, int] = {}
    used = [False] * (width + 1)
    column = 0
    while True:
        used[column] = True
        row, step, following = row_of[column], float("inf"), 0
        for j in range(1, width + 1):
            if used[j]:
                continue
            reduced = costs[row - 1][j - 1] - row_price[row] - column_price[j]
            if reduced < least[j]:
                least[j], came_from[j] = reduced, column
            if least[j] < step:
                step, following = least[j], j
        for j in range(width + 1):
            if used[j]:
                row_price[row_of[j]] += step
                column_price[j] -= step
            else:
                least[j] -= step
        column = following
        if not row_of[column]:
            came_from[-1] = column
            return came_from
