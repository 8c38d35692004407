"""Puts the run that is in a run folder aside, whole, when the user asks to start over; nothing of it is deleted."""

from __future__ import annotations

import os
from pathlib import Path

from crowdmask.media.parts import part_of, writing
from crowdmask.results.run_folder import RunFolder


def put_aside(run: RunFolder) -> Path | None:
    """Move all that belongs to the run into RUN/before-<n>, a run folder itself; None where there is none."""
    if not run.is_one:
        return None
    number = 1
    while (aside := run.path / f"before-{number}").exists():
        number += 1
    own = [run.frames, run.aggregate, run.summary, *run.detections, run.reports, run.purge_log]
    own += [part_of(path) for path in own]
    own += [run.annotated, run.videos, run.parts, run.thumbnails, run.log]
    manifests = sorted(run.path.glob(f"{run.manifest.stem}*{run.manifest.suffix}*"))
    with writing(aside):
        aside.mkdir()
        for path in (*own, *manifests):  # the manifest last: as long as it is there, the run is
            if path.exists():
                os.replace(path, aside / path.name)
    return aside
