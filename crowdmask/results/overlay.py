"""The overlay: what `annotate` would draw, as an ASS subtitle track beside the source's own, untouched video.

ASS draws outlines of any shape, so that boxes have the bars that boxes.py gives them. Its letters come from whatever
font the player has: plates have the place that captions.py found, and the words are centred on them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from types import TracebackType

import numpy as np
from typing_extensions import Self

from crowdmask.geometry import Rectangle
from crowdmask.media.ahead import behind
from crowdmask.media.overlay_writer import OverlayWriter
from crowdmask.records import FrameResult, VideoInfo
from crowdmask.results import panel
from crowdmask.results.annotate import Drawing, PanelState, capitals_for, most_people, plan_drawing
from crowdmask.results.boxes import box_bars, edge_width, line_width
from crowdmask.results.lettering import line_height
from crowdmask.results.palette import BLACK, WHITE, ink_on
from crowdmask.results.zone_drawing import COLOURS, FAINT, LINE_COLOUR, pixels
from crowdmask.settings import OutputSettings
from crowdmask.tracking.zones import Zones
from crowdmask.verdicts import Bgr, Counts

QUEUE_DEPTH = 16  # results that wait, without their pictures being looked at

Stage = Callable[[str], AbstractContextManager[object]]

# Of a font's size, as libass and VSFilter count it, the height of its capitals: measured on DejaVu Sans and Liberation
# Sans, .62 and .63; Arial has .64.
CAPITALS = 0.63

_HEADER = """[Script Info]
; The counts and verdicts of crowdmask, beside the video as it was recorded
ScriptType: v4.00+
PlayResX: {width}
PlayResY: {height}
WrapStyle: 2
ScaledBorderAndShadow: yes
YCbCr Matrix: None

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Shape,Arial,{size},&H00FFFFFF,&H00FFFFFF,&H00101010,&H00101010,0,0,0,0,100,100,0,0,1,0,0,7,0,0,0,1
Style: Words,Arial,{size},&H00FFFFFF,&H00FFFFFF,&H00101010,&H00101010,0,0,0,0,100,100,0,0,1,0,0,5,0,0,0,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def header(frame_wh: tuple[int, int]) -> str:
    """The head of the script for upright frames of this size."""
    return _HEADER.format(width=frame_wh[0], height=frame_wh[1], size=font_size(capitals_for(frame_wh)))


def font_size(capitals: int) -> int:
    return round(capitals / CAPITALS)


def escaped(text: str) -> str:
    """Text that ASS shows as it is: no override block begins in it, no escape, and no new line."""
    shown = text.replace("\\", "\\\u2060").replace("{", "\\{").replace("}", "\\}")
    return " ".join(shown.split())


def events(drawing: Drawing) -> Iterator[str]:
    """Each thing that is drawn as an event: layer, style, text."""
    if drawing.zones is not None:
        yield from _outlines(drawing.zones, drawing.frame_wh)
    if drawing.panel is not None:
        yield from _panel(drawing.panel, drawing)
    for face in drawing.faces:
        line = line_width(drawing.frame_wh, face.box)
        bars = box_bars(face.box, face.verdict, line, drawing.frame_wh)
        yield _shape(1, bars, drawing.palette.of(face.verdict), edge=edge_width(line))
    for label in drawing.labels:
        paper = drawing.palette.of(label.verdict)
        yield _shape(2, [label.place], paper)
        x1, y1, x2, y2 = label.place
        yield _words(3, label.text, ((x1 + x2) / 2, (y1 + y2) / 2), 5, capitals=label.capitals, ink=ink_on(paper))


def _outlines(zones: Zones, frame_wh: tuple[int, int]) -> Iterator[str]:
    """Faint outlines; a line has an arrow of who walks `in`."""
    for number, zone in enumerate(zones.zones):
        yield _stroke(pixels(zone.polygon, frame_wh).tolist(), COLOURS[number % len(COLOURS)])
    for line in zones.lines:
        start, end = pixels((line.start, line.end), frame_wh).astype(float)
        along = (end - start) / max(1.0, float(np.hypot(*(end - start))))
        middle = (start + end) / 2
        tip = middle + np.array([-along[1], along[0]]) * frame_wh[1] / 14
        head = [tip - (tip - middle) * 0.3 + along * side * frame_wh[1] / 60 for side in (-1, 1)]
        for way in ((start, end), (middle, tip), (head[0], tip, head[1])):
            yield _stroke([[round(x), round(y)] for x, y in way], LINE_COLOUR, closed=False)


def _stroke(points: Sequence[Sequence[int]], colour: Bgr, *, closed: bool = True) -> str:
    """An outline without an inside; an open one is drawn there and back."""
    way = [*points, *([] if closed else reversed(points[:-1]))]
    (x, y), *others = way
    path = f"m {x} {y} l " + " ".join(f"{x} {y}" for x, y in others)
    faint = round(255 * (1 - FAINT))
    return rf"0,Shape,{{\an7\pos(0,0)\bord1\3c{_colour(colour)}\3a&H{faint:02X}&\1a&HFF&\p1}}{path}"


def _panel(board: panel.Panel, drawing: Drawing) -> Iterator[str]:
    x, y, right, _ = board.place
    pad, line = board.capitals, line_height(board.capitals)
    yield _shape(0, [board.place], (0, 0, 0), alpha=round(255 * panel.DARKEN))
    middle = y + pad // 2 + line / 2
    for row in board.rows:
        if row.verdict is not None:
            swatch = board.swatch(row, round(middle - line / 2))
            thin = max(1, board.capitals // 9)
            bars = box_bars(swatch, row.verdict, thin, drawing.frame_wh)
            yield _shape(1, bars, drawing.palette.of(row.verdict), edge=edge_width(thin))
        yield _words(1, row.words, (x + pad + row.left, middle), 4, capitals=board.capitals, ink=WHITE)
        yield _words(1, row.figures, (right - pad, middle), 6, capitals=board.capitals, ink=WHITE)
        middle += line


def _shape(layer: int, bars: Sequence[Rectangle], colour: Bgr, *, edge: int = 0, alpha: int = 0) -> str:
    path = " ".join(f"m {x1} {y1} l {x2} {y1} {x2} {y2} {x1} {y2}" for x1, y1, x2, y2 in bars)
    border = rf"\bord{edge}\3c{_colour(BLACK)}" if edge else ""
    clear = rf"\1a&H{alpha:02X}&" if alpha else ""
    return rf"{layer},Shape,{{\an7\pos(0,0){border}\1c{_colour(colour)}{clear}\p1}}{path}"


def _words(layer: int, text: str, at: tuple[float, float], anchor: int, *, capitals: int, ink: Bgr) -> str:
    """Text about a point; `anchor` counts as the keys of a numeric pad do."""
    where = rf"\an{anchor}\pos({at[0]:g},{at[1]:g})"
    return rf"{layer},Words,{{{where}\fs{font_size(capitals)}\1c{_colour(ink)}}}{escaped(text)}"


def _colour(colour: Bgr) -> str:
    return "&H{:02X}{:02X}{:02X}&".format(*colour)


class OverlayVideo:
    """A sink that writes the source's own video with the overlay beside it; `stage` takes the time of its work."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        info: VideoInfo,
        settings: OutputSettings,
        *,
        source: str,
        stage: Stage = nullcontext,
        zones: Zones | None = None,
    ) -> None:
        self._open_writer = partial(OverlayWriter, path, info, source, header((info.width, info.height)))
        self._settings, self._stage, self._zones = settings, stage, zones
        self._totals, self._state = Counts(), PanelState()
        self._stack = ExitStack()
        self._writer: OverlayWriter | None = None
        self._hand_over: Callable[[tuple[FrameResult, Counts]], None] | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._writer = stack.enter_context(self._open_writer())
            self._hand_over = stack.enter_context(behind(self._write, QUEUE_DEPTH))
            self._stack = stack.pop_all()
        return self

    @property
    def notes(self) -> list[str]:
        """What of the source could not be kept."""
        return [] if self._writer is None else list(self._writer.notes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hand_over = None
        self._stack.__exit__(kind, error, trace)

    def write(self, result: FrameResult) -> None:
        if self._hand_over is None:
            raise ValueError("the video is not open: results are written inside of its `with` block")
        self._totals = self._totals + result.counts
        self._hand_over((result, self._totals))

    def _write(self, item: tuple[FrameResult, Counts]) -> None:
        assert self._writer is not None  # this runs inside of the context only
        result, totals = item
        with self._stage("draw"):
            self._state = PanelState(self._state.spot, max(self._state.people, most_people(result)))
            drawing = plan_drawing(result, totals, self._settings, zones=self._zones, panel_state=self._state)
            self._state = PanelState(drawing.spot, self._state.people)
            shown = list(events(drawing))
        with self._stage("copy"):
            self._writer.write(result.frame, shown)
