"""Makes OpenVINO's form of a network: traced by TensorFlow, its numbers those of the .npz to the last bit.

Normalisation is left as it is in the graph, for OpenVINO to fold when it compiles: folded before it is stored in half
precision, the kernels would be rounded a second time, which was measured to move the detector's logits by 0.04.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from crowdmask.nets.as_run import AsRun
from crowdmask.nets.facts import Facts
from crowdmask.nets.ir import FLOAT, described
from crowdmask.nets.openvino_library import openvino
from crowdmask.nets.retinaface import MeanOff
from crowdmask.nets.shipped import shipped
from crowdmask.nets.weights import Entry, Manifest, update_entry

ov = openvino()
ops = ov.opset13

SMALL = 8  # constants with fewer numbers are not worth a conversion


def convert_beside(manifest: Manifest, name: str) -> Entry:
    """Write NAME.xml and NAME.bin beside NAME.npz and enter them in the manifest there; an int8 form is dropped."""
    xml = convert(manifest, name, manifest.folder)
    files = described({path.name: path for path in (xml, xml.with_suffix(".bin"))})
    entry = manifest.entry(name)
    made = {FLOAT: {"files": files, "of": entry.sha256, "openvino": _version()}}
    return update_entry(name, manifest.folder / entry.file, folder=manifest.folder, openvino=made)


def convert(manifest: Manifest, name: str, folder: Path, *, task: str | None = None) -> Path:
    """Write NAME.xml and NAME.bin into the folder; the former's path."""
    model = openvino_model(manifest, name, task=task)
    target = folder / f"{name}.xml"
    with tempfile.TemporaryDirectory(prefix=f"{name}.part.", dir=folder) as part:
        made = Path(part) / target.name
        ov.save_model(model, made, compress_to_fp16=False)  # what may be halved without loss already is
        made.with_suffix(".bin").replace(target.with_suffix(".bin"))
        made.replace(target)
    return target


def openvino_model(manifest: Manifest, name: str, *, task: str | None = None) -> Any:
    """The network as OpenVINO has it: BGR pictures (n, h, w, 3) uint8 in, the graph's outputs by name."""
    found = shipped(name, manifest.folder, task=task)
    for layer in found.model.layers:
        if isinstance(layer, MeanOff):
            layer.by_rows = False  # a way round TensorFlow's slowness, which costs time here
    facts = Facts.of(found.model, found.graph)
    as_run = AsRun(found.model, rgb=found.takes_rgb, fold=False)

    def forward(pictures: Any) -> Any:
        outputs = as_run(tf.cast(pictures, tf.float32))
        outputs = outputs if isinstance(outputs, dict) else {facts.outputs[0]: outputs}
        return [tf.identity(outputs[name], name=f"output_{name}") for name in facts.outputs]

    signature = tf.TensorSpec((None, *found.model.input_shape[1:]), tf.uint8, name="pictures")
    traced = tf.function(forward, autograph=False).get_concrete_function(signature)
    with tempfile.TemporaryDirectory() as part:
        tf.io.write_graph(traced.graph.as_graph_def(), part, "graph.pb", as_text=False)
        read = ov.Core().read_model(Path(part) / "graph.pb")
    results = [read.output(f"output_{name}:0") for name in facts.outputs]
    model = ov.Model(results, read.get_parameters(), name)
    for result, output in zip(model.outputs, facts.outputs, strict=True):
        result.get_tensor().set_names({output})
    _halve(model)
    model.validate_nodes_and_infer_types()
    model.set_rt_info(facts.as_json(), ["crowdmask"])
    return model


def _halve(model: Any) -> None:
    """Constants that are half precision in single's clothes are stored as such; all others stay as they are."""
    for node in model.get_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() != ov.Type.f32:
            continue
        values = node.get_data()
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if values.size >= SMALL and np.array_equal(half.astype(np.float32), values):
            short = ops.convert(ops.constant(half), np.float32)
            for place in node.output(0).get_target_inputs():
                place.replace_source_output(short.output(0))


def _version() -> str:
    return str(ov.__version__).split("-")[0]
