"""A table held as arrays of one length, of which rows are kept, added and looked at all at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self  # in typing from Python 3.11 on


@dataclass
class Rows:
    """Every field is an array whose first axis is the row."""

    def __len__(self) -> int:
        return len(next(iter(vars(self).values())))

    def keep(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> None:
        for name, column in list(vars(self).items()):
            setattr(self, name, column[rows])

    def add(self, more: Self) -> None:
        if len(more):
            for name, column in list(vars(self).items()):
                setattr(self, name, np.concatenate([column, getattr(more, name)]))
