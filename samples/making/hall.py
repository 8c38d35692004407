"""Draws the empty station hall: one ray for each pixel, procedural tiles, posters, lights and doors."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from samples.making.shapes import Bytes, Floats, noise

WALLS, CEILING, END = 3.6, 4.1, 24.0  # metres
POSTERS = ((150, 110, 60), (70, 120, 190), (90, 140, 90), (180, 170, 160), (60, 70, 140), (160, 130, 110))


@dataclass(frozen=True)
class Camera:
    """Looks level along the hall; x to the right, z into the depth, metres."""

    size_wh: tuple[int, int] = (1280, 720)
    focal: float = 1300.0
    horizon: float = 170.0
    height: float = 1.85

    def place(self, x: float, y: float, z: float) -> tuple[float, float]:
        scale = self.focal / z
        return self.size_wh[0] / 2 + x * scale, self.horizon + (self.height - y) * scale


def empty_hall(camera: Camera, seed: int = 5) -> Bytes:
    rng = np.random.default_rng(seed)
    fine = 2
    width, height = (fine * s for s in camera.size_wh)
    yy, xx = np.mgrid[:height, :width].astype(np.float32)
    dx = ((xx + 0.5) / fine - camera.size_wh[0] / 2) / camera.focal
    dy = ((yy + 0.5) / fine - camera.horizon) / camera.focal
    far = np.float32(1e6)
    to_floor = np.where(dy > 0, camera.height / np.maximum(dy, 1e-6), far)
    to_ceiling = np.where(dy < 0, (CEILING - camera.height) / np.maximum(-dy, 1e-6), far)
    to_wall = WALLS / np.maximum(np.abs(dx), 1e-6)
    depths = np.stack([to_floor, to_ceiling, to_wall, np.full_like(dx, END)])
    surface = depths.argmin(axis=0)
    z = depths.min(axis=0)
    x, y = dx * z, camera.height - dy * z
    out: Floats = np.zeros((height, width, 3), np.float32)
    for i, paint in enumerate((floor, ceiling, wall, end)):
        colours = paint(x, y, z, rng)
        out[surface == i] = colours[surface == i]
    out = sign(out, camera, fine)
    depth_light = 0.86 + 0.14 * np.exp(-((z - 14) ** 2) / 60)
    out *= (depth_light * (1 - 0.10 * (dx**2 * 4 + dy**2)))[..., None]
    out = cv2.resize(out, camera.size_wh, interpolation=cv2.INTER_AREA)
    out = cv2.GaussianBlur(out, (0, 0), 1.0)  # the people are what is in focus
    grain = 1.6 * noise(rng, (out.shape[0], out.shape[1]), (1.0, 1.0))[..., None]
    return np.clip(out + grain, 0, 255).astype(np.uint8)


def lines(at: Floats, every: float, width: Floats | float) -> Floats:
    """1 on the lines of a grid, soft over `width`."""
    off = np.abs((at / every + 0.5) % 1.0 - 0.5) * every
    return np.clip(1 - off / width, 0, 1).astype(np.float32)


def cell(a: Floats, b: Floats, spread: float) -> Floats:
    """A steady random number around 0 for each cell of a grid."""
    mixed = np.sin(np.floor(a) * 12.9898 + np.floor(b) * 78.233) * 43758.5453
    return (spread * ((mixed - np.floor(mixed)) - 0.5)).astype(np.float32)


def floor(x: Floats, y: Floats, z: Floats, rng: np.random.Generator) -> Floats:
    tone = 148 + cell(x / 0.6, z / 0.6, 14)
    blur = 0.010 + 0.0012 * z
    tone = tone - 26 * np.maximum(lines(x, 0.6, blur), lines(z, 0.6, blur * 2)) * np.clip(1.2 - z / 18, 0, 1)
    shine = (
        np.exp(-(((np.abs(x) - 1.7) / 0.55) ** 2)) * (0.5 + 0.5 * np.cos(z * 2 * np.pi / 2.6)) * np.clip(z / 10, 0, 1)
    )
    glare = 55 * np.clip((z - 8) / 16, 0, 1) * np.exp(-((x / 2.2) ** 2))
    tone = tone + 24 * shine + glare
    strip = np.clip(1 - np.abs(np.abs(x) - 2.7) / 0.16, 0, 1) > 0.3  # guidance for the blind
    out = np.stack([tone * 0.97, tone * 0.99, tone * 1.0], axis=-1)
    ridge = 0.9 + 0.1 * lines(x, 0.06, 0.03)
    out[strip] = (np.stack([tone * 0.45, tone * 0.95, tone * 1.05], axis=-1) * ridge[..., None])[strip]
    return out


def ceiling(x: Floats, y: Floats, z: Floats, rng: np.random.Generator) -> Floats:
    tone = 168 + cell(x / 1.2, z / 1.2, 6) - 30 * np.maximum(lines(x, 1.2, 0.03), lines(z, 1.2, 0.05))
    lamp = (np.abs(np.abs(x) - 1.8) < 0.22) & ((z % 2.6) < 1.7)
    out = np.stack([tone, tone, tone * 0.99], axis=-1)
    out[lamp] = (244, 250, 252)
    return out


def wall(x: Floats, y: Floats, z: Floats, rng: np.random.Generator) -> Floats:
    upper = y > 1.15
    tone = np.where(upper, 196, 120) + np.where(upper, cell(z / 1.6, y / 3, 5), cell(z / 0.3, y / 0.3, 12))
    joint = np.where(upper, lines(z, 1.6, 0.02), np.maximum(lines(z, 0.3, 0.012), lines(y, 0.3, 0.012)))
    tone = tone - 22 * joint - 26 * np.exp(-((y / 0.15) ** 2)) + 14 * np.exp(-(((y - CEILING) / 0.9) ** 2))
    tone = tone * np.where(x < 0, 1.0, 0.93)
    tint = np.where(upper[..., None], (0.90, 0.97, 1.0), (0.96, 0.90, 0.72))
    out: Floats = tone[..., None] * tint
    along = (z + np.where(x < 0, 0.0, 1.3)) / 3.2
    inside = (np.abs(along % 1.0 - 0.5) < 0.24) & (np.abs(y - 1.95) < 0.62)
    frame = (np.abs(along % 1.0 - 0.5) < 0.265) & (np.abs(y - 1.95) < 0.69)
    which = np.floor(along).astype(int) + np.where(x < 0, 0, 3)
    papers = np.array(POSTERS, np.float32)
    poster = papers[which % len(papers)] * (0.75 + 0.4 * (y[..., None] - 1.33) / 1.24)
    sun = (along % 1.0 - 0.5) ** 2 * 10 + (y - 2.15) ** 2
    poster = np.where((sun < 0.06)[..., None], poster * 0.4 + 150, poster)
    bars = (y < 1.62) & (lines(y, 0.11, 0.05) > 0.3) & (np.abs(along % 1.0 - 0.5) < 0.18)
    poster = np.where(bars[..., None], poster * 0.5 + 110, poster)
    out[frame] = (70, 70, 72)
    out[inside] = poster[inside]
    return out


def end(x: Floats, y: Floats, z: Floats, rng: np.random.Generator) -> Floats:
    sky = 205 + 34 * np.clip((y - 0.6) / 3, 0, 1)
    out = np.stack([sky * 1.02, sky, sky * 0.96], axis=-1)
    far_houses = (y < 1.5 + 0.5 * (np.floor(x / 0.7) % 3) * 0.5) & (y > 0.2)
    out[far_houses] = out[far_houses] * np.array((0.80, 0.78, 0.77), np.float32)
    bars = np.maximum.reduce([lines(x, 1.2, 0.07), lines(y - 0.1, 2.3, 0.08)])
    out *= (1 - 0.65 * bars)[..., None]
    out[(y > 3.0)] = (150, 158, 160)
    return np.clip(out, 0, 255)


def sign(out: Floats, camera: Camera, fine: int) -> Floats:
    """The board of departures that hangs from the ceiling."""
    x1, y1 = (round(fine * v) for v in camera.place(-1.3, 3.35, 13))
    x2, y2 = (round(fine * v) for v in camera.place(1.3, 2.65, 13))
    if y1 < 4 or x1 < 0:
        return out
    board = np.full((y2 - y1, x2 - x1, 3), (46, 34, 28), np.uint8)
    rows = ("09:12  NORDHAFEN      3", "09:20  ALTE MUEHLE    1", "09:24  SEEBRUECK      2")
    step = (y2 - y1) / (len(rows) + 0.4)
    for i, row in enumerate(rows):
        size = step / 44
        at = (round(0.04 * (x2 - x1)), round(step * (i + 0.9)))
        thick = max(1, round(size * 2))
        cv2.putText(board, row, at, cv2.FONT_HERSHEY_SIMPLEX, size, (90, 205, 240), thick, cv2.LINE_AA)
    out[y1 - 6 : y2 + 6, x1 - 6 : x2 + 6] = (60, 60, 62)
    out[y1:y2, x1:x2] = board
    for x in (x1 + (x2 - x1) // 5, x2 - (x2 - x1) // 5):
        out[: y1 - 6, x - 3 : x + 3] = (80, 80, 82)
    return out
