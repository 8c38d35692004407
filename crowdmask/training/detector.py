"""Trains the face detector: crops, anchor targets, mined losses, and the starting network as teacher.

It teaches the landmarks, which nothing here is labelled with, or, to a leaner student, everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from crowdmask.errors import WeightsError
from crowdmask.nets.checkpoint import (
    Arrays,
    arrays_of,
    assign_arrays,
    load_original_retinaface,
    load_weights,
    read_arrays,
)
from crowdmask.nets.registry import Architecture
from crowdmask.training.detector_crops import DetectorCrop, DetectorCrops
from crowdmask.training.losses import (
    box_loss,
    landmark_loss,
    mined_face_loss,
    overlap_loss,
    overlaps,
    quality_loss,
    teacher_loss,
)
from crowdmask.training.targets import anchor_targets

NEGATIVES_PER_FACE = 7.0
BOX_WEIGHT, OVERLAP_WEIGHT, LANDMARK_WEIGHT = 1.0, 2.0, 0.25
LEAST_TAUGHT = 0.15  # what is left of the teacher's say at the end


def load_start(network: keras.Model, path: Path) -> None:
    """Start from the public PyTorch checkpoint's arrays or from weights of our own."""
    if any(name.startswith("body.") for name in read_arrays(path)):
        load_original_retinaface(network, path)
    else:
        load_weights(network, path)


def teacher_and_start(network: keras.Model, architecture: Architecture, path: Path) -> keras.Model:
    """The network that `path` holds, as a teacher; the student starts from all of it that fits its own graph, which may
    be a leaner one."""
    teacher = architecture.model(architecture.graph_type()())
    try:
        load_start(teacher, path)
    except WeightsError:
        teacher = keras.models.clone_model(network)
        load_start(teacher, path)
    fitting = taken_over(arrays_of(network), arrays_of(teacher))
    assign_arrays(network, fitting, str(path))
    return teacher


def taken_over(own: Arrays, others: Arrays) -> Arrays:
    """Each layer as the other has it where all of it has the same shapes there, else its own."""

    def fits(layer: str) -> bool:
        names = [name for name in own if name.partition("/")[0] == layer]
        return all(name in others and others[name].shape == own[name].shape for name in names)

    layers = {name.partition("/")[0] for name in own}
    fitting = {layer for layer in layers if fits(layer)}
    return {name: others[name] if name.partition("/")[0] in fitting else array for name, array in own.items()}


class DetectorLesson(keras.Model):  # type: ignore[misc]
    """The network and its teacher, with the loss of both."""

    def __init__(
        self,
        network: keras.Model,
        teacher: keras.Model | None,
        variances: tuple[float, float],
        *,
        distilled_steps: int = 0,
    ) -> None:
        super().__init__(name="lesson")
        self.network = network
        self.teacher = teacher
        self.variances = variances
        self.distilled_steps = distilled_steps
        if teacher is not None:
            teacher.trainable = False

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.network(inputs, training=training)

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None) -> Any:
        kinds, boxes = y["kinds"], y["boxes"]
        if self.distilled_steps and self.teacher is not None:
            return self._distilled(self.teacher(x, training=False), y_pred, kinds, boxes)
        loss = mined_face_loss(y_pred["face"], kinds, NEGATIVES_PER_FACE)
        loss += BOX_WEIGHT * box_loss(y_pred["box"], boxes, kinds)
        loss += OVERLAP_WEIGHT * overlap_loss(y_pred["box"], boxes, kinds, self.variances)
        if self.teacher is not None:
            # a quarter of the batch is enough to keep what the network already knows
            some = max(1, x.shape[0] // 4)
            taught = self.teacher(x[:some], training=False)
            loss += LANDMARK_WEIGHT * landmark_loss(
                y_pred["landmarks"][:some], ops.stop_gradient(taught["landmarks"]), kinds[:some], taught["face"]
            )
        return loss

    def _distilled(self, says: Any, found: Any, kinds: Any, boxes: Any) -> Any:
        """Labels where there are any, and what the teacher says everywhere, less and less of it."""
        taught = {name: ops.stop_gradient(part) for name, part in says.items()}
        fits = overlaps(found["box"], boxes, self.variances)
        loss = quality_loss(found["face"], fits, kinds, taught["face"])
        loss += OVERLAP_WEIGHT * overlap_loss(found["box"], boxes, kinds, self.variances)
        done = ops.cast(self.optimizer.iterations, "float32") / self.distilled_steps
        loss += ops.maximum(1.0 - done, LEAST_TAUGHT) * teacher_loss(found, taught, kinds)
        return loss + LANDMARK_WEIGHT * landmark_loss(found["landmarks"], taught["landmarks"], kinds, taught["face"])


class DetectorTrainee:
    """The detector with its training and validation crops."""

    def __init__(
        self,
        architecture: Architecture,
        graph: Any,
        start: Path | None,
        training: DetectorCrops,
        validation: DetectorCrops,
        *,
        side: int,
        batch: int,
        seed: int,
        distilled_steps: int = 0,
        validation_crops: int = 256,
    ) -> None:
        self._graph, self._side, self._batch, self._seed = graph, side, batch, seed
        self.network = architecture.model(graph)
        self._distilled_steps = distilled_steps
        self._teacher = None if start is None else teacher_and_start(self.network, architecture, start)
        self._training = training
        fixed = [validation.draw(np.random.default_rng((seed, 1, i))) for i in range(validation_crops)]
        self._held_out = [self._pack(fixed[i : i + batch]) for i in range(0, len(fixed), batch)]

    def compile(self, optimizer: keras.optimizers.Optimizer) -> keras.Model:
        lesson = DetectorLesson(
            self.network, self._teacher, self._graph.anchors.variances, distilled_steps=self._distilled_steps
        )
        lesson.compile(optimizer=optimizer)
        return lesson

    def batch(self, step: int) -> tuple[Any, Any]:
        return self._pack(
            [self._training.draw(np.random.default_rng((self._seed, 0, step, i))) for i in range(self._batch)]
        )

    def _pack(self, crops: Sequence[DetectorCrop]) -> tuple[Any, Any]:
        targets = [anchor_targets(self._graph.anchors, self._side, c.faces, c.ignored) for c in crops]
        x = np.stack([c.image for c in crops]).astype(np.float32)
        return x, {"kinds": np.stack([t[0] for t in targets]), "boxes": np.stack([t[1] for t in targets])}

    def validate(self) -> dict[str, float]:
        parts = []
        for x, y in self._held_out:
            out = self.network.predict_on_batch(x)
            face = mined_face_loss(out["face"], y["kinds"], NEGATIVES_PER_FACE)
            box = box_loss(out["box"], y["boxes"], y["kinds"])
            overlap = overlap_loss(out["box"], y["boxes"], y["kinds"], self._graph.anchors.variances)
            parts.append([float(ops.convert_to_numpy(v)) for v in (face, box, overlap)])
        face_mean, box_mean, overlap_mean = (float(v) for v in np.mean(parts, axis=0))
        loss = face_mean + BOX_WEIGHT * box_mean + OVERLAP_WEIGHT * overlap_mean
        return {"loss": loss, "face": face_mean, "box": box_mean, "overlap": overlap_mean}
