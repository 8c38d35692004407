"""Draws a mask onto a cut-out head: a textured cloth, warped to the marks of the face and lit like it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from samples.making.portraits import Head
from samples.making.shapes import Floats, along, curve, filled, lit, noise, over, stroked

Kind = Literal["surgical", "ffp2", "cloth"]
TEXTURE_WH = (640, 440)


@dataclass(frozen=True)
class Mask:
    kind: Kind
    colour_bgr: tuple[float, float, float]
    below_nose: bool = False  # wrongly worn: the nose is free
    seed: int = 0


def edges(head: Head, mask: Mask) -> tuple[Floats, Floats]:
    """The mask's upper and lower edge as lines from left to right, in fine canvas pixels."""
    m = head.marks
    jaw = curve(m["jaw"])
    left, right = along(jaw, 101)[:51], along(jaw, 101)[::-1][:51]
    chin = m["chin"][0]
    bridge = m["nose_bridge"][0]
    base = m["nose_base"][0]
    unit = float(np.linalg.norm(m["eyes"][1] - m["eyes"][0]))

    def inside(side: Floats, part: float, inset: float) -> Floats:
        point: Floats = side[round(50 * part)]
        inwards: Floats = point + (np.array([base[0], point[1]]) - point) * inset
        return inwards

    if mask.kind == "ffp2":
        upper, lower, inset, drop = 0.08, 0.44, 0.0, 0.10
    elif mask.kind == "cloth":
        upper, lower, inset, drop = 0.04, 0.46, -0.02, 0.09
    else:
        upper, lower, inset, drop = 0.06, 0.50, 0.02, 0.07
    down = np.array([0.0, 1.0])
    top_centre = base + 0.12 * unit * down if mask.below_nose else bridge
    shift = 0.22 if mask.below_nose else 0.0
    tl, tr = inside(left, upper + shift, inset), inside(right, upper + shift, inset)
    bl, br = inside(left, lower + shift / 2, inset), inside(right, lower + shift / 2, inset)

    def beside(corner: Floats, sign: float) -> Floats:
        """Where the edge has come down from the nose to the cheek."""
        climb = 0.0 if mask.below_nose else 0.105 * unit
        part = 0.25 if mask.below_nose else 0.42
        y = top_centre[1] + (corner[1] - top_centre[1]) * part + climb
        return np.array([top_centre[0] + sign * 0.34 * unit, y])

    top = curve(np.array([tl, beside(tl, -1), top_centre, beside(tr, 1), tr], np.float32))
    bottom_centre = chin + drop * unit * down
    low_left, low_right = inside(left, 0.80, -0.015), inside(right, 0.80, -0.015)
    near_left, near_right = inside(left, 0.63, -0.02), inside(right, 0.63, -0.02)
    hang = 0.75 * drop * unit * down
    low = [bl, near_left, low_left + hang, bottom_centre, low_right + hang, near_right, br]
    return along(top, 65), along(curve(np.array(low, np.float32)), 65)


def cloth(mask: Mask) -> tuple[Floats, Floats]:
    """The flat mask: its colour, (h, w, 3), and its relief in texture pixels, (h, w)."""
    rng = np.random.default_rng(mask.seed)
    width, height = TEXTURE_WH
    shape = (height, width)
    s = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    t = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    colour = np.empty((*shape, 3), np.float32)
    colour[:] = mask.colour_bgr
    relief = 90 * np.sqrt(np.clip(1.05 - s**2, 0, None)) + 0 * t  # wrapped about the face
    nose = 1.0 if not mask.below_nose else 0.25
    relief = relief + nose * 34 * np.exp(-((s / 0.15) ** 2) - ((t - 0.16) / 0.26) ** 2)
    relief = relief + 22 * np.exp(-((s / 0.34) ** 2) - ((t - 0.86) / 0.17) ** 2)
    if mask.kind == "surgical":
        for at, depth in ((0.30, 7.0), (0.47, 8.0), (0.64, 7.0)):
            wave = at + 0.012 * np.sin(2.2 * s + rng.uniform(0, 6)) + 0.02 * (1 - s**2)
            step = (t - wave) * height
            fold = np.where(step < 0, np.exp(np.minimum(step, 0) / 26), np.exp(-np.maximum(step, 0) / 3.0))
            relief = relief + depth * fold * (1 - 0.5 * s**2)
            colour *= (1 - 0.13 * np.exp(-(((step - 3) / 4.0) ** 2)))[..., None]
        relief = relief + 2.6 * noise(rng, shape, (70, 9)) * (0.35 + 0.65 * np.abs(s) ** 1.5)
        relief = relief + 1.2 * noise(rng, shape, (12, 20))
    elif mask.kind == "ffp2":
        relief = relief + 46 * np.exp(-np.abs(s) / 0.13) * np.clip(np.sin(np.pi * t), 0, 1) ** 0.6
        relief = relief + 1.6 * noise(rng, shape, (26, 26))
        colour *= (1 - 0.10 * np.exp(-((s * width / 2 / 3.0) ** 2)))[..., None] + 0 * colour
    else:
        relief = relief + 2.2 * noise(rng, shape, (34, 20)) + 1.5 * noise(rng, shape, (60, 10)) * np.abs(s)
        colour *= (1 - 0.25 * np.exp(-((s * width / 2 / 2.5) ** 2)) * np.ones_like(t))[..., None]
    hem = np.minimum(np.minimum(t, 1 - t) * height / 20, (1 - np.abs(s)) * width / 2 / 16)
    relief = relief + 3.0 * np.clip(hem, 0, 1)
    colour *= (1 - 0.13 * np.exp(-(((hem - 1) / 0.16) ** 2)))[..., None]
    if mask.kind != "cloth" and not mask.below_nose:  # the wire over the nose
        relief = relief + 2.5 * np.exp(-(((t - 0.045) * height / 7) ** 2)) * (np.abs(s) < 0.34)
    colour *= 1 + 0.018 * noise(rng, shape, (0.8, 0.8))[..., None]
    return colour, relief.astype(np.float32)


def spread(head: Head, mask: Mask) -> tuple[Floats, Floats, Floats]:
    """For each pixel of the fine canvas, where on the flat mask it lies (x and y), and the mask's coverage."""
    from scipy.interpolate import griddata

    top, bottom = edges(head, mask)
    rows = np.linspace(0, 1, 33, dtype=np.float32)
    unit = float(np.linalg.norm(head.marks["eyes"][1] - head.marks["eyes"][0]))
    s = np.linspace(-1, 1, len(top), dtype=np.float32)
    # rows between the edges sag towards the chin, as cloth over a face does
    grid = top[None] + (bottom - top)[None] * rows[:, None, None]
    grid[..., 1] += 0.05 * unit * np.sin(np.pi * rows)[:, None] * (1 - s[None] ** 2)
    height, width = head.matte.shape
    x0, y0 = np.floor(grid.reshape(-1, 2).min(axis=0)).astype(int) - 2
    x1, y1 = np.ceil(grid.reshape(-1, 2).max(axis=0)).astype(int) + 3
    texture = np.stack(np.meshgrid(np.linspace(0, TEXTURE_WH[0] - 1, len(top)), rows * (TEXTURE_WH[1] - 1)), axis=-1)
    yy, xx = np.mgrid[y0:y1, x0:x1]
    at = griddata(grid.reshape(-1, 2), texture.reshape(-1, 2), (xx, yy), method="linear", fill_value=0)
    map_x, map_y = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    map_x[y0:y1, x0:x1], map_y[y0:y1, x0:x1] = at[..., 0], at[..., 1]
    cover = filled(np.vstack([grid[0], grid[:, -1], grid[-1][::-1], grid[::-1, 0]]), (height, width), 0.9)
    return map_x, map_y, cover


def loops(head: Head, mask: Mask) -> list[Floats]:
    """The ear loops, from the mask's corners to behind the ears."""
    top, bottom = edges(head, mask)
    found = []
    for corner_up, corner_low, ear in (
        (top[0], bottom[0], head.marks["ear_left"]),
        (top[-1], bottom[-1], head.marks["ear_right"]),
    ):
        for corner, end in ((corner_up, ear[0]), (corner_low, ear[1])):
            bend = (corner + end) / 2 + np.array([0, 0.05 * np.linalg.norm(end - corner)])
            found.append(curve(np.array([corner, bend, end], np.float32)))
    return found


def wear(head: Head, bgr: Floats, mask: Mask) -> tuple[Floats, Floats]:
    """The head's picture with the mask on, and the head's matte grown by what stands out from it."""
    unit = float(np.linalg.norm(head.marks["eyes"][1] - head.marks["eyes"][0]))
    shape = (bgr.shape[0], bgr.shape[1])
    map_x, map_y, cover = spread(head, mask)
    if not mask.below_nose:
        cover = cover * (1 - head.lenses)
    flat, relief = cloth(mask)
    shaded = flat * lit(relief * 0.55)[..., None]
    fabric = cv2.remap(shaded, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # the light that fell on the face falls on the mask: its brightness without its features
    skin = cv2.GaussianBlur(bgr.mean(axis=2) * head.matte, (0, 0), 0.28 * unit)
    skin /= np.maximum(cv2.GaussianBlur(head.matte, (0, 0), 0.28 * unit), 1e-3)
    light = skin / max(float(np.median(skin[cover > 0.5])), 1.0)
    fabric = fabric * np.clip(light, 0.6, 1.3)[..., None]
    below_chin = np.clip((np.arange(shape[0]) - float(head.marks["chin"][0, 1]) + 0.1 * unit) / (0.3 * unit), 0, 1)
    fabric = fabric * (1 - 0.5 * below_chin[:, None, None])
    strap = np.zeros(shape, np.float32)
    for line in loops(head, mask):
        strap = np.maximum(strap, stroked(line, shape, 0.030 * unit, 0.8))
    loose = np.roll(np.maximum(cover, strap * 0.7), round(0.022 * unit), axis=0)
    shadow = 0.42 * cv2.GaussianBlur(loose, (0, 0), 0.030 * unit) + 0.18 * cv2.GaussianBlur(loose, (0, 0), 0.09 * unit)
    out = bgr * (1 - np.clip(shadow, 0, 0.6) * (1 - head.lenses))[..., None]
    thread = (60.0, 58.0, 58.0) if mask.kind == "cloth" else (222.0, 222.0, 220.0)
    out = over(out, thread, 0.9 * strap)
    out = over(out, fabric, cover)
    return np.clip(out, 0, 255).astype(np.float32), np.maximum(head.matte, cover)
