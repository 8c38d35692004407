"""Makes a network's int8 form for OpenVINO, with the ranges of its numbers taken from training pictures (NNCF)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.crops import cut_crops
from crowdmask.engine.detector import canvases
from crowdmask.errors import DatasetError, SettingsError
from crowdmask.labels.records import LabelSet
from crowdmask.nets.facts import Facts
from crowdmask.nets.ir import FLOAT, INT8, described, ir_of
from crowdmask.nets.openvino_library import openvino
from crowdmask.nets.weights import Entry, Manifest, update_entry
from crowdmask.settings import AnalysisSettings

PICTURES = 120  # of all sets together, a set's share being as large as any other's
CROPS_OF_EACH = 4
KERNELS = {"Convolution", "GroupConvolution", "MatMul"}

Array = NDArray[np.uint8]


def quantise_beside(manifest: Manifest, name: str, sets: Sequence[LabelSet]) -> Entry:
    """Write NAME-int8.xml and .bin beside the float form and enter them in the manifest there."""
    try:
        import nncf
    except ImportError as error:
        raise SettingsError("making int8 forms needs NNCF: pip install 'crowdmask[export]'") from error
    float_form = ir_of(manifest, name, FLOAT)
    ov = openvino()
    model = ov.Core().read_model(float_form.xml, float_form.bin)
    facts = Facts.from_json(model.get_rt_info(["crowdmask"]).astype(str))
    samples = list(_samples(sets, facts, AnalysisSettings()))
    if not samples:
        raise DatasetError("there are no labelled pictures to take the ranges from: name other folders")
    quantised = nncf.quantize(
        model,
        nncf.Dataset(samples),
        subset_size=len(samples),
        target_device=nncf.TargetDevice.CPU,
        ignored_scope=nncf.IgnoredScope(names=_after_the_last_kernels(model), validate=False),
    )
    quantised.set_rt_info(facts.as_json(), ["crowdmask"])
    target = manifest.folder / f"{name}-int8.xml"
    with tempfile.TemporaryDirectory(prefix=f"{name}.part.", dir=manifest.folder) as part:
        made = Path(part) / target.name
        ov.save_model(quantised, made, compress_to_fp16=False)
        made.with_suffix(".bin").replace(target.with_suffix(".bin"))
        made.replace(target)
    entry = manifest.entry(name)
    files = described({path.name: path for path in (target, target.with_suffix(".bin"))})
    form = {"files": files, "of": entry.sha256, "nncf": str(nncf.__version__), "pictures": PICTURES}
    forms: dict[str, Any] = {**entry.openvino, INT8: form}
    return update_entry(name, manifest.folder / entry.file, folder=manifest.folder, openvino=forms)


def _after_the_last_kernels(model: Any) -> list[str]:
    """The nodes between the last convolutions and the outputs, which stay in single precision.

    They cost nothing, answers in eight bits would cost accuracy, and OpenVINO 2026.4 cannot compile some of them so.
    """
    before_a_kernel: set[str] = set()
    for node in reversed(model.get_ordered_ops()):
        name = node.get_friendly_name()
        if node.get_type_name() in KERNELS or name in before_a_kernel:
            before_a_kernel |= {value.get_node().get_friendly_name() for value in node.input_values()}
            before_a_kernel.add(name)
    return [
        node.get_friendly_name()
        for node in model.get_ordered_ops()
        if node.get_friendly_name() not in before_a_kernel and node.get_type_name() not in {"Constant", "Result"}
    ]


def _samples(sets: Sequence[LabelSet], facts: Facts, settings: AnalysisSettings) -> Iterator[Array]:
    """What the network is given of each picture: the views that a detector sees, or some of the faces' crops."""
    each = -(-PICTURES // max(1, len(sets)))
    for together in zip_longest(*(islice(_spread(one), each) for one in sets)):
        for labelled in together:
            if labelled is None:
                continue
            image = cv2.imread(str(labelled.path), cv2.IMREAD_COLOR)
            if image is None:
                continue
            picture = np.asarray(image, np.uint8)
            if facts.input_size is None:
                yield from canvases(picture, settings)
            elif labelled.faces.any():
                boxes = labelled.boxes[labelled.faces][:CROPS_OF_EACH]
                yield cut_crops(picture, boxes.astype(np.float32), settings, facts.input_size)


def _spread(one: LabelSet) -> Iterator[Any]:
    """Its pictures in an order that is the same each time and not that of their names, which neighbours share."""
    order = np.random.default_rng(0).permutation(len(one.pictures))
    return (one.pictures[i] for i in order)
