"""How a process that analyses keeps its memory small; what it asks of the C library and of the collector."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

LARGE = 1_000_000  # bytes: pictures from 1 megapixel on, and what the networks see of them
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # of mallopt, malloc.h
ARENAS = 2


def give_memory_back(*, collect: bool = True) -> None:
    """What building and compiling a graph took is free again, but glibc keeps it for itself unless it is asked.

    Where none of it was Python's there is nothing to `collect`, which takes a twentieth of a second.
    """
    if collect:
        gc.collect()
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def collect_what_is_new_only() -> None:
    """What is loaded by now stays until the end, and no collection needs to look at it again."""
    gc.collect()
    gc.freeze()


def keep_large_arrays_apart() -> None:
    """Large arrays go back to the system as soon as they are freed, for the whole process and from here on.

    glibc would raise its limit with the first picture that is freed, and keep the pictures of each thread in a heap of
    its own: measured on 1080p video, 140 MB of holes, against a fiftieth of the time for taking memory anew.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL("libc.so.6")
        library.mallopt(_MMAP_THRESHOLD, LARGE)
        library.mallopt(_ARENA_MAX, ARENAS)
