"""What a classifier is worth on crops that it never saw: the same numbers for every network."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.evaluation.metrics import Confusion, calibration, roc
from crowdmask.evaluation.scoring import SIZE_EDGES
from crowdmask.records import Verdict

THRESHOLD = 0.5


def measures(
    prob_unmasked: NDArray[np.floating], unmasked: NDArray[np.bool_], sizes: NDArray[np.floating]
) -> dict[str, Any]:
    """Accuracy, and precision, recall and F1 of unmasked, at one half; the area under ROC; the calibration error; the
    accuracy by face size, 0 being a crop whose face's size nobody knows."""
    truth = unmasked.astype(np.int8)
    said = (prob_unmasked >= THRESHOLD).astype(np.int8)
    table = Confusion.of(truth, said)
    hits = table.hits(Verdict.UNMASKED)
    told = calibration(prob_unmasked.astype(np.float64), unmasked)
    by_size = {}
    for name, inside in bands(sizes):
        if inside.any():
            by_size[name] = {"faces": int(inside.sum()), "accuracy": float((said == truth)[inside].mean())}
    return {
        "faces": len(truth),
        "accuracy": table.accuracy,
        "precision": hits.precision,
        "recall": hits.recall,
        "f1": hits.f1,
        "auc": roc(prob_unmasked.astype(np.float64), unmasked).area,
        "calibration_error": told.expected_error,
        "reliability": [
            {"faces": int(n), "probability": float(prob), "unmasked": float(share)}
            for n, prob, share in zip(told.faces, told.mean_prob, told.unmasked_share, strict=True)
            if n
        ],
        "confusion": [[int(n) for n in row[:2]] for row in table.table[:2]],
        "by_size": by_size,
    }


def bands(sizes: NDArray[np.floating]) -> list[tuple[str, NDArray[np.bool_]]]:
    """The ranges of face size with which faces are in each."""
    found = [("unknown", np.asarray(sizes == 0))]
    for low, high in itertools.pairwise(SIZE_EDGES):
        name = f">={low:g}" if np.isinf(high) else f"{low:g}-{high:g}"
        found.append((name, np.asarray((sizes > 0) & (sizes >= low) & (sizes < high))))
    return found
