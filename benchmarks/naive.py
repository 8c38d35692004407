"""The loop that a newcomer writes, as the yardstick: one `predict` for each frame and one for each face.

It follows what tutorials in this field do: VideoCapture, the detector on the whole frame, each face cut out, resized
and classified by itself, boxes drawn, VideoWriter. The networks and their weights are those that crowdmask ships, and
the results are right; it is only slow. `python -m benchmarks.naive VIDEO --out annotated.mp4`
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import cv2
import numpy as np

from crowdmask.nets.anchors import AnchorGrid
from crowdmask.nets.facts import Calibration
from crowdmask.nets.shipped import shipped
from crowdmask.verdicts import Outcome

CONFIDENCE, OVERLAP, MARGIN, THRESHOLD = 0.5, 0.4, 0.2, 0.5


def find_faces(frame: Any, detector: Any, anchors: AnchorGrid) -> Any:
    height, width = frame.shape[:2]
    # the network halves its picture five times, so its sides must be multiples of 32
    padded = cv2.copyMakeBorder(frame, 0, -height % 32, 0, -width % 32, cv2.BORDER_CONSTANT)
    outputs = detector.predict(padded[np.newaxis].astype(np.float32), verbose=0)
    scores = 1 / (1 + np.exp(-outputs["face"][0].reshape(-1)))
    kept = scores > CONFIDENCE
    places = anchors.boxes_cxcywh((padded.shape[1], padded.shape[0]))[kept]
    boxes = anchors.decode_boxes(outputs["box"][0][kept], places)
    corners = [[float(x1), float(y1), float(x2 - x1), float(y2 - y1)] for x1, y1, x2, y2 in boxes]
    chosen = cv2.dnn.NMSBoxes(corners, scores[kept].tolist(), CONFIDENCE, OVERLAP)
    return boxes[np.array(chosen, int).reshape(-1)]


def unmasked_probability(frame: Any, box: Any, classifier: Any, size: int, calibration: Calibration) -> float | None:
    """Of a face: whether no mask is worn, or one wrongly. None where the box holds no picture."""
    x1, y1, x2, y2 = box
    dx, dy = MARGIN / 2 * (x2 - x1), MARGIN / 2 * (y2 - y1)
    left, top = max(0, int(x1 - dx)), max(0, int(y1 - dy))
    right, bottom = min(frame.shape[1], int(x2 + dx)), min(frame.shape[0], int(y2 + dy))
    if right <= left or bottom <= top:
        return None
    crop = cv2.cvtColor(frame[top:bottom, left:right], cv2.COLOR_BGR2RGB)
    crop = cv2.resize(crop, (size, size)).astype(np.float32)
    logits = calibration.of_logits(classifier.predict(crop[np.newaxis], verbose=0))[0]
    powers = np.exp(logits - logits.max())[[Outcome.MASKED, Outcome.UNMASKED, Outcome.INCORRECT]]
    return float(powers[1:].sum() / powers.sum())


def run(video: str, out: str, limit: int | None) -> dict[str, float]:
    """Frames, faces and the loop's seconds; the first frame, on which the networks are compiled, is not timed."""
    detector, classifier = shipped("retinaface-mobilenet"), shipped("xception")
    capture = cv2.VideoCapture(video)
    if not capture.isOpened():
        raise SystemExit(f"{video}: cannot be opened")
    size = (int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    writer = cv2.VideoWriter(out, cv2.VideoWriter.fourcc(*"mp4v"), capture.get(cv2.CAP_PROP_FPS) or 25.0, size)
    if not writer.isOpened():
        raise SystemExit(f"{out}: cannot be written")
    frames = faces = masked = unmasked = 0
    begun = time.perf_counter()
    while limit is None or frames <= limit:
        good, frame = capture.read()
        if not good:
            break
        found = find_faces(frame, detector.model, detector.graph.anchors)
        for box in found:
            probability = unmasked_probability(
                frame, box, classifier.model, classifier.graph.input_size, classifier.calibration
            )
            if probability is None:
                continue
            bare = probability > THRESHOLD
            unmasked, masked = unmasked + bare, masked + (not bare)
            x1, y1, x2, y2 = (int(v) for v in box)
            colour = (0, 0, 255) if bare else (0, 255, 0)
            cv2.rectangle(frame, (x1, y1), (x2, y2), colour, 2)
            label = f"{'no mask' if bare else 'mask'} {max(probability, 1 - probability):.2f}"
            cv2.putText(frame, label, (x1, y1 - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1)
        writer.write(frame)
        if frames == 0:
            begun = time.perf_counter()
        else:
            faces += len(found)
        frames += 1
    seconds = time.perf_counter() - begun
    capture.release()
    writer.release()
    if frames < 2:
        raise SystemExit(f"{video}: two frames at least are needed to time the loop, it gave {frames}")
    return {"frames": frames - 1, "faces": faces, "masked": int(masked), "unmasked": int(unmasked), "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("--out", default="naive.mp4", help="annotated video (default: %(default)s)")
    parser.add_argument("--frames", type=int, help="time only this many frames, after the first")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    given = parser.parse_args()
    result = run(given.video, given.out, given.frames)
    if given.json:
        print(json.dumps(result))
    else:
        print(f"{result['frames']} frames, {result['faces']} faces, {result['frames'] / result['seconds']:.2f} fps")


if __name__ == "__main__":
    main()
