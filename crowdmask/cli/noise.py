"""Keeps what native libraries write about themselves off the user's stderr; used before any of them is imported."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # devices that are not there, AVX
    "OPENCV_LOG_LEVEL": "SILENT",  # its complaints about damaged pictures, which come back as our own errors
}


def hush() -> None:
    """Asks the libraries for silence; what the user has set for these variables stays."""
    for name, level in QUIET.items():
        os.environ.setdefault(name, level)
    for name in ("tensorflow", "absl", "h5py"):
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def native_stderr_shut() -> Iterator[None]:
    """Drops what is written to the process's stderr meanwhile.

    TensorFlow 2.21 tells of oneDNN and CUDA while it is being loaded, before it looks at TF_CPP_MIN_LOG_LEVEL.
    """
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
