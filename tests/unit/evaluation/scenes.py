"""A small labelled folder of synthetic pictures, on which the fake networks find and judge every square."""

from __future__ import annotations

from pathlib import Path

import cv2

from tests.factories import face_boxes, make_image

SIZE_WH = (192, 128)
OBJECT = (
    "<object><name>{name}</name><difficult>0</difficult><bndbox>"
    "<xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"
)


def write_voc(root: Path, pictures: int = 6, *, wrong: tuple[int, ...] = ()) -> Path:
    """Pictures named 00000, 00001 and so on, squares labelled as they are coloured; those in `wrong` the other way."""
    for folder in ("images", "annotations"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for i in range(pictures):
        assert cv2.imwrite(str(root / "images" / f"{i:05d}.png"), make_image(i, SIZE_WH))
        names = ("without_mask", "with_mask") if i in wrong else ("with_mask", "without_mask")
        objects = [OBJECT.format(*box, name=names[k % 2]) for k, box in enumerate(face_boxes(i, SIZE_WH))]
        size = "<size><width>{}</width><height>{}</height></size>".format(*SIZE_WH)
        (root / "annotations" / f"{i:05d}.xml").write_text(f"<annotation>{size}{''.join(objects)}</annotation>")
    return root
