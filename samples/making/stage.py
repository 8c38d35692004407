"""Puts persons into the hall, far to near, turns their heads, and notes where each face is and what of it is seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from samples.making.hall import Camera
from samples.making.people import Person
from samples.making.portraits import EYES_AT, PIXELS_PER_METRE
from samples.making.shapes import Bytes, Floats, filled

EYE_HEIGHT = 1.58
HEAD_RADIUS = 178.0  # canvas pixels, of the cylinder that stands for a head when it turns
NECK_END, HEM = 475.0, 1420.0
DRAWN_X, DRAWN_Y = (190, 810), (90, 1480)  # the part of the canvas that anything is drawn on
HAIRLINE = 0.10  # labels of faces reach to the hairline; the marked forehead ends below fringe or cap


@dataclass(frozen=True)
class Pose:
    """Where a person is at one moment."""

    x: float
    z: float
    size: float = 1.0
    turn: float = 0.0  # of the head, degrees, to the viewer's right
    lean: float = 0.0  # degrees
    stride: float = 0.0  # phase of the walk, radians; standing still where it does not change
    light: float = 1.0


@dataclass(frozen=True)
class SeenFace:
    """A face's box in the picture, whether it is masked, the part of it that nothing hides, and whose it is."""

    box_xyxy: tuple[float, float, float, float]
    masked: bool
    visible: float
    person: int = 0  # position in the cast that was rendered


def turned_x(x: Floats, y: Floats, degrees: float) -> Floats:
    """Where canvas points come to lie, sideways, when the head turns; below the neck they stay."""
    u = np.clip((x - EYES_AT[0]) / HEAD_RADIUS, -1, 1)
    angle = np.clip(np.arcsin(u) + math.radians(degrees), -math.pi / 2, math.pi / 2)
    share = np.clip((NECK_END - y) / 45, 0, 1)
    moved: Floats = x + HEAD_RADIUS * (np.sin(angle) - u) * share
    return moved


def transform(camera: Camera, pose: Pose) -> tuple[complex, complex]:
    """Canvas to picture as z -> turn * z + shift."""
    scale = camera.focal / pose.z / PIXELS_PER_METRE * pose.size
    bob = 0.018 * abs(math.sin(pose.stride)) * camera.focal / pose.z
    turn = scale * complex(math.cos(math.radians(pose.lean)), math.sin(math.radians(pose.lean)))
    eyes = complex(*camera.place(pose.x, EYE_HEIGHT * pose.size, pose.z)) - 1j * bob
    return turn, eyes - turn * complex(*EYES_AT)


def legs(picture: Floats, owner: Bytes, who: int, camera: Camera, pose: Pose) -> None:
    """Trousers and shoes below the coat, and the shadow on the floor."""
    scale = camera.focal / pose.z
    x, ground = camera.place(pose.x, 0.0, pose.z)
    left, top = max(0, math.floor(x - 0.6 * scale)), max(0, math.floor(ground - 1.1 * scale))
    picture = picture[top : math.ceil(ground + 0.3 * scale), left : max(0, math.ceil(x + 0.6 * scale))]
    height, width = picture.shape[:2]
    if not height or not width:
        return
    mine = owner[top : top + height, left : left + width]
    x, ground = x - left, ground - top
    shadow = np.zeros((height, width), np.float32)
    cv2.ellipse(shadow, (round(x), round(ground)), (round(0.36 * scale), round(0.09 * scale)), 0, 0, 360, 1.0, -1)
    picture *= (1 - 0.42 * cv2.GaussianBlur(shadow, (0, 0), max(0.8, 0.05 * scale)))[..., None]
    turn, shift = transform(camera, pose)
    thick = 0.085 * scale * pose.size
    for side in (-1, 1):
        hip = turn * complex(EYES_AT[0] + side * 62, HEM - 60) + shift - complex(left, top)
        lift = max(0.0, side * math.sin(pose.stride)) * 0.10
        foot_x, sole = x + side * thick, ground - lift * scale
        ankle = sole - 0.03 * scale
        trouser = [(hip.real - thick, hip.imag), (hip.real + thick, hip.imag)]
        trouser += [(foot_x + 0.62 * thick, ankle), (foot_x - 0.62 * thick, ankle)]
        angle = np.linspace(0, 2 * np.pi, 40)
        shoe = np.stack(
            [foot_x + 0.8 * thick * np.cos(angle), sole - 0.02 * scale + 0.55 * thick * np.sin(angle)], axis=1
        )
        rounded = np.clip(1.0 - 0.35 * np.abs(np.arange(width) - foot_x) / max(thick, 1), 0.5, 1)[None, :, None]
        for outline, colour in ((trouser, (58, 50, 46)), (shoe, (26, 26, 30))):
            cover = filled(outline, (height, width))
            picture += (np.asarray(colour, np.float32) * rounded - picture) * cover[..., None]
            mine[cover > 0.5] = who


def put(picture: Floats, owner: Bytes, who: int, camera: Camera, shown: tuple[Person, Pose]) -> None:
    """Paints one person over the picture."""
    person, pose = shown
    height, width = owner.shape
    legs(picture, owner, who, camera, pose)
    turn, shift = transform(camera, pose)
    corners = [turn * complex(a, b) + shift for a in DRAWN_X for b in DRAWN_Y]
    x0, x1 = max(0, math.floor(min(c.real for c in corners))), min(width, math.ceil(max(c.real for c in corners)) + 1)
    y0, y1 = max(0, math.floor(min(c.imag for c in corners))), min(height, math.ceil(max(c.imag for c in corners)) + 1)
    if x0 >= x1 or y0 >= y1:
        return
    level = min(len(person.levels) - 1, max(0, round(math.log2(1 / abs(turn)) - 0.15)))
    image, matte = person.levels[level]
    back = 1 / turn
    yy, xx = np.mgrid[y0:y1, x0:x1].astype(np.float32) - np.array([shift.imag, shift.real], np.float32)[:, None, None]
    u, v = xx * back.real - yy * back.imag, xx * back.imag + yy * back.real
    head = v < NECK_END
    u[head] = turned_x(u[head], v[head], -pose.turn)
    smaller = np.float32(2.0**-level)
    map_x, map_y = ((c + 0.5) * smaller - 0.5 for c in (u, v))
    bgr = cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    cover = cv2.remap(matte, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT).astype(np.float32) / 255
    haze = 0.03 + 0.012 * pose.z
    bgr = bgr * (pose.light * (1 - haze)) + np.array((176, 180, 180), np.float32) * haze
    part = picture[y0:y1, x0:x1]
    part += (bgr - part) * cover[..., None]
    owner[y0:y1, x0:x1][cover > 0.5] = who


def contour_at(camera: Camera, person: Person, pose: Pose) -> Floats:
    turn, shift = transform(camera, pose)
    x, y = person.contour.T
    z = turn * (turned_x(x, y, pose.turn) + 1j * y) + shift
    contour: Floats = np.stack([z.real, z.imag], axis=1).astype(np.float32)
    return contour


def render(hall: Bytes, camera: Camera, cast: list[tuple[Person, Pose]]) -> tuple[Bytes, list[SeenFace]]:
    """The hall with the people in it, and their faces in the order of the cast."""
    picture = hall.astype(np.float32)
    owner: Bytes = np.full(hall.shape[:2], 255, np.uint8)
    for who in sorted(range(len(cast)), key=lambda i: -cast[i][1].z):
        put(picture, owner, who, camera, cast[who])
    height, width = hall.shape[:2]
    faces = []
    for who, (person, pose) in enumerate(cast):
        contour = contour_at(camera, person, pose)
        area = np.zeros((height, width), np.uint8)
        cv2.fillPoly(area, [np.round(contour).astype(np.int32)], 1)
        seen = np.count_nonzero((area == 1) & (owner == who)) / max(1.0, float(cv2.contourArea(contour)))
        low, high = contour.min(axis=0), contour.max(axis=0)
        low[1] -= HAIRLINE * (high[1] - low[1])
        x1, y1 = np.clip(low, 0, (width, height))
        x2, y2 = np.clip(high, 0, (width, height))
        if x2 - x1 >= 1 and y2 - y1 >= 1:
            faces.append(SeenFace((float(x1), float(y1), float(x2), float(y2)), person.masked, min(1.0, seen), who))
    return np.clip(picture, 0, 255).astype(np.uint8), faces
