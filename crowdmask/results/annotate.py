"""Draws a FrameResult for people to look at: boxes, verdicts, probabilities and a panel, on a copy of the frame.

The rules, which docs/outputs.md repeats:

- A box's line lies outside the face it marks, so that even a face of ten pixels stays visible.
- The number is the probability of the word beside it. An unknown face that was asked about shows how likely it is
  unmasked; one that was too small to ask about shows no number.
- A label is at most 1.6 times as wide as its face. Where that is too little for the words it shrinks to half its
  size, then to the number alone, and then it is left out: in a dense crowd small faces have their box only.
- A label never covers a face, its own neither, another label or the panel, and never leaves the frame. It stands above
  its face, or else below, or beside it. Unmasked faces choose first.
- The panel stands in a corner or at the middle of an edge where no face is, and stays there until one comes; where a
  face is at each of these places it is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.geometry import FloatArray, Rectangle, empty_boxes
from crowdmask.records import Counts, FrameResult
from crowdmask.results import panel
from crowdmask.results.anonymise import blur_faces, blurred_place
from crowdmask.results.boxes import draw_box, line_width, reach
from crowdmask.results.captions import JudgedFace, Label, place_labels, visible_faces
from crowdmask.results.lettering import SMALLEST_CAPITALS, plate
from crowdmask.results.palette import PALETTES, Palette, ink_on
from crowdmask.results.panel import Panel
from crowdmask.results.zone_drawing import FaintLayer
from crowdmask.settings import OutputSettings
from crowdmask.tracking.zones import Zones

Image = NDArray[np.uint8]


def annotate(
    result: FrameResult,
    totals: Counts,
    settings: OutputSettings,
    *,
    running: bool = True,
    also_blur: FloatArray | None = None,
    zones: Zones | None = None,
) -> Image:
    """A copy of the frame, (h, w, 3) BGR, with everything drawn; `totals` are the counts so far, this frame's included.

    `running` tells a video's rate so far from a single picture's. `also_blur` (n, 4) are further places to hide when
    faces are blurred, such as those where a face just was. `zones` are outlined faintly below all else.
    """
    image: Image = result.frame.image.copy()
    plan_drawing(result, totals, settings, running=running, also_blur=also_blur, zones=zones).draw(image)
    return image


@dataclass(frozen=True)
class PanelState:
    """What the panel of a video has from the frames before."""

    spot: int = 0  # where it stood
    people: int = 0  # how many there were so far


def most_people(result: FrameResult) -> int:
    """The highest number of a person in the frame; they are given in the order in which people come."""
    people = result.columns.get("person")
    return 0 if people is None or not len(people) else int(people.max())


@dataclass(frozen=True)
class Drawing:
    """What is to be drawn on one frame, and where: settled before anything is drawn."""

    hidden: FloatArray
    faces: Sequence[JudgedFace]
    panel: Panel | None
    labels: Sequence[Label]
    palette: Palette
    frame_wh: tuple[int, int]
    zones: Zones | None = None
    spot: int = 0  # where the panel is to stay for the next frame

    @property
    def places(self) -> list[Rectangle]:
        """Every place that `draw` looks at or changes, cut to the frame; all else of the image stays as it is."""
        width, height = self.frame_wh
        places = [blurred_place(box, self.frame_wh) for box in self.hidden]
        for face in self.faces:
            by = reach(face.verdict, line_width(self.frame_wh, face.box))
            x1, y1, x2, y2 = face.box
            places.append((max(0, x1 - by), max(0, y1 - by), min(width, x2 + by), min(height, y2 + by)))
        places += [label.place for label in self.labels]
        if self.panel is not None:
            places.append(self.panel.place)
        if self.zones is not None:
            places += FaintLayer.of(self.zones, self.frame_wh).places
        return places

    def draw(self, image: Image) -> None:
        """Draw it in place."""
        blur_faces(image, self.hidden)
        if self.zones is not None:
            FaintLayer.of(self.zones, self.frame_wh).draw(image)
        for face in reversed(self.faces):
            line = line_width(self.frame_wh, face.box)
            draw_box(image, face.box, face.verdict, self.palette.of(face.verdict), line)
        if self.panel is not None:
            panel.draw(image, self.panel, self.palette)
        for label in self.labels:
            paper = self.palette.of(label.verdict)
            x1, y1, x2, y2 = label.place
            image[y1:y2, x1:x2] = plate(label.text, label.capitals, ink_on(paper), paper)


def plan_drawing(
    result: FrameResult,
    totals: Counts,
    settings: OutputSettings,
    *,
    running: bool = True,
    also_blur: FloatArray | None = None,
    zones: Zones | None = None,
    panel_state: PanelState | None = None,
) -> Drawing:
    """What `annotate` draws."""
    size_wh = result.frame.size_wh
    hidden = empty_boxes()
    if settings.blur:
        hidden = result.faces.boxes if also_blur is None else np.concatenate([result.faces.boxes, also_blur])
    capitals = capitals_for(size_wh)
    faces = visible_faces(result, with_numbers=settings.show_numbers)
    state = panel_state or PanelState()
    board = None
    if settings.panel:
        people = max(state.people, most_people(result)) if running and "person" in result.columns else None
        board = panel.lay_out(
            size_wh,
            panel.texts(result.counts, totals, people, running=running),
            capitals,
            _outlines(faces, size_wh),
            state.spot,
        )
    labels = place_labels(faces, size_wh, capitals, [board.place] if board is not None else [])
    return Drawing(
        hidden,
        faces,
        board,
        labels,
        PALETTES[settings.palette],
        size_wh,
        zones,
        state.spot if board is None else board.spot,
    )


def _outlines(faces: Sequence[JudgedFace], frame_wh: tuple[int, int]) -> list[Rectangle]:
    """The faces with the lines about them."""
    found = []
    for face in faces:
        by = reach(face.verdict, line_width(frame_wh, face.box))
        x1, y1, x2, y2 = face.box
        found.append((x1 - by, y1 - by, x2 + by, y2 + by))
    return found


def capitals_for(size_wh: tuple[int, int]) -> int:
    """Height of the capitals for a frame: the same share of the picture at any size, as long as it can be read."""
    return max(SMALLEST_CAPITALS, min(48, round(min(size_wh) * 0.0125)))
