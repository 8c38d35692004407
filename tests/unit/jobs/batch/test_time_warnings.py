"""Times that are not to be relied on are spoken of at the end, with numbers and examples."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from crowdmask.settings import TimeAndPlaceSettings
from tests.unit.jobs.batch.cctv import batch, still

NAMED = "cam1_2026-11-20_22-05-{:02d}.png"
OLD = "cam1_2019-01-01_12-00-{:02d}.png"


def warnings(run: Path) -> dict[str, tuple[int, int, list[str]]]:
    summary = json.loads((run / "summary.json").read_text())
    found = summary["times"]["warnings"]
    assert [one["text"] for one in found] == [note for note in summary["notes"] if " of " in note]
    return {one["kind"]: (one["inputs"], one["of"], one["examples"]) for one in found}


def test_good_times_are_not_spoken_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for n in range(3):
        still(tmp_path / "in" / NAMED.format(n), n)
    batch(tmp_path / "in", tmp_path / "run")
    assert warnings(tmp_path / "run") == {} and not caplog.records


def test_each_doubt_has_its_number_and_its_first_examples(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """20 by their names, 5 by the file's date of 2023, 2 in 2019, 1 whose date is in the far future."""
    for n in range(20):
        still(tmp_path / "in" / NAMED.format(n), n)
    for n in range(5):
        still(tmp_path / "in" / f"export-{n}.png", n)  # last written in November 2023
    for n in range(2):
        still(tmp_path / "in" / OLD.format(n), n)
    os.utime(still(tmp_path / "in" / "z.png", 1), (15_032_385_535, 15_032_385_535))  # the year 2446
    batch(tmp_path / "in", tmp_path / "run")
    found = warnings(tmp_path / "run")
    assert found.keys() == {"file", "none", "far_apart"}
    assert found["file"] == (5, 28, ["export-0.png", "export-1.png", "export-2.png"])
    assert found["none"] == (1, 28, ["z.png"])
    number, of, examples = found["far_apart"]
    assert (number, of) == (7, 28) and set(examples) == {OLD.format(0), OLD.format(1), "export-0.png"}
    assert "(times reach from Jan 2019 to Nov 2026): 7 of 28 inputs (cam1_2019" in caplog.text


def test_counts_by_period_are_warned_of_as_well(tmp_path: Path) -> None:
    from crowdmask.jobs.batch.inputs import Inputs
    from crowdmask.jobs.batch.running import run_batch
    from crowdmask.jobs.batch.units import Plan
    from crowdmask.settings import AggregateSettings, BatchSettings, OutputSettings
    from tests.unit.jobs.batch.cctv import fakes

    still(tmp_path / "in" / "export.png", 1)
    inputs = Inputs.of([str(tmp_path / "in")])
    plan = Plan(
        tmp_path / "run",
        Path(inputs.root),
        output=OutputSettings(video=False),
        place=TimeAndPlaceSettings(timezone="UTC"),
        batch=BatchSettings(keep_free=0),
        aggregate=AggregateSettings("20m", 1),
    )
    run_batch(inputs, plan, networks=fakes)
    assert warnings(tmp_path / "run") == {"file": (1, 1, ["export.png"])}
