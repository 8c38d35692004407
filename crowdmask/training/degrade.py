"""What bad cameras, light and compression do to a picture, as random changes for training (BGR uint8 in and out)."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def recolour(image: Image, rng: Generator) -> Image:
    """Light, contrast, gamma, colour cast and saturation; now and then grey."""
    levels = np.arange(256, dtype=np.float32) / 255.0
    curve = levels ** np.exp(rng.uniform(-0.4, 0.4)) * rng.uniform(0.7, 1.25)
    curve = (curve - 0.5) * rng.uniform(0.7, 1.25) + 0.5 + rng.uniform(-0.08, 0.08)
    cast = rng.uniform(0.88, 1.12, 3)
    table = np.clip(curve[:, None] * cast * 255.0, 0, 255).astype(np.uint8).reshape(256, 1, 3)
    image = np.asarray(cv2.LUT(image, table), np.uint8)
    grey_share = 1.0 if rng.random() < 0.08 else max(0.0, rng.uniform(-0.6, 0.6))
    if grey_share > 0.02:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        image = np.asarray(cv2.addWeighted(image, 1 - grey_share, grey, grey_share, 0), np.uint8)
    return image


def soften(image: Image, rng: Generator) -> Image:
    """Out of focus, or moved while the shutter was open."""
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.8)), np.uint8)
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    ends = (np.array([-reach, reach]) + (length - 1) / 2).round().astype(int)
    cv2.line(kernel, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def coarsen(image: Image, factor: float, rng: Generator) -> Image:
    """Shrink by `factor` and enlarge again, as a camera too far away would have seen it."""
    height, width = image.shape[:2]
    small_wh = max(2, round(width / factor)), max(2, round(height / factor))
    small = cv2.resize(image, small_wh, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        small = compress(np.asarray(small, np.uint8), rng)
    back = cv2.INTER_CUBIC if rng.random() < 0.3 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(small, (width, height), interpolation=back), np.uint8)


def compress(image: Image, rng: Generator) -> Image:
    quality = int(rng.integers(25, 90))
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def add_noise(image: Image, rng: Generator) -> Image:
    noise = rng.normal(0.0, rng.uniform(2.0, 14.0), image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def defocus(image: Image, rng: Generator) -> Image:
    """A lens out of focus: a disc, not a bell, so that bright points grow to discs."""
    radius = rng.uniform(1.0, 4.0)
    side = 2 * int(np.ceil(radius)) + 1
    y, x = np.mgrid[:side, :side] - side // 2
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return np.asarray(cv2.filter2D(image, -1, disc / disc.sum(), borderType=cv2.BORDER_REPLICATE), np.uint8)


def darken(image: Image, rng: Generator) -> Image:
    """Too little light: few photons, so noise that grows with the root of the signal, and the camera's gain on top."""
    light = np.exp(rng.uniform(np.log(0.08), np.log(0.5)))
    photons = np.exp(rng.uniform(np.log(40), np.log(400)))
    linear = (image / 255.0) ** 2.2 * light
    shot = linear + rng.normal(0, 1, image.shape) * np.sqrt(np.maximum(linear, 1e-4) / photons)
    read = shot + rng.normal(0, 0.004, image.shape)
    gain = rng.uniform(1.0, min(4.0, 0.8 / light))
    return np.asarray(np.clip(read * gain, 0, 1) ** (1 / 2.2) * 255, np.uint8)


def overexpose(image: Image, rng: Generator) -> Image:
    """Too much light: what is bright is burnt out."""
    burnt = np.clip((image / 255.0) ** 2.2 * rng.uniform(1.4, 4.0), 0, 1)
    return np.asarray(burnt ** (1 / 2.2) * 255, np.uint8)


def tint(image: Image, rng: Generator) -> Image:
    """A wrong white balance: tungsten seen as daylight, fluorescent green, dusk."""
    warmth, green = rng.normal(0, 0.16), rng.normal(0, 0.07)
    gains = np.exp(np.array([-warmth, green, warmth]))
    return np.asarray(np.clip(image * (gains / gains.max() * rng.uniform(0.95, 1.15)), 0, 255), np.uint8)


def interlace(image: Image, rng: Generator) -> Image:
    """Two half pictures of a moving face, woven line by line."""
    out = image.copy()
    shift = int(rng.integers(1, 5)) * (1 if rng.random() < 0.5 else -1)
    out[1::2] = np.roll(image, shift, axis=1)[1::2]
    return np.asarray(out, np.uint8)


def lean(image: Image, rng: Generator) -> Image:
    """Seen from above, below or aside: a perspective that moves each corner by up to a tenth."""
    side = image.shape[0]
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    moved = corners + rng.uniform(-0.1, 0.1, (4, 2)).astype(np.float32) * side
    matrix = cv2.getPerspectiveTransform(corners, moved)
    return np.asarray(cv2.warpPerspective(image, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101), np.uint8)


def shrunk(image: Image, factor: float) -> Image:
    """What a camera too far away would have seen of it."""
    side = max(4, round(image.shape[0] / factor))
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def enlarged(image: Image, side: int, rng: Generator) -> Image:
    how = cv2.INTER_CUBIC if rng.random() < 0.15 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (side, side), interpolation=how), np.uint8)


def video_coded(images: list[Image], rng: Generator) -> list[Image]:
    """Each picture as it comes back from H.264, encoded and decoded for real at one low rate: laid out as one frame,
    moved a little over a few frames, so that predicted frames, not only whole ones, spoil it."""
    import av

    cell = max(i.shape[0] for i in images) + 8
    cell += cell % 2
    columns = int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    sheet = np.zeros((rows * cell, columns * cell, 3), np.uint8)
    for place, image in enumerate(images):
        y, x = place // columns * cell, place % columns * cell
        pad = cell - image.shape[0]
        sheet[y : y + cell, x : x + cell] = cv2.copyMakeBorder(
            image, pad // 2, pad - pad // 2, pad // 2, pad - pad // 2, cv2.BORDER_REPLICATE
        )
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = sheet.shape[1], sheet.shape[0], "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.options = {"preset": "superfast", "crf": str(int(rng.integers(26, 43))), "bf": "0", "tune": "zerolatency"}
    steps = rng.integers(-2, 3, (int(rng.integers(1, 4)), 2)).tolist()
    packets = []
    for moment, (dx, dy) in enumerate([*steps, [0, 0]]):
        frame = av.VideoFrame.from_ndarray(np.roll(sheet, (dy, dx), (0, 1)), format="bgr24")
        frame.pts = moment
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    frames = [f for p in packets for f in decoder.decode(p)] + decoder.decode(None)
    seen = np.asarray(frames[-1].to_ndarray(format="bgr24"), np.uint8)
    out = []
    for place, image in enumerate(images):
        y, x = place // columns * cell, place % columns * cell
        pad = (cell - image.shape[0]) // 2
        out.append(seen[y + pad : y + pad + image.shape[0], x + pad : x + pad + image.shape[0]])
    return out
