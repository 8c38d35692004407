"""Draws the clothes: pieces of cloth, rounded and creased, in the canvas of a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from samples.making.portraits import CANVAS_WH
from samples.making.shapes import Colour, Floats, curve, filled, lit, noise, over, path, stroked

Collar = Literal["scarf", "lapels", "roll", "zip"]
Piece = tuple[Floats, Floats]  # colours (h, w, 3) and coverage (h, w) of the canvas

TORSO = path(
    "432,480 400,505 330,532 262,560 236,600 232,700 240,900 236,1150 222,1420 360,1450 500,1456 640,1450 "
    "778,1420 764,1150 760,900 768,700 764,600 738,560 670,532 600,505 568,480 500,470"
)
ARM = path(
    "262,560 222,590 198,660 180,800 166,980 160,1130 172,1170 222,1176 246,1160 262,980 286,820 296,700 292,600"
)
HAND = path("178,1165 172,1220 182,1270 206,1282 226,1262 230,1210 224,1165")
SCARF = path(
    "412,452 392,490 388,530 420,566 500,580 580,566 612,530 608,490 588,452 560,462 530,470 500,473 470,470 440,462"
)
ROLL = path(
    "424,446 414,490 404,524 440,548 500,556 560,548 596,524 586,490 576,446 556,458 530,467 500,470 470,467 444,458"
)
SHIRT = path("424,440 410,500 440,640 500,760 560,640 590,500 576,440 540,470 500,480 460,470")
LAPEL = path("420,455 398,500 384,600 420,640 440,690 496,762 484,700 450,600 424,520 428,470")
TIE = path("486,500 514,500 520,530 532,700 500,752 468,700 480,530")
SLIM = 0.82  # the drawn body's breadth about the middle
SHAPE = (CANVAS_WH[1], CANVAS_WH[0])
MIDDLE = CANVAS_WH[0] / 2


@dataclass(frozen=True)
class Outfit:
    coat: Colour = (70, 60, 55)
    collar: Collar = "scarf"
    scarf: Colour = (60, 60, 130)  # or tie, or what the roll collar is of


def mirrored(outline: Floats) -> Floats:
    return np.stack([CANVAS_WH[0] - outline[::-1, 0], outline[::-1, 1]], axis=1)


def slim(outline: Floats) -> Floats:
    return np.stack([MIDDLE + SLIM * (outline[:, 0] - MIDDLE), outline[:, 1]], axis=1)


def depth_inside(solid: Floats, hanging: bool) -> Floats:
    """How far each pixel lies from the edge, in every direction or, for what hangs, sideways."""
    if not hanging:
        return cv2.distanceTransform(solid.astype(np.uint8), cv2.DIST_L2, 5)
    from_left = np.cumsum(solid, axis=1)
    sideways: Floats = np.minimum(from_left, from_left[:, -1:] - from_left).astype(np.float32)
    return cv2.GaussianBlur(sideways, (0, 0), 3.0, sigmaY=16.0)


def sewer(rng: np.random.Generator) -> Callable[..., Piece]:
    """A function that makes pieces of clothing, each with creases of its own."""

    def piece(outline: Floats, colour: Colour, bulge: float, creases: float, hanging: bool = False) -> Piece:
        cover = filled(curve(outline, closed=True), SHAPE, 1.0)
        inner = np.minimum(depth_inside(cover > 0.5, hanging), bulge)
        relief = np.sqrt(inner * (2 * bulge - inner))
        relief = relief + creases * (noise(rng, SHAPE, (9, 46)) * 2.2 + noise(rng, SHAPE, (26, 22)) * 3)
        relief = cv2.GaussianBlur(relief.astype(np.float32), (0, 0), 2.0)
        weave = 1 + 0.02 * noise(rng, SHAPE, (0.7, 0.7))
        return np.asarray(colour, np.float32) * (lit(relief, ambient=0.35) * weave)[..., None], cover

    return piece


def closed_front(torso_bgr: Floats, collar: Collar) -> Floats:
    """Buttons or a zip on the coat."""
    line = curve([(500, 755 if collar == "lapels" else 540), (503, 900), (499, 1440)])
    torso_bgr = torso_bgr * (1 - 0.45 * stroked(line, SHAPE, 5, 1.5))[..., None]
    if collar == "zip":
        return over(torso_bgr, (170.0, 172.0, 172.0), 0.7 * stroked(line, SHAPE, 4, 0.8))
    turn = np.linspace(0, 2 * np.pi, 20)
    for y in (800, 960, 1120, 1280):
        button = filled(np.stack([518 + 11 * np.cos(turn), y + 11 * np.sin(turn)], axis=1), SHAPE, 1)
        torso_bgr = torso_bgr * (1 - 0.55 * button)[..., None]
    return torso_bgr


def clothes(outfit: Outfit, skin: Colour, seed: int) -> tuple[list[Piece], list[Piece]]:
    """What lies behind the head and what before it, far to near."""
    piece = sewer(np.random.default_rng(seed + 100))
    hands = [piece(slim(o), skin, 30, 0.2) for o in (HAND, mirrored(HAND))]
    arms = [piece(slim(o), outfit.coat, 50, 1.0, hanging=True) for o in (ARM, mirrored(ARM))]
    torso_bgr, torso = piece(slim(TORSO), outfit.coat, 160, 1.0, hanging=True)
    behind = [*hands, *arms, (closed_front(torso_bgr, outfit.collar), torso)]
    if outfit.collar == "lapels":
        darker = (0.9 * outfit.coat[0], 0.9 * outfit.coat[1], 0.9 * outfit.coat[2])
        shirt, tie = piece(SHIRT, (226, 226, 222), 70, 0.4), piece(TIE, outfit.scarf, 26, 0.4)
        return behind, [shirt, tie, *(piece(o, darker, 26, 0.4) for o in (LAPEL, mirrored(LAPEL)))]
    if outfit.collar == "scarf":
        return behind, [piece(SCARF, outfit.scarf, 44, 2.2)]
    return behind, [piece(ROLL, outfit.scarf if outfit.collar == "roll" else outfit.coat, 40, 1.0)]
