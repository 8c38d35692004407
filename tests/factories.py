"""Makes what tests need: frames that carry their own index, clips of them, faces, results, and fake networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from os import PathLike

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.verdicts import of_unmasked
from crowdmask.geometry import face_sizes
from crowdmask.records import Faces, Frame, FrameResult, Stream, Verdict

INDEX_BITS = 12
MASKED_BGR = (230, 60, 40)  # the fakes judge by colour: blue squares wear masks, red ones do not
UNMASKED_BGR = (40, 60, 230)
_SATURATED = 110  # between these squares and everything else in the picture, even after a lossy codec


def face_boxes(index: int, size_wh: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """The squares of frame `index`: index % 3 + 1 of them, the first moving; even ones masked, odd ones not."""
    width, height = size_wh
    side = max(4, min(width // 5, height // 3))
    boxes = []
    for k in range(index % 3 + 1):
        x = width // 20 + k * (width * 3 // 10) + (index % 8 if k == 0 else 0)
        y = height // 6
        boxes.append((x, y, x + side, y + side))
    return boxes


def make_image(index: int, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """BGR picture: a grey ramp, coloured squares as faces, and along the bottom the index as black and white bits."""
    width, height = size_wh
    ramp = np.linspace(70, 180, width, dtype=np.uint8)
    image = np.repeat(np.tile(ramp, (height, 1))[:, :, None], 3, axis=2)
    for k, (x1, y1, x2, y2) in enumerate(face_boxes(index, size_wh)):
        image[y1:y2, x1:x2] = UNMASKED_BGR if k % 2 else MASKED_BGR
    strip = max(1, height // 6)
    for bit in range(INDEX_BITS):
        left, right = width * bit // INDEX_BITS, width * (bit + 1) // INDEX_BITS
        image[height - strip :, left:right] = 235 if index >> bit & 1 else 20
    return np.ascontiguousarray(image)


def read_index(image: NDArray[np.uint8]) -> int:
    """The index that `make_image` drew, after any codec or scaling, from an upright picture."""
    height, width = image.shape[:2]
    row = image[height - max(1, height // 12) - 1 :, :].mean(axis=(0, 2))
    return sum(int(row[(width * (2 * bit + 1)) // (2 * INDEX_BITS)] > 128) << bit for bit in range(INDEX_BITS))


def make_frame(index: int, seconds: float, size_wh: tuple[int, int] = (96, 64)) -> Frame:
    return Frame(index, seconds, make_image(index, size_wh))


def make_frames(count: int, size_wh: tuple[int, int] = (96, 64), rate: float = 25.0) -> list[Frame]:
    return [make_frame(i, i / rate, size_wh) for i in range(count)]


def make_faces(boxes: Sequence[Sequence[float]] = (), scores: Sequence[float] | None = None) -> Faces:
    """Faces with the given (x1, y1, x2, y2) boxes; landmarks lie where eyes, nose and mouth corners would."""
    array = np.asarray(boxes, np.float32).reshape(-1, 4)
    at = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
    landmarks = array[:, None, :2] + at[None] * (array[:, None, 2:] - array[:, None, :2])
    given = np.full(len(array), 0.9, np.float32) if scores is None else np.asarray(scores, np.float32)
    return Faces(array, given, landmarks.astype(np.float32))


def make_result(
    frame: Frame | None = None,
    boxes: Sequence[Sequence[float]] = (),
    unmasked_prob: Sequence[float] = (),
    verdicts: Sequence[int] | None = None,
    *,
    index: int = 0,
    seconds: float = 0.0,
    size_wh: tuple[int, int] = (96, 64),
    scores: Sequence[float] | None = None,
) -> FrameResult:
    """A judged frame; without verdicts, faces of probability NaN are unknown and the rest are split at 0.5."""
    probs = np.asarray(unmasked_prob, np.float32).reshape(-1)
    if verdicts is None:
        judged = np.where(probs >= 0.5, Verdict.UNMASKED, Verdict.MASKED)
        verdicts = np.where(np.isnan(probs), Verdict.UNKNOWN, judged).tolist()
    made = frame if frame is not None else make_frame(index, seconds, size_wh)
    return FrameResult(made, make_faces(boxes, scores), probs, np.asarray(verdicts, np.int8).reshape(-1))


def of(source: str, result: FrameResult) -> FrameResult:
    """The same result as one of that source."""
    return replace(result, frame=replace(result.frame, stream=Stream(source)))


class FakeDetector:
    """Finds the coloured squares of `make_image`: a function of each picture alone, larger faces first."""

    def __init__(self) -> None:
        self.calls: list[int] = []  # how many pictures each call had

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        self.calls.append(len(images))
        return [self._one(image) for image in images]

    def _one(self, image: NDArray[np.uint8]) -> Faces:
        blue, green, red = cv2.split(image)  # an eighth of the time that NumPy takes over the last axis
        spread = cv2.max(cv2.max(blue, green), red) - cv2.min(cv2.min(blue, green), red)
        count, _, stats, _ = cv2.connectedComponentsWithStats((spread > _SATURATED).astype(np.uint8))
        boxes = [(x, y, x + w, y + h) for x, y, w, h, area in stats[1:count].tolist() if area >= 9]
        if not boxes:
            return Faces.none()
        faces = make_faces(boxes)
        sizes = face_sizes(faces.boxes)
        scores = (0.9 + 0.09 * sizes / (sizes + 20.0)).astype(np.float32)
        faces = Faces(faces.boxes, scores, faces.landmarks)
        return faces.take(np.argsort(-scores, kind="stable"))


class FakeClassifier:
    """Judges a crop by the colour of its middle: the redder, the less masked; a function of each crop alone."""

    def __init__(self, input_size: int = 32) -> None:
        self._input_size = input_size
        self.calls: list[int] = []  # how many crops each call had

    @property
    def input_size(self) -> int:
        return self._input_size

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        size = self._input_size
        if crops.shape[1:] != (size, size, 3) or crops.dtype != np.uint8:
            raise ValueError(f"crops must be (n, {size}, {size}, 3) uint8, they are {crops.shape} {crops.dtype}")
        self.calls.append(len(crops))
        middle = crops[:, size * 3 // 8 : size * 5 // 8, size * 3 // 8 : size * 5 // 8].astype(np.int64)
        red_less_blue = middle[..., 2].sum(axis=(1, 2)) - middle[..., 0].sum(axis=(1, 2))
        pixels = middle.shape[1] * middle.shape[2]
        return of_unmasked((1.0 / (1.0 + np.exp(-red_less_blue / (pixels * 40.0)))).astype(np.float32))


def write_clip(
    path: str | PathLike[str],
    size_wh: tuple[int, int] = (96, 64),
    frames: int | Sequence[NDArray[np.uint8]] = 25,
    rate: int | Fraction = 25,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    audio: str | None = None,
    rotation: int = 0,
    vfr: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    gop: int = 12,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    colour: tuple[int, int, int, int] | None = None,
) -> str:
    """Encode frames (a count of `make_image`, or BGR pictures) to `path`; the container follows its name.

    `rotation` is the degrees counter-clockwise a player applies; the pictures are stored as given.
    `vfr` gives each frame's time in units of `time_base` (then 1/1000 unless given).
    `audio` names an encoder; a tone as long as the pictures. `colour`: matrix, primaries, transfer, range (H.273).
    """
    images = [make_image(i, size_wh) for i in range(frames)] if isinstance(frames, int) else list(frames)
    base = time_base or (Fraction(1, 1000) if vfr else 1 / Fraction(rate))
    times = list(vfr) if vfr else [round(i / Fraction(rate) / base) for i in range(len(images))]
    settings = {"crf": "8", "preset": "ultrafast", "bf": "2"} if codec == "libx264" else {}
    with av.open(str(path), "w", options=container or {}) as out:
        stream = out.add_stream(codec, rate=rate, options={**settings, **(options or {})})
        stream.width, stream.height, stream.pix_fmt = size_wh[0], size_wh[1], pix_fmt
        stream.codec_context.time_base, stream.time_base = base, base
        stream.codec_context.gop_size = gop
        if colour:
            context = stream.codec_context
            context.colorspace, context.color_primaries, context.color_trc, context.color_range = colour
        if rotation:
            stream.set_display_rotation(rotation)
        sound = out.add_stream(audio, rate=48000, bit_rate=96_000) if audio else None
        out.start_encoding()
        if sound is not None:
            _write_tone(out, sound, float((times[-1] + 1 / Fraction(rate) / base) * base))
        for image, pts in zip(images, times, strict=True):
            picture = av.VideoFrame.from_ndarray(image, format="bgr24")
            if colour:
                picture = picture.reformat(
                    format=pix_fmt, dst_colorspace=_SWS_MATRIX[colour[0]], dst_color_range=colour[3]
                )
                picture.color_primaries, picture.color_trc = colour[1], colour[2]
            picture.pts, picture.time_base = pts, base
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return str(path)


_SWS_MATRIX = {1: "ITU709", 5: "ITU601", 6: "ITU601", 9: "BT2020"}


def _write_tone(out: av.container.OutputContainer, sound: av.AudioStream, seconds: float) -> None:
    # encoded whole before the pictures: clips are short, and the muxer puts the packets in their places
    context = sound.codec_context
    context.open(strict=False)
    chunk = context.frame_size or 1024
    resampler = av.AudioResampler(context.format, context.layout, 48000)  # to the encoder's sample format
    total = round(seconds * 48000)
    for start in range(0, total, chunk):
        t = np.arange(start, min(start + chunk, total)) / 48000.0
        wave = (0.3 * np.sin(2 * np.pi * 440.0 * t) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(wave[None], 2, axis=0), format="s16p", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        for ready in resampler.resample(frame):
            out.mux(sound.encode(ready))
    out.mux(sound.encode(None))
