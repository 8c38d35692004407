"""Reads Pascal VOC: an XML file per picture, in `annotations/` beside `images/` or side by side with the pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from crowdmask.labels.boxes import RawBox, labelled
from crowdmask.labels.files import paired
from crowdmask.labels.records import LabelledPicture, Problem
from crowdmask.labels.table import LabelTable

FOLDERS = ("annotations", "Annotations", "labels", "xmls", "xml")


def read_voc(root: Path, table: LabelTable) -> tuple[list[LabelledPicture], list[Problem]]:
    problems: list[Problem] = []
    pairs, orphans = paired(root, FOLDERS, ".xml")
    read: list[tuple[Path, Path, tuple[int, int] | None, list[RawBox]]] = []
    for picture, label in pairs:
        if label is None:
            problems.append(Problem(picture, "no annotation file: one without objects says that it shows no face"))
            continue
        try:
            read.append((picture, label, *parse_voc(label)))
        except (ElementTree.ParseError, ValueError, OSError) as error:
            problems.append(Problem(label, f"the annotation file does not parse: {error}"))
    pictures: list[LabelledPicture] = []
    for (picture, label, size_wh, _), raw in zip(read, as_edges([raw for *_, raw in read]), strict=True):
        result, found = labelled(picture, size_wh, raw, table, label)
        pictures.append(result)
        problems += found
    problems += [Problem(label, "no picture belongs to this annotation file") for label in orphans]
    return pictures, problems


def parse_voc(path: Path) -> tuple[tuple[int, int] | None, list[RawBox]]:
    """The picture's size, where the file says it, and its boxes; ParseError or ValueError where it is no VOC."""
    top = ElementTree.parse(path).getroot()
    if top.tag != "annotation":
        raise ValueError(f"its top element is <{top.tag}>, not <annotation>")
    width, height = (int(float(top.findtext(f"size/{side}") or 0)) for side in ("width", "height"))
    raw = []
    for i, item in enumerate(top.iter("object"), start=1):
        corners = [item.findtext(f"bndbox/{name}") for name in ("xmin", "ymin", "xmax", "ymax")]
        name = (item.findtext("name") or "").strip()
        if None in corners or not name:
            raise ValueError(f"object {i} lacks its name or a corner of its box")
        x1, y1, x2, y2 = (float(text or "") for text in corners)
        difficult = (item.findtext("difficult") or "0").strip() not in ("", "0")
        raw.append(RawBox((x1, y1, x2, y2), name, difficult))
    # some exporters write 0 for a size they did not look up
    return ((width, height) if width > 0 and height > 0 else None), raw


def as_edges(files: Sequence[Sequence[RawBox]]) -> list[list[RawBox]]:
    """The boxes of a folder measured between pixels, from 0, however its writer counted.

    Pascal VOC numbers the pixels from 1 and names the last one inside: the whole of a picture is 1 to its width. Many
    tools write VOC's files but measure edges from 0. A folder of whole numbers of which the least is 1 is taken for the
    former, any other one as it stands.
    """
    corners = [value for raw in files for box in raw for value in box.xyxy if math.isfinite(value)]
    counted = min(corners, default=0.0) == 1.0 and all(map(float.is_integer, corners))
    return [[box.moved(-1.0, -1.0, 0.0, 0.0) if counted else box for box in raw] for raw in files]
