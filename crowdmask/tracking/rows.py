"""A table held as arrays of one length, of which rows are kept, added and looked at all at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self  # in typing from Python 3.11 on


@dataclass
class Rows:
    """Every field is an array whose first axis is the row."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def keep(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> None:
        for f in fields(self):
            setattr(self, f.name, getattr(self, f.name)[rows])

    def add(self, more: Self) -> None:
        if len(more):
            for f in fields(self):
                setattr(self, f.name, np.concatenate([getattr(self, f.name), getattr(more, f.name)]))
