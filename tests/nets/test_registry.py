"""The registry: every row leads to a graph and a builder, and names that lead nowhere are refused in one line."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from crowdmask.errors import SettingsError, WeightsError
from crowdmask.nets.anchors import AnchorGrid
from crowdmask.nets.registry import ARCHITECTURES, CLASSIFIER, DETECTOR, architecture
from crowdmask.nets.shipped import shipped
from crowdmask.nets.weights import Manifest


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_row_has_a_frozen_graph_that_survives_json(name: str) -> None:
    row = ARCHITECTURES[name]
    assert row.task in (CLASSIFIER, DETECTOR)
    graph = row.graph_type()()
    assert row.graph_from(json.loads(json.dumps(dataclasses.asdict(graph))), "a test") == graph
    assert hasattr(graph, "input_size" if row.task == CLASSIFIER else "anchors")
    with pytest.raises(dataclasses.FrozenInstanceError):
        graph.input_size = 1


def test_tables_become_the_dataclasses_that_fields_are() -> None:
    settings = {"width": 0.5, "anchors": {"strides": [8, 16, 32], "sizes": [[8], [16], [32]]}}
    graph = architecture("retinaface").graph_from(settings, "a test")
    assert graph.anchors == AnchorGrid(strides=(8, 16, 32), sizes=((8,), (16,), (32,)))


def test_what_belongs_to_no_graph_is_refused_with_its_origin() -> None:
    with pytest.raises(WeightsError, match=r"here\.json: describes no xception.*depth"):
        architecture("xception").graph_from({"depth": 3}, "here.json")
    with pytest.raises(SettingsError, match=r"choose one of .*xception"):
        architecture("alexnet")
    with pytest.raises(WeightsError, match=r"here\.json.*'alexnet'"):
        architecture("alexnet", "here.json")


def test_a_manifest_of_an_earlier_version_says_it_of_the_training(tmp_path: Path) -> None:
    raw = {
        "file": "a.npz",
        "size": 1,
        "sha256": "0" * 64,
        "source": "",
        "licence": "",
        "trained": {"network": "xception"},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"schema": 1, "networks": {"mine": raw}}))
    assert Manifest.load(tmp_path).entry("mine").architecture == "xception"


def test_a_network_for_another_task_is_refused() -> None:
    with pytest.raises(SettingsError, match="is a classifier"):
        shipped("xception", task=DETECTOR)


def test_names_cost_nothing() -> None:
    code = "import sys, crowdmask.nets.registry; print(sorted(set(sys.modules) & {'tensorflow', 'keras', 'cv2'}))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
