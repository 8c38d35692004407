"""The seam itself: what is to be compiled, and the arrays in, arrays out that every runtime makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from crowdmask.errors import WeightsError
from crowdmask.nets.facts import Facts
from crowdmask.nets.weights import Manifest

Item = TypeVar("Item")
Done = TypeVar("Done")

Answers = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Wanted:
    """A network of a weights manifest, and how it is to run; `precision` is float32, bfloat16 or int8."""

    manifest: Manifest
    name: str
    task: str  # of nets/registry.py
    precision: str
    threads: int
    device: str = "auto"
    batch: int = 0  # crops in every pass; 0 where pictures come one by one


class Network(Protocol):
    """A compiled network. Several threads may ask it at once; each pass runs on one thread.

    An answer depends on the pictures and on the shape of the pass, never on the number of threads, nor on what was
    asked before.
    """

    @property
    def facts(self) -> Facts: ...
    def __call__(self, pictures: NDArray[np.uint8]) -> Answers:
        """The graph's outputs by name for BGR pictures (n, h, w, 3), which are the caller's again at once."""
        ...

    def rest(self) -> None:
        """Give back the memory that only passes need, for as long as none comes; the next one takes it anew."""
        ...


def finite(values: NDArray[np.float32], origin: str) -> NDArray[np.float32]:
    """The values themselves; WeightsError where some are none, which sound weights never give."""
    if not np.isfinite(values).all():
        raise WeightsError(f"{origin}: its weights give no numbers (NaN or infinite): fetch them or train them anew")
    return values


def at_once(work: Callable[[Item], Done], items: Sequence[Item], workers: int) -> list[Done]:
    """What `work` makes of each item, in their order, on as many threads."""
    if workers == 1 or len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(workers, len(items)), "network") as pool:
        return list(pool.map(work, items))
