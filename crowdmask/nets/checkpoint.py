"""Weights on disk: every variable of a graph under its own path in one .npz, refused where names or shapes differ."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from crowdmask.errors import WeightsError
from crowdmask.nets.retinaface import original_array_name, to_keras_layout

Arrays = Mapping[str, NDArray[Any]]


def variables_of(model: keras.Model) -> dict[str, keras.Variable]:
    """Every stored variable by 'layer/variable'; the dropout's random state is no weight."""
    found = {}
    for layer in model.layers:
        for variable in layer.weights:
            if "seed" not in variable.path:
                found[f"{layer.name}/{variable.path.rpartition(layer.name + '/')[2]}"] = variable
    return found


def arrays_of(model: keras.Model) -> dict[str, NDArray[Any]]:
    return {name: np.asarray(keras.ops.convert_to_numpy(v), np.float32) for name, v in variables_of(model).items()}


def save_weights(path: Path, arrays: Arrays, *, half: bool) -> None:
    """Write arrays, in half precision if asked; a running variance too large or small for it stays in single."""
    part = path.with_name(path.name + ".part")
    kept: dict[str, Any] = {name: _half(array) if half else array for name, array in arrays.items()}
    with part.open("wb") as file:
        np.savez(file, **kept)
    part.replace(path)


def _half(array: NDArray[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        small = array.astype(np.float16)
    error = np.abs(small.astype(np.float32) - array)
    lossless = np.all(error <= np.maximum(np.abs(array) * 2e-3, 1e-4))
    return small if lossless and np.all(np.isfinite(small)) else array


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such weights file") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path}: the weights file is damaged ({error}): fetch or copy it again") from error


def load_weights(model: keras.Model, path: Path) -> None:
    """Fill the graph from a file of `save_weights`; another graph's file is refused by name and shape."""
    assign_arrays(model, read_arrays(path), str(path))


def assign_arrays(model: keras.Model, arrays: Arrays, origin: str) -> None:
    variables = variables_of(model)
    for what, names in (("lacks", variables.keys() - arrays.keys()), ("has", arrays.keys() - variables.keys())):
        if names:
            raise WeightsError(
                f"{origin}: belongs to another graph than {model.name}: it {what} {sorted(names)[0]} "
                f"({len(names)} such): use the weights that were trained with these graph settings"
            )
    for name, variable in variables.items():
        if tuple(arrays[name].shape) != tuple(variable.shape):
            raise WeightsError(
                f"{origin}: belongs to another graph than {model.name}: {name} has the shape {arrays[name].shape}, "
                f"the graph has {tuple(variable.shape)}"
            )
        variable.assign(arrays[name].astype(np.float32))


def load_original_retinaface(model: keras.Model, path: Path) -> None:
    """Fill the detector's graph from the public PyTorch checkpoint's arrays, every one in its place."""
    source = {k: v for k, v in read_arrays(path).items() if not k.endswith("num_batches_tracked")}
    arrays, used = {}, set()
    for name in variables_of(model):
        layer_name, _, variable = name.partition("/")
        original = original_array_name(layer_name, variable)
        if original not in source:
            raise WeightsError(f"{path}: is not the checkpoint of this graph: it lacks {original} (for {name})")
        used.add(original)
        arrays[name] = to_keras_layout(source[original], model.get_layer(layer_name))
    if source.keys() - used:
        raise WeightsError(
            f"{path}: is not the checkpoint of this graph: nothing takes {sorted(source.keys() - used)[0]}"
        )
    assign_arrays(model, arrays, str(path))
