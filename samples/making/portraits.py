"""Cuts the heads out of the two public-domain portraits and lays them into one canvas, the eyes in one place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np

from samples.making.marks import COLLINS, HOPPER, Marks
from samples.making.shapes import Bytes, Floats, curve, filled

# The canvas of a person: every head has its eyes here, this far apart. 63 mm between the eyes make 1333 px a metre.
CANVAS_WH = (1000, 2450)
HEAD_HEIGHT = 640
EYES_AT = (500.0, 300.0)
EYES_APART = 84.0
PIXELS_PER_METRE = EYES_APART / 0.063
FINE = 2  # heads and masks are drawn this much finer than the canvas


@dataclass(frozen=True)
class Head:
    """A cut-out head in the fine canvas: colour, matte, hair and the marks moved along with them."""

    name: str
    bgr: Floats  # (FINE * HEAD_HEIGHT, FINE * width, 3), 0..255
    matte: Floats  # 0..1
    hair: Floats
    hat: Floats
    lenses: Floats
    marks: dict[str, Floats]  # (n, 2), in fine pixels

    def contour(self) -> Floats:
        """The face's outline, over the forehead and back along the jaw, in canvas pixels."""
        return np.vstack([self.marks["forehead"], self.marks["jaw"][::-1]]) / FINE


def collins_bgr() -> Bytes:
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[:, :, ::-1])  # type: ignore[no-untyped-call]


def hopper_bgr() -> Bytes:
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    picture = cv2.imread(str(path))
    if picture is None:
        raise FileNotFoundError(f"{path}: matplotlib's sample data are missing; install matplotlib from its wheel")
    return picture.astype(np.uint8)


def cut_matte(picture: Bytes, marks: Marks) -> Floats:
    """Head and neck by GrabCut, held inside the hand-marked outline, the edge soft."""
    shape = (picture.shape[0], picture.shape[1])
    outline = curve(marks.outline, closed=True)
    inside = filled(outline, shape) > 0.5
    # as much as a mark can be off: further inside, all is head
    reach = round(0.16 * (marks.eyes[1][0] - marks.eyes[0][0]))
    sure = cv2.erode(inside.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    labels = np.full(shape, cv2.GC_BGD, np.uint8)
    labels[inside] = cv2.GC_PR_FGD
    labels[sure] = cv2.GC_FGD
    cv2.setRNGSeed(1)
    cv2.grabCut(picture, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 6, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    head: Bytes = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    head = cv2.morphologyEx(head, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(head)
    largest = 1 + int(np.argmax(stats[1:count, cv2.CC_STAT_AREA]))
    matte: Floats = (pieces == largest).astype(np.float32)
    return cv2.GaussianBlur(matte, (0, 0), 0.8)


def without_rim(picture: Bytes, matte: Floats) -> Floats:
    """The picture with the head's colours carried outwards, so that no old background shines through a soft edge."""
    solid = (cv2.erode((matte > 0.9).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0).astype(np.float32)
    spread, weight = picture.astype(np.float32) * solid[..., None], solid.copy()
    for sigma in (1.0, 2.0, 4.0, 8.0):
        near = cv2.GaussianBlur(solid, (0, 0), sigma)
        colour = cv2.GaussianBlur(picture * solid[..., None], (0, 0), sigma) / np.maximum(near, 1e-4)[..., None]
        fresh = (weight < 0.5) & (near > 0.02)
        spread[fresh], weight[fresh] = colour[fresh], 1.0
    return np.where(solid[..., None] > 0.5, picture, spread).astype(np.float32)


def to_canvas(marks: Marks) -> Floats:
    """The similarity, (2, 3), that brings a portrait's eyes to their place in the fine canvas."""
    (x1, y1), (x2, y2) = marks.eyes
    eye = complex(x2 - x1, y2 - y1)
    turn = FINE * EYES_APART / eye
    middle = turn * complex((x1 + x2) / 2, (y1 + y2) / 2)
    shift = FINE * complex(*EYES_AT) - middle
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def cut_head(name: str, picture: Bytes, marks: Marks) -> Head:
    matrix = to_canvas(marks)
    size = (FINE * CANVAS_WH[0], FINE * HEAD_HEIGHT)
    shape = (picture.shape[0], picture.shape[1])
    matte = cut_matte(picture, marks)

    def moved(layer: Floats, how: int = cv2.INTER_CUBIC) -> Floats:
        return cv2.warpAffine(layer, matrix, size, flags=how, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)

    def area(polygons: Iterable[Floats], soft: float) -> Floats:
        cover = np.zeros(shape, np.float32)
        for polygon in polygons:
            if len(polygon):
                cover = np.maximum(cover, filled(polygon, shape, soft))
        return moved(cover, cv2.INTER_LINEAR)

    cover = np.clip(moved(matte), 0, 1)
    cover[:, : FINE * 150], cover[:, -FINE * 150 :] = 0, 0
    points = {
        f.name: getattr(marks, f.name) for f in fields(marks) if f.name not in ("hair", "lenses", "hat", "outline")
    }
    return Head(
        name=name,
        bgr=np.clip(moved(without_rim(picture, matte)), 0, 255),
        matte=cover,
        hair=area(marks.hair, 1.5) * cover,
        hat=area([marks.hat], 0.7),
        lenses=area(marks.lenses, 0.6),
        marks={key: (p @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32) for key, p in points.items()},
    )


def both_heads() -> dict[str, Head]:
    return {
        "collins": cut_head("collins", collins_bgr(), COLLINS),
        "hopper": cut_head("hopper", hopper_bgr(), HOPPER),
    }
