"""Keeps what native libraries write about themselves off the user's stderr; set before any of them is imported."""

from __future__ import annotations

import logging
import os

QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # devices that are not there, oneDNN, AVX
    "OPENCV_LOG_LEVEL": "SILENT",  # its complaints about damaged pictures, which come back as our own errors
    "ABSL_MIN_LOG_LEVEL": "3",
}


def hush() -> None:
    """What the user has set for these variables stays."""
    for name, level in QUIET.items():
        os.environ.setdefault(name, level)
    for name in ("tensorflow", "absl", "h5py"):
        logging.getLogger(name).setLevel(logging.ERROR)
