"""`--runtime` and `--precision` from the command line: one line where they cannot be had, and no TensorFlow beside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from crowdmask.cli.analyze import quiet_networks
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
