"""Makes persons of the two heads: other tones, hair, caps and breadths of face, a mask or none, and clothes."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from samples.making.clothes import Outfit, clothes
from samples.making.facemasks import Mask, wear
from samples.making.portraits import CANVAS_WH, HEAD_HEIGHT, Head
from samples.making.shapes import Bytes, Colour, Floats, curve, filled, lit, noise, over, stroked

NECK = 430  # the canvas row from which the head's shadow falls on the clothes


@dataclass(frozen=True)
class Look:
    """How one person looks."""

    head: str
    mask: Mask | None = None
    mirrored: bool = False
    tone: float = 1.0  # brightness of the skin
    warmth: float = 0.0  # towards brown
    hair: Colour | None = None
    cap: Colour | None = None
    glasses: bool = False
    wide: float = 1.0  # breadth of the face
    outfit: Outfit = field(default_factory=Outfit)
    seed: int = 0


@dataclass(frozen=True)
class Person:
    """A drawn person: pictures with mattes at 1, 1/2, 1/4 … of the canvas, and the face's outline in the canvas."""

    masked: bool
    contour: Floats
    levels: tuple[tuple[Bytes, Bytes], ...]


def toned(head: Head, look: Look) -> Floats:
    """The head with the skin's brightness and warmth and the hair's colour changed, its shading kept."""
    skin = np.clip(head.matte - head.hair - head.hat, 0, 1)
    level = np.maximum(head.bgr.mean(axis=2), 4) / 255
    # Hopper's print has gone red; the skin is brought back towards its own brightness
    calm = (0.70 if look.head == "hopper" else 0.95) - 0.12 * (1 - look.tone)
    usual = np.array([0.80, 0.95, 1.25], np.float32) * level[..., None] * 255
    cast = np.array([1 - 0.22 * look.warmth, 1 - 0.05 * look.warmth, 1 + 0.04 * look.warmth], np.float32)
    # a curve instead of a plain gain keeps the whites of the eyes and the highlights
    darker = level ** (1.3 * (1 - look.tone)) * (look.tone + (1 - look.tone) * level**4)
    out = over(head.bgr, (usual + (head.bgr - usual) * calm) * cast * darker[..., None], skin)
    if look.hair is not None:
        grey = head.bgr.mean(axis=2)
        share = (grey / float(np.median(grey[head.hair > 0.5]))) ** 1.1
        dyed = np.asarray(look.hair, np.float32) * (0.25 + 0.75 * share)[..., None]
        out = over(out, np.clip(dyed, 0, 255), cv2.GaussianBlur(head.hair, (0, 0), 2.0))
    return np.clip(out, 0, 255).astype(np.float32)


def knitted_cap(head: Head, bgr: Floats, matte: Floats, colour: Colour, seed: int) -> tuple[Floats, Floats]:
    """Picture and matte with a knitted cap in place of the uniform's one."""
    rng = np.random.default_rng(seed + 7)
    shape = (bgr.shape[0], bgr.shape[1])
    brow = head.marks["forehead"]
    (x1, y1), (x2, y2), (xm, ym) = brow[1], brow[-2], brow[3]
    wide = x2 - x1
    top = ym - 0.60 * wide
    rim = [(x1 - 0.10 * wide, y1 + 0.06 * wide), (brow[2, 0], brow[2, 1] - 0.01 * wide), (xm, ym)]
    rim += [(brow[-3, 0], brow[-3, 1] - 0.01 * wide), (x2 + 0.10 * wide, y2 + 0.06 * wide)]
    dome = [(x2 + 0.11 * wide, y2 - 0.18 * wide), (x2 - 0.05 * wide, top + 0.20 * wide), (xm, top)]
    dome += [(x1 + 0.05 * wide, top + 0.20 * wide), (x1 - 0.11 * wide, y1 - 0.18 * wide)]
    cover = filled(curve(rim + dome, closed=True), shape, 1.0)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    u, v = (x - xm) / (0.62 * wide), (y - ym) / (0.6 * wide)
    ribs = np.sin((x - xm) / wide * 95 * (1 + 0.25 * v * v))
    brim = np.clip((v + 0.24) / 0.02, 0, 1)  # turned up
    relief = 0.42 * wide * np.sqrt(np.clip(1.1 - u**2, 0, None)) + 1.6 * ribs + 7 * brim
    relief = relief + 2 * noise(rng, shape, (16, 5))
    knit = np.asarray(colour, np.float32) * (lit(relief * 0.5) * (0.93 + 0.07 * ribs))[..., None]
    shade = cv2.GaussianBlur(np.roll(cover, 9, axis=0), (0, 0), 8) * (1 - cover)
    out = over(bgr, knit, cover) * (1 - 0.3 * shade)[..., None]
    return out, np.maximum(matte * (1 - head.hat * (1 - cover)), cover)


def spectacles(head: Head, bgr: Floats) -> Floats:
    shape = (bgr.shape[0], bgr.shape[1])
    left, right = head.marks["eyes"]
    unit = float(np.linalg.norm(right - left))
    turn = np.linspace(0, 2 * np.pi, 60)
    rounded = np.stack([0.37 * np.cos(turn), 0.26 * np.sin(turn)], axis=1)
    rounded *= np.abs(np.stack([np.cos(turn), np.sin(turn)], axis=1) + 1e-9) ** -0.25
    lines = [eye + unit * (rounded + np.array([0, 0.05])) for eye in (left, right)]
    rim = np.array([0.37 * unit, 0])
    lines.append(curve([left + rim, (left + right) / 2 - np.array([0, 0.05 * unit]), right - rim]))
    for eye, side, temple in ((left, -1, head.marks["forehead"][0]), (right, 1, head.marks["forehead"][-1])):
        lines.append(np.array([eye + side * rim, temple + np.array([side * 0.02 * unit, 0.02 * unit])]))
    frame = np.maximum.reduce([stroked(line, shape, 0.04 * unit, 0.8) for line in lines])
    shade = cv2.GaussianBlur(np.roll(frame, 5, axis=0), (0, 0), 4)
    return over(bgr * (1 - 0.35 * shade)[..., None], (38.0, 34.0, 34.0), 0.95 * frame)


def finished_head(head: Head, look: Look) -> tuple[Floats, Floats, Floats]:
    """Picture, matte and face outline of the head in the canvas, everything on that the look asks for."""
    bgr, matte = toned(head, look), head.matte
    if look.cap is not None:
        bgr, matte = knitted_cap(head, bgr, matte, look.cap, look.seed)
    if look.mask is not None:
        bgr, grown = wear(head, bgr, look.mask)
        matte = np.maximum(matte, grown)
    if look.glasses:
        bgr = spectacles(head, bgr)
    size = (CANVAS_WH[0], HEAD_HEIGHT)
    bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    matte = cv2.resize(matte, size, interpolation=cv2.INTER_AREA)
    breadth = np.array([[look.wide, 0, CANVAS_WH[0] / 2 * (1 - look.wide)], [0, 1, 0]])
    bgr = cv2.warpAffine(bgr, breadth, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    matte = cv2.warpAffine(matte, breadth, size, flags=cv2.INTER_LINEAR)
    return bgr, matte, (head.contour() @ breadth[:, :2].T + breadth[:, 2]).astype(np.float32)


def laid_over(below: tuple[Floats, Floats], colours: Floats, area: Floats) -> tuple[Floats, Floats]:
    """Colours over a picture that has a matte itself: where nothing lies below, the colour is not thinned."""
    bgr, cover = below
    solid = np.where(cover > 0.02, area, (area > 0).astype(np.float32))
    return over(bgr, colours, solid), np.maximum(cover, area)


def dressed(heads: dict[str, Head], look: Look) -> Person:
    """The whole person, ready to be placed into a picture."""
    head_bgr, head_matte, contour = finished_head(heads[look.head], look)
    width, height = CANVAS_WH
    below = ((0, height - HEAD_HEIGHT), (0, 0))
    matte = np.pad(head_matte, below)
    skin = np.array((150.0, 172.0, 208.0)) * look.tone
    skin = skin * np.array([1 - 0.3 * look.warmth, 1 - 0.13 * look.warmth, 1])
    behind, before = clothes(look.outfit, (skin[0], skin[1], skin[2]), look.seed)
    body = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    for colours, area in behind:
        body = laid_over(body, colours, area)
    shadow = cv2.GaussianBlur(np.roll(matte, 30, axis=0), (0, 0), 22)
    body = laid_over(
        (body[0] * (1 - 0.4 * shadow)[..., None], body[1]), np.pad(head_bgr, (*below, (0, 0)), mode="edge"), matte
    )
    rows = np.arange(height)[:, None]
    fading = np.clip((rows - NECK) / 20, 0, 1) * np.clip(1 - (rows - NECK - 10) / 90, 0, 1)
    chin = cv2.GaussianBlur(np.roll(matte, 14, axis=0), (0, 0), 16) * fading
    for colours, area in before:
        body = over(body[0], colours * (1 - 0.45 * chin)[..., None], area), np.maximum(body[1], area)
    bgr, cover = body
    if look.mirrored:
        bgr, cover = bgr[:, ::-1], cover[:, ::-1]
        contour = contour * np.array([-1, 1], np.float32) + np.array([width, 0], np.float32)
    masked = look.mask is not None and not look.mask.below_nose
    return Person(masked, contour, tuple(smaller(np.clip(bgr, 0, 255), np.clip(255 * cover, 0, 255))))


def smaller(bgr: Floats, cover: Floats) -> list[tuple[Bytes, Bytes]]:
    """The person at 1, 1/2, 1/4 … of its size, each averaged with the matte so that no fringe appears."""
    weighted: Floats = bgr * (cover[..., None] / 255)
    out = [(np.ascontiguousarray(bgr).astype(np.uint8), np.ascontiguousarray(cover).astype(np.uint8))]
    for _ in range(5):
        size = (weighted.shape[1] // 2, weighted.shape[0] // 2)
        weighted = cv2.resize(weighted, size, interpolation=cv2.INTER_AREA)
        cover = cv2.resize(cover, size, interpolation=cv2.INTER_AREA)
        plain = weighted / np.maximum(cover / 255, 1 / 512)[..., None]
        out.append((np.clip(plain, 0, 255).astype(np.uint8), np.clip(cover, 0, 255).astype(np.uint8)))
    return out
