"""Leaves an evaluation as a run that can be found again: what was judged, with which settings, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crowdmask.evaluation.harness import SetResult
from crowdmask.runs.fingerprint import fingerprint
from crowdmask.runs.record import SETTINGS, RunRecord, write_json


def record_evaluation(out: Path, results: Sequence[SetResult], about: Mapping[str, Any]) -> None:
    """`about` is what stands in evaluation.json too: versions, settings, weights."""
    run = RunRecord(out)
    networks = ", ".join(str(weights["name"]) for weights in about["weights"])
    data = fingerprint({result.name: [truth.path for truth in result.truths] for result in results})
    write_json(run.data, data)
    write_json(out / SETTINGS, about["settings"])
    run.metrics.unlink(missing_ok=True)  # an evaluation that takes the place of another one has its own figures alone
    run.begin("evaluation", {"network": networks, "data": data["digest"]})
    told = {name: value for result in results for name, value in _figures(result).items()}
    run.note(0, {name: value for name, value in told.items() if value is not None})
    run.end(told)


def _figures(result: SetResult) -> dict[str, float | None]:
    found = result.evaluation
    named = {
        "face_ap": found.ap.faces,
        "mean_ap": found.ap.mean,
        "unmasked_f1": found.unmasked.f1,
        "verdict_accuracy": found.confusion.accuracy,
        "calibration_error": found.calibration.expected_error,
    }
    return {f"{result.name}/{name}": value for name, value in named.items()}
