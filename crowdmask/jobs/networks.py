"""Loads the two networks once for each process, at the first input that turns out to be readable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from crowdmask.engine.judging import Judge
from crowdmask.engine.protocols import FaceDetector, MaskClassifier, Rests
from crowdmask.results.summary import WeightsUsed
from crowdmask.settings import AnalysisSettings, RuntimeSettings


@dataclass(frozen=True)
class Pair:
    """A detector and a classifier that are ready to work, and the files that they come from."""

    detector: FaceDetector
    classifier: MaskClassifier
    weights: tuple[WeightsUsed, ...] = ()

    def judge(self, analysis: AnalysisSettings, runtime: RuntimeSettings) -> Judge:
        return Judge(self.detector, self.classifier, analysis, runtime)

    def rest(self) -> None:
        """Nothing is looked at for a while: what the networks compute in is free for others."""
        for network in (self.detector, self.classifier):
            if isinstance(network, Rests):
                network.rest()


Networks = Callable[[AnalysisSettings, RuntimeSettings], Pair]


def weights_used(analysis: AnalysisSettings, runtime: RuntimeSettings) -> tuple[WeightsUsed, ...]:
    """The networks' files under these settings, and what runs them; needs no network to be loaded."""
    from crowdmask.engine.load import chosen_for, entries_of, manifest_of
    from crowdmask.nets.ir import form_of, listed_sha256
    from crowdmask.nets.weights import shipped_folder

    used = []
    for entry, task in entries_of(analysis):
        chosen = chosen_for(task, analysis, runtime)
        listed = listed_sha256(entry, form_of(chosen.precision)) if chosen.runtime == "openvino" else None
        ran = listed or entry.sha256
        origin = "shipped" if manifest_of(entry.name, analysis).folder == shipped_folder() else "own"
        used.append(WeightsUsed(entry.name, entry.file, entry.sha256, chosen.runtime, chosen.precision, ran, origin))
    return tuple(used)


@lru_cache(maxsize=1)
def own_networks(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
    """The project's networks for these settings, kept for every further input of this process."""
    from crowdmask.engine.load import load_classifier, load_detector
    from crowdmask.engine.memory import collect_what_is_new_only, keep_large_arrays_apart

    keep_large_arrays_apart()
    detector, classifier = load_detector(analysis, runtime), load_classifier(analysis, runtime)
    collect_what_is_new_only()
    return Pair(detector, classifier, weights_used(analysis, runtime))
