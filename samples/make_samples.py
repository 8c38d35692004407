"""Makes everything in samples/ anew, the same each time: `python -m samples.make_samples` from the repository's root.

Two portraits in the public domain, shipped inside the wheels of scikit-image and matplotlib, are cut out, varied,
dressed, partly masked, and walked through a drawn station hall. Needs `pip install scikit-image matplotlib` besides
crowdmask; nobody who only uses crowdmask needs it. The steps are in samples/making/, in this order: portraits (cut
out), facemasks (masks drawn onto the faces), people (looks and clothes), hall (the empty scene), stage (placing and
ground truth), cast (who goes where), sound, files.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from samples.making import cast
from samples.making.files import write_clip, write_still, write_truth
from samples.making.hall import Camera, empty_hall
from samples.making.people import Person, dressed
from samples.making.portraits import both_heads
from samples.making.shapes import Bytes
from samples.making.sound import hall_sound
from samples.making.stage import Pose, SeenFace, render

HERE = Path(__file__).parent


def clip_frames(
    clip: cast.Clip, people: dict[str, Person], truth: list[tuple[object, list[SeenFace]]]
) -> Iterator[Bytes]:
    """The clip's frames; `truth` grows along with them."""
    hall = empty_hall(clip.camera)
    for index in range(round(clip.seconds * clip.rate)):
        seconds = index / clip.rate
        poses = [(who, people[walk.look], walk.pose(seconds)) for who, walk in enumerate(clip.people)]
        there = [(who, person, pose) for who, person, pose in poses if pose is not None]
        picture, faces = render(hall, clip.camera, [(person, pose) for _, person, pose in there])
        faces = [replace(face, person=there[face.person][0]) for face in faces]
        corner = clip.corner(seconds)
        truth.append((index, [face for face in (shown(f, corner, clip.size_wh) for f in faces) if face]))
        x, y = corner
        yield np.ascontiguousarray(picture[y : y + clip.size_wh[1], x : x + clip.size_wh[0]])


def shown(face: SeenFace, corner: tuple[int, int], size_wh: tuple[int, int]) -> SeenFace | None:
    """The face in the part of the scene that the camera looks at."""
    x1, y1, x2, y2 = face.box_xyxy
    low_x, low_y = max(0.0, x1 - corner[0]), max(0.0, y1 - corner[1])
    high_x, high_y = min(float(size_wh[0]), x2 - corner[0]), min(float(size_wh[1]), y2 - corner[1])
    if high_x - low_x < 1 or high_y - low_y < 1:
        return None
    part = (high_x - low_x) * (high_y - low_y) / ((x2 - x1) * (y2 - y1))
    return replace(face, box_xyxy=(low_x, low_y, high_x, high_y), visible=face.visible * part)


def make_clip(clip: cast.Clip, people: dict[str, Person], folder: Path) -> None:
    truth: list[tuple[object, list[SeenFace]]] = []
    frames = clip_frames(clip, people, truth)
    write_clip(folder / clip.file, frames, clip.rate, clip.size_wh, hall_sound(clip.seconds))
    rows = write_truth(folder / clip.truth, "frame", truth)
    size = (folder / clip.file).stat().st_size / 1e6
    print(f"{clip.file}: {len(truth)} frames, {rows} faces, {size:.2f} MB")


def make_stills(people: dict[str, Person], folder: Path) -> None:
    truth: list[tuple[object, list[SeenFace]]] = []
    for still in cast.STILLS:
        camera = Camera(still.size_wh, still.focal, still.horizon)
        shown = [(people[look], Pose(x, z, size, turn)) for look, x, z, size, turn in still.people]
        picture, faces = render(empty_hall(camera, still.seed), camera, shown)
        write_still(folder / still.file, picture)
        truth.append((still.file, faces))
        print(f"{still.file}: {len(faces)} faces, {(folder / still.file).stat().st_size / 1e3:.0f} kB")
    write_truth(folder / "truth-stills.csv", "picture", truth)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the demonstration clips, the stills and their ground truth.")
    parser.add_argument("--folder", type=Path, default=HERE, help="where to write (default: samples/)")
    names = [clip.file.removesuffix(".mp4") for clip in cast.CLIPS]
    parser.add_argument("--only", choices=(*names, "stills"), help="make only this part")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    heads = both_heads()
    people = {name: dressed(heads, look) for name, look in cast.LOOKS.items()}
    if given.only in (None, "stills"):
        make_stills(people, given.folder)
    for clip in cast.CLIPS:
        if given.only in (None, clip.file.removesuffix(".mp4")):
            make_clip(clip, people, given.folder)


if __name__ == "__main__":
    main()
