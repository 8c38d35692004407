"""Faces in a picture with ONNX Runtime, OpenCV and NumPy alone: python export_onnx_detector.py NETWORK.onnx PICTURE

The network comes from: crowdmask export retinaface-mobilenet --format onnx --out exported --pictures FOLDER
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

LEAST_SCORE, OVERLAP = 0.6, 0.4


def anchors(told: dict, width: int, height: int) -> np.ndarray:
    """All anchors of a picture as centre and size, in the order that the sidecar gives."""
    levels = []
    for stride, sizes in zip(told["strides"], told["sizes"], strict=True):
        x, y = np.meshgrid((np.arange(width // stride) + 0.5) * stride, (np.arange(height // stride) + 0.5) * stride)
        centres = np.stack([x, y], axis=-1).reshape(-1, 1, 2).repeat(len(sizes), axis=1)
        sides = np.broadcast_to(np.array(sizes)[None, :, None], centres.shape)
        levels.append(np.concatenate([centres, sides], axis=-1).reshape(-1, 4))
    return np.concatenate(levels)


def faces(network: str, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (n, 4) as x1, y1, x2, y2 and scores (n,)."""
    told = json.loads(Path(network + ".json").read_text())
    height, width = picture.shape[:2]
    padded = cv2.copyMakeBorder(picture, 0, -height % 32, 0, -width % 32, cv2.BORDER_CONSTANT)
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    outputs = dict(
        zip(names, session.run(names, {told["input"]["name"]: padded[None].astype(np.float32)}), strict=True)
    )

    scores = 1 / (1 + np.exp(-outputs["face"][0]))
    kept = scores >= LEAST_SCORE
    grid, offsets = anchors(told["anchors"], padded.shape[1], padded.shape[0])[kept], outputs["box"][0][kept]
    centre_variance, size_variance = told["anchors"]["variances"]
    centres = grid[:, :2] + offsets[:, :2] * centre_variance * grid[:, 2:]
    half = grid[:, 2:] * np.exp(offsets[:, 2:] * size_variance) / 2
    boxes, scores = np.concatenate([centres - half, centres + half], axis=1), scores[kept]

    corners = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    best = np.array(cv2.dnn.NMSBoxes(corners.tolist(), scores.tolist(), LEAST_SCORE, OVERLAP), int).reshape(-1)
    return boxes[best], scores[best]


if __name__ == "__main__":
    for box, score in zip(*faces(sys.argv[1], cv2.imread(sys.argv[2])), strict=True):
        print(f"{score:.3f}", *(f"{value:.1f}" for value in box))
