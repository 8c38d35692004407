"""Which nodes int8 leaves alone, by hand; and a tiny network quantised and run, where NNCF is installed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from crowdmask.engine.runtimes.choosing import compiler
from crowdmask.engine.runtimes.network import Wanted
from crowdmask.labels.records import Label, LabelledPicture, LabelSet
from crowdmask.nets.checkpoint import arrays_of, save_weights
from crowdmask.nets.converting import convert_beside
from crowdmask.nets.openvino_library import openvino
from crowdmask.nets.weights import Manifest, update_entry
from crowdmask.nets.xception import XceptionGraph, build_xception
from crowdmask.training.int8 import _after_the_last_kernels, quantise_beside

ops = openvino().opset13


def test_what_comes_after_the_last_kernel_is_left_alone() -> None:
    taken = ops.parameter([1, 4], np.float32, name="in")
    before = ops.relu(taken, name="before")
    kernel = ops.matmul(before, np.ones((4, 2), np.float32), False, False, name="kernel")
    after = ops.relu(kernel, name="after")
    model = openvino().Model([after], [taken])
    assert _after_the_last_kernels(model) == ["after"]


def test_a_tiny_network_quantised_runs_and_answers_about_the_same(tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    graph = {"input_size": 32, "width": 0.1, "middle_blocks": 0}
    save_weights(tmp_path / "judge.npz", arrays_of(build_xception(XceptionGraph(**graph))), half=True)  # type: ignore[arg-type]
    update_entry("judge", tmp_path / "judge.npz", folder=tmp_path, architecture="xception", graph=graph)
    convert_beside(Manifest.load(tmp_path), "judge")
    rng, labelled = np.random.default_rng(0), []
    for i in range(4):
        cv2.imwrite(str(tmp_path / f"{i}.png"), rng.integers(0, 256, (80, 80, 3)).astype(np.uint8))
        boxes, labels = np.array([[10, 10, 60, 60]], np.float32), np.array([Label.MASKED], np.int8)
        labelled.append(LabelledPicture(tmp_path / f"{i}.png", None, boxes, labels, ("masked",)))
    quantise_beside(Manifest.load(tmp_path), "judge", [LabelSet(tmp_path, tuple(labelled), ())])
    assert set(Manifest.load(tmp_path).entry("judge").openvino) == {"float", "int8"}
    crops = rng.integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)
    answers = []
    for precision in ("float32", "int8"):
        wanted = Wanted(Manifest.load(tmp_path), "judge", "classifier", precision, 1, "cpu")
        answers.append(compiler("openvino")(wanted)(crops)["unmasked"])
    assert not np.array_equal(*answers)
    np.testing.assert_allclose(*answers, atol=0.1)
