"""By what two runs are known to be comparable: digests of all that decides their results, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from crowdmask.jobs.batch.units import Plan
from crowdmask.results.detections import DETECTIONS
from crowdmask.results.frames_csv import FRAMES
from crowdmask.results.persons import PERSONS
from crowdmask.results.summary import WeightsUsed
from crowdmask.settings import content_of

# Raise it whenever the same settings give other results or other files than before: a run that an earlier program
# began is then analysed anew as a whole, so that no table holds the numbers of two programs.
RESULTS_REVISION = 4


def with_digests(plan: Plan, weights: Sequence[WeightsUsed], zone: str) -> Plan:
    """The plan with its digests: runs that agree in them give the same results, wherever their files lie."""
    output = {name: value for name, value in content_of(plan.output).items() if name != "overwrite"}
    decides = {
        "revision": RESULTS_REVISION,
        "columns": [list(FRAMES.names), list(DETECTIONS.names), list(PERSONS.names)],
        "analysis": content_of(plan.analysis),
        "weights": [[used.ran or used.sha256, used.runtime, used.precision] for used in weights],
        "output": output,
        "annotate": plan.batch.annotate,
        "segment_s": plan.batch.segment_s,
        "detections": plan.detections is not None,
    }
    if plan.aggregate.aggregate is not None:
        decides["aggregate"] = content_of(plan.aggregate)
    place = {**content_of(plan.place), "timezone": zone, "root": plan.root.name}
    return replace(plan, settings_digest=_digest(decides), place_digest=_digest(place))


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]
