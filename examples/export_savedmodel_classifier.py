"""One face crop judged with TensorFlow: python export_savedmodel_classifier.py xception CROP

The network comes from: crowdmask export xception --format savedmodel --out exported --pictures FOLDER
CROP is a face with a tenth of its size around it on every side.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf


def logits(network: str, rgb: np.ndarray, told: dict) -> np.ndarray:
    """The network's answer to one crop (1, s, s, 3) in 0..255: one logit, or one for each label."""
    serve = tf.saved_model.load(network).signatures["serving_default"]
    (answer,) = serve(**{told["input"]["name"]: tf.constant(rgb)}).values()
    return answer.numpy().reshape(-1)


def unmasked_probability(network: str, picture: np.ndarray) -> float:
    told = json.loads(Path(network + ".json").read_text())
    width, height = told["input"]["size_wh"]
    crop = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    rgb = np.ascontiguousarray(crop[None, ..., ::-1], np.float32)  # OpenCV reads BGR
    reading, found = told["output"], logits(network, rgb, told)
    if "offset" in reading:
        return float(1 / (1 + np.exp(-(reading["slope"] * found[0] + reading["offset"]))))
    raised = np.exp(reading["slope"] * found + reading["offsets"])
    return float(raised[told["labels"].index("unmasked")] / raised.sum())


if __name__ == "__main__":
    print(f"{unmasked_probability(sys.argv[1], cv2.imread(sys.argv[2])):.3f}")
