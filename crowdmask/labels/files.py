"""Which pictures a labelled folder holds, and where the label file of each may lie."""

from __future__ import annotations

from pathlib import Path

from crowdmask.labels.records import natural
from crowdmask.media.pictures import SUFFIXES

PICTURE_SUFFIXES = frozenset(SUFFIXES)
IMAGE_FOLDERS = ("images", "JPEGImages", "imgs", "img", "pictures")


def files_below(root: Path, suffixes: frozenset[str]) -> list[Path]:
    """Files with one of these suffixes at any depth, in natural order; hidden ones are passed over."""
    found = (p for p in root.rglob("*") if p.suffix.casefold() in suffixes and p.is_file())
    seen = (p for p in found if not any(part.startswith(".") for part in p.relative_to(root).parts))
    return sorted(seen, key=lambda p: natural(p.relative_to(root).as_posix()))


def pictures_below(root: Path) -> list[Path]:
    return files_below(root, PICTURE_SUFFIXES)


def beside(picture: Path, root: Path, label_folders: tuple[str, ...], suffix: str) -> list[Path]:
    """Where the label file of a picture may lie: next to it, or in a label folder instead of its image folder."""
    inner = picture.relative_to(root).with_suffix(suffix)
    places = [root / inner]
    for i, part in enumerate(inner.parts[:-1]):
        if part in IMAGE_FOLDERS:
            places += [root.joinpath(*inner.parts[:i], folder, *inner.parts[i + 1 :]) for folder in label_folders]
    places += [root / folder / inner for folder in label_folders]
    return places


def paired(
    root: Path, label_folders: tuple[str, ...], suffix: str, named_apart: frozenset[str] = frozenset()
) -> tuple[list[tuple[Path, Path | None]], list[Path]]:
    """Each picture with its label file or None, and the label files that no picture claims."""
    labels = {p for p in files_below(root, frozenset({suffix})) if p.name not in named_apart}
    pairs: list[tuple[Path, Path | None]] = []
    claimed: set[Path] = set()
    for picture in pictures_below(root):
        label = next((place for place in beside(picture, root, label_folders, suffix) if place in labels), None)
        pairs.append((picture, label))
        if label is not None:
            claimed.add(label)
    return pairs, sorted(labels - claimed, key=lambda p: natural(p.as_posix()))
