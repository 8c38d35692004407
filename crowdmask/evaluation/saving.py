"""An evaluation as plain values: written as JSON, read back to be compared, and what tables and plots are made from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.errors import DatasetError
from crowdmask.evaluation.harness import SetResult
from crowdmask.evaluation.metrics import OF_TABLE, Calibration, CountError, Hits, PrecisionRecall, Roc
from crowdmask.evaluation.records import AveragePrecisions, Evaluation, SizeBand, VideoRates
from crowdmask.media.parts import write_whole
from crowdmask.records import Verdict

KIND, FORM = "crowdmask evaluation", 1
MOST_POINTS = 500  # of a curve that are saved

Values = dict[str, Any]


def as_values(evaluation: Evaluation) -> Values:
    """Every measure by name, fit for JSON: what cannot be given is None."""
    confusion = evaluation.confusion
    return {
        "pictures": evaluation.pictures,
        "confidence": evaluation.confidence,
        "match_iou": evaluation.match_iou,
        "labelled": evaluation.labelled,
        "ap": _averages(evaluation.ap),
        "ap_at_cut": _averages(evaluation.ap_at_cut),
        "faces": _hits(evaluation.faces),
        "unmasked": _hits(evaluation.unmasked),
        "incorrect": _hits(evaluation.incorrect),
        "judged_false_finds": evaluation.judged_false_finds,
        "three_class": evaluation.three_class,
        "recall_by_size": [_band(band) for band in evaluation.sizes],
        "verdicts": {
            "confusion": {
                row.word: {column.word: int(confusion.table[row, column]) for column in OF_TABLE}
                for row in (Verdict.MASKED, Verdict.UNMASKED)
            },
            "accuracy": confusion.accuracy,
            "accuracy_unknown_wrong": confusion.accuracy_of_all,
            "unknown_share": confusion.unknown_share,
            "report": {
                v.word: {**_hits(confusion.hits(v)), "support": int(confusion.table[v].sum())}
                for v in (Verdict.MASKED, Verdict.UNMASKED)
            },
        },
        "class_names": [
            {**{k: v for k, v in vars(row).items() if k != "label"}, "label": row.label.word}
            for row in evaluation.class_names
        ],
        "counts": {"faces": _counts(evaluation.face_counts), "unmasked": _counts(evaluation.unmasked_counts)},
        "calibration": _calibration(evaluation.calibration),
        "roc": _roc(evaluation.roc),
        "curves": {name: _curve(curve) for name, curve in evaluation.curves.items()},
        "cuts": [
            {"confidence": cut.confidence, "faces": _hits(cut.faces), "unmasked": _hits(cut.unmasked)}
            for cut in evaluation.cuts
        ],
    }


def set_values(result: SetResult) -> Values:
    """A judged folder: its measures, the time it took, the errors of each picture, and what was left out and why."""
    seconds = result.timings.inference_s
    pictures = zip(result.truths, result.evaluation.errors, strict=True)
    return {
        "name": result.name,
        "folder": str(result.root),
        "evaluation": as_values(result.evaluation),
        "timings": {
            **{part: round(value, 3) for part, value in vars(result.timings).items()},
            "pictures_per_s": round(len(result.truths) / seconds, 3) if seconds else None,
        },
        "pictures": [{"name": truth.name, **vars(errors)} for truth, errors in pictures],
        **({} if result.rates is None else {"video": _rates(result.rates)}),
        "problems": [{"path": str(p.path), "reason": p.reason, "left_out": p.left_out.value} for p in result.problems],
    }


def write_evaluation(path: Path, sets: Sequence[Values], about: Values) -> None:
    """`about` is what the run was made with: settings, versions, weights."""
    content = {"kind": KIND, "format": FORM, **about, "sets": list(sets)}
    write_whole(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def read_evaluation(path: Path) -> Values:
    """What `write_evaluation` wrote."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: the evaluation cannot be read: {error}") from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise DatasetError(f"{path}: this is no evaluation.json of `crowdmask evaluate`")
    if content.get("format") != FORM:
        raise DatasetError(f"{path}: its format is {content.get('format')}, not {FORM}: evaluate again to compare")
    return content


def _rates(rates: VideoRates) -> Values:
    return {
        **vars(rates),
        "verdicts_per_minute": rates.per_minute(rates.verdicts),
        "changes_per_minute": rates.per_minute(rates.changes),
        "false_finds_per_minute": rates.false_per_minute(rates.false_finds),
        "false_verdicts_per_minute": rates.false_per_minute(rates.false_verdicts),
    }


def _averages(ap: AveragePrecisions) -> Values:
    return {"mean": ap.mean, **vars(ap)}


def _hits(hits: Hits) -> Values:
    return {**vars(hits), "precision": hits.precision, "recall": hits.recall, "f1": hits.f1}


def _counts(error: CountError) -> Values:
    return dict(vars(error))


def _band(band: SizeBand) -> Values:
    return {
        "size": band.name,
        "labelled": band.labelled,
        "found": band.found,
        "recall": band.recall,
        "recall_at_any_score": band.found_at_any_score / band.labelled if band.labelled else None,
        "verdict_accuracy": band.confusion.accuracy,
        "unknown_share": band.confusion.unknown_share,
    }


def _calibration(told: Calibration) -> Values:
    bins = zip(told.edges[:-1], told.edges[1:], told.faces, told.mean_prob, told.unmasked_share, strict=True)
    return {
        "expected_error": told.expected_error,
        "brier": told.brier,
        "bins": [
            {
                "from": round(float(low), 6),
                "to": round(float(high), 6),
                "faces": int(faces),
                "mean_prob": _number(prob),
                "unmasked_share": _number(share),
            }
            for low, high, faces, prob, share in bins
        ],
    }


def _roc(curve: Roc) -> Values:
    kept = _thinned(len(curve.thresholds))
    return {
        "area": curve.area,
        "false_positive_rate": _numbers(curve.false_positive_rate[kept]),
        "true_positive_rate": _numbers(curve.true_positive_rate[kept]),
        "thresholds": _numbers(curve.thresholds[kept]),
    }


def _curve(curve: PrecisionRecall) -> Values:
    kept = _thinned(len(curve.scores))
    return {
        "average_precision": curve.average,
        "scores": _numbers(curve.scores[kept]),
        "recall": _numbers(curve.recall[kept]),
        "precision": _numbers(curve.precision[kept]),
    }


def _thinned(points: int) -> NDArray[np.intp]:
    return np.unique(np.linspace(0, max(points - 1, 0), min(points, MOST_POINTS)).round().astype(np.intp))


def _numbers(values: NDArray[np.floating]) -> list[float | None]:
    return [_number(value) for value in values]


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
