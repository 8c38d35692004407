"""What the detector is punished for, in keras.ops, so that any backend can train it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import ops

from crowdmask.training.targets import BACKGROUND, FACE, NO_MATTER

Tensor = Any
LEAST_FIT = 0.3  # a face's find is never taught to score less, however bad its box


def smooth_l1(error: Tensor) -> Tensor:
    size = ops.abs(error)
    return ops.where(size < 1.0, 0.5 * size * size, size - 0.5)


def mined_face_loss(logits: Tensor, kinds: Tensor, negatives_per_face: float) -> Tensor:
    """Cross entropy over the faces and, of the background, only the anchors that look most like faces."""
    is_face = ops.cast(ops.equal(kinds, FACE), "float32")
    is_background = ops.cast(ops.equal(kinds, BACKGROUND), "float32")
    faces = ops.maximum(ops.sum(is_face), 1.0)
    face_loss = ops.sum(ops.softplus(-logits) * is_face)
    background_loss = ops.reshape(ops.softplus(logits) * is_background, (-1,))
    hardest = ops.flip(ops.sort(ops.stop_gradient(background_loss)))
    count = ops.minimum(faces * negatives_per_face, ops.cast(ops.shape(hardest)[0] - 1, "float32"))
    cut = ops.take(hardest, ops.cast(count, "int32"))
    mined = ops.where(background_loss > cut, background_loss, 0.0)
    return (face_loss + ops.sum(mined)) / faces


def box_loss(offsets: Tensor, wanted: Tensor, kinds: Tensor) -> Tensor:
    """Smooth L1 over the faces' anchors."""
    is_face = ops.cast(ops.equal(kinds, FACE), "float32")
    total = ops.sum(ops.sum(smooth_l1(offsets - wanted), axis=-1) * is_face)
    return total / ops.maximum(ops.sum(is_face), 1.0)


def quality_loss(logits: Tensor, fits: Tensor, kinds: Tensor, taught: Tensor) -> Tensor:
    """Cross entropy towards how well the find's own box fits (0 to 1) where there is a face, towards 0 on background,
    and towards the teacher's probability where the labels say nothing; each by the square of how far off it is, so that
    the many easy ones weigh little (quality focal loss, Li et al. 2020)."""
    is_face = ops.cast(ops.equal(kinds, FACE), "float32")
    unlabelled = ops.cast(ops.equal(kinds, NO_MATTER), "float32")
    wanted = ops.stop_gradient(is_face * ops.clip(fits, LEAST_FIT, 1.0) + unlabelled * ops.sigmoid(taught))
    off = ops.stop_gradient(ops.square(wanted - ops.sigmoid(logits)))
    entropy = ops.softplus(logits) - wanted * logits
    # the plain cross entropy of faces beside it keeps those moving that are nearly right
    weights = off * (1.0 - 0.7 * unlabelled) * 2.0 + 0.25 * is_face
    return ops.sum(weights * entropy) / ops.maximum(ops.sum(is_face), 1.0)


def teacher_loss(student: Mapping[str, Tensor], teacher: Mapping[str, Tensor], kinds: Tensor) -> Tensor:
    """How far a student is from its teacher: scores everywhere but where the labels contradict the teacher, boxes where
    it is sure."""
    background = ops.cast(ops.equal(kinds, BACKGROUND), "float32")
    faces = ops.maximum(ops.sum(ops.cast(ops.equal(kinds, FACE), "float32")), 1.0)
    taught = ops.sigmoid(teacher["face"])
    agreed = 1.0 - background * ops.cast(taught > 0.3, "float32")
    off = ops.stop_gradient(ops.square(taught - ops.sigmoid(student["face"])))
    entropy = ops.softplus(student["face"]) - taught * student["face"]
    sure = (1.0 - background) * ops.cast(taught > 0.5, "float32")
    boxes = ops.sum(ops.sum(smooth_l1(student["box"] - teacher["box"]), axis=-1) * sure)
    return 2.0 * ops.sum(off * entropy * agreed) / faces + 0.3 * boxes / ops.maximum(ops.sum(sure), 1.0)


def overlaps(offsets: Tensor, wanted: Tensor, variances: tuple[float, float]) -> Tensor:
    """Intersection over union of each anchor's box with the one it should have."""
    low, high = _corners(offsets, variances)
    want_low, want_high = _corners(wanted, variances)
    shared = _area(ops.maximum(low, want_low), ops.minimum(high, want_high))
    return shared / (_area(low, high) + _area(want_low, want_high) - shared + 1e-6)


def overlap_loss(offsets: Tensor, wanted: Tensor, kinds: Tensor, variances: tuple[float, float]) -> Tensor:
    """1 - generalised IoU over the faces' anchors: what a find is judged by, where smooth L1 only comes near it."""
    is_face = ops.cast(ops.equal(kinds, FACE), "float32")
    low, high = _corners(offsets, variances)
    want_low, want_high = _corners(wanted, variances)
    shared = _area(ops.maximum(low, want_low), ops.minimum(high, want_high))
    union = _area(low, high) + _area(want_low, want_high) - shared
    hull = _area(ops.minimum(low, want_low), ops.maximum(high, want_high))
    loss = 2.0 - shared / (union + 1e-6) - union / (hull + 1e-6)
    return ops.sum(loss * is_face) / ops.maximum(ops.sum(is_face), 1.0)


def _corners(offsets: Tensor, variances: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Corners in parts of the anchor, about its centre; the anchors are squares, so their own size drops out."""
    centre = offsets[..., :2] * variances[0]
    half = ops.exp(ops.clip(offsets[..., 2:] * variances[1], -4.0, 4.0)) / 2.0
    return centre - half, centre + half


def _area(low: Tensor, high: Tensor) -> Tensor:
    return ops.prod(ops.maximum(high - low, 0.0), axis=-1)


def landmark_loss(points: Tensor, taught: Tensor, kinds: Tensor, teacher_logits: Tensor) -> Tensor:
    """Smooth L1 to the teacher's points, where there is a face and the teacher is sure of it."""
    sure = ops.cast(ops.logical_and(ops.equal(kinds, FACE), teacher_logits > 0.0), "float32")
    total = ops.sum(ops.sum(smooth_l1(points - taught), axis=-1) * sure)
    return total / ops.maximum(ops.sum(sure), 1.0)
