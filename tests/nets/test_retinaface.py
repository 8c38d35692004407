"""The detector's graph: shapes, and every array of the public checkpoint's layout in its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crowdmask.errors import WeightsError
from crowdmask.nets.anchors import AnchorGrid
from crowdmask.nets.checkpoint import arrays_of, load_original_retinaface, variables_of
from crowdmask.nets.retinaface import MEAN_BGR, MeanOff, RetinaFaceGraph, build_retinaface, original_array_name

STAGE1 = [(8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1)]
STAGE2 = [(64, 128, 2), *[(128, 128, 1)] * 5]
STAGE3 = [(128, 256, 2), (256, 256, 1)]


def original_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the public checkpoint, written down from its description."""
    shapes: dict[str, tuple[int, ...]] = {}

    def conv_norm(name: str, kernel: tuple[int, ...], first: int = 0) -> None:
        shapes[f"{name}.{first}.weight"] = kernel
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{first + 1}.{part}"] = (kernel[0],)

    conv_norm("body.stage1.0", (8, 3, 3, 3))
    for stage, blocks, begin in ((1, STAGE1, 1), (2, STAGE2, 0), (3, STAGE3, 0)):
        for i, (wide_in, wide_out, _) in enumerate(blocks, start=begin):
            conv_norm(f"body.stage{stage}.{i}", (wide_in, 1, 3, 3))
            conv_norm(f"body.stage{stage}.{i}", (wide_out, wide_in, 1, 1), first=3)
    for i, channels in enumerate((64, 128, 256), start=1):
        conv_norm(f"fpn.output{i}", (64, channels, 1, 1))
    for i in (1, 2):
        conv_norm(f"fpn.merge{i}", (64, 64, 3, 3))
    for i in (1, 2, 3):
        for branch, wide_in, wide_out in (
            ("conv3X3", 64, 32),
            ("conv5X5_1", 64, 16),
            ("conv5X5_2", 16, 16),
            ("conv7X7_2", 16, 16),
            ("conv7x7_3", 16, 16),
        ):
            conv_norm(f"ssh{i}.{branch}", (wide_out, wide_in, 3, 3))
        for head, values in (("ClassHead", 4), ("BboxHead", 8), ("LandmarkHead", 20)):
            shapes[f"{head}.{i - 1}.conv1x1.weight"] = (values, 64, 1, 1)
            shapes[f"{head}.{i - 1}.conv1x1.bias"] = (values,)
    return shapes


def random_checkpoint(path: Path, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays = {k: rng.uniform(0.5, 1.5, v).astype(np.float32) for k, v in original_shapes().items()}
    np.savez(path, **arrays, **{"fpn.output1.1.num_batches_tracked": np.array(3)})  # type: ignore[arg-type]
    return arrays


def test_every_array_of_the_checkpoint_lands_in_its_place(tmp_path: Path) -> None:
    arrays = random_checkpoint(tmp_path / "original.npz")
    model = build_retinaface()
    load_original_retinaface(model, tmp_path / "original.npz")
    seen = set()
    for name, array in arrays_of(model).items():
        layer, _, variable = name.partition("/")
        original = original_array_name(layer, variable)
        seen.add(original)
        wanted = arrays[original]
        if wanted.ndim == 4 and wanted.shape[1] == 1 and layer.endswith("depth_conv"):
            wanted = np.moveaxis(wanted, (0, 1), (2, 3))
        elif wanted.ndim == 4:
            wanted = np.moveaxis(wanted, (0, 1), (3, 2))
        assert np.array_equal(array, wanted), name
    assert seen == set(arrays)


def test_a_checkpoint_of_another_graph_is_refused_by_name(tmp_path: Path) -> None:
    arrays = random_checkpoint(tmp_path / "original.npz")
    del arrays["ssh2.conv7X7_2.0.weight"]
    np.savez(tmp_path / "lacking.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match=r"lacking\.npz.*ssh2\.conv7X7_2\.0\.weight"):
        load_original_retinaface(build_retinaface(), tmp_path / "lacking.npz")
    random_checkpoint(tmp_path / "original.npz")
    with pytest.raises(WeightsError, match="shape"):
        load_original_retinaface(build_retinaface(RetinaFaceGraph(width=0.5)), tmp_path / "original.npz")


def test_a_convolution_counts_as_the_original_does() -> None:
    """The stem on a constant picture, by hand: padded by a pixel on every side, stride two, mean taken off."""
    model = build_retinaface()
    arrays = arrays_of(model)
    stem = model.get_layer("stage1_0_conv")
    picture = np.full((1, 32, 32, 3), 200, np.float32)
    import keras

    out = np.asarray(keras.Model(model.input, stem.output).predict_on_batch(picture))
    kernel = arrays["stage1_0_conv/kernel"]
    value = 200 - np.array(MEAN_BGR)
    assert out.shape == (1, 16, 16, 8)
    assert np.allclose(out[0, 5, 5], (kernel * value[:, None]).sum(axis=(0, 1, 2)), atol=1e-3)
    corner = (kernel[1:, 1:] * value[:, None]).sum(axis=(0, 1, 2))  # its first row and column see padding
    assert np.allclose(out[0, 0, 0], corner, atol=1e-3)


def test_outputs_follow_the_anchors() -> None:
    model = build_retinaface()
    out = model.predict_on_batch(np.zeros((2, 64, 96, 3), np.float32))
    anchors = len(RetinaFaceGraph().anchors.boxes_cxcywh((96, 64)))
    assert {k: v.shape for k, v in out.items()} == {
        "face": (2, anchors), "box": (2, anchors, 4), "landmarks": (2, anchors, 10),
    }  # fmt: skip


def test_a_finer_level_is_a_change_of_settings() -> None:
    grid = AnchorGrid(strides=(4, 8, 16, 32), sizes=((6,), (16,), (48,), (160,)))
    model = build_retinaface(RetinaFaceGraph(width=0.125, channels=16, anchors=grid))
    out = model.predict_on_batch(np.zeros((1, 32, 32, 3), np.float32))
    assert out["face"].shape == (1, 64 + 16 + 4 + 1)


def test_no_variable_shares_a_name() -> None:
    model = build_retinaface()
    assert len(variables_of(model)) == len(model.weights)


def test_the_mean_comes_off_every_pixel() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 3)).astype(np.float32)
    assert np.array_equal(np.asarray(MeanOff()(pictures)), pictures - np.array(MEAN_BGR, np.float32))
