"""What the Python API offers beside `Analyzer`: results as a table or drawn, and a folder analyzed as a batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.records import FrameResult
from crowdmask.settings import (
    AggregateSettings,
    AnalysisSettings,
    BatchSettings,
    OutputSettings,
    RuntimeSettings,
    TimeAndPlaceSettings,
)

if TYPE_CHECKING:
    from crowdmask.jobs.networks import Networks

Progress = Callable[[int, int, int], None]


def faces_frame(results: Iterable[FrameResult]) -> Any:
    """A row for every face: a pandas DataFrame where pandas is installed, else an Arrow table where pyarrow is."""
    rows = [row for result in results for row in _rows(result)]
    columns = {name: [row[name] for row in rows] for name in _ROW}
    try:
        import pandas
    except ImportError:
        pass
    else:
        return pandas.DataFrame(columns)
    try:
        import pyarrow
    except ImportError:
        raise ImportError(
            "faces_frame needs pandas or pyarrow: install one of them, as with pip install pandas"
        ) from None
    return pyarrow.table(columns)


_ROW = ("source", "frame", "time_s", "x1", "y1", "x2", "y2", "score", "unmasked_prob", "verdict")


def _rows(result: FrameResult) -> Iterable[dict[str, Any]]:
    found = result.to_dict()
    for face in found["faces"]:
        place = dict(zip(("x1", "y1", "x2", "y2"), face["box_xyxy"], strict=True))
        yield {"source": found["source"], "frame": found["frame"], "time_s": found["time_s"], **place, **face}


def draw(result: FrameResult, settings: OutputSettings | None = None) -> NDArray[np.uint8]:
    """The frame's picture (BGR) with boxes and labels as in the annotated copy; the result's own stays as it is."""
    from crowdmask.results.annotate import annotate

    return annotate(result, result.counts, settings or OutputSettings())


def analyze_folder(
    folder: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    settings: AnalysisSettings | None = None,
    *,
    runtime: RuntimeSettings | None = None,
    output: OutputSettings | None = None,
    batch: BatchSettings | None = None,
    callback: Progress | None = None,
    networks: Networks | None = None,
) -> dict[str, Any]:
    """Analyze all videos and pictures below a folder as `crowdmask analyze FOLDER` does; returns the run's summary.

    `callback(done, failed, found)` is called while it works. Calling it again goes on where an earlier call ended.
    """
    from crowdmask.jobs.batch.inputs import Inputs
    from crowdmask.jobs.batch.journal import BatchWatch
    from crowdmask.jobs.batch.running import run_batch
    from crowdmask.jobs.batch.units import Plan
    from crowdmask.jobs.forecast import Progress as HowFar
    from crowdmask.jobs.networks import own_networks, weights_used
    from crowdmask.jobs.stopping import Stop

    class Watch(BatchWatch):
        def moved(self, progress: HowFar) -> None:
            if callback is not None:
                callback(progress.done, progress.failed, progress.found)

    analysis = settings or AnalysisSettings()
    given = Inputs.of([os.fspath(folder)], None)
    plan = Plan(
        Path(os.path.abspath(out_dir)),
        Path(given.root),
        analysis,
        runtime or RuntimeSettings(),
        output or OutputSettings(),
        TimeAndPlaceSettings(),
        batch or BatchSettings(),
        None,
        AggregateSettings(),
    )
    weights = weights_used(plan.analysis, plan.runtime) if networks is None else ()
    outcome = run_batch(
        given, plan, networks=networks or own_networks, weights=weights, stop=Stop(lambda text: None), watch=Watch()
    )
    return dict(outcome.summary)
