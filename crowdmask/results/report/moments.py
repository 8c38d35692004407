"""Finds the worst moments of a run, and pictures of them in which nobody can be recognised unless asked for."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import cv2
import duckdb
import numpy as np
from numpy.typing import NDArray

from crowdmask.errors import CrowdmaskError
from crowdmask.media.pictures import is_picture, read_picture
from crowdmask.media.sources import open_source
from crowdmask.results.anonymise import blur_faces
from crowdmask.results.boxes import draw_box, line_width
from crowdmask.results.detections import NO_FACE
from crowdmask.results.palette import PALETTES
from crowdmask.results.report.inputs import Input
from crowdmask.results.timeline.frames_table import MINUTE_US, FramesTable
from crowdmask.results.timeline.sql import sql_path, sql_text, sql_unguarded
from crowdmask.settings import AnalysisSettings
from crowdmask.verdicts import WORDS, Counts, Verdict

PICTURE_MARK = "data-crowdmask-picture"  # by which purge finds the pictures again, with the time they were taken

log = logging.getLogger(__name__)

APART = timedelta(minutes=1)  # of moments of one camera: the next frame is no moment of its own
_ALMOST_S = 0.002  # times in the CSV are rounded, and a frame must not be missed by that
SIDES = (960, 720, 560, 400)  # of the longer side, the first that fits
PICTURES_BYTES = 600_000  # of all together: base64 makes them a third longer, and a night is to stay below 1 MB
_MOSAIC_CELLS = 28  # along the longer side, where nobody knows which parts of a picture are faces
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Moment:
    """A frame with many unmasked faces."""

    source: str
    camera: str
    frame: int
    seconds: float
    at: datetime | None
    counts: Counts

    def is_near(self, other: Moment) -> bool:
        if self.at is not None and other.at is not None and self.camera == other.camera:
            return abs(self.at - other.at) < APART
        return self.source == other.source and abs(self.seconds - other.seconds) < APART.total_seconds()


@dataclass(frozen=True)
class Picture:
    """A JPEG for the page, and whether its faces are hidden."""

    jpeg: bytes
    hidden: bool

    @property
    def data_uri(self) -> str:
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode()


@dataclass(frozen=True)
class SeenFaces:
    """The faces of one frame, as detections.parquet keeps them."""

    boxes: NDArray[np.float32]  # (n, 4) xyxy, in pixels of the upright frame
    verdicts: tuple[Verdict, ...]


def worst_moments(table: FramesTable, number: int) -> tuple[list[Moment], int]:
    """The frames with the most unmasked faces, worst first and a minute apart; and how many sources there are."""
    table.execute(f"""
        CREATE OR REPLACE TEMP TABLE cells AS
        SELECT source, min({{'fewest': -({table.against}), 'at_us': at_us, 'time_s': time_s, 'frame': frame,
            'camera': camera, {", ".join(f"'{word}': {word}" for word in WORDS)}}}) AS best
        FROM ({table.rows()}) GROUP BY source, coalesce(at_us // {MINUTE_US}, floor(time_s / 60)::BIGINT)
    """)
    sources = int(table.execute("SELECT count(DISTINCT source) FROM cells").fetchall()[0][0])
    found = table.execute(f"""
        SELECT source, best.camera, coalesce(best.frame, 0), coalesce(best.time_s, 0), best.at_us,
            {", ".join(f"best.{word}" for word in WORDS)}
        FROM cells WHERE best.fewest < 0
        ORDER BY best.fewest, best.at_us, source, best.time_s, best.frame LIMIT {200 * number}
    """).fetchall()
    chosen: list[Moment] = []
    for source, camera, frame, seconds, at_us, *counts in found:
        at = None if at_us is None else _EPOCH + timedelta(microseconds=at_us)
        moment = Moment(source, camera, frame, seconds, at, Counts.shown(counts, separate=table.separate))
        if len(chosen) < number and not any(moment.is_near(other) for other in chosen):
            chosen.append(moment)
    return chosen, sources


def pictures_of(
    inputs: Sequence[Input], moments: Sequence[Moment], *, show_faces: bool = False
) -> dict[Moment, Picture]:
    """A picture of each moment of which one can still be had; the others are missing.

    They are as large as fits into PICTURES_BYTES together.

    Faces are hidden where the run kept their boxes and all of them are there; else the whole picture is, down to
    patches of light: whoever cannot tell where the faces are must not guess.
    """
    large: dict[Moment, NDArray[np.uint8]] = {}
    for one in inputs:
        own = {moment: within(one, moment, alone=len(inputs) == 1) for moment in moments}
        wanted = {moment: source for moment, source in own.items() if source is not None}
        seen = seen_faces(one, [(source, moment.frame) for moment, source in wanted.items()])
        for moment, source in wanted.items():
            image = frame_of(one, source, moment)
            if image is None:
                continue
            faces = seen.get((source, moment.frame))
            known = faces is not None and len(faces.verdicts) == moment.counts.faces
            large[moment] = hidden(image, faces if known else None, show_faces)
    for side in SIDES:
        found = {moment: Picture(jpeg(_at_most(image, side)), not show_faces) for moment, image in large.items()}
        if sum(len(picture.jpeg) for picture in found.values()) <= PICTURES_BYTES:
            break
    return found


def within(one: Input, moment: Moment, *, alone: bool) -> str | None:
    """The moment's source as its own input names it; None where it is of another input."""
    if one.is_video or alone or not one.prefix:
        return moment.source if alone or moment.source == one.prefix or not one.prefix else None
    return moment.source[len(one.prefix) + 1 :] if moment.source.startswith(f"{one.prefix}/") else None


def hidden(image: NDArray[np.uint8], faces: SeenFaces | None, show_faces: bool) -> NDArray[np.uint8]:
    image = image.copy()
    height, width = image.shape[:2]
    if not show_faces and faces is not None:
        blur_faces(image, faces.boxes)
    elif not show_faces:
        cell = max(height, width) / _MOSAIC_CELLS
        cells_wh = max(1, round(width / cell)), max(1, round(height / cell))
        image = cv2.resize(image, cells_wh, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    scale = min(1.0, SIDES[0] / max(height, width))
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    kind = cv2.INTER_AREA if image.shape[:2] == (height, width) else cv2.INTER_LINEAR
    small: NDArray[np.uint8] = np.ascontiguousarray(cv2.resize(image, size_wh, interpolation=kind), np.uint8)
    if faces is not None:
        limit = np.array([*size_wh, *size_wh])
        boxes = np.clip(np.rint(faces.boxes * scale), 0, limit).astype(int).tolist()
        for box, verdict in zip(boxes, faces.verdicts, strict=True):
            if box[2] > box[0] and box[3] > box[1]:
                rectangle = box[0], box[1], box[2], box[3]
                draw_box(small, rectangle, verdict, PALETTES["safe"].of(verdict), line_width(size_wh, rectangle))
    return small


def _at_most(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    scale = side / max(image.shape[:2])
    if scale >= 1:
        return image
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    return np.ascontiguousarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def jpeg(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 76])[1].tobytes()


def frame_of(one: Input, source: str, moment: Moment) -> NDArray[np.uint8] | None:
    """The frame from the input, or else the annotated copy, whichever can be read."""
    for path in _candidates(one, source, moment):
        try:
            if not path.is_file():
                continue
            if is_picture(path):
                return read_picture(path)
            settings = AnalysisSettings(start_s=max(0.0, moment.seconds - _ALMOST_S))
            with open_source(str(path), settings) as opened:
                for frame in opened:
                    return frame.image
        except (CrowdmaskError, OSError, ValueError) as error:
            log.info("no picture of %s from %s: %s", moment.source, path, error)
    return None


def _candidates(one: Input, source: str, moment: Moment) -> Iterator[Path]:
    if one.is_video:
        yield from one.pictures_from()
        return
    run = one.folder
    yield Path(str(one.summary.get("input_root") or "")) / source
    for ending in ("", ".jpg", ".mp4", ".crowdmask.jpg", ".crowdmask.mp4"):  # where a source's own kind is not written
        yield run.annotated / f"{source}{ending}"


def seen_faces(one: Input, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], SeenFaces]:
    """The faces of some frames (source, frame), from the detections where they were kept."""
    file = next((path for path in one.detections if path.is_file()), None)
    if file is None or not wanted:
        return {}
    reader, own = ("read_parquet", "source") if file.suffix == ".parquet" else ("read_csv", sql_unguarded("source"))
    named = {one.named_in_detections(source): source for source, _ in wanted}
    with closing(duckdb.connect(config={"autoinstall_known_extensions": "false"})) as connection:
        connection.execute("CREATE TABLE wanted (source VARCHAR, frame BIGINT)")
        asked = [(one.named_in_detections(source), frame) for source, frame in wanted]
        connection.executemany("INSERT INTO wanted VALUES (?, ?)", asked)
        try:
            rows = connection.execute(
                "SELECT source, frame, x1, y1, x2, y2, verdict "
                f"FROM (SELECT * REPLACE ({own} AS source) FROM {reader}({sql_path(file)})) "
                f"SEMI JOIN wanted USING (source, frame) WHERE verdict <> {sql_text(NO_FACE)} ORDER BY ALL"
            ).fetchall()
        except duckdb.Error as error:
            log.warning("%s cannot be read, so whole pictures are blurred: %s", file, str(error).partition("\n")[0])
            return {}
    return _by_frame((named[str(source)], *row) for source, *row in rows)


def _by_frame(rows: Iterable[tuple[Any, ...]]) -> dict[tuple[str, int], SeenFaces]:
    found: dict[tuple[str, int], list[tuple[Any, ...]]] = {}
    for source, frame, *face in rows:
        found.setdefault((source, frame), []).append(tuple(face))
    return {
        key: SeenFaces(
            np.array([face[:4] for face in faces], np.float32),
            tuple(Verdict[str(face[4]).upper()] for face in faces),
        )
        for key, faces in found.items()
    }
