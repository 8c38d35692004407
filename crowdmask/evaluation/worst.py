"""Draws the pictures with the most errors, labels beside predictions, into the user's own folder and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.evaluation.harness import SetResult
from crowdmask.evaluation.matching import pair
from crowdmask.evaluation.records import Judged
from crowdmask.geometry import FloatArray, Rectangle
from crowdmask.labels.records import Label, LabelledPicture
from crowdmask.media.parts import write_whole, writing
from crowdmask.media.pictures import read_picture
from crowdmask.records import Verdict
from crowdmask.results.boxes import draw_box, line_width
from crowdmask.results.lettering import plate
from crowdmask.results.palette import BLACK, PALETTES, WHITE, ink_on
from crowdmask.verdicts import Bgr

Image = NDArray[np.uint8]
Marked = tuple[Rectangle, Verdict, Bgr, str]

HALF_WIDTH = 960  # pixels that a half is enlarged to, so that small faces and what is written beside them show
CAPITALS = 9
VERDICT_OF = {Label.MASKED: Verdict.MASKED, Label.UNMASKED: Verdict.UNMASKED, Label.INCORRECT: Verdict.INCORRECT}
FAULT: Bgr = (0, 215, 255)
PALETTE = PALETTES["safe"]


def write_worst(folder: Path, result: SetResult, most: int) -> list[Path]:
    """PNGs of the `most` worst pictures of a set, those of an earlier run replaced."""
    _clear(folder, result.name)
    errors = result.evaluation.errors
    order = sorted(range(len(errors)), key=lambda i: (-errors[i].total, i))
    written = []
    for rank, i in enumerate([i for i in order if errors[i].total][:most], start=1):
        truth = result.truths[i]
        judged = result.predictions[i].above(result.evaluation.confidence)
        image = side_by_side(read_picture(truth.path), truth, judged, result.evaluation.match_iou)
        path = folder / f"{file_name(result.name)}-{rank:03d}-{file_name(truth.name)}.png"
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        written.append(write_whole(path, cv2.imencode(".png", image)[1].tobytes()))
    return written


def side_by_side(image: Image, truth: LabelledPicture, judged: Judged, match_iou: float) -> Image:
    """Labels to the left, with missed faces named; predictions to the right, with wrong ones named; (h, w, 3) BGR."""
    scale = max(1.0, HALF_WIDTH / image.shape[1])
    size_wh = round(image.shape[1] * scale), round(image.shape[0] * scale)
    big = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_CUBIC), np.uint8)
    faces = truth.take(truth.faces)
    ignored = truth.boxes[~truth.faces]
    pairing = pair(judged.faces.boxes, judged.faces.scores, faces.boxes, ignored, match_iou)
    left = _draw(big, "labels", list(_labels(faces, ignored, pairing.face, scale)))
    right = _draw(big, "predictions", list(_finds(judged, faces, pairing.face, pairing.ignored, scale)))
    both: Image = np.concatenate([left, np.full((left.shape[0], 6, 3), BLACK, np.uint8), right], axis=1)
    return both


def _labels(faces: LabelledPicture, ignored: FloatArray, found: NDArray[np.intp], scale: float) -> Iterator[Marked]:
    for box in ignored:
        yield _scaled(box, scale), Verdict.UNKNOWN, PALETTE.of(Verdict.UNKNOWN), "ignored"
    for i, (box, label) in enumerate(zip(faces.boxes, faces.labels.tolist(), strict=True)):
        verdict = VERDICT_OF[label]
        fault = i not in found
        colour = FAULT if fault else PALETTE.of(verdict)
        yield _scaled(box, scale), verdict, colour, f"missed: {verdict.word}" if fault else verdict.word


def _finds(
    judged: Judged, faces: LabelledPicture, face: NDArray[np.intp], ignored: NDArray[np.bool_], scale: float
) -> Iterator[Marked]:
    scores, folded, wanted = judged.faces.scores.tolist(), judged.folded().verdicts, faces.folded().labels
    verdicts = [Verdict(v) for v in judged.verdicts.tolist()]
    # best scores last, so that they are drawn on top
    for i in sorted(range(len(scores)), key=lambda i: scores[i]):
        verdict = verdicts[i]
        fault = ""
        if face[i] < 0 and not ignored[i]:
            fault = "false: "
        elif face[i] >= 0 and verdict is not Verdict.UNKNOWN and folded[i] != wanted[face[i]]:
            fault = "wrong: "
        colour = FAULT if fault else PALETTE.of(Verdict.UNKNOWN) if ignored[i] else PALETTE.of(verdict)
        yield _scaled(judged.faces.boxes[i], scale), verdict, colour, f"{fault}{verdict.word} {scores[i]:.2f}"


def _scaled(box_xyxy: FloatArray, scale: float) -> Rectangle:
    x1, y1, x2, y2 = np.rint(box_xyxy * scale).astype(int).tolist()
    return x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)


def _draw(image: Image, title: str, marks: Sequence[Marked]) -> Image:
    drawn: Image = image.copy()
    height, width = drawn.shape[:2]
    for box, verdict, colour, _ in marks:
        x1, y1, x2, y2 = box
        inside = (max(0, x1), max(0, y1), min(width, x2), min(height, y2))
        if inside[2] > inside[0] and inside[3] > inside[1]:
            draw_box(drawn, inside, verdict, colour, line_width(drawn.shape, inside))
    for box, _, colour, text in marks:
        # right verdicts are told by colour and line; only faults are worth hiding a part of the picture
        if colour == FAULT:
            _write(drawn, text, box[0], box[3] + 3, colour)
    _write(drawn, title, 6, 6, WHITE)
    return drawn


def _write(image: Image, text: str, x: int, y: int, paper: Bgr) -> None:
    label = plate(text, CAPITALS, ink_on(paper), paper)
    height, width = label.shape[:2]
    y = max(0, min(y, image.shape[0] - height))
    x = max(0, min(x, image.shape[1] - width))
    shown = label[: image.shape[0] - y, : image.shape[1] - x]
    image[y : y + shown.shape[0], x : x + shown.shape[1]] = shown


def file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)


def _clear(folder: Path, name: str) -> None:
    ours = re.compile(re.escape(file_name(name)) + r"-\d{3}-.*\.png")
    for path in folder.glob("*.png") if folder.is_dir() else ():
        if ours.fullmatch(path.name):
            with writing(path):
                path.unlink()
