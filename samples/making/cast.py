"""Who is in the clip and in the stills, how each looks, and the ways they go."""

from __future__ import annotations

import math
from dataclasses import dataclass

from samples.making.clothes import Outfit
from samples.making.facemasks import Mask
from samples.making.hall import Camera
from samples.making.people import Look
from samples.making.stage import Pose

LIGHT_BLUE = (206.0, 188.0, 152.0)
TEAL = (158.0, 168.0, 112.0)
BLUE = (190.0, 150.0, 96.0)
WHITE = (230.0, 232.0, 232.0)
BLACK = (44.0, 40.0, 40.0)

LOOKS = {
    "fair": Look("collins", outfit=Outfit((72, 62, 52), "scarf", (62, 58, 128)), seed=1),
    "officer": Look(
        "hopper", Mask("surgical", LIGHT_BLUE, seed=2), outfit=Outfit((62, 48, 42), "lapels", (40, 36, 34)), seed=2
    ),
    "green": Look(
        "collins",
        Mask("ffp2", WHITE, seed=3),
        mirrored=True,
        hair=(40, 48, 60),
        tone=0.8,
        warmth=0.5,
        wide=1.04,
        outfit=Outfit((84, 110, 62), "zip"),
        seed=3,
    ),
    "redcap": Look(
        "hopper", mirrored=True, cap=(62, 60, 140), outfit=Outfit((112, 92, 72), "scarf", (50, 140, 180)), seed=4
    ),
    "grey": Look(
        "collins",
        Mask("cloth", BLACK, seed=5),
        tone=0.62,
        warmth=1.0,
        hair=(22, 24, 28),
        glasses=True,
        wide=0.97,
        outfit=Outfit((140, 140, 148), "roll", (120, 80, 60)),
        seed=5,
    ),
    "brown": Look(
        "hopper", tone=0.66, warmth=0.9, cap=(120, 110, 60), wide=0.97, outfit=Outfit((52, 80, 118), "zip"), seed=6
    ),
    "auburn": Look(
        "collins",
        Mask("surgical", LIGHT_BLUE, below_nose=True, seed=7),
        hair=(34, 52, 92),
        outfit=Outfit((96, 70, 96), "roll", (200, 205, 210)),
        seed=7,
    ),
    "far": Look(
        "collins", mirrored=True, hair=(120, 124, 128), outfit=Outfit((58, 58, 60), "lapels", (90, 50, 40)), seed=8
    ),
    "nurse": Look(
        "hopper",
        Mask("surgical", TEAL, seed=9),
        mirrored=True,
        cap=(150, 140, 90),
        outfit=Outfit((186, 186, 180), "roll", (170, 160, 120)),
        seed=9,
    ),
    "near": Look(
        "hopper",
        mirrored=True,
        cap=(70, 66, 62),
        tone=0.94,
        wide=1.03,
        outfit=Outfit((60, 66, 72), "lapels", (60, 40, 110)),
        seed=10,
    ),
    "blue": Look(
        "collins",
        Mask("surgical", BLUE, seed=11),
        mirrored=True,
        hair=(62, 84, 116),
        outfit=Outfit((126, 90, 70), "scarf", (180, 180, 186)),
        seed=11,
    ),
    "late": Look(
        "hopper",
        Mask("cloth", (92, 52, 44), seed=12),
        tone=0.8,
        warmth=0.6,
        cap=(46, 44, 44),
        wide=1.02,
        outfit=Outfit((46, 44, 50), "zip"),
        seed=12,
    ),
}


@dataclass(frozen=True)
class Walk:
    """A person's way: (seconds, x, z) in order; there only between the first and the last."""

    look: str
    way: tuple[tuple[float, float, float], ...]
    size: float = 1.0
    turn: float = 0.0
    turn_swing: float = 5.0
    light: float = 1.0

    def pose(self, seconds: float) -> Pose | None:
        if not self.way[0][0] <= seconds <= self.way[-1][0]:
            return None
        gone = 0.0
        x, z = self.way[0][1:]
        for (t0, x0, z0), (t1, x1, z1) in zip(self.way, self.way[1:], strict=False):
            part = min(1.0, max(0.0, (seconds - t0) / (t1 - t0)))
            gone += part * math.hypot(x1 - x0, z1 - z0)
            if part > 0:
                x, z = x0 + part * (x1 - x0), z0 + part * (z1 - z0)
        phase = sum(map(ord, self.look)) % 7
        turn = self.turn + self.turn_swing * math.sin(0.9 * seconds + phase)
        still = 0.012 * math.sin(0.8 * seconds + phase)
        lean = 1.2 * math.sin(math.pi * gone / 0.7 + phase) + 0.8 * math.sin(0.7 * seconds + 2 * phase)
        return Pose(x + still, z, self.size, turn, lean, math.pi * gone / 0.7, self.light)


CROWD = (
    Walk("fair", ((0, -1.05, 2.9), (10, -1.05, 2.9)), size=0.98, turn_swing=9),
    Walk("officer", ((0, 0.55, 7.5), (10, 0.30, 1.35)), size=0.96),
    Walk("green", ((0, -0.9, 8.0), (10, -0.50, 2.3)), size=1.03),
    Walk("redcap", ((0, 1.35, 5.2), (10, 1.35, 5.2)), size=1.02, turn_swing=8),
    Walk("grey", ((0.4, -2.35, 4.0), (6.6, 2.35, 4.0)), size=1.05, turn=13, turn_swing=4),
    Walk("brown", ((3.2, 1.45, 2.1), (8.0, -1.45, 2.2)), size=1.0, turn=-13, turn_swing=4),
    Walk("auburn", ((0, 0.98, 2.6), (10, 0.98, 2.6)), size=0.95, turn_swing=8, light=0.95),
    Walk("far", ((0, -1.9, 7.9), (10, -1.75, 7.3)), size=1.0, light=0.92),
    Walk("nurse", ((0, 0.95, 7.6), (10, 1.0, 6.9)), size=1.06),
    Walk("near", ((5.6, -0.86, 1.05), (8.0, -0.24, 1.0), (10, -0.22, 1.0)), size=1.0, turn_swing=6),
    Walk("blue", ((0, 0.22, 1.5), (2.8, 1.0, 1.35)), size=0.97, turn=6),
    Walk("late", ((2.0, 3.2, 6.0), (4.0, 2.6, 5.6), (10, 1.75, 4.0)), size=1.04),
)

CROSSING = (
    Walk("fair", ((0.3, -1.7, 3.4), (4.4, 1.75, 3.4)), turn=8),
    Walk("officer", ((0.8, 1.65, 2.9), (5.2, -1.65, 2.9)), turn=-8),
    Walk("green", ((0, 0.1, 4.2), (8, 0.1, 4.2)), size=1.03),
    Walk("redcap", ((0, -0.75, 6.0), (8, -0.6, 2.3))),
    Walk("grey", ((1.0, -2.3, 4.9), (7.6, 2.3, 4.9)), size=1.05, turn=8),
    Walk("brown", ((1.3, -2.3, 4.7), (7.9, 2.3, 4.7)), turn=8),
    Walk("nurse", ((0, 0.85, 3.8), (8, 0.85, 3.8)), size=1.06),
    Walk("late", ((4.6, -1.45, 2.6), (6.6, -0.2, 2.6), (8, -0.2, 2.5)), turn=6),
    Walk("fair", ((6.0, 1.7, 3.4), (8, 0.55, 3.2)), turn=-8),  # back again: another appearance
    Walk("blue", ((0, -1.3, 3.6), (1.6, -1.3, 3.6), (3.2, -2.1, 3.6)), turn=-6),
    Walk("blue", ((6.2, -2.1, 3.7), (8, -1.1, 3.7)), turn=6),
)
PANNED = (
    Walk("auburn", ((0, -0.9, 3.0), (8, -0.9, 3.0)), size=0.97),
    Walk("officer", ((0, -0.35, 3.6), (8, 1.9, 3.4)), turn=6),
    Walk("green", ((0.5, 2.3, 3.9), (7.5, -0.4, 3.7)), size=1.03, turn=-6),
    Walk("blue", ((0, 0.62, 3.2), (8, 0.62, 3.2)), turn_swing=8),
    Walk("far", ((0, 1.75, 4.6), (8, 1.75, 4.6))),
    Walk("late", ((2.4, 2.9, 4.2), (8, 0.9, 3.0)), size=1.04, turn=-5),
    Walk("redcap", ((0, 0.2, 5.4), (8, 0.25, 4.6)), size=1.02),
)


@dataclass(frozen=True)
class Clip:
    """A film: its file, the table of its truth, who walks in it, and how the camera looks around.

    `look` gives the upper left corner of what is shown, in parts of the scene's width over time, as (seconds, part);
    what is shown is `size_wh` of the scene.
    """

    file: str
    truth: str
    people: tuple[Walk, ...]
    seconds: float
    rate: int
    size_wh: tuple[int, int]
    camera: Camera
    look: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    shake: float = 0.0  # pixels

    def corner(self, seconds: float) -> tuple[int, int]:
        """Upper left corner of what is shown, in whole pixels of the scene."""
        if self.camera.size_wh == self.size_wh:
            return 0, 0
        at = self.look[0][1]
        for (t0, p0), (t1, p1) in zip(self.look, self.look[1:], strict=False):
            share = min(1.0, max(0.0, (seconds - t0) / (t1 - t0)))
            at = p0 + (p1 - p0) * share * share * (3 - 2 * share) if seconds >= t0 else at
        x = at * self.camera.size_wh[0] + self.shake * math.sin(5.1 * seconds)
        y = (self.camera.size_wh[1] - self.size_wh[1]) / 2 + self.shake * math.sin(3.7 * seconds + 1)
        return round(x), round(y)


CLIPS = (
    Clip("crowd.mp4", "truth.csv", CROWD, 10.0, 25, (1280, 720), Camera()),
    Clip("crossing.mp4", "truth-crossing.csv", CROSSING, 8.0, 25, (640, 360), Camera((640, 360), 760, 90)),
    Clip(
        "pan.mp4",
        "truth-pan.csv",
        PANNED,
        8.0,
        25,
        (640, 360),
        Camera((1100, 368), 760, 94),
        look=((2.0, 0.09), (4.2, 0.37), (5.4, 0.37), (6.6, 0.30)),
        shake=1.6,
    ),
)


@dataclass(frozen=True)
class Still:
    """A picture: its file, size and camera, and who stands where (look, x, z, size, turn)."""

    file: str
    size_wh: tuple[int, int]
    focal: float
    horizon: float
    seed: int
    people: tuple[tuple[str, float, float, float, float], ...]


HALL = (
    ("near", 0.36, 1.45, 1.0, -6.0),
    ("green", -0.58, 1.75, 1.03, 5.0),
    ("fair", 0.98, 2.3, 0.96, -8.0),
    ("officer", -1.2, 2.6, 0.97, 8.0),
    ("grey", 0.10, 3.0, 1.05, 0.0),
    ("blue", -0.62, 4.0, 1.0, 6.0),
    ("auburn", 1.75, 3.9, 1.02, -10.0),
    ("brown", 0.75, 4.6, 1.06, -4.0),
    ("nurse", -2.2, 5.0, 1.04, 6.0),
    ("late", 1.5, 6.2, 1.08, 0.0),
    ("redcap", -0.45, 7.0, 1.05, 3.0),
    ("far", 2.6, 7.2, 1.05, -5.0),
)
TURNED = (("officer", -0.26, 1.5, 1.0, 4.0), ("auburn", 0.36, 1.9, 1.0, -7.0), ("far", -0.02, 3.1, 1.08, 0.0))
SMALL = (("blue", -0.30, 1.3, 1.0, 4.0), ("brown", 0.42, 1.6, 1.0, -5.0), ("fair", 0.12, 2.4, 1.05, 3.0))
GREY = (
    ("redcap", -0.42, 1.7, 1.0, 5.0),
    ("green", 0.28, 1.5, 1.0, -4.0),
    ("grey", -0.02, 3.0, 1.08, 0.0),
    ("late", 0.95, 2.6, 1.03, -6.0),
)
STILLS = (
    Still("hall.jpg", (1600, 900), 1500, 230, 5, HALL),
    Still("turned.jpg", (720, 960), 1150, 330, 6, TURNED),
    Still("small.png", (320, 240), 300, 62, 7, SMALL),
    Still("grey.jpg", (640, 480), 760, 130, 8, GREY),
)
