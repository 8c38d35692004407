"""OpenVINO's form of what ships: its numbers are those of the .npz, whatever the picture."""

from __future__ import annotations

import numpy as np
import pytest

from crowdmask.engine.runtimes.choosing import compiler
from crowdmask.engine.runtimes.network import Wanted
from crowdmask.nets.ir import FLOAT
from crowdmask.nets.registry import architecture
from crowdmask.nets.weights import Manifest

SHIPPED = [name for name, entry in Manifest.load().entries.items() if entry.architecture]


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_answers_the_same_in_both_forms(name: str) -> None:
    manifest = Manifest.load()
    entry = manifest.entry(name)
    assert entry.openvino[FLOAT]["of"] == entry.sha256, "run `crowdmask weights convert`"
    wanted = Wanted(manifest, name, architecture(entry.architecture).task, "float32", 1, "cpu")
    ours, theirs = (compiler(runtime)(wanted) for runtime in ("openvino", "tensorflow"))
    assert ours.facts == theirs.facts
    size = ours.facts.input_size
    rng = np.random.default_rng(1)
    shape = (4, size, size, 3) if size else (1, 128, 160, 3)
    for low, high in ((0, 256), (90, 130), (250, 256)):  # noise, fog, glare
        pictures = rng.integers(low, high, shape).astype(np.uint8)
        answers, expected = ours(pictures), theirs(pictures)
        for output, values in expected.items():
            np.testing.assert_allclose(answers[output], values, atol=1e-4, rtol=1e-4, err_msg=output)
