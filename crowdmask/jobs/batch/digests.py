"""By what two runs are told to be comparable: digests of all that decides their results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from crowdmask.jobs.batch.units import Plan
from crowdmask.results.summary import WeightsUsed


def with_digests(plan: Plan, weights: Sequence[WeightsUsed], zone: str) -> Plan:
    """The plan with its digests: runs that agree in them give the same results."""
    output = {name: value for name, value in plan.output.as_dict().items() if name != "overwrite"}
    decides = {
        "analysis": plan.analysis.as_dict(),
        "weights": [used.sha256 for used in weights],
        "output": output,
        "annotate": plan.batch.annotate,
        "detections": plan.detections is not None,
    }
    if plan.aggregate.aggregate is not None:
        decides["aggregate"] = plan.aggregate.as_dict()
    place = {**plan.place.as_dict(), "timezone": zone, "root": plan.root.name}
    return replace(plan, settings_digest=_digest(decides), place_digest=_digest(place))


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]
