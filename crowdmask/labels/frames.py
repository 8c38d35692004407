"""Reads the labels of some frames of a video: a folder of Pascal VOC, an .xml for each frame, or one COCO .json.

A frame is known by its number, counted from 0 as in every table of crowdmask: the last number in an .xml's name, and
in COCO the image's `frame_index` (or `frame_id`, or `frame`) or else the last number in its `file_name`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crowdmask.errors import DatasetError
from crowdmask.labels.boxes import RawBox, labelled
from crowdmask.labels.coco import parse_coco
from crowdmask.labels.files import files_below
from crowdmask.labels.records import LabelledPicture, Problem
from crowdmask.labels.table import LabelTable
from crowdmask.labels.voc import read_files

NUMBERED_BY = ("frame_index", "frame_id", "frame")


@dataclass(frozen=True)
class LabelledFrames:
    """A video and the frames of it that have labels, by their number; one without boxes is known to show no face."""

    video: Path
    frames: Mapping[int, LabelledPicture]
    problems: tuple[Problem, ...]


def labels_of(video: Path) -> Path:
    """Where the labels of a video lie if nobody says otherwise: beside it, under its name."""
    for place in (video.with_suffix(".json"), video.with_suffix("")):
        if place.exists():
            return place
    raise DatasetError(
        f"{video}: no labels of its frames: {video.stem}.json (COCO) or a folder {video.stem}/ with an .xml for each "
        "labelled frame (Pascal VOC) is expected beside it, or name them with --frames"
    )


def read_frames(video: Path, labels: Path, table: LabelTable | None = None) -> LabelledFrames:
    """Every labelled frame that can be used; what cannot is left out and named, and nothing left is an error."""
    table = table or LabelTable()
    problems: list[Problem] = []
    read = _read_coco if labels.is_file() else _read_voc
    frames: dict[int, LabelledPicture] = {}
    for number, size_wh, boxes, file in read(labels, problems):
        if number in frames:
            problems.append(Problem(file, f"frame {number} has labels already: these are left out"))
            continue
        frames[number], found = labelled(video, size_wh, boxes, table, file)
        problems += [Problem(p.path, f"frame {number}: {p.reason}", p.left_out, p.number) for p in found]
    if not frames:
        first = f"; the first of {len(problems)} problem(s): {problems[0]}" if problems else ""
        raise DatasetError(f"{labels}: no frame has labels that can be used{first}")
    return LabelledFrames(video, dict(sorted(frames.items())), tuple(problems))


Read = tuple[int, tuple[int, int] | None, list[RawBox], Path]


def _read_voc(folder: Path, problems: list[Problem]) -> list[Read]:
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such file or folder: give a folder of .xml files, or a COCO .json")
    numbers = {path: _last_number(path.stem) for path in files_below(folder, frozenset({".xml"}))}
    said = read_files([path for path, number in numbers.items() if number is not None])
    read = []
    for path, number in numbers.items():
        if number is None:
            problems.append(Problem(path, "its name ends in no frame number"))
        elif isinstance(found := said[path], Problem):
            problems.append(found)
        else:
            read.append((number, found.size_wh, found.boxes, path))
    return read


def _read_coco(path: Path, problems: list[Problem]) -> list[Read]:
    try:
        images, found = parse_coco(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise DatasetError(f"{path}: is no COCO file: {why}") from error
    problems += found
    read = []
    for image in images:
        number = _frame_number(image.entry)
        if number is None:
            problems.append(Problem(path, f"image {image.entry.get('id')}: nothing says which frame it is"))
            continue
        read.append((number, image.size_wh, image.boxes, path))
    return read


def _frame_number(entry: Mapping[str, Any]) -> int | None:
    for name in NUMBERED_BY:
        value = entry.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return _last_number(Path(str(entry.get("file_name", ""))).stem)


def _last_number(text: str) -> int | None:
    numbers = re.findall(r"\d+", text)
    return int(numbers[-1]) if numbers else None
