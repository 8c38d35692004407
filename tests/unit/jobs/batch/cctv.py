"""A small night of recordings, and a batch over it with fake networks."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.jobs.batch.inputs import Inputs
from crowdmask.jobs.batch.running import BatchOutcome, run_batch
from crowdmask.jobs.batch.units import Plan
from crowdmask.jobs.networks import Networks, Pair
from crowdmask.jobs.stopping import Stop
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings, BatchSettings, OutputSettings, RuntimeSettings, TimeAndPlaceSettings
from tests.factories import FakeClassifier, FakeDetector, make_image, read_index, write_clip

LONG_AGO = 1_700_000_000.0
PLACE = TimeAndPlaceSettings(timezone="Europe/Paris")


def still(path: Path, index: int, size_wh: tuple[int, int] = (96, 64)) -> Path:
    """Picture `index` of the factories, last written long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, make_image(index, size_wh))[1].tobytes())
    return aged(path, index)


def aged(path: Path, seconds: float = 0) -> Path:
    os.utime(path, (LONG_AGO + seconds, LONG_AGO + seconds))
    return path


def clip(path: Path, frames: int = 6) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return aged(Path(write_clip(path, frames=frames)))


def night(folder: Path, stills: int = 12, frames: int = 6) -> Path:
    """Stills of two sizes by two cameras, and a video of a third."""
    for n in range(stills):
        still(folder / f"cam{n % 2 + 1}" / f"{n}.png", n, (96, 64) if n % 3 else (64, 48))
    if frames:
        clip(folder / "cam10" / "v.mp4", frames)
    return folder


class Seeing(FakeDetector):
    """Notes the frames that it is shown, and asks for the stop at one of them."""

    def __init__(self, stop: Stop | None = None, at: int = -1) -> None:
        super().__init__()
        self.seen: list[int] = []
        self.stop, self.at = stop, at

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        for index in map(read_index, images):
            self.seen.append(index)
            if index == self.at and self.stop is not None:
                self.stop.ask()
        return super().detect(images)


def fakes(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    return Pair(FakeDetector(), FakeClassifier())


def batch(
    folder: Path | Sequence[str],
    run: Path,
    *,
    networks: Networks = fakes,
    window: int = 4,
    analysis: AnalysisSettings | None = None,
    place: TimeAndPlaceSettings = PLACE,
    detections: str | None = None,
    output: OutputSettings | None = None,
    stop: Stop | None = None,
    watch: Any = None,
    **settings: Any,
) -> BatchOutcome:
    inputs = Inputs.of([str(folder)] if isinstance(folder, Path) else folder)
    plan = Plan(run, Path(inputs.root), runtime=RuntimeSettings(window=window, threads=2), place=place)
    plan = replace(plan, analysis=replace(analysis or AnalysisSettings(), follow=False))
    plan = replace(plan, output=output or OutputSettings(), batch=BatchSettings(**{"keep_free": 0, **settings}))
    plan = replace(plan, detections=run / detections if detections else None)
    return run_batch(inputs, plan, networks=networks, stop=stop, watch=watch)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def sources(run: Path) -> list[str]:
    return list(dict.fromkeys(row["source"] for row in rows(run / "frames.csv")))


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
