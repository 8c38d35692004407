"""`--runtime` and `--precision` from the command line: one line where they cannot be had, and no TensorFlow beside."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crowdmask.cli.analyze import quiet_networks
from crowdmask.errors import SettingsError
from crowdmask.jobs.networks import Pair
from crowdmask.nets.weights import shipped_folder, update_entry
from crowdmask.settings import AnalysisSettings, RuntimeSettings
from tests.cli.conftest import Crowdmask

SAMPLE = Path(__file__).parents[2] / "samples" / "small.png"
ANALYSE = """
import sys
from crowdmask.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as left:
    unwanted = {"tensorflow", "keras", "tf_keras", "jax", "torch", "openvino_telemetry"}
    heavy = unwanted & {name.partition(".")[0] for name in sys.modules}
    print(left.code, sorted(heavy), "openvino" in sys.modules)
"""


def test_an_analysis_with_openvino_imports_no_tensorflow_and_no_keras(here: Path) -> None:
    command = [sys.executable, "-c", ANALYSE, "analyze", SAMPLE, "--out-dir", here, "--quiet"]
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, timeout=300)
    assert (ran.stdout.strip(), ran.stderr) == ("0 [] True", "")
    summary = json.loads((here / "small.crowdmask.json").read_text())
    assert summary["counts"]["faces"] == 3
    assert [used["runtime"] for used in summary["weights"]] == ["openvino", "openvino"]
    assert {used["precision"] for used in summary["weights"]} <= {"float32", "bfloat16"}
    assert all(len(used["ran"]) == 64 and used["ran"] != used["sha256"] for used in summary["weights"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--runtime", "onnx"), "choose one of auto, openvino, tensorflow"),
        (("--runtime", "openvino", "--device", "gpu"), "choose tensorflow or auto"),
        (("--runtime", "tensorflow", "--precision", "int8"), "only the runtime openvino has"),
    ],
)
def test_what_cannot_be_had_is_one_line(crowdmask: Crowdmask, options: tuple[str, ...], words: str) -> None:
    ran = crowdmask("analyze", SAMPLE, "--out-dir", ".", *options, networks=quiet_networks)
    assert ran.code in (1, 2) and words in ran.err and len(ran.lines) == 1


@pytest.fixture
def weights(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped networks, as a folder of one's own; nothing may be fetched."""
    monkeypatch.setenv("CROWDMASK_OFFLINE", "1")
    monkeypatch.setenv("CROWDMASK_CACHE", str(here / "cache"))
    return Path(shutil.copytree(shipped_folder(), here / "own"))


def _other_weights(folder: Path) -> None:
    shutil.copy(folder / "retinaface-mobilenet.npz", folder / "xception.npz")
    update_entry("xception", folder / "xception.npz", folder=folder)


def _no_int8(folder: Path) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    del content["networks"]["xception"]["openvino"]["int8"]
    path.write_text(json.dumps(content))


def _cut(folder: Path) -> None:
    with (folder / "xception.xml").open("r+b") as file:
        file.truncate(1000)


def _one_bit(folder: Path) -> None:
    whole = bytearray((folder / "xception.bin").read_bytes())
    whole[5000] ^= 1
    (folder / "xception.bin").write_bytes(whole)


@pytest.mark.parametrize(
    ("harm", "precision", "words"),
    [
        (lambda folder: (folder / "xception.xml").unlink(), "auto", "own/xception.xml: the OpenVINO form is missing"),
        (_cut, "auto", "own/xception.xml: the OpenVINO form is damaged (it has 1000 bytes"),
        (_one_bit, "auto", "own/xception.bin: the OpenVINO form is damaged (its SHA-256 is another)"),
        (_other_weights, "auto", "own/xception.xml: was made of other weights than xception.npz"),
        (_no_int8, "int8", "there is no int8 form of xception in own"),
        (lambda folder: (folder / "xception-int8.bin").unlink(), "int8", "own/xception-int8.bin: the OpenVINO form is"),
    ],
)
def test_an_unusable_form_is_one_line_for_all_inputs_and_nothing_runs_in_its_place(
    crowdmask: Crowdmask, weights: Path, harm: Any, precision: str, words: str
) -> None:
    harm(weights)
    common = ("--weights", "own", "--precision", precision, "--out-dir", "out")
    ran = crowdmask("analyze", SAMPLE, SAMPLE.with_name("hall.jpg"), *common, networks=quiet_networks)
    assert ran.code == 1 and len(ran.lines) == 1
    assert words in ran.err and "`crowdmask weights convert xception --folder own" in ran.err
    assert ("--int8 --calibrate-on" in ran.err) == (precision == "int8")
    assert not [path for path in weights.with_name("out").rglob("*") if path.is_file()]
    assert not weights.with_name("cache").exists()


def test_a_device_that_is_not_there_is_one_line_for_all_inputs(crowdmask: Crowdmask) -> None:
    def none(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
        raise SettingsError("device is 'gpu', but TensorFlow finds none: choose cpu or auto")

    ran = crowdmask("analyze", SAMPLE, SAMPLE.with_name("hall.jpg"), "--out-dir", ".", networks=none)
    assert ran.code == 2 and ran.lines == ["crowdmask: device is 'gpu', but TensorFlow finds none: choose cpu or auto"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("analyze", SAMPLE, "--out-dir", ".", "--runtime", "tensorflow"), "choose --runtime openvino"),
        (("analyze", SAMPLE, "--out-dir", ".", "--device", "gpu"), "choose --runtime openvino"),
        (("weights", "convert", "--folder", "own"), "do this on another machine"),
    ],
)
def test_without_avx2_tensorflow_is_refused_before_it_ends_the_process(
    crowdmask: Crowdmask, weights: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[Any, ...], words: str
) -> None:
    monkeypatch.setattr("crowdmask.nets.cpu.lacks_avx2", lambda: True)
    ran = crowdmask(*arguments, networks=quiet_networks)
    assert ran.code == 2 and len(ran.lines) == 1
    assert "TensorFlow needs a CPU with AVX2" in ran.err and words in ran.err


def test_nothing_is_fetched_offline(crowdmask: Crowdmask, weights: Path) -> None:
    ran = crowdmask("weights", "fetch", "retinaface-resnet50")
    assert ran.code == 1 and len(ran.lines) == 1
    assert "CROWDMASK_OFFLINE is set, so retinaface-resnet50 is not fetched: unset it, or download" in ran.err
