"""Reads COCO: one JSON file, or a few, with `images`, `annotations` and `categories` for a folder of pictures."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crowdmask.labels.boxes import RawBox, labelled
from crowdmask.labels.files import files_below, pictures_below
from crowdmask.labels.records import LabelledPicture, LeftOut, Problem
from crowdmask.labels.table import LabelTable

PARTS = ("images", "annotations", "categories")


@dataclass
class _Entry:
    """What one JSON file, or several, say of a picture."""

    label_file: Path
    size_wh: tuple[int, int] | None
    boxes: list[RawBox] = field(default_factory=list)


def coco_files(root: Path) -> list[Path]:
    """The folder's JSON files that are COCO, told by their three parts, or that claim to be and do not parse."""
    found = []
    for path in files_below(root, frozenset({".json"})):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found.append(path)
            continue
        if isinstance(content, dict) and all(part in content for part in PARTS):
            found.append(path)
    return found


def read_coco(root: Path, table: LabelTable) -> tuple[list[LabelledPicture], list[Problem]]:
    """A picture listed without annotations shows no face; `iscrowd` and `ignore` make a box count for nothing."""
    places = _Places(root)
    entries: dict[Path, _Entry] = {}
    problems: list[Problem] = []
    for path in coco_files(root):
        try:
            _read_file(path, places, entries, problems)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            problems.append(Problem(path, f"the annotation file does not parse: {why}"))
    pictures = []
    for picture, entry in entries.items():
        result, found = labelled(picture, entry.size_wh, entry.boxes, table, entry.label_file)
        pictures.append(result)
        # one JSON file speaks of many pictures: say which
        problems += [Problem(p.path, f"{picture.name}: {p.reason}", p.left_out) for p in found]
    return pictures, problems


class _Places:
    """Finds a picture by the `file_name` of a JSON file, which may start at any folder above it."""

    def __init__(self, root: Path) -> None:
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for path in pictures_below(root):
            self._by_name[path.name].append(path)

    def find(self, file_name: str, json_folder: Path) -> Path | None:
        wanted = Path(file_name.replace("\\", "/"))
        same_name = self._by_name.get(wanted.name, [])
        if len(same_name) <= 1:
            return same_name[0] if same_name else None
        ending = [p for p in same_name if p.as_posix().endswith("/" + wanted.as_posix())]
        near = [p for p in ending if p.is_relative_to(json_folder)]
        best = near or ending
        return best[0] if len(best) == 1 else None


@dataclass(frozen=True)
class CocoImage:
    """One image of a file: its entry as it stands, and its boxes."""

    entry: dict[str, Any]
    size_wh: tuple[int, int] | None
    boxes: list[RawBox]


def parse_coco(path: Path) -> tuple[list[CocoImage], list[Problem]]:
    """The images that one file lists; OSError, ValueError, KeyError or TypeError where it is no COCO."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    images: Sequence[dict[str, Any]]
    annotations: Sequence[dict[str, Any]]
    images, annotations = content["images"], content["annotations"]
    categories = {item["id"]: str(item["name"]) for item in content["categories"]}
    problems = []
    boxes: dict[Any, list[RawBox]] = defaultdict(list)
    for item in annotations:
        box = item.get("bbox")
        if not isinstance(box, list) or len(box) != 4:
            reason = f"annotation {item.get('id')} of image {item['image_id']} has no box of four numbers"
            problems.append(Problem(path, reason, LeftOut.BOX))
            continue
        x, y, w, h = (float(value) for value in box)
        name = categories.get(item["category_id"], str(item["category_id"]))
        boxes[item["image_id"]].append(
            RawBox((x, y, x + w, y + h), name, bool(item.get("iscrowd") or item.get("ignore")))
        )
    known, found = set(), []
    for item in images:
        known.add(item["id"])
        size_wh = (int(item.get("width") or 0), int(item.get("height") or 0))
        found.append(CocoImage(item, size_wh if min(size_wh) > 0 else None, boxes.get(item["id"], [])))
    strays = sum(len(of_image) for image, of_image in boxes.items() if image not in known)
    if strays:
        problems.append(Problem(path, f"{strays} box(es) belong to images that the file does not list", LeftOut.BOX))
    return found, problems


def _read_file(path: Path, places: _Places, entries: dict[Path, _Entry], problems: list[Problem]) -> None:
    # all of the file is read before any of it counts, so that a damaged file leaves nothing behind
    images, found = parse_coco(path)
    named = [(str(image.entry["file_name"]), image) for image in images]
    problems += found
    for file_name, image in named:
        picture = places.find(file_name, path.parent)
        if picture is None:
            problems.append(Problem(path, f"{file_name}: the folder has no such picture, or several of that name"))
            continue
        entries.setdefault(picture, _Entry(path, image.size_wh)).boxes.extend(image.boxes)
