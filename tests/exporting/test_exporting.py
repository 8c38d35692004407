"""Exports of tiny networks: each says what its original says, and the examples read them with their sidecars alone."""

from __future__ import annotations

import importlib.util
import json
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import keras
import numpy as np
import pytest

from crowdmask.errors import DatasetError, OutputError, SettingsError, WeightsError
from crowdmask.exporting import exporting
from crowdmask.exporting.exporting import export
from crowdmask.exporting.formats import FORMATS, Format
from crowdmask.nets.checkpoint import arrays_of, save_weights
from crowdmask.nets.registry import architecture
from crowdmask.nets.weights import update_entry

EXAMPLES = Path(__file__).parents[2] / "examples"
GRAPHS: dict[str, tuple[str, dict[str, Any]]] = {
    "xception": ("xception", {"input_size": 32, "width": 0.1, "middle_blocks": 0}),
    "retinaface-mobilenet": ("retinaface", {"width": 0.25, "channels": 16}),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights with both networks, tiny and random, but for faces that the detector must see."""
    folder = tmp_path_factory.mktemp("weights")
    keras.utils.set_random_seed(3)
    for name, (kind, settings) in GRAPHS.items():
        row = architecture(kind)
        model = row.model(row.graph_type()(**settings))
        save_weights(folder / f"{name}.npz", arrays_of(model), half=False)
        graph = settings | ({"calibration": {"slope": 0.9, "offset": 0.1}} if name == "xception" else {})
        update_entry(name, folder / f"{name}.npz", folder=folder, architecture=kind, graph=graph)
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(3):
        small = rng.integers(0, 256, (9, 9, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), cv2.resize(small, (64, 64), interpolation=cv2.INTER_CUBIC))
    (folder / "junk.png").write_bytes(b"no picture")
    return folder


def needs(form: str) -> None:
    for package in {"onnx": ("tf2onnx", "onnxruntime"), "openvino": ("openvino",)}.get(form, ()):
        if find_spec(package) is None:
            pytest.skip(f"needs {package}: crowdmask[export]")


def test_the_examples_stay_short() -> None:
    for path in EXAMPLES.glob("export_*.py"):
        assert len(path.read_text().splitlines()) <= 60


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ours(weights: Path, crop: np.ndarray) -> float:
    from crowdmask.nets.shipped import shipped

    found = shipped("xception", weights)
    logit = float(np.asarray(found.model(crop[None, ..., ::-1].astype(np.float32)))[0])
    return float(1 / (1 + np.exp(-(0.9 * logit + 0.1))))


@pytest.mark.parametrize("form", FORMATS)
def test_a_classifier_says_the_same_and_its_example_reads_it(
    form: str, weights: Path, pictures: Path, tmp_path: Path
) -> None:
    needs(form)
    done = export("xception", form, tmp_path, pictures, folder=weights)
    assert done.worst < 0.01
    assert done.pictures == 3
    told = json.loads(done.sidecar.read_text())
    assert told["input"]["size_wh"] == [32, 32]
    assert told["labels"] == ["masked", "unmasked"]
    assert told["output"]["slope"] == 0.9
    left = {p.name for p in tmp_path.iterdir()}
    assert not any("part" in name for name in left)
    with pytest.raises(OutputError, match="--overwrite"):
        export("xception", form, tmp_path, pictures, folder=weights)
    crop = cv2.resize(cv2.imread(str(pictures / "1.png")), (32, 32), interpolation=cv2.INTER_AREA)
    found = example("export_classifier").probabilities(str(done.path), crop)
    assert list(found) == ["masked", "unmasked"]
    assert found["unmasked"] == pytest.approx(ours(weights, crop), abs=0.01)


def test_four_outcomes_keep_their_calibration(pictures: Path, tmp_path: Path) -> None:
    row, settings = architecture("xception"), {**GRAPHS["xception"][1], "outputs": 4}
    model = row.model(row.graph_type()(**settings))
    weights = tmp_path / "weights"
    weights.mkdir()
    save_weights(weights / "xception.npz", arrays_of(model), half=False)
    graph = {**settings, "calibration": {"slope": 0.9, "offsets": [0.1, -0.2, 0.3, 1.0]}}
    update_entry("xception", weights / "xception.npz", folder=weights, architecture="xception", graph=graph)
    done = export("xception", "savedmodel", tmp_path, pictures, folder=weights)
    assert json.loads(done.sidecar.read_text())["labels"] == ["masked", "unmasked", "incorrect", "no_face"]
    crop = cv2.resize(cv2.imread(str(pictures / "1.png")), (32, 32), interpolation=cv2.INTER_AREA)
    raised = np.exp(0.9 * np.asarray(model(crop[None, ..., ::-1].astype(np.float32)))[0] + [0.1, -0.2, 0.3, 1.0])
    found = example("export_classifier").probabilities(str(done.path), crop)
    assert list(found.values()) == pytest.approx((raised / raised.sum()).tolist(), abs=1e-4)


def test_a_detector_in_onnx_and_its_example_finds_what_ours_finds(
    weights: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("onnx")
    done = export("retinaface-mobilenet", "onnx", tmp_path, pictures, folder=weights)
    told = json.loads(done.sidecar.read_text())
    assert told["anchors"]["strides"] == [8, 16, 32]
    module = example("export_onnx_detector")
    monkeypatch.setattr(module, "LEAST_SCORE", 0.3)
    picture = cv2.imread(str(pictures / "0.png"))
    boxes, scores = module.faces(str(done.path), picture)

    from crowdmask.geometry import nms
    from crowdmask.nets.shipped import shipped

    found = shipped("retinaface-mobilenet", weights)
    outputs = {k: np.asarray(v)[0] for k, v in found.model(picture[None].astype(np.float32)).items()}
    anchors = found.graph.anchors.boxes_cxcywh((64, 64))
    prob = 1 / (1 + np.exp(-outputs["face"]))
    kept = prob >= 0.3
    wanted = found.graph.anchors.decode_boxes(outputs["box"][kept], anchors[kept])
    best = nms(wanted, prob[kept], 0.4)
    assert len(scores) == len(best) > 0
    assert sorted(scores) == pytest.approx(sorted(prob[kept][best]), abs=1e-3)
    assert np.allclose(sorted(boxes[:, 0]), sorted(wanted[best][:, 0]), atol=0.1)


@pytest.mark.parametrize("form", ["openvino", "tflite"])
def test_int8(form: str, weights: Path, pictures: Path, tmp_path: Path) -> None:
    needs(form)
    if form == "openvino" and find_spec("nncf") is None:
        pytest.skip("needs nncf: crowdmask[export]")
    done = export("xception", form, tmp_path, pictures, folder=weights, calibrate_on=pictures)
    assert done.path.name == f"xception-int8{FORMATS[form].suffix}"
    assert json.loads(done.sidecar.read_text())["precision"] == "int8"
    assert 0 < done.mean < 0.05


def test_an_export_that_says_something_else_gets_no_name(
    weights: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = FORMATS["savedmodel"]

    def wrong(path: Path, network: Any) -> Any:
        run = honest.read(path, network)
        return lambda crops: {name: value + 1.0 for name, value in run(crops).items()}

    lying = Format("savedmodel", "", honest.write, wrong, "tensorflow")
    monkeypatch.setattr(exporting, "format_of", lambda name, int8: lying)
    with pytest.raises(WeightsError, match="does not say what the network says"):
        export("xception", "savedmodel", tmp_path, pictures, folder=weights)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_one_line(weights: Path, pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="onnx is written in full precision only"):
        export("xception", "onnx", tmp_path, pictures, folder=weights, calibrate_on=pictures)
    with pytest.raises(DatasetError, match="holds no pictures"):
        export("xception", "savedmodel", tmp_path, tmp_path, folder=weights)
    with pytest.raises(WeightsError, match="no weights named 'alexnet'"):
        export("alexnet", "savedmodel", tmp_path, pictures, folder=weights)


def test_the_command(weights: Path, pictures: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from crowdmask.cli.export import FORMATS as OFFERED
    from crowdmask.cli.export import command

    assert set(OFFERED) == set(FORMATS)
    common = ["xception", "--out", str(tmp_path), "--pictures", str(pictures), "--weights", str(weights)]
    result = CliRunner().invoke(command, [*common, "--format", "savedmodel"], catch_exceptions=False)
    assert "differ from the original's" in result.output
    assert (tmp_path / "xception" / "saved_model.pb").exists()
    with pytest.raises(SettingsError, match="go together"):
        CliRunner().invoke(command, [*common, "--format", "openvino", "--int8"], catch_exceptions=False)
