"""A network in the formats of other runtimes, and how each is run again, to be compared with the original.

Which way to each format was tried with Keras 3.15, TensorFlow 2.21, NumPy 2.4 and tf2onnx 1.17: see docs/export.md.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.errors import SettingsError
from crowdmask.nets.as_run import AsRun

Outputs = dict[str, NDArray[np.float32]]
Run = Callable[[NDArray[np.float32]], Outputs]
OPSET = 17
SIGNATURE = "serving_default"


@dataclass(frozen=True)
class Exportable:
    """What is exported: the model, the name of its input, and the input's shape without the batch (None: any)."""

    model: Any
    input_name: str
    shape: tuple[int | None, ...]

    @property
    def output_names(self) -> list[str]:
        model = self.model
        return sorted(model.output) if isinstance(model.output, dict) else [model.output_names[0]]

    def traced(self, fixed: tuple[int, ...] | None = None) -> Any:
        """A TensorFlow function with the weights as constants, outputs by name."""
        import tensorflow as tf

        constant, names = AsRun(self.model), self.output_names

        def forward(pictures: Any) -> Any:
            outputs = constant(pictures)
            return {n: outputs[n] for n in names} if isinstance(outputs, dict) else {names[0]: outputs}

        shape: tuple[int | None, ...] = fixed or (None, *self.shape)
        return tf.function(
            forward, autograph=False, input_signature=[tf.TensorSpec(shape, tf.float32, name=self.input_name)]
        )

    def run(self, pictures: NDArray[np.float32]) -> Outputs:
        """The original's own answers."""
        outputs = self.model(pictures, training=False)
        names = self.output_names
        found = outputs if isinstance(outputs, dict) else {names[0]: outputs}
        return {name: np.asarray(found[name], np.float32) for name in names}


@dataclass(frozen=True)
class Format:
    """`write(network, path, calibration)` makes the file or folder; `read(path, network)` runs it."""

    name: str
    suffix: str
    write: Callable[[Exportable, Path, NDArray[np.float32] | None], None]
    read: Callable[[Path, Exportable], Run]
    needs: str
    int8: bool = False


def write_openvino(network: Exportable, path: Path, calibration: NDArray[np.float32] | None) -> None:
    import openvino as ov

    model = ov.convert_model(network.traced())
    for output, name in zip(model.outputs, network.output_names, strict=True):
        output.get_tensor().set_names({name})
    model.inputs[0].get_tensor().set_names({network.input_name})
    if calibration is not None:
        import nncf

        samples = nncf.Dataset([c[None] for c in calibration])
        model = nncf.quantize(model, samples, subset_size=len(calibration))
    ov.save_model(model, str(path), compress_to_fp16=calibration is None)


def read_openvino(path: Path, network: Exportable) -> Run:
    import openvino as ov

    compiled = ov.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(pictures: NDArray[np.float32]) -> Outputs:
        found = compiled(pictures)
        return {name: np.asarray(found[name], np.float32) for name in network.output_names}

    return run


def write_onnx(network: Exportable, path: Path, calibration: NDArray[np.float32] | None) -> None:
    import tf2onnx

    traced = network.traced()
    tf2onnx.convert.from_function(
        traced, input_signature=traced.input_signature, opset=OPSET, output_path=str(path), large_model=False
    )


def read_onnx(path: Path, network: Exportable) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # as every pass of ours: see engine/runtimes
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(pictures: NDArray[np.float32]) -> Outputs:
        found = session.run(names, {network.input_name: pictures})
        return dict(zip(names, found, strict=True))

    return run


def write_tflite(network: Exportable, path: Path, calibration: NDArray[np.float32] | None) -> None:
    import tensorflow as tf

    fixed = (1, *(side or TFLITE_SIDE for side in network.shape[:2]), 3)
    with tempfile.TemporaryDirectory() as folder:  # only from a SavedModel does the converter take the outputs' names
        _save(network.traced(fixed), Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        if calibration is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([c[None]] for c in calibration)
        path.write_bytes(converter.convert())


TFLITE_SIDE = 640  # its shapes are fixed: a detector's pictures are brought to 640 x 640


def read_tflite(path: Path, network: Exportable) -> Run:
    try:
        from ai_edge_litert import interpreter as lite
    except ImportError:  # TensorFlow's own, which it means to give up for that package
        from tensorflow import lite

    runner = lite.Interpreter(model_path=str(path), num_threads=1).get_signature_runner(SIGNATURE)

    def run(pictures: NDArray[np.float32]) -> Outputs:
        rows = [runner(**{network.input_name: picture[None]}) for picture in pictures]
        return {name: np.concatenate([row[name] for row in rows]) for name in network.output_names}

    return run


def write_savedmodel(network: Exportable, path: Path, calibration: NDArray[np.float32] | None) -> None:
    if path.exists():
        shutil.rmtree(path)
    _save(network.traced(), path)


def _save(traced: Any, path: Path) -> None:
    import tensorflow as tf

    holder = tf.Module()
    holder.serve = traced
    tf.saved_model.save(holder, str(path), signatures={SIGNATURE: traced})


def read_savedmodel(path: Path, network: Exportable) -> Run:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))

    def run(pictures: NDArray[np.float32]) -> Outputs:
        found = loaded.signatures[SIGNATURE](**{network.input_name: tf.constant(pictures)})
        return {name: found[name].numpy() for name in network.output_names}

    return run


FORMATS = {
    row.name: row
    for row in (
        Format("openvino", ".xml", write_openvino, read_openvino, "openvino", int8=True),
        Format("onnx", ".onnx", write_onnx, read_onnx, "tf2onnx"),
        Format("tflite", ".tflite", write_tflite, read_tflite, "tensorflow", int8=True),
        Format("savedmodel", "", write_savedmodel, read_savedmodel, "tensorflow"),
    )
}


def format_of(name: str, *, int8: bool) -> Format:
    found = FORMATS[name]
    if int8 and not found.int8:
        able = ", ".join(row.name for row in FORMATS.values() if row.int8)
        raise SettingsError(f"--int8: {name} is written in full precision only: choose {able}")
    return found
