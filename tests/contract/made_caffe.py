"""An SSD in Caffe's format with made-up weights, small enough to know its answer: bright squares are faces."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

CELL = 100  # pixels of the 300 x 300 that it sees, and the side of its boxes
GAIN = 0.2  # on the mean that is left of a cell's pixels after those of the training are taken off
CONVOLUTION = """layer {{ name: "{0}" type: "Convolution" bottom: "{1}" top: "{0}"
  convolution_param {{ num_output: {2} kernel_size: {3} stride: {3} }} }}
"""
IN_A_ROW = """layer {{ name: "{0}_perm" type: "Permute" bottom: "{0}" top: "{0}_perm"
  permute_param {{ order: 0 order: 2 order: 3 order: 1 }} }}
layer {{ name: "{0}_flat" type: "Flatten" bottom: "{0}_perm" top: "{0}_flat" flatten_param {{ axis: 1 }} }}
"""
REST = """layer { name: "prior" type: "PriorBox" bottom: "mean" bottom: "data" top: "prior"
  prior_box_param { min_size: 100 flip: false clip: true offset: 0.5
    variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 } }
layer { name: "pairs" type: "Reshape" bottom: "conf_flat" top: "pairs"
  reshape_param { shape { dim: 0 dim: -1 dim: 2 } } }
layer { name: "shares" type: "Softmax" bottom: "pairs" top: "shares" softmax_param { axis: 2 } }
layer { name: "shares_flat" type: "Flatten" bottom: "shares" top: "shares_flat" flatten_param { axis: 1 } }
layer { name: "detection_out" type: "DetectionOutput" bottom: "loc_flat" bottom: "shares_flat" bottom: "prior"
  top: "detection_out"
  detection_output_param { num_classes: 2 share_location: true background_label_id: 0 code_type: CENTER_SIZE
    nms_param { nms_threshold: 0.45 top_k: 400 } keep_top_k: 200 confidence_threshold: 0.01 } }
"""


def write_ssd(folder: Path) -> tuple[Path, Path]:
    """Its graph and its weights: a cell's mean is its logit of being a face, and its box is the cell."""
    graph, weights = folder / "deploy.prototxt", folder / "made.caffemodel"
    layers = CONVOLUTION.format("mean", "data", 1, CELL)
    layers += CONVOLUTION.format("loc", "mean", 4, 1) + CONVOLUTION.format("conf", "mean", 2, 1)
    layers += IN_A_ROW.format("loc") + IN_A_ROW.format("conf") + REST
    graph.write_text(f'name: "made"\ninput: "data"\ninput_shape {{ dim: 1 dim: 3 dim: 300 dim: 300 }}\n{layers}')
    blobs = {
        "mean": (np.full((1, 3, CELL, CELL), 1 / (3 * CELL * CELL)), np.zeros(1)),
        "loc": (np.zeros((4, 1, 1, 1)), np.zeros(4)),
        "conf": (np.array([0.0, GAIN]).reshape(2, 1, 1, 1), np.zeros(2)),
    }
    weights.write_bytes(_field(1, b"made") + b"".join(_field(100, _layer(n, b)) for n, b in blobs.items()))
    return graph, weights


def _layer(name: str, blobs: tuple[np.ndarray, ...]) -> bytes:
    return _field(1, name.encode()) + _field(2, b"Convolution") + b"".join(_field(7, _blob(b)) for b in blobs)


def _blob(array: np.ndarray) -> bytes:
    shape = _field(1, b"".join(_varint(side) for side in array.shape))
    return _field(7, shape) + _field(5, struct.pack(f"<{array.size}f", *array.ravel()))


def _field(number: int, content: bytes) -> bytes:
    """Protocol buffers: the field's number and kind 2, its length, its bytes."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
