"""Draws a contact sheet for each kind of error, worst first, into the user's own folder: they show what to mend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.evaluation.harness import SetResult
from crowdmask.evaluation.matching import pair
from crowdmask.evaluation.records import Judged
from crowdmask.evaluation.worst import FAULT, file_name
from crowdmask.geometry import FloatArray, face_sizes
from crowdmask.labels.records import Label, LabelledPicture
from crowdmask.media.parts import write_whole, writing
from crowdmask.media.pictures import read_picture
from crowdmask.records import Verdict
from crowdmask.results.lettering import plate
from crowdmask.results.palette import ink_on

Image = NDArray[np.uint8]

CELL, COLUMNS, CAPITALS = 144, 8, 9
CONTEXT = 2.6  # sides of a face that a cell shows
FACES_PER_PICTURE = 4  # faces on a sheet for each picture that is drawn whole


class Kind(Enum):
    FALSE_FIND = "false-finds"
    MISS = "missed"
    WRONG_VERDICT = "wrong-verdicts"


@dataclass(frozen=True)
class Fault:
    """One error: where it is, what to write beside it, and how bad it is (a judged find that is none, a sure score, a
    large face that was missed)."""

    kind: Kind
    picture: Path
    box: FloatArray
    text: str
    weight: float


def write_sheets(folder: Path, result: SetResult, most: int) -> list[Path]:
    """A PNG for each kind of error that there is; those of an earlier run are replaced."""
    found = list(faults(result))
    written = []
    for kind in Kind:
        path = folder / f"{file_name(result.name)}-{kind.value}.png"
        worst = sorted((f for f in found if f.kind is kind), key=lambda f: -f.weight)[: most * FACES_PER_PICTURE]
        with writing(path):
            path.unlink(missing_ok=True)
            if not worst:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
        written.append(write_whole(path, cv2.imencode(".png", sheet(worst))[1].tobytes()))
    return written


def faults(result: SetResult) -> Iterator[Fault]:
    """Every error of a set, picture by picture."""
    for truth, judged in zip(result.truths, result.predictions, strict=True):
        yield from _of_picture(truth, judged.above(result.evaluation.confidence), result.evaluation.match_iou)


def _of_picture(truth: LabelledPicture, judged: Judged, match_iou: float) -> Iterator[Fault]:
    faces = truth.take(truth.faces)
    boxes, scores = judged.faces.boxes, judged.faces.scores
    pairing = pair(boxes, scores, faces.boxes, truth.boxes[~truth.faces], match_iou)
    folded, wanted = judged.folded().verdicts, faces.folded().labels
    for i in range(len(boxes)):
        word = Verdict(judged.verdicts[i]).word
        text, face = f"{word} {scores[i]:.2f}", pairing.face[i]
        unknown = folded[i] == Verdict.UNKNOWN
        if face < 0 and not pairing.ignored[i]:
            yield Fault(Kind.FALSE_FIND, truth.path, boxes[i], text, float(scores[i]) - unknown)
        elif face >= 0 and not unknown and folded[i] != wanted[face]:
            text = f"{text}, is {Label(faces.labels[face]).word}"
            yield Fault(Kind.WRONG_VERDICT, truth.path, boxes[i], text, float(scores[i]))
    sizes = face_sizes(faces.boxes)
    for i in sorted(set(range(len(faces.boxes))) - set(pairing.face.tolist())):
        text = f"{Label(faces.labels[i]).word} {sizes[i]:.0f} px"
        yield Fault(Kind.MISS, truth.path, faces.boxes[i], text, float(sizes[i]))


def sheet(found: Sequence[Fault]) -> Image:
    """Each error in a cell of its own, row by row, its box drawn and its text above."""
    rows = -(-len(found) // COLUMNS)
    whole = np.zeros((rows * CELL, min(COLUMNS, len(found)) * CELL, 3), np.uint8)
    for place, fault in enumerate(found):
        y, x = place // COLUMNS * CELL, place % COLUMNS * CELL
        whole[y : y + CELL, x : x + CELL] = _cell(read_picture(fault.picture), fault)
    return whole


def _cell(image: Image, fault: Fault) -> Image:
    x1, y1, x2, y2 = fault.box.tolist()
    side = max(x2 - x1, y2 - y1, 1.0) * CONTEXT
    scale = CELL / side
    shift = np.array([CELL / 2 - (x1 + x2) / 2 * scale, CELL / 2 - (y1 + y2) / 2 * scale])
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    cell = np.asarray(cv2.warpAffine(image, matrix, (CELL, CELL), flags=cv2.INTER_AREA), np.uint8)
    ends = [int(v) for v in np.rint(np.array([x1, y1, x2, y2]) * scale + np.tile(shift, 2))]
    cv2.rectangle(cell, (ends[0], ends[1]), (ends[2], ends[3]), FAULT, 1)
    label = plate(fault.text, CAPITALS, ink_on(FAULT), FAULT)[:CELL, :CELL]
    cell[: label.shape[0], : label.shape[1]] = label
    return cell
