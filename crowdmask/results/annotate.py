"""Draws a FrameResult for people to look at: boxes, verdicts, probabilities and a panel, on a copy of the frame.

The rules, which docs/outputs.md repeats:

- A box's line lies outside the face it marks, so that even a face of ten pixels stays visible.
- The number is the probability of the word beside it. An unknown face that was asked about shows the probability
  of unmasked in brackets; one that was too small to ask about shows no number.
- A label is at most 1.6 times as wide as its face. Where that is too little for the words it shrinks to half its
  size, then to the number alone, and then it is left out: in a dense crowd small faces have their box only.
- A label never covers another face, another label or the panel, and never leaves the frame. It stands above its
  face, or else below, or else, where it hides no more than a fifth of it, inside. Unmasked faces choose first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import FloatArray
from crowdmask.records import Counts, FrameResult
from crowdmask.results import panel
from crowdmask.results.anonymise import blur_faces
from crowdmask.results.boxes import draw_box, line_width
from crowdmask.results.captions import place_labels, visible_faces
from crowdmask.results.lettering import SMALLEST_CAPITALS, plate
from crowdmask.results.palette import PALETTES, ink_on
from crowdmask.settings import OutputSettings

Image = NDArray[np.uint8]


def annotate(
    result: FrameResult,
    totals: Counts,
    settings: OutputSettings,
    *,
    running: bool = True,
    also_blur: FloatArray | None = None,
) -> Image:
    """A copy of the frame, (h, w, 3) BGR, with everything drawn; `totals` are the counts so far, this frame's included.

    `running` tells a video's rate so far from a single picture's. `also_blur` (n, 4) are further places to hide when
    faces are blurred, such as those where a face just was.
    """
    image: Image = result.frame.image.copy()
    if settings.blur:
        hidden = result.faces.boxes if also_blur is None else np.concatenate([result.faces.boxes, also_blur])
        blur_faces(image, hidden)
    palette = PALETTES[settings.palette]
    capitals = capitals_for(result.frame.size_wh)
    faces = visible_faces(result)
    for face in reversed(faces):
        line = line_width(result.frame.size_wh, face.box)
        draw_box(image, face.box, face.verdict, palette.of(face.verdict), line)
    taken = []
    if settings.panel:
        taken = panel.draw(image, result.counts, totals, palette, capitals, running=running)
    for label in place_labels(faces, result.frame.size_wh, capitals, taken):
        paper = palette.of(label.verdict)
        x1, y1, x2, y2 = label.place
        image[y1:y2, x1:x2] = plate(label.text, label.capitals, ink_on(paper), paper)
    return image


def capitals_for(size_wh: tuple[int, int]) -> int:
    """Height of the capitals for a frame: the same share of the picture at any size, as long as it can be read."""
    return max(SMALLEST_CAPITALS, min(48, round(min(size_wh) * 0.0125)))
