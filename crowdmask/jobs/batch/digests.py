"""By what two runs are known to be comparable: digests of all that decides their results, and of nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from crowdmask.errors import SettingsError
from crowdmask.jobs.batch.units import Plan
from crowdmask.results.detections import DETECTIONS
from crowdmask.results.frames_csv import FRAMES
from crowdmask.results.summary import WeightsUsed

# Raise it whenever the same settings give other results or other files than before: a run that an earlier program
# began is then analysed anew as a whole, so that no table holds the numbers of two programs.
RESULTS_REVISION = 2


def with_digests(plan: Plan, weights: Sequence[WeightsUsed], zone: str) -> Plan:
    """The plan with its digests: runs that agree in them give the same results, wherever their files lie."""
    output = {name: value for name, value in content_of(plan.output).items() if name != "overwrite"}
    decides = {
        "revision": RESULTS_REVISION,
        "columns": [list(FRAMES.names), list(DETECTIONS.names)],
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


def content_of(settings: Any) -> dict[str, Any]:
    """The values of a settings object; in place of a file's name a hash of what is in it.

    A folder's name is left out: the only folder named is that of the weights, whose hashes are told beside.
    """
    found = {}
    for field in dataclasses.fields(settings):
        kind, value = field.metadata.get("path"), getattr(settings, field.name)
        if kind == "file" and value is not None:
            found[field.name] = _file_digest(Path(value))
        elif kind != "dir":
            found[field.name] = value
    return found


def _file_digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}): check the path") from error


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]
