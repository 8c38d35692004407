"""What is printed or written as JSON fits the schema published for it, and the schemas refuse what does not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from crowdmask.results.timeline.statistics_columns import STATISTICS
from crowdmask.runs.record import RunRecord
from tests.cli.conftest import Crowdmask
from tests.factories import make_image, write_clip
from tests.people import LENGTH, SCENE, picture
from tests.schemas import SCHEMAS, assert_fits


@pytest.fixture
def run(here: Path, monkeypatch: pytest.MonkeyPatch, crowdmask: Crowdmask) -> Path:
    monkeypatch.delenv("CROWDMASK_FOLLOW")
    Path("in/cam").mkdir(parents=True)
    write_clip("in/cam/20261120_200000.mp4", size_wh=(256, 160), frames=[picture(SCENE, i) for i in range(LENGTH)])
    cv2.imwrite("in/cam/20261120_210000.png", make_image(3, (256, 160)))
    Path("in/cam/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    ran = crowdmask("analyze", "in", "--out-dir", "run", "--detections", "faces.parquet", "--retries", 0)
    assert ran.code == 3
    return Path("run")


def refused(name: str, found: Any, change: Callable[[Any], None]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    other = copy.deepcopy(found)
    change(other)
    with pytest.raises(jsonschema.ValidationError):
        assert_fits(name, other)


def test_a_runs_summary_status_and_statistics_fit(run: Path, crowdmask: Crowdmask) -> None:
    summary = json.loads((run / "summary.json").read_text())
    assert_fits("run", summary)
    refused("run", summary, lambda found: found.pop("failures"))
    refused("run", summary, lambda found: found["counts"].update(faces=-1))
    status = json.loads(crowdmask("status", run, "--json").out)
    assert_fits("status", status)
    counts = status["counts"]
    assert counts["faces"] == sum(counts[word] for word in ("masked", "unmasked", "incorrect", "unknown"))
    refused("status", status, lambda found: found["inputs"].update(left="none"))
    counted = json.loads(crowdmask("stats", run, "--format", "json", "--total", "-q").out)
    assert any(row["people"] for row in counted["rows"])
    assert_fits("stats", counted)
    refused("stats", counted, lambda found: found["rows"][0].update(weighted_by="weight"))
    refused("stats", counted, lambda found: found["rows"][0].update(more=1))
    assert crowdmask("rejudge", run, "--mask-threshold", 0.6).code == 0
    assert_fits("run", json.loads(Path("run-rejudged/summary.json").read_text()))


def test_the_list_of_weights_fits(crowdmask: Crowdmask) -> None:
    listed = json.loads(crowdmask("weights", "list", "--json").out)
    assert_fits("weights", listed)
    refused("weights", listed, lambda found: found["weights"][0].update(sha256="x"))


def test_the_list_of_runs_fits(tmp_path: Path, crowdmask: Crowdmask) -> None:
    RunRecord(tmp_path / "going").begin("training", {"network": "xception"})
    ended = RunRecord(tmp_path / "ended")
    ended.begin("evaluation", {})
    ended.end({"accuracy": 0.5})
    listed = json.loads(crowdmask("runs", "list", tmp_path, "--json").out)
    assert {Path(run["folder"]).name: run["state"] for run in listed["runs"]} == {
        "going": "running",
        "ended": "finished",
    }
    assert_fits("runs", listed)
    refused("runs", listed, lambda found: found["runs"][0].update(what="nothing"))


def test_every_schema_is_of_one_object_with_a_version() -> None:
    """Programs read all of them alike: the field says what the rest means."""
    for path in SCHEMAS.glob("*.schema.json"):
        schema = json.loads(path.read_text())
        assert schema["type"] == "object" and "schema_version" in schema["required"], path.name


def test_the_schema_of_statistics_has_their_columns_with_what_they_mean() -> None:
    item = json.loads((SCHEMAS / "stats.schema.json").read_text())["properties"]["rows"]["items"]
    assert tuple(item["properties"]) == tuple(item["required"]) == STATISTICS.names
    assert {name: one["description"] for name, one in item["properties"].items()} == STATISTICS.meanings
