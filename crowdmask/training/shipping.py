"""Turns a finished run into weights that the runtime loads: half precision, calibrated, entered in a manifest."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.errors import DatasetError
from crowdmask.nets.checkpoint import read_arrays, save_weights
from crowdmask.nets.converting import convert_beside
from crowdmask.nets.facts import Calibration
from crowdmask.nets.weights import Entry, Manifest, update_entry
from crowdmask.training.loop import RunFolder

Array = NDArray[np.float32]
OFFSET_PRIOR = 1e-3


def ship(run: Path, name: str, folder: Path, *, calibration: Calibration | None = None, **fields: Any) -> Entry:
    """Write `NAME.npz` and its form for OpenVINO into the weights folder, and their entry into the manifest there."""
    files = RunFolder(run)
    if not files.best.exists() or not files.settings.exists():
        raise DatasetError(f"{run}: holds no finished training run (best.npz and settings.json are expected)")
    settings = json.loads(files.settings.read_text())
    graph = settings.pop("graph")
    if calibration is not None:
        graph["calibration"] = asdict(calibration)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.npz"
    save_weights(path, read_arrays(files.best), half=True)
    trained = {**settings, **fields.pop("trained", {})}
    kind = settings["network"]
    update_entry(name, path, folder=folder, architecture=kind, graph=graph, trained=trained, openvino={}, **fields)
    return convert_beside(Manifest.load(folder), name)


def calibrate_outcomes(logits: Array, outcomes: NDArray[np.integer], weights: Array | None = None) -> Calibration:
    """Slope and an offset for each outcome that make softmax(slope x logits + offsets) honest (Newton's steps).

    The offset of an outcome that does not occur stays 0: nothing says how often it is right.
    """
    kinds = logits.shape[1]
    present = np.bincount(outcomes, minlength=kinds) > 0
    if np.count_nonzero(present) < 2:
        raise DatasetError("calibration needs faces of two outcomes at least")
    x, wanted = logits.astype(np.float64), np.eye(kinds)[outcomes]
    weight = np.ones(len(x)) if weights is None else weights.astype(np.float64)
    weight = weight / weight.sum()
    # what each parameter moves: the slope all logits, an offset its own
    moves = np.concatenate([x[:, :, None], np.broadcast_to(np.diag(present.astype(float)), (len(x), kinds, kinds))], 2)
    solution = np.array([1.0, *np.zeros(kinds)])
    prior = np.diag([1e-6, *np.full(kinds, OFFSET_PRIOR)])  # offsets may all shift alike: held near 0
    for _ in range(100):
        scores = moves @ solution
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        prob = powers / powers.sum(axis=1, keepdims=True)
        pull = prior @ (solution - np.array([1.0, *np.zeros(kinds)]))
        gradient = np.einsum("n,nk,nkp->p", weight, prob - wanted, moves) + pull
        mean = np.einsum("nk,nkp->np", prob, moves)
        spread = np.einsum("n,nk,nkp,nkq->pq", weight, prob, moves, moves)
        curvature = spread - np.einsum("n,np,nq->pq", weight, mean, mean) + prior
        step = np.linalg.solve(curvature + 1e-9 * np.eye(kinds + 1), gradient)
        solution -= np.clip(step, -0.5, 0.5)
        if np.abs(step).max() < 1e-8:
            break
    return Calibration(slope=round(float(solution[0]), 4), offsets=tuple(round(float(v), 4) for v in solution[1:]))


def calibrate(logits: Array, unmasked: NDArray[np.bool_], weights: Array | None = None) -> Calibration:
    """Slope and offset that make sigmoid(slope x logit + offset) an honest probability (Platt, Newton's steps)."""
    if len(set(unmasked.tolist())) < 2:
        raise DatasetError("calibration needs masked and unmasked faces")
    x = np.stack([logits.astype(np.float64), np.ones(len(logits))], axis=1)
    wanted = unmasked.astype(np.float64)
    # Platt's own guard against overconfidence: the targets are not quite 0 and 1
    positives, negatives = wanted.sum(), (1 - wanted).sum()
    target = np.where(unmasked, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    weight = np.ones(len(logits)) if weights is None else weights.astype(np.float64)
    solution = np.array([1.0, 0.0])
    for _ in range(50):
        probability = 1 / (1 + np.exp(-x @ solution))
        gradient = x.T @ (weight * (probability - target))
        curvature = weight * probability * (1 - probability)
        step = np.linalg.solve(x.T @ (x * curvature[:, None]) + 1e-6 * np.eye(2), gradient)
        solution -= np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-8:
            break
    return Calibration(slope=round(float(solution[0]), 4), offset=round(float(solution[1]), 4))
