"""Our own RetinaFace as a `FaceDetector`: views in, network, anchors decoded, the finds of all views merged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from crowdmask.engine.network import Network, at_once
from crowdmask.engine.views import View, views_of
from crowdmask.geometry import averaged, clip, face_sizes, nms, sizes_wh
from crowdmask.nets.anchors import AnchorGrid
from crowdmask.records import Faces
from crowdmask.settings import AnalysisSettings

Image = NDArray[np.uint8]
Look = tuple[int, View, Image]  # index of the picture, view of it, what is seen
PIXELS_AT_ONCE = 1_300_000  # a larger batch is no faster on a CPU and holds more memory
SAME_FACE_IOU = 0.6  # finds that overlap the best one so far are other looks at the same face
MOST_FINDS = 5000  # before suppression, in one picture


class RetinaFaceDetector:
    """Pictures whose views have one size go through the network together."""

    def __init__(self, network: Network, anchors: AnchorGrid, settings: AnalysisSettings, *, workers: int = 1) -> None:
        self._network, self._anchors, self._settings, self._workers = network, anchors, settings, workers

    def detect(self, images: Sequence[Image]) -> list[Faces]:
        by_canvas: dict[tuple[int, int], list[Look]] = defaultdict(list)
        for index, image in enumerate(images):
            for view, picture in _shown(image, views_of((image.shape[1], image.shape[0]), self._settings)):
                by_canvas[view.canvas_wh].append((index, view, picture))
        batches = []
        for (width, height), looks in by_canvas.items():
            step = max(1, PIXELS_AT_ONCE // (width * height))
            batches += [looks[i : i + step] for i in range(0, len(looks), step)]
        found: dict[int, list[Faces]] = defaultdict(list)
        for batch in at_once(self._look, batches, self._workers):
            for index, faces in batch:
                found[index].append(faces)
        return [self._merge(found[i], (image.shape[1], image.shape[0])) for i, image in enumerate(images)]

    def _look(self, looks: Sequence[Look]) -> list[tuple[int, Faces]]:
        """The finds in views of one canvas size, each with the index of its picture."""
        width, height = looks[0][1].canvas_wh
        canvases = np.zeros((len(looks), height, width, 3), np.uint8)
        for canvas, (_, _, picture) in zip(canvases, looks, strict=True):
            canvas[: picture.shape[0], : picture.shape[1]] = picture
        outputs = self._network(canvases)
        return [
            (index, self._decode({name: values[row] for name, values in outputs.items()}, view, (width, height)))
            for row, (index, view, _) in enumerate(looks)
        ]

    def _decode(self, outputs: dict[str, NDArray[np.float32]], view: View, canvas_wh: tuple[int, int]) -> Faces:
        """One view's finds in the picture's pixels, those of the sizes that the view answers for."""
        confidence = self._settings.weakest
        chosen = np.flatnonzero(outputs["face"] >= np.log(confidence / (1 - confidence)))
        anchors = self._anchors.boxes_cxcywh(canvas_wh)[chosen]
        boxes = self._anchors.decode_boxes(outputs["box"][chosen], anchors)
        sizes = face_sizes(boxes)
        fits = (sizes >= view.smallest) & (sizes < view.largest)
        chosen, anchors, boxes = chosen[fits], anchors[fits], boxes[fits]
        landmarks = self._anchors.decode_landmarks(outputs["landmarks"][chosen], anchors)
        # the view's own scale on each axis: its size was rounded to whole pixels
        seen = np.array([view.right - view.left, view.bottom - view.top], np.float32) / np.array(
            view.size_wh, np.float32
        )
        offset = np.array([view.left, view.top], np.float32)
        scores = (1.0 / (1.0 + np.exp(-outputs["face"][chosen]))).astype(np.float32)
        boxes = clip(boxes, view.size_wh) * np.tile(seen, 2) + np.tile(offset, 2)
        return Faces(boxes.astype(np.float32), scores, (landmarks * seen + offset).astype(np.float32))

    def _merge(self, parts: Sequence[Faces], picture_wh: tuple[int, int]) -> Faces:
        boxes = clip(np.concatenate([p.boxes for p in parts]), picture_wh)
        scores = np.concatenate([p.scores for p in parts])
        kept = np.flatnonzero(np.all(sizes_wh(boxes) > 0, axis=1))
        kept = kept[np.argsort(-scores[kept], kind="stable")[:MOST_FINDS]]
        best = kept[nms(boxes[kept], scores[kept], self._settings.nms_iou)]
        # measured on held-out photographs: +0.004 to +0.011 face AP over the best box alone; finds that are too weak
        # to be shown change none that are
        shown = scores[best] >= self._settings.confidence
        strong = kept[scores[kept] >= self._settings.confidence]
        means = boxes[best]
        means[shown] = averaged(boxes[best[shown]], boxes[strong], scores[strong], SAME_FACE_IOU)
        return Faces(means, scores[best], np.concatenate([p.landmarks for p in parts])[best])


def _shown(image: Image, views: Sequence[View]) -> Iterator[tuple[View, Image]]:
    """Each view's picture; the smaller views of the whole are made from the larger ones, which is cheaper."""
    smallest = image
    for view in views:
        whole = (view.left, view.top, view.right, view.bottom) == (0, 0, image.shape[1], image.shape[0])
        part = smallest if whole else image[view.top : view.bottom, view.left : view.right]
        picture = _resized(part, view.size_wh)
        if whole and picture.size < smallest.size:
            smallest = picture
        yield view, picture


def _resized(part: Image, size_wh: tuple[int, int]) -> Image:
    if size_wh == part.shape[1::-1]:
        return part
    # down to a half, bilinear interpolation still sees every pixel, at a third of the cost of averaging areas
    far_smaller = size_wh[0] < 0.5 * part.shape[1]
    how = cv2.INTER_AREA if far_smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, size_wh, interpolation=how), np.uint8)
