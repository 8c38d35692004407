"""YuNet, a detector of 76 thousand parameters (libfacedetection), run by OpenVINO and read like our RetinaFace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.detector import RetinaFaceDetector
from crowdmask.engine.runtimes.choosing import OPENVINO, TENSORFLOW, choose
from crowdmask.engine.runtimes.network import Answers
from crowdmask.errors import SettingsError, WeightsError
from crowdmask.geometry import FloatArray
from crowdmask.nets.anchors import AnchorGrid
from crowdmask.nets.facts import Facts
from crowdmask.nets.weights import verify
from crowdmask.settings import AnalysisSettings, RuntimeSettings

LEAST_SCORE = 1e-6


@dataclass(frozen=True)
class YunetCells(AnchorGrid):
    """One box a cell: its centre counts from the cell's corner, its size is a power of e, both in strides."""

    strides: tuple[int, ...] = (8, 16, 32)
    sizes: tuple[tuple[float, ...], ...] = ((8,), (16,), (32,))
    variances: tuple[float, float] = (1.0, 1.0)

    def boxes_cxcywh(self, size_wh: tuple[int, int]) -> FloatArray:
        return _cells(self, size_wh)


@lru_cache(maxsize=32)
def _cells(grid: YunetCells, size_wh: tuple[int, int]) -> FloatArray:
    levels = []
    for stride in grid.strides:
        columns, rows = (-(-side // stride) for side in size_wh)
        y, x = np.indices((rows, columns))
        side = np.full_like(x, stride)
        levels.append(np.stack([x * stride, y * stride, side, side], axis=-1).reshape(-1, 4))
    boxes = np.concatenate(levels).astype(np.float32)
    boxes.flags.writeable = False
    return boxes


def as_our_outputs(outputs: Answers) -> Answers:
    """Its twelve outputs as our graph's three; a score is the geometric mean of its two answers."""
    parts = {
        key: np.concatenate([outputs[f"{name}_{stride}"] for stride in (8, 16, 32)], axis=1)
        for key, name in (("cls", "cls"), ("obj", "obj"), ("box", "bbox"), ("landmarks", "kps"))
    }
    score = np.sqrt(parts["cls"][..., 0].clip(0, 1) * parts["obj"][..., 0].clip(0, 1))
    score = score.clip(LEAST_SCORE, 1 - LEAST_SCORE)
    face = np.log(score) - np.log1p(-score)
    return {"face": face.astype(np.float32), "box": parts["box"], "landmarks": parts["landmarks"]}


class YunetNetwork:
    """The ONNX file in OpenVINO, with the outputs of our own graph; one thread a pass, several passes at once."""

    facts = Facts(("box", "face", "landmarks"), anchors=YunetCells())

    def __init__(self, path: Path, threads: int, precision: str) -> None:
        import openvino as ov

        core = ov.Core()
        try:
            model = core.read_model(str(path))
        except RuntimeError as error:
            raise WeightsError(f"{path}: OpenVINO cannot read it ({error})") from error
        options: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads}
        options["INFERENCE_PRECISION_HINT"] = "bf16" if precision == "bfloat16" else "f32"
        self._compiled = core.compile_model(model, "CPU", options)

    def __call__(self, pictures: NDArray[np.uint8]) -> Answers:
        planes = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32)
        results = self._compiled.create_infer_request().infer({0: planes})
        return as_our_outputs({name: values for key, values in results.items() for name in key.get_names()})

    def rest(self) -> None:
        self._compiled.release_memory()


def load_yunet(settings: AnalysisSettings, runtime: RuntimeSettings) -> RetinaFaceDetector:
    if settings.runtime == TENSORFLOW:
        raise SettingsError("the detector yunet has no form for TensorFlow: choose --runtime auto or openvino")
    if settings.precision == "int8":
        raise SettingsError("the detector yunet has no int8 form: choose --precision auto or float32")
    precision = choose(replace(settings, runtime=OPENVINO), runtime).precision
    path = verify("yunet")
    network = YunetNetwork(path, runtime.cores, precision)
    return RetinaFaceDetector(network, YunetCells(), settings, workers=runtime.cores, origin=str(path))
