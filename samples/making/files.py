"""Writes what was drawn: the clip with its sound, the stills, and the tables that say where every face is."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from samples.making.shapes import Bytes, Floats
from samples.making.sound import SAMPLE_RATE
from samples.making.stage import SeenFace

LEAST_VISIBLE = 0.15  # a face hidden more than this leaves nothing to be found
ORIENTATION, TURN_CLOCKWISE = 0x0112, 6


def write_clip(path: Path, frames: Iterable[Bytes], rate: int, size_wh: tuple[int, int], sound: Floats) -> None:
    """H.264 and AAC in a fast-start MP4; one thread and no version string: a second run gives the same bytes."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
        video = out.add_stream("libx264", rate=rate, options={"crf": "22", "preset": "medium", "threads": "1"})
        video.width, video.height, video.pix_fmt = *size_wh, "yuv420p"
        audio = out.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        audio.bit_rate = 64_000
        for stream in (video, audio):
            stream.codec_context.flags |= av.codec.context.Flags.bitexact
        out.flags |= av.container.Flags.bitexact.value
        done = 0
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = i, Fraction(1, rate)
            out.mux(video.encode(frame))
            due = min(sound.shape[1], round((i + 1) / rate * SAMPLE_RATE))
            part = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[:, done:due]), format="fltp", layout="stereo")
            part.sample_rate, part.pts, part.time_base = SAMPLE_RATE, done, Fraction(1, SAMPLE_RATE)
            out.mux(audio.encode(part))
            done = due
        out.mux(video.encode(None))
        out.mux(audio.encode(None))


def write_still(path: Path, upright: Bytes) -> None:
    """A picture as its name asks: `grey…` in one channel, `turned…` lying on its side, with EXIF to right it."""
    from PIL import Image

    picture = Image.fromarray(upright[:, :, ::-1])
    options: dict[str, Any] = {"quality": 88} if path.suffix == ".jpg" else {"optimize": True}
    if path.stem == "grey":
        picture = picture.convert("L")
    if path.stem == "turned":
        picture = picture.transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[ORIENTATION] = TURN_CLOCKWISE
        options["exif"] = exif
    picture.save(path, **options)


def write_truth(path: Path, key: str, seen: Iterable[tuple[object, list[SeenFace]]]) -> int:
    """One row for each face that can be seen; boxes in pixels of the upright picture. Of clips also who it is."""
    rows = 0
    with path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        whose = ["person"] if key == "frame" else []
        table.writerow([key, "x1", "y1", "x2", "y2", "verdict", "visible", *whose])
        for name, faces in seen:
            for face in faces:
                if face.visible >= LEAST_VISIBLE:
                    box = [f"{v:.1f}" for v in face.box_xyxy]
                    number = [face.person + 1] if whose else []
                    verdict = "masked" if face.masked else "unmasked"
                    table.writerow([name, *box, verdict, f"{face.visible:.2f}", *number])
                    rows += 1
    return rows
