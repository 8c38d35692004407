"""Finds people without a mask for the report, and a picture of each from its best frame, cut out and blurred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import Rectangle
from crowdmask.results.report.inputs import Input
from crowdmask.results.report.moments import Moment, Picture, SeenFaces, frame_of, hidden, jpeg, seen_faces, within
from crowdmask.results.timeline.frames_table import FramesTable
from crowdmask.results.timeline.people_rows import PEOPLE_WORDS
from crowdmask.verdicts import VERDICTS, WORDS, Counts, Share, Verdict, verdicts_that_are

AROUND = 2.5  # of the face's size, on each side of it: hair, clothes and what the person does
SIDE = 320  # of the longer side of a picture
PICTURES_BYTES = 200_000  # of all together
NEEDED = ("person", "best_frame", "seen_s", "best_x1", "best_y1", "best_x2", "best_y2")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class BestFrame:
    """Where one appearance is seen best."""

    moment: Moment  # its frame, with what was counted in it
    person: int
    verdict: Verdict
    seen_s: float
    box_xyxy: tuple[float, float, float, float]


def best_frames(table: FramesTable, number: int) -> list[BestFrame]:
    """People who count against the compliance, those with the largest faces, in order of time."""
    there = {row[0] for row in table.execute("DESCRIBE given_people").fetchall()}
    if not number or not there.issuperset(NEEDED):
        return []
    words = [f"people_{verdict.word}" for verdict in verdicts_that_are(Share.AGAINST, separate=table.separate)]
    box = [f"TRY_CAST(best_{edge} AS DOUBLE)" for edge in ("x1", "y1", "x2", "y2")]
    found = table.execute(f"""
        WITH chosen AS (
            SELECT source, TRY_CAST(person AS BIGINT) AS person, TRY_CAST(best_frame AS BIGINT) AS frame,
                TRY_CAST(seen_s AS DOUBLE) AS seen_s, {", ".join(box)}, {", ".join(PEOPLE_WORDS)}
            FROM given_people WHERE {" + ".join(words)} > 0 AND best_frame IS NOT NULL
            ORDER BY ({box[2]} - {box[0]}) * ({box[3]} - {box[1]}) DESC, source, person LIMIT {number}
        )
        SELECT chosen.*, rows.camera, rows.time_s, rows.at_us, {", ".join(f"rows.{word}" for word in WORDS)}
        FROM chosen JOIN ({table.rows()}) AS rows USING (source, frame)
        ORDER BY rows.at_us, source, rows.time_s, person
    """).fetchall()
    return [_best_frame(row) for row in found]


def _best_frame(row: tuple[object, ...]) -> BestFrame:
    source, person, frame, seen_s, x1, y1, x2, y2, *rest = row
    verdict = VERDICTS[[bool(value) for value in rest[: len(WORDS)]].index(True)].verdict
    camera, seconds, at_us, *counts = rest[len(WORDS) :]
    at = None if at_us is None else _EPOCH + timedelta(microseconds=int(str(at_us)))
    moment = Moment(
        str(source),
        str(camera),
        int(str(frame)),
        float(str(seconds)),
        at,
        Counts.shown(int(str(count)) for count in counts),
    )
    edges = tuple(float(str(edge)) for edge in (x1, y1, x2, y2))
    return BestFrame(moment, int(str(person)), verdict, float(str(seen_s)), (edges[0], edges[1], edges[2], edges[3]))


def pictures_of_people(
    inputs: Sequence[Input], people: Sequence[BestFrame], *, show_faces: bool = False
) -> dict[BestFrame, Picture]:
    """A picture of each of whom one can be had, as many as fit into PICTURES_BYTES together.

    All faces in it are hidden where the detections were kept and are all there; else the whole picture is.
    """
    found: dict[BestFrame, Picture] = {}
    size = 0
    for one in inputs:
        own = {best: within(one, best.moment, alone=len(inputs) == 1) for best in people}
        wanted = [(source, best.moment.frame) for best, source in own.items() if source is not None]
        seen = seen_faces(one, wanted)
        for best, source in own.items():
            image = None if source is None else frame_of(one, source, best.moment)
            if source is None or image is None:
                continue
            faces = seen.get((source, best.moment.frame))
            known = faces is not None and len(faces.verdicts) == best.moment.counts.faces
            picture = Picture(jpeg(_cut(image, best, faces if known else None, show_faces)), not show_faces)
            size += len(picture.jpeg)
            if size > PICTURES_BYTES:
                return found
            found[best] = picture
    return found


def _cut(image: NDArray[np.uint8], best: BestFrame, faces: SeenFaces | None, show_faces: bool) -> NDArray[np.uint8]:
    """The person's own surroundings; what is hidden is hidden before anything is made smaller."""
    x1, y1, x2, y2 = place_around(best.box_xyxy, (image.shape[1], image.shape[0]))
    cut = np.ascontiguousarray(image[y1:y2, x1:x2])
    here = None
    if faces is not None:
        boxes = faces.boxes - np.array([x1, y1, x1, y1], np.float32)
        inside = (boxes[:, 2] > 0) & (boxes[:, 3] > 0) & (boxes[:, 0] < x2 - x1) & (boxes[:, 1] < y2 - y1)
        verdicts = tuple(v for v, keep in zip(faces.verdicts, inside.tolist(), strict=True) if keep)
        here = SeenFaces(boxes[inside], verdicts)
    shown = hidden(cut, here, show_faces)
    scale = SIDE / max(shown.shape[:2])
    if scale >= 1 and here is not None and min(shown.shape[:2]) > 0:
        scale = min(scale, 3.0)
    size_wh = max(1, round(shown.shape[1] * scale)), max(1, round(shown.shape[0] * scale))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(shown, size_wh, interpolation=kind), np.uint8)


def place_around(box_xyxy: tuple[float, float, float, float], frame_wh: tuple[int, int]) -> Rectangle:
    """The part of the frame that a person's picture shows: more below the face than above it."""
    x1, y1, x2, y2 = box_xyxy
    reach = AROUND * max(x2 - x1, y2 - y1)
    width, height = frame_wh
    left, top = max(0, round(x1 - reach)), max(0, round(y1 - reach / 2))
    right, bottom = min(width, round(x2 + reach)), min(height, round(y2 + 1.5 * reach))
    return min(left, width - 1), min(top, height - 1), max(right, left + 1), max(bottom, top + 1)
