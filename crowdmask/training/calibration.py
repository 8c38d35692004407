"""Fits a trained classifier's calibration to the held-out faces, and measures what it is worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from crowdmask.nets.checkpoint import load_weights
from crowdmask.nets.facts import Calibration
from crowdmask.nets.registry import architecture
from crowdmask.settings import AnalysisSettings
from crowdmask.training.classifier import predict, to_rgb, wanted_of
from crowdmask.training.classifier_crops import ClassifierCrops
from crowdmask.training.loop import RunFolder
from crowdmask.training.pictures import PictureStore
from crowdmask.training.run import Data
from crowdmask.training.shipping import calibrate, calibrate_outcomes


def calibrate_run(run: Path, data: Data, settings: AnalysisSettings) -> tuple[Calibration, dict[str, Any]]:
    """The calibration of a run's best weights; with it, how often it is right on the same faces.

    Every folder weighs the same, however many faces it has.
    """
    files = RunFolder(run)
    told = json.loads(files.settings.read_text())
    kind = architecture(told["network"], str(files.settings))
    graph = kind.graph_from(told["graph"], str(files.settings))
    network = kind.model(graph)
    load_weights(network, files.best)
    store = PictureStore()
    logits, wanted, weights = [], [], []
    for held_out in data.validation:
        supply = ClassifierCrops([held_out], store, settings, graph.input_size, no_face=graph.outputs > 1)
        crops, labels, sizes = supply.clean()
        asked = (sizes == 0) | (sizes >= settings.smallest_face)
        rgb = to_rgb(crops[asked])
        # the runtime judges every crop as it is and mirrored
        both = predict(network, rgb) + predict(network, np.ascontiguousarray(rgb[:, :, ::-1]))
        logits.append((both / 2).astype(np.float32))
        wanted.append(wanted_of(labels[asked], graph.outputs))
        weights.append(np.full(int(asked.sum()), 1.0 / max(1, int(asked.sum())), np.float32))
    all_logits, all_wanted = np.concatenate(logits), np.concatenate(wanted)
    share = (np.concatenate(weights) * (len(all_logits) / len(weights))).astype(np.float32)
    if graph.outputs > 1:
        calibration = calibrate_outcomes(all_logits, all_wanted, share)
        right = (calibration.slope * all_logits + np.array(calibration.offsets)).argmax(axis=1) == all_wanted
    else:
        calibration = calibrate(all_logits, all_wanted == 1, share)
        right = (calibration.slope * all_logits + calibration.offset >= 0) == (all_wanted == 1)
    return calibration, {
        "held_out_faces": float(len(all_logits)),
        "held_out_accuracy": float(np.average(right, weights=share)),
    }
