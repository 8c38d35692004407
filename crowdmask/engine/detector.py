"""Our own RetinaFace as a `FaceDetector`: views in, network, anchors decoded, the finds of all views merged."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.memory import LARGE
from crowdmask.engine.merging import HEARD_FROM, merged
from crowdmask.engine.runtimes.network import Answers, Network, at_once, finite
from crowdmask.engine.views import View, view_at, views_of
from crowdmask.geometry import FloatArray, clip, face_sizes
from crowdmask.nets.anchors import AnchorGrid
from crowdmask.records import Faces, Picture, part_of, whole_of
from crowdmask.settings import AnalysisSettings

Image = NDArray[np.uint8]
Shape = tuple[int, ...]
Look = tuple[int, View, Image]  # index of the picture, view of it, canvas (1, h, w, 3) with what is seen


class RetinaFaceDetector:
    """One view goes through the network at a time, so that no picture's faces depend on what is looked at beside it."""

    def __init__(
        self,
        network: Network,
        anchors: AnchorGrid,
        settings: AnalysisSettings,
        *,
        workers: int = 1,
        origin: str = "the detector",
    ) -> None:
        self._network, self._anchors, self._settings = network, anchors, settings
        self._workers, self._origin = workers, origin
        self._canvases = _Canvases()

    def detect(self, images: Sequence[Image]) -> list[Faces]:
        return self._detect(images, [views_of(_size_wh(image), self._settings) for image in images])

    def detect_at(self, pictures: Sequence[Picture], places: Sequence[FloatArray]) -> list[Faces]:
        """The faces at some places of each picture, each place in a view of its own; what lies at its edge is left."""
        views = [self._views_at(_size_wh(one), boxes) for one, boxes in zip(pictures, places, strict=True)]
        return self._detect(pictures, views)

    def rest(self) -> None:
        self._canvases = _Canvases()
        self._network.rest()

    def _views_at(self, size_wh: tuple[int, int], boxes_xyxy: FloatArray) -> list[View]:
        whole = views_of(size_wh, self._settings)
        views = [view_at(box, size_wh, whole) for box in boxes_xyxy.tolist()]
        return whole if _pixels(views) > _pixels(whole) / 2 else views

    def _detect(self, pictures: Sequence[Picture], views: Sequence[Sequence[View]]) -> list[Faces]:
        looks: list[Look] = []
        for index, picture in enumerate(pictures):
            looks += [(index, view, canvas) for view, canvas in _shown(picture, views[index], self._canvases.take)]
        found: dict[int, list[tuple[View, Faces]]] = defaultdict(list)
        for look, faces in zip(looks, at_once(self._look, looks, self._workers), strict=True):
            found[look[0]].append((look[1], faces))
            self._canvases.give_back(look[2])
        return [merged(found[i], _size_wh(picture), self._settings) for i, picture in enumerate(pictures)]

    def _look(self, look: Look) -> Faces:
        _, view, canvas = look
        outputs = self._network(canvas)
        return self._decode({name: values[0] for name, values in outputs.items()}, view)

    def _decode(self, outputs: Answers, view: View) -> Faces:
        """One view's finds in the picture's pixels, those of the sizes that the view answers for."""
        confidence, canvas_wh = min(self._settings.weakest, HEARD_FROM), view.canvas_wh
        chosen = np.flatnonzero(finite(outputs["face"], self._origin) >= np.log(confidence / (1 - confidence)))
        anchors = self._anchors.boxes_cxcywh(canvas_wh)[chosen]
        boxes = self._anchors.decode_boxes(finite(outputs["box"][chosen], self._origin), anchors)
        sizes = face_sizes(boxes)
        fits = (sizes >= view.smallest) & (sizes < view.largest)
        fits &= (boxes[:, :2] >= view.within_xyxy[:2]).all(axis=1) & (boxes[:, 2:] <= view.within_xyxy[2:]).all(axis=1)
        chosen, anchors, boxes = chosen[fits], anchors[fits], boxes[fits]
        landmarks = self._anchors.decode_landmarks(finite(outputs["landmarks"][chosen], self._origin), anchors)
        # the view's own scale on each axis: its size was rounded to whole pixels
        seen = np.array([view.right - view.left, view.bottom - view.top], np.float32) / np.array(
            view.size_wh, np.float32
        )
        offset = np.array([view.left, view.top], np.float32)
        scores = (1.0 / (1.0 + np.exp(-outputs["face"][chosen]))).astype(np.float32)
        boxes = clip(boxes, view.size_wh) * np.tile(seen, 2) + np.tile(offset, 2)
        return Faces(boxes.astype(np.float32), scores, (landmarks * seen + offset).astype(np.float32))


def _size_wh(picture: Picture) -> tuple[int, int]:
    return picture.shape[1], picture.shape[0]


def _pixels(views: Sequence[View]) -> int:
    return sum(width * height for width, height in (view.canvas_wh for view in views))


def canvases(image: Image, settings: AnalysisSettings) -> list[Image]:
    """All that the network is given to find the faces of one picture."""
    views = views_of(_size_wh(image), settings)
    return [canvas for _, canvas in _shown(image, views, _new_canvas)]


class _Canvases:
    """Canvases that were looked at, to be written anew: memory that is new costs more than writing it does."""

    MOST = 4  # of the two looks of each of two steps that may go on at once, the largest view

    def __init__(self) -> None:
        self._free: list[Image] = []
        self._lock = threading.Lock()

    def take(self, shape: Shape) -> Image:
        with self._lock:
            at = next((i for i, canvas in enumerate(self._free) if canvas.shape == shape), None)
            return _new_canvas(shape) if at is None else self._free.pop(at)

    def give_back(self, canvas: Image) -> None:
        """Nobody looks at it any more; smaller ones are not worth the room."""
        if canvas.nbytes >= LARGE:
            with self._lock:
                self._free = [*self._free, canvas][-self.MOST :]


def _new_canvas(shape: Shape) -> Image:
    return np.empty(shape, np.uint8)


def _shown(
    picture: Picture, views: Sequence[View], canvas_of: Callable[[Shape], Image]
) -> Iterator[tuple[View, Image]]:
    """Each view on its canvas; the smaller views of the whole are made from the larger ones, which is cheaper."""
    smallest: Image | None = None
    for view in views:
        place = view.left, view.top, view.right, view.bottom
        if place != (0, 0, *_size_wh(picture)):
            yield view, _on_canvas(part_of(picture, place), view, canvas_of)[0]
            continue
        smallest = whole_of(picture) if smallest is None else smallest
        canvas, shown = _on_canvas(smallest, view, canvas_of)
        smallest = shown if shown.size < smallest.size else smallest
        yield view, canvas


def _on_canvas(part: Image, view: View, canvas_of: Callable[[Shape], Image]) -> tuple[Image, Image]:
    """The view written once, straight to its place on a canvas with black below and to the right; and that place."""
    (width, height), (canvas_width, canvas_height) = view.size_wh, view.canvas_wh
    canvas = canvas_of((1, canvas_height, canvas_width, 3))
    canvas[0, height:] = 0
    canvas[0, :height, width:] = 0
    picture = canvas[0, :height, :width]
    if (width, height) == part.shape[1::-1]:
        picture[:] = part
    else:
        # down to a half, bilinear interpolation still sees every pixel, at a third of the cost of averaging areas
        far_smaller = width < 0.5 * part.shape[1]
        cv2.resize(
            part, (width, height), dst=picture, interpolation=cv2.INTER_AREA if far_smaller else cv2.INTER_LINEAR
        )
    return canvas, picture
