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
from pathlib import Path

from samples.making import cast
from samples.making.files import write_clip, write_still, write_truth
from samples.making.hall import Camera, empty_hall
from samples.making.people import Person, dressed
from samples.making.portraits import both_heads
from samples.making.shapes import Bytes
from samples.making.sound import hall_sound
from samples.making.stage import Pose, SeenFace, render

HERE = Path(__file__).parent


def clip_frames(people: dict[str, Person], truth: list[tuple[object, list[SeenFace]]]) -> Iterator[Bytes]:
    """The clip's frames; `truth` grows along with them."""
    camera = Camera()
    hall = empty_hall(camera)
    for index in range(round(cast.SECONDS * cast.RATE)):
        poses = [(people[walk.look], walk.pose(index / cast.RATE)) for walk in cast.CLIP]
        picture, faces = render(hall, camera, [(person, pose) for person, pose in poses if pose is not None])
        truth.append((index, faces))
        yield picture


def make_clip(people: dict[str, Person], folder: Path) -> None:
    truth: list[tuple[object, list[SeenFace]]] = []
    frames = clip_frames(people, truth)
    write_clip(folder / "crowd.mp4", frames, cast.RATE, Camera().size_wh, hall_sound(cast.SECONDS))
    rows = write_truth(folder / "truth.csv", "frame", truth)
    print(f"crowd.mp4: {len(truth)} frames, {rows} faces, {(folder / 'crowd.mp4').stat().st_size / 1e6:.2f} MB")


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
    parser = argparse.ArgumentParser(description="Make the demonstration clip, the stills and their ground truth.")
    parser.add_argument("--folder", type=Path, default=HERE, help="where to write (default: samples/)")
    parser.add_argument("--only", choices=("clip", "stills"), help="make only this part")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    heads = both_heads()
    people = {name: dressed(heads, look) for name, look in cast.LOOKS.items()}
    if given.only != "clip":
        make_stills(people, given.folder)
    if given.only != "stills":
        make_clip(people, given.folder)


if __name__ == "__main__":
    main()
