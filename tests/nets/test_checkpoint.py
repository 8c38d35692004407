"""Weights files: half precision where nothing is lost, and another graph's file refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crowdmask.errors import WeightsError
from crowdmask.nets.checkpoint import arrays_of, load_weights, read_arrays, save_weights
from crowdmask.nets.xception import XceptionGraph, build_xception

TINY = XceptionGraph(input_size=32, width=0.1, middle_blocks=0)


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    model, other = build_xception(TINY), build_xception(TINY)
    save_weights(tmp_path / "w.npz", arrays_of(model), half=False)
    load_weights(other, tmp_path / "w.npz")
    for name, array in arrays_of(model).items():
        assert np.array_equal(array, arrays_of(other)[name])
    assert list(tmp_path.iterdir()) == [tmp_path / "w.npz"]


def test_half_precision_only_where_nothing_is_lost(tmp_path: Path) -> None:
    arrays = {"fine": np.array([0.5, -1.25], np.float32), "huge": np.array([1e6, 1.0], np.float32)}
    save_weights(tmp_path / "w.npz", arrays, half=True)
    stored = read_arrays(tmp_path / "w.npz")
    assert stored["fine"].dtype == np.float16
    assert stored["fine"].tolist() == [0.5, -1.25]
    assert stored["huge"].dtype == np.float32
    assert stored["huge"].tolist() == [1e6, 1.0]


def test_another_graph_is_refused_by_name_and_shape(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.npz", arrays_of(build_xception(TINY)), half=True)
    wider = build_xception(XceptionGraph(input_size=32, width=0.3, middle_blocks=0))
    with pytest.raises(WeightsError, match=r"w\.npz.*block1_conv.*shape"):
        load_weights(wider, tmp_path / "w.npz")
    deeper = build_xception(XceptionGraph(input_size=32, width=0.1, middle_blocks=1))
    with pytest.raises(WeightsError, match=r"w\.npz: belongs to another graph.*lacks"):
        load_weights(deeper, tmp_path / "w.npz")


@pytest.mark.parametrize("damage", [b"", b"not a zip at all"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "w.npz").write_bytes(damage)
    with pytest.raises(WeightsError, match=r"w\.npz.*damaged"):
        load_weights(build_xception(TINY), tmp_path / "w.npz")


def test_a_cut_file_is_damaged_and_a_missing_one_missing(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.npz", arrays_of(build_xception(TINY)), half=True)
    whole = (tmp_path / "w.npz").read_bytes()
    (tmp_path / "w.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="damaged"):
        read_arrays(tmp_path / "w.npz")
    with pytest.raises(WeightsError, match="no such"):
        read_arrays(tmp_path / "none.npz")
