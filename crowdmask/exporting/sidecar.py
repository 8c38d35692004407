"""What somebody needs to use an exported network without crowdmask: its input, its outputs, how to read them."""

from __future__ import annotations

from typing import Any

from crowdmask import __version__
from crowdmask.nets.registry import DETECTOR
from crowdmask.nets.shipped import Shipped
from crowdmask.nets.weights import Entry
from crowdmask.settings import AnalysisSettings

KIND, FORM = "crowdmask export", 1


def sidecar(found: Shipped, entry: Entry, about: dict[str, Any]) -> dict[str, Any]:
    """Plain values: file and format, what goes in, what comes out, and where it is from."""
    told: dict[str, Any] = {
        "kind": KIND,
        "form": FORM,
        "crowdmask": __version__,
        "network": entry.name,
        "architecture": found.architecture.name,
        "task": found.architecture.task,
        "weights_sha256": entry.sha256,
        "licence": entry.licence,
        **about,
    }
    return told | (_detector(found) if found.architecture.task == DETECTOR else _classifier(found))


def _classifier(found: Shipped) -> dict[str, Any]:
    size, settings = found.graph.input_size, AnalysisSettings()
    outputs = getattr(found.graph, "outputs", 1)
    reading = (
        {
            "is": "logit of unmasked, one for each crop",
            "probability_of_unmasked": "1 / (1 + exp(-(slope * logit + offset)))",
            "slope": found.calibration.slope,
            "offset": found.calibration.offset,
        }
        if outputs == 1
        else {
            "is": "logits, one for each label",
            "probabilities": "softmax of slope * logits + offsets, in the order of labels",
            "slope": found.calibration.slope,
            "offsets": list(found.calibration.offsets) or [found.calibration.offset] * outputs,
        }
    )
    return {
        "input": {
            "name": "rgb",
            "layout": "NHWC",
            "type": "float32",
            "colour": "RGB",
            "range": [0, 255],
            "size_wh": [size, size],
            "preprocessing": "none: scaling is part of the network",
            "crop": {
                "margin": settings.crop_margin,
                "undersized_below_px": settings.undersized_below,
                "undersized_margin": settings.undersized_margin,
                "words": "the face's box grown by margin/2 of its size on every side (undersized faces: by more), "
                "cut out and resized to size_wh",
            },
        },
        "output": reading,
        "labels": ["masked", "unmasked"] if outputs == 1 else ["masked", "unmasked", "incorrect", "no_face"][:outputs],
    }


def _detector(found: Shipped) -> dict[str, Any]:
    grid = found.graph.anchors
    return {
        "input": {
            "name": "bgr",
            "layout": "NHWC",
            "type": "float32",
            "colour": "BGR",
            "range": [0, 255],
            "sides": "multiples of 32",
            "preprocessing": "none: the mean is taken off in the network",
        },
        "output": {
            "face": "(n, anchors) logit of a face; score = 1 / (1 + exp(-logit))",
            "box": "(n, anchors, 4) offsets: centre = anchor centre + offset[:2] * variances[0] * anchor size; "
            "size = anchor size * exp(offset[2:] * variances[1])",
            "landmarks": "(n, anchors, 10) five points: anchor centre + offset * variances[0] * anchor size",
            "then": "non-maximum suppression",
        },
        "anchors": {
            "strides": list(grid.strides),
            "sizes": [list(sizes) for sizes in grid.sizes],
            "variances": list(grid.variances),
            "order": "stride by stride, row by row, cell by cell, size by size; centres at (index + 0.5) * stride",
        },
        "labels": ["face"],
    }
