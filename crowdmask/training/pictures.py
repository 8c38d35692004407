"""Keeps a training set's decoded pictures in memory, up to a limit, so that a crop costs no decoding."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.errors import DatasetError

Image = NDArray[np.uint8]


class PictureStore:
    """Decoded BGR pictures by path; what does not fit under `limit_bytes` is decoded anew each time."""

    def __init__(self, limit_bytes: int = 6 * 2**30) -> None:
        self._limit = limit_bytes
        self._held: dict[Path, NDArray[np.uint8]] = {}
        self._bytes = 0
        self._lock = Lock()

    def __getitem__(self, path: Path) -> NDArray[np.uint8]:
        image = self._held.get(path)
        if image is not None:
            return image
        decoded = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if decoded is None:
            raise DatasetError(f"{path}: the picture cannot be decoded: take it out of the set or replace it")
        image = np.asarray(decoded, np.uint8)
        with self._lock:
            if path not in self._held and self._bytes + image.nbytes <= self._limit:
                self._held[path] = image
                self._bytes += image.nbytes
        return image
