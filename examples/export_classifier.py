"""One face crop judged by an exported classifier, in whichever format: python export_classifier.py NETWORK CROP

It comes from: crowdmask export xception --format onnx --out exported --pictures FOLDER
CROP is a face with a tenth of its size around it on every side. Only the format's runtime must be installed."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np


def with_openvino(network: str, name: str, rgb: np.ndarray) -> np.ndarray:
    import openvino as ov

    return ov.Core().compile_model(network, "CPU")(rgb)[0]


def with_onnx_runtime(network: str, name: str, rgb: np.ndarray) -> np.ndarray:
    import onnxruntime

    return onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"]).run(None, {name: rgb})[0]


def with_litert(network: str, name: str, rgb: np.ndarray) -> np.ndarray:
    try:
        from ai_edge_litert import interpreter as lite
    except ImportError:  # TensorFlow carries it too, for the time being
        from tensorflow import lite
    return next(iter(lite.Interpreter(network).get_signature_runner()(**{name: rgb}).values()))


def with_tensorflow(network: str, name: str, rgb: np.ndarray) -> np.ndarray:
    import tensorflow as tf

    serve = tf.saved_model.load(network).signatures["serving_default"]
    return next(iter(serve(**{name: tf.constant(rgb)}).values())).numpy()


RUNTIMES = {".xml": with_openvino, ".onnx": with_onnx_runtime, ".tflite": with_litert, "": with_tensorflow}


def probabilities(network: str, picture: np.ndarray) -> dict[str, float]:
    told = json.loads(Path(network + ".json").read_text())
    crop = cv2.resize(picture, tuple(told["input"]["size_wh"]), interpolation=cv2.INTER_AREA)
    rgb = np.ascontiguousarray(crop[None, ..., ::-1], np.float32)  # OpenCV reads BGR
    logits = RUNTIMES[Path(network).suffix](network, told["input"]["name"], rgb).reshape(-1)
    reading = told["output"]
    if "offset" in reading:  # one logit, of the second of two labels; else one for each label
        logits = np.array([0.0, reading["slope"] * logits[0] + reading["offset"]])
    else:
        logits = reading["slope"] * logits + reading["offsets"]
    shares = np.exp(logits - logits.max())
    return dict(zip(told["labels"], (shares / shares.sum()).tolist(), strict=True))


if __name__ == "__main__":
    for label, probability in probabilities(sys.argv[1], cv2.imread(sys.argv[2])).items():
        print(f"{label} {probability:.3f}")
