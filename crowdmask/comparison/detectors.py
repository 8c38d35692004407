"""Judges every detector on the same held-out photographs: what it finds, at which sizes, and how long a frame takes."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crowdmask.engine.load import entries_of, load_detector
from crowdmask.errors import CrowdmaskError
from crowdmask.evaluation.records import Judged
from crowdmask.evaluation.scoring import score
from crowdmask.labels.boxes import within
from crowdmask.labels.records import LabelledPicture, LabelSet
from crowdmask.media.pictures import read_picture
from crowdmask.nets.registry import DETECTOR
from crowdmask.runs.record import write_json
from crowdmask.settings import AnalysisSettings, RuntimeSettings

log = logging.getLogger(__name__)
FLOOR = 0.02  # least score that the curves need
Row = dict[str, Any]


@dataclass(frozen=True)
class DetectorBench:
    """The photographs, and the settings that all detectors run with."""

    pictures: tuple[LabelledPicture, ...]
    out: Path
    analysis: AnalysisSettings
    runtime: RuntimeSettings

    @classmethod
    def of(cls, sets: Sequence[LabelSet], most: int, out: Path, analysis: AnalysisSettings) -> DetectorBench:
        """At most so many photographs, spread over all of them."""
        all_of_them = [p for each in sets for p in each.pictures]
        kept = all_of_them[:: max(1, -(-len(all_of_them) // most))]
        return cls(tuple(kept), out, analysis, RuntimeSettings(threads=1))

    def compared(self, names: Sequence[str], report: Callable[[str, float], None]) -> list[Row]:
        rows = []
        for name in names:
            done = self.out / "detectors" / f"{name}.json"
            if done.exists():
                rows.append(json.loads(done.read_text(encoding="utf-8")))
            else:
                try:
                    row = self._one(name, report)
                except CrowdmaskError as error:
                    log.warning("%s: left out: %s", name, error)
                    row = {"name": name, "failed": " ".join(str(error).split())}
                else:
                    done.parent.mkdir(parents=True, exist_ok=True)
                    write_json(done, row)
                rows.append(row)
            report(name, 1.0)
        return rows

    def _one(self, name: str, report: Callable[[str, float], None]) -> Row:
        own = {**self.analysis.as_dict(), "detector": name}
        confidence = own.pop("confidence")
        settings = AnalysisSettings(confidence=FLOOR, **own)
        detector = load_detector(settings, self.runtime)
        truths, predictions, seconds = [], [], []
        for i, labelled in enumerate(self.pictures):
            image = read_picture(labelled.path)
            if i == 0:
                detector.detect([image])  # the first time prepares
            begun = time.process_time()
            (faces,) = detector.detect([image])
            seconds.append(time.process_time() - begun)
            truths.append(within(labelled, (image.shape[1], image.shape[0]))[0])
            predictions.append(Judged.unasked(faces))
            report(name, (i + 1) / len(self.pictures))
        told = score(predictions, truths, confidence=confidence)
        files = [entry for entry, task in entries_of(settings) if task == DETECTOR]
        return {
            "name": name,
            "pictures": len(truths),
            "ap": told.ap.faces,
            "confidence": confidence,
            "precision": told.faces.precision,
            "recall": told.faces.recall,
            "by_size": {
                band.name: {"faces": band.labelled, "recall": band.recall, "at_any_score": _share(band)}
                for band in told.sizes
            },
            "file_bytes": sum(entry.size for entry in files) or None,
            "ms_a_frame": 1000 * sorted(seconds)[len(seconds) // 2],
        }


def _share(band: Any) -> float | None:
    return band.found_at_any_score / band.labelled if band.labelled else None
