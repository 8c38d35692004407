"""Sinks for people: the annotated video and the annotated picture, drawn and encoded beside the networks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self  # in typing from Python 3.11 on

from crowdmask import geometry
from crowdmask.engine.pictures_again import PicturesAgain
from crowdmask.geometry import FloatArray, Rectangle
from crowdmask.media.ahead import behind
from crowdmask.media.pictures import write_picture
from crowdmask.media.video_writer import VideoWriter
from crowdmask.records import Counts, Frame, FrameResult, VideoInfo
from crowdmask.results.annotate import Drawing, PanelState, annotate, most_people, plan_drawing
from crowdmask.results.anonymise import LingeringBlur, LookingAhead
from crowdmask.settings import OutputSettings
from crowdmask.tracking.zones import Zones

QUEUE_DEPTH = 4  # frames drawn later than judged; each 1080p frame that waits with its picture is 6 MB

Stage = Callable[[str], AbstractContextManager[object]]


class AnnotatedVideo:
    """Draws and encodes on its own thread; holds a few frames, whatever the video's length.

    Results without pictures get them from `pictures`. A piece of a longer video has `totals` and `people`, what was
    counted before it, and `lately`, the results shortly before it. `stage` is given the work by name, "draw" and
    "encode", for its time.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        info: VideoInfo,
        settings: OutputSettings,
        *,
        audio_from: str | None = None,
        threads: int = 0,
        stage: Stage = nullcontext,
        pictures: PicturesAgain | None = None,
        totals: Counts | None = None,
        people: int = 0,
        lately: Iterable[FrameResult] = (),
        zones: Zones | None = None,
    ) -> None:
        self._pictures = pictures
        self._open_writer = partial(
            VideoWriter,
            path,
            info,
            audio_from=audio_from,
            preset=settings.preset,
            crf=settings.crf,
            threads=threads,
        )
        self._settings, self._zones = settings, zones
        self._stage = stage
        self._totals = totals or Counts()
        self._sheet: NDArray[np.uint8] | None = None
        self._lingering = LingeringBlur()
        for result in lately:
            self._lingering.also(result)
        self._stack = ExitStack()
        self._writer: VideoWriter | None = None
        self._ahead = LookingAhead()
        self._spot, self._people = 0, people
        self._hand_over: Callable[[tuple[FrameResult, Counts, FloatArray]], None] | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._writer = stack.enter_context(self._open_writer())
            if self._pictures is not None:
                stack.enter_context(self._pictures)
            self._hand_over = stack.enter_context(behind(self._draw_and_encode, QUEUE_DEPTH))
            self._stack = stack.pop_all()
        return self

    @property
    def notes(self) -> list[str]:
        """What of the source could not be kept, such as its sound; complete once the context is left."""
        return [] if self._writer is None else list(self._writer.notes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            for ready in self._ahead.finish():
                self._hand(*ready)
        self._hand_over = None
        self._stack.__exit__(kind, error, trace)

    def write(self, result: FrameResult, coming: FloatArray | None = None) -> None:
        """`coming` are places where somebody is about to be found, from whoever looks ahead itself.

        Where faces are to be blurred, results that come without pictures are looked ahead of here.
        """
        if self._hand_over is None:
            raise ValueError("the video is not open: results are written inside of its `with` block")
        if coming is None and self._settings.blur and not result.frame.has_picture:
            for ready in self._ahead.take(result):
                self._hand(*ready)
        else:
            self._hand(result, geometry.empty_boxes() if coming is None else coming)

    def _hand(self, result: FrameResult, coming: FloatArray) -> None:
        assert self._hand_over is not None  # this runs inside of the context only
        self._totals = self._totals + result.counts
        self._hand_over((result, self._totals, coming))

    def _draw_and_encode(self, item: tuple[FrameResult, Counts, FloatArray]) -> None:
        assert self._writer is not None  # this runs inside of the context only
        result, totals, coming = item
        if self._pictures is not None and not result.frame.has_picture:
            with self._stage("decode_again"):
                result = self._pictures.of(result)
        with self._stage("draw"):
            also_blur = None
            if self._settings.blur:
                also_blur = np.concatenate([self._lingering.also(result), coming])
            self._people = max(self._people, most_people(result))
            drawing = plan_drawing(
                result,
                totals,
                self._settings,
                also_blur=also_blur,
                zones=self._zones,
                panel_state=PanelState(self._spot, self._people),
            )
            self._spot = drawing.spot
            frame, places = self._drawn(result.frame, drawing)
        with self._stage("encode"):
            self._writer.write(frame, places)

    def _drawn(self, frame: Frame, drawing: Drawing) -> tuple[Frame, list[Rectangle] | None]:
        """The frame with everything drawn, on one sheet for all frames; the places, where nothing else of it counts."""
        assert self._writer is not None  # this runs inside of the context only
        width, height = frame.size_wh
        if self._sheet is None or self._sheet.shape[:2] != (height, width):
            self._sheet = np.empty((height, width, 3), np.uint8)
        sheet, places = self._sheet, None
        if frame.stored is None:
            np.copyto(sheet, frame.image)
        else:
            places = drawing.places
            for x1, y1, x2, y2 in places:  # and a pixel about them, which shares its colour with one of theirs
                around = max(0, x1 - 1), max(0, y1 - 1), min(width, x2 + 1), min(height, y2 + 1)
                sheet[around[1] : around[3], around[0] : around[2]] = self._writer.image_at(frame, around)
        drawing.draw(sheet)
        return replace(frame, picture=sheet), places


class AnnotatedPicture:
    """Takes the one result of a picture; the file is there, whole, as soon as it is written."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        settings: OutputSettings,
        *,
        stage: Stage = nullcontext,
        zones: Zones | None = None,
    ) -> None:
        self._path = Path(path)
        self._settings, self._zones = settings, zones
        self._stage = stage
        self._written = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def write(self, result: FrameResult) -> None:
        if self._written:
            raise ValueError(f"{self._path} is a picture and holds one frame; this is the second")
        with self._stage("draw"):
            image = annotate(result, result.counts, self._settings, running=False, zones=self._zones)
        with self._stage("encode"):
            write_picture(str(self._path), image)
        self._written = True
