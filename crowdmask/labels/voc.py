"""Reads Pascal VOC: an XML file per picture, in `annotations/` beside `images/` or side by side with the pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from crowdmask.labels.boxes import RawBox, labelled
from crowdmask.labels.files import paired
from crowdmask.labels.records import LabelledPicture, Problem
from crowdmask.labels.table import LabelTable

FOLDERS = ("annotations", "Annotations", "labels", "xmls", "xml")


@dataclass(frozen=True)
class Annotation:
    """One file: the picture's size, where it says it, and its boxes."""

    size_wh: tuple[int, int] | None
    boxes: list[RawBox]

    def counted_from_0(self) -> Annotation:
        return replace(self, boxes=[replace(box, xyxy=_between_pixels(*box.xyxy)) for box in self.boxes])


def _between_pixels(x1: float, y1: float, x2: float, y2: float) -> tuple[float, float, float, float]:
    return x1 - 1.0, y1 - 1.0, x2, y2


def read_voc(root: Path, table: LabelTable) -> tuple[list[LabelledPicture], list[Problem]]:
    pictures: list[LabelledPicture] = []
    problems: list[Problem] = []
    pairs, orphans = paired(root, FOLDERS, ".xml")
    said = read_files([label for _, label in pairs if label is not None])
    for picture, label in pairs:
        if label is None:
            problems.append(Problem(picture, "no annotation file: one without objects says that it shows no face"))
            continue
        found = said[label]
        if isinstance(found, Problem):
            problems.append(found)
            continue
        result, faults = labelled(picture, found.size_wh, found.boxes, table, label)
        pictures.append(result)
        problems += faults
    problems += [Problem(label, "no picture belongs to this annotation file") for label in orphans]
    return pictures, problems


def read_files(files: Sequence[Path]) -> dict[Path, Annotation | Problem]:
    """What each annotation file of a folder says, or why it says nothing; boxes are measured between pixels, from 0.

    Pascal VOC numbers the pixels from 1 and names the last one inside: the whole of a picture is 1 to its width. Many
    tools write VOC's files but measure edges from 0. A folder of whole numbers of which the least is 1 is taken for the
    former, any other one as it stands.
    """
    said: dict[Path, Annotation | Problem] = {}
    for file in files:
        try:
            said[file] = _parsed(file)
        except (ElementTree.ParseError, ValueError, OSError) as error:
            said[file] = Problem(file, f"the annotation file does not parse: {error}")
    parsed = {file: found for file, found in said.items() if isinstance(found, Annotation)}
    corners = [value for found in parsed.values() for box in found.boxes for value in box.xyxy if math.isfinite(value)]
    if min(corners, default=0.0) == 1.0 and all(map(float.is_integer, corners)):
        said |= {file: found.counted_from_0() for file, found in parsed.items()}
    return said


def _parsed(path: Path) -> Annotation:
    """Boxes as they stand; ParseError or ValueError where it is no VOC."""
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
    return Annotation((width, height) if width > 0 and height > 0 else None, raw)
