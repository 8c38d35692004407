"""One export: written under another name, run on real pictures beside the original, and only then given its own."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.errors import DatasetError, OutputError, SettingsError, WeightsError
from crowdmask.exporting.formats import TFLITE_SIDE, Exportable, Format, format_of
from crowdmask.exporting.sidecar import sidecar
from crowdmask.labels.files import pictures_below
from crowdmask.media.parts import writing
from crowdmask.nets.registry import DETECTOR
from crowdmask.nets.shipped import Shipped, shipped
from crowdmask.nets.weights import Manifest, sha256
from crowdmask.runs.record import write_json

MOST_CALIBRATED, MOST_COMPARED = 300, 16
DETECTOR_SIDE = 320  # pictures are compared at this size, which every format takes but TFLite
# how far probabilities may differ: float16 weights move the third digit, int8 the second
NEAR = 0.02
MEAN_NEAR_INT8 = 0.05


@dataclass(frozen=True)
class Exported:
    path: Path
    sidecar: Path
    worst: float
    mean: float
    pictures: int


def export(
    name: str,
    form: str,
    out: Path,
    pictures: Path,
    *,
    folder: Path | None = None,
    calibrate_on: Path | None = None,
    overwrite: bool = False,
) -> Exported:
    """`pictures`: a folder to compare on; `calibrate_on`: a folder whose pictures set the ranges of int8."""
    wanted = format_of(form, int8=calibrate_on is not None)
    for package in (wanted.needs, *(("nncf",) if calibrate_on is not None and form == "openvino" else ())):
        if find_spec(package) is None:
            raise SettingsError(f"--format {form} needs {package}: pip install 'crowdmask[export]'")
    found = shipped(name, folder)
    network = _network(found)
    target = out / f"{name}{'-int8' if calibrate_on is not None else ''}{wanted.suffix}"
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already: give another folder, or --overwrite to replace it")
    samples = _samples(pictures, found, MOST_COMPARED, fixed=form == "tflite")
    ranges = None if calibrate_on is None else _samples(calibrate_on, found, MOST_CALIBRATED, fixed=form == "tflite")
    # OpenVINO knows its files by their suffix
    part = target.with_name(target.name + (".part.xml" if wanted.suffix == ".xml" else ".part"))
    with writing(target):
        out.mkdir(parents=True, exist_ok=True)
    try:
        with writing(target):
            wanted.write(network, part, ranges)
        worst, mean = _compared(wanted, part, network, samples)
        _refuse_far(name, form, worst, mean, int8=ranges is not None)
        entry = Manifest.load(folder).entry(name)
        about: dict[str, Any] = {
            "format": form,
            "file": target.name,
            "precision": "int8" if ranges is not None else "float32",
        }
        about["compared"] = {"pictures": len(samples), "worst": round(worst, 6), "mean": round(mean, 6)}
        with writing(target):
            _name(part, target)
    finally:
        _remove(part)
    if target.is_file():
        about["sha256"] = sha256(target)
    told = write_json(target.with_name(target.name + ".json"), sidecar(found, entry, about))
    return Exported(target, told, worst, mean, len(samples))


def _network(found: Shipped) -> Exportable:
    if found.architecture.task == DETECTOR:
        return Exportable(found.model, "bgr", (None, None, 3))
    size = found.graph.input_size
    return Exportable(found.model, "rgb", (size, size, 3))


def _samples(folder: Path, found: Shipped, most: int, *, fixed: bool) -> NDArray[np.float32]:
    """Pictures spread over all in the folder, as the network takes them."""
    paths = pictures_below(folder) if folder.is_dir() else []
    if not paths:
        raise DatasetError(f"{folder}: holds no pictures: give a folder with some, as the network will see them")
    detects = found.architecture.task == DETECTOR
    side = (TFLITE_SIDE if fixed else DETECTOR_SIDE) if detects else found.graph.input_size
    rows = [_sample(path, side, rgb=not detects) for path in paths[:: max(1, len(paths) // most)][:most]]
    good = [row for row in rows if row is not None]
    if not good:
        raise DatasetError(f"{folder}: none of its pictures can be decoded")
    return np.stack(good)


def _sample(path: Path, side: int, *, rgb: bool) -> NDArray[np.float32] | None:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        return None
    image = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image[..., ::-1] if rgb else image, np.float32)


def _compared(form: Format, path: Path, network: Exportable, samples: NDArray[np.float32]) -> tuple[float, float]:
    """The greatest and the mean difference of the probabilities, over all pictures."""
    run = form.read(path, network)
    gaps: list[NDArray[np.float32]] = []
    for picture in samples:
        theirs, ours = run(picture[None]), network.run(picture[None])
        key = "face" if "face" in ours else network.output_names[0]
        if theirs[key].shape != ours[key].shape:
            raise WeightsError(f"{path}: gives {theirs[key].shape} where the network gives {ours[key].shape}")
        gaps.append(np.abs(_probability(theirs[key]) - _probability(ours[key])).ravel())
    every = np.concatenate(gaps)
    return float(every.max()), float(every.mean())


def _probability(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))), np.float32)


def _refuse_far(name: str, form: str, worst: float, mean: float, *, int8: bool) -> None:
    good = mean <= MEAN_NEAR_INT8 and worst <= 1.0 if int8 else worst <= NEAR
    if not good:
        raise WeightsError(
            f"the export of {name} to {form} does not say what the network says: probabilities differ by up to "
            f"{worst:.3f}, {mean:.3f} on average: it was not kept"
        )


def _name(part: Path, target: Path) -> None:
    """Give the checked export its name; OpenVINO's second file goes with the first."""
    if target.is_dir():
        shutil.rmtree(target)
    os.replace(part, target)
    weights = part.with_suffix(".bin")
    if target.suffix == ".xml" and weights.exists():
        os.replace(weights, target.with_suffix(".bin"))


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    for path in (part, part.with_suffix(".bin")):
        if path.is_file():
            path.unlink()
